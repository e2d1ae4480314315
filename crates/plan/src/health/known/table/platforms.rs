//! Cluster platforms, meshes, policies and packages of operators.

use super::super::Status::{Current, Failed, InProgress, Suspended, Unknown};
use super::super::{Family, Rule};
use super::{READY_OR_FAILED, because, family, field, in_doubt_current, when};

/// Gloo writes one status for each of its installations, and older versions one alone, with the enum as a number.
const GLOO: &[Rule] = &[
    field("/status/statuses/gloo-system/state", &["Accepted", "1"], Current),
    field("/status/statuses/gloo-system/state", &["Rejected", "Warning", "2", "3"], Failed),
    field("/status/state", &["Accepted", "1"], Current),
    field("/status/state", &["Rejected", "Warning", "2", "3"], Failed),
];
const HUMIO: &[Rule] = &[
    field("/status/state", &["Exists", "Running"], Current),
    field("/status/state", &["ConfigError"], Failed),
    field("/status/state", &["NotFound", "Unknown"], Unknown),
];
const NUMAPLANE: &[Rule] = &[
    field("/status/phase", &["Failed"], Failed),
    when("ProgressiveUpgradeSucceeded", "False", Failed),
    field("/status/phase", &["Pending"], InProgress),
    because("ChildResourcesHealthy", "False", &["Progressing"], InProgress),
    when("ChildResourcesHealthy", "False", Failed),
    when("ChildResourcesHealthy", "Unknown", InProgress),
    field("/status/phase", &["Deployed"], Current),
];

pub(super) const FAMILIES: &[Family] = &[
    // Karpenter: a NodeClaim without Ready has no node yet.
    family(
        "karpenter.sh",
        &[],
        &[when("Disrupting", "True", Suspended), when("Ready", "True", Current), when("Ready", "False", Failed)],
    ),
    family(
        "operators.coreos.com",
        &["Subscription"],
        &[
            when("CatalogSourcesUnhealthy", "True", Failed),
            when("ResolutionFailed", "True", Failed),
            when("InstallPlanFailed", "True", Failed),
            when("InstallPlanMissing", "True", Failed),
            when("BundleUnpacking", "True", InProgress),
            because("InstallPlanPending", "True", &["RequiresApproval"], Current),
            when("InstallPlanPending", "True", InProgress),
            field("/status/state", &["AtLatestKnown"], Current),
        ],
    ),
    family(
        "apps.openshift.io",
        &["DeploymentConfig"],
        &[
            because("Progressing", "True", &["NewReplicationControllerAvailable"], Current),
            when("Progressing", "False", Failed),
            because("Progressing", "Unknown", &[], InProgress),
        ],
    ),
    family(
        "operator.openshift.io",
        &["IngressController"],
        &[
            when("Degraded", "True", Failed),
            when("Progressing", "True", InProgress),
            when("Available", "True", Current),
        ],
    ),
    family(
        "ocs.openshift.io",
        &["StorageCluster"],
        &[
            when("Progressing", "True", InProgress),
            when("Available", "True", Current),
            when("Available", "False", Failed),
        ],
    ),
    family(
        "nmstate.io",
        &["NodeNetworkConfigurationPolicy"],
        &[when("Ignored", "True", Suspended), when("Degraded", "True", Failed), when("Available", "True", Current)],
    ),
    family(
        "policy.open-cluster-management.io",
        &["CertificatePolicy", "ConfigurationPolicy", "OperatorPolicy"],
        &[field("/status/compliant", &["Compliant"], Current), field("/status/compliant", &["NonCompliant"], Failed)],
    ),
    // A policy that is placed nowhere reports nothing.
    in_doubt_current(
        "policy.open-cluster-management.io",
        &["Policy"],
        &[field("/status/compliant", &["NonCompliant"], Failed)],
    ),
    family(
        "work.karmada.io",
        &["ClusterResourceBinding", "ResourceBinding"],
        &[when("Scheduled", "False", InProgress), when("FullyApplied", "True", Current)],
    ),
    family(
        "install.istio.io",
        &["IstioOperator"],
        &[field("/status/status", &["HEALTHY"], Current), field("/status/status", &["ERROR"], Failed)],
    ),
    family("promoter.argoproj.io", &[], READY_OR_FAILED),
    family("gloo.solo.io", &[], GLOO),
    family("gateway.solo.io", &[], GLOO),
    Family {
        group: "microgateway.airlock.com",
        kinds: &[],
        conditions: &["/status/ancestors/*/conditions"],
        rules: &[when("Accepted", "False", Failed), when("Accepted", "True", Current)],
        otherwise: InProgress,
    },
    family(
        "proclaim.dogmatiq.io",
        &["DNSSDServiceInstance"],
        &[
            when("Adopted", "False", Failed),
            when("Advertised", "False", Failed),
            when("Discoverable", "True", Current),
            when("Discoverable", "Unknown", Unknown),
        ],
    ),
    family("core.humio.com", &[], HUMIO),
    family("numaplane.numaproj.io", &[], NUMAPLANE),
    family(
        "numaflow.numaproj.io",
        &[],
        &[
            field("/status/phase", &["Failed"], Failed),
            when("Deployed", "False", Failed),
            when("ChildrenResourcesHealthy", "False", Failed),
            when("PodsHealthy", "False", Failed),
            when("VerticesHealthy", "False", Failed),
            when("DaemonHealthy", "False", Failed),
            when("DaemonServiceHealthy", "False", Failed),
            field("/status/phase", &["Running", "Paused", "Deleting"], Current),
        ],
    ),
    family(
        "core.spinkube.dev",
        &["SpinApp"],
        &[
            because("Progressing", "False", &["ProgressDeadlineExceeded"], Failed),
            when("Progressing", "True", InProgress),
            when("Available", "True", Current),
        ],
    ),
    family(
        "rollouts.kruise.io",
        &["Rollout"],
        &[
            field("/status/phase", &["Healthy"], Current),
            field("/status/phase", &["Disabled"], Failed),
            field("/status/canaryStatus/currentStepState", &["StepPaused"], Suspended),
        ],
    ),
    family(
        "apps.kruise.io",
        &["BroadcastJob"],
        &[
            field("/status/phase", &["paused"], Suspended),
            field("/status/phase", &["completed"], Current),
            field("/status/phase", &["failed"], Failed),
        ],
    ),
    family(
        "game.kruise.io",
        &["GameServer"],
        &[field("/status/currentState", &["Ready"], Current), field("/status/currentState", &["Crash"], Failed)],
    ),
    family(
        "spot.io",
        &["SpotDeployment"],
        &[
            when("InvalidSpec", "True", Failed),
            because("Progressing", "False", &["RolloutAborted"], Failed),
            because("Progressing", "True", &["NewReplicaSetAvailable"], Current),
        ],
    ),
    family(
        "tower.ansible.com",
        &["AnsibleJob"],
        &[
            field("/status/ansibleJobResult/status", &["successful"], Current),
            field("/status/ansibleJobResult/status", &["canceled", "error", "failed"], Failed),
        ],
    ),
    family(
        "iammanager.keikoproj.io",
        &["Iamrole"],
        &[
            field("/status/state", &["Ready"], Current),
            field("/status/state", &["Error", "PolicyNotAllowed", "RolesMaxLimitReached"], Failed),
        ],
    ),
    family(
        "services.cloud.sap.com",
        &["ServiceBinding", "ServiceInstance"],
        &[when("Failed", "True", Failed), when("Ready", "True", Current)],
    ),
];
