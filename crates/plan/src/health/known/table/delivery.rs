//! Certificates, delivery tools, and what makes clusters and clouds out of objects.

use super::super::Status::{Current, Failed, InProgress, Suspended, Unknown};
use super::super::{Family, Rule};
use super::{READY, READY_OR_FAILED, because, family, field, in_doubt_current, inert, when};

const ANALYSIS: &[Rule] = &[
    field("/status/phase", &["Successful"], Current),
    field("/status/phase", &["Failed", "Error"], Failed),
    field("/status/phase", &["Inconclusive"], Unknown),
];
const DEPLOYED: &[Rule] = &[when("Deployed", "False", Failed), when("Deployed", "True", Current)];
const PACKAGE: &[Rule] = &[
    because("Installed", "False", &["UnpackingPackage", "InactivePackageRevision"], InProgress),
    when("Installed", "False", Failed),
    when("Healthy", "False", Failed),
    when("Healthy", "True", Current),
];
const MANAGED: &[Rule] = &[
    because("Synced", "False", &["ReconcilePaused"], Suspended),
    when("Synced", "False", Failed),
    when("LastAsyncOperation", "False", Failed),
    when("Ready", "True", Current),
    when("RevisionHealthy", "True", Current),
    when("RevisionHealthy", "False", Failed),
];

pub(super) const FAMILIES: &[Family] = &[
    // cert-manager: https://cert-manager.io/docs/reference/api-docs/
    family(
        "cert-manager.io",
        &["Certificate"],
        &[
            when("Issuing", "True", InProgress),
            when("Ready", "True", Current),
            because("Ready", "False", &["DoesNotExist", "Issuing"], InProgress),
            when("Ready", "False", Failed),
        ],
    ),
    family(
        "cert-manager.io",
        &["CertificateRequest"],
        &[
            when("Denied", "True", Failed),
            when("InvalidRequest", "True", Failed),
            because("Ready", "False", &["Failed", "Denied"], Failed),
            when("Ready", "True", Current),
        ],
    ),
    family("cert-manager.io", &["Issuer", "ClusterIssuer"], READY_OR_FAILED),
    family(
        "acme.cert-manager.io",
        &["Order", "Challenge"],
        &[
            field("/status/state", &["valid"], Current),
            field("/status/state", &["invalid", "expired", "errored"], Failed),
        ],
    ),
    // Argo
    family(
        "argoproj.io",
        &["Application"],
        &[
            field("/status/health/status", &["Healthy"], Current),
            field("/status/health/status", &["Degraded"], Failed),
            field("/status/health/status", &["Suspended"], Suspended),
        ],
    ),
    family(
        "argoproj.io",
        &["ApplicationSet"],
        &[
            when("ErrorOccurred", "True", Failed),
            when("ResourcesUpToDate", "False", Failed),
            when("RolloutProgressing", "True", InProgress),
            when("ResourcesUpToDate", "True", Current),
        ],
    ),
    family(
        "argoproj.io",
        &["Rollout"],
        &[
            when("InvalidSpec", "True", Failed),
            because("Progressing", "False", &["ProgressDeadlineExceeded", "RolloutAborted"], Failed),
            field("/status/phase", &["Degraded"], Failed),
            field("/spec/paused", &["true"], Suspended),
            field("/status/controllerPause", &["true"], Suspended),
            field("/status/phase", &["Paused"], Suspended),
            field("/status/phase", &["Healthy"], Current),
        ],
    ),
    family("argoproj.io", &["AnalysisRun", "Experiment"], ANALYSIS),
    family(
        "argoproj.io",
        &["Workflow"],
        &[field("/status/phase", &["Succeeded"], Current), field("/status/phase", &["Failed", "Error"], Failed)],
    ),
    in_doubt_current(
        "argoproj.io",
        &["CronWorkflow"],
        &[when("SpecError", "True", Failed), when("SubmissionError", "True", Failed)],
    ),
    family("argoproj.io", &["EventBus", "EventSource", "Sensor"], DEPLOYED),
    // Flux follows kstatus itself; what it has not looked at yet is not ready all the same.
    inert("notification.toolkit.fluxcd.io", &["Alert", "Provider"]),
    family(
        "source.toolkit.fluxcd.io",
        &["HelmRepository"],
        &[field("/spec/type", &["oci"], Current), when("Ready", "True", Current)],
    ),
    family("*.toolkit.fluxcd.io", &[], READY),
    family("flagger.app", &["Canary"], &[when("Promoted", "True", Current), when("Promoted", "False", Failed)]),
    // Crossplane: conditions of packages, and of managed and composite resources
    family("pkg.crossplane.io", &["Provider", "Configuration", "Function"], PACKAGE),
    family(
        "apiextensions.crossplane.io",
        &["CompositeResourceDefinition"],
        &[when("Established", "True", Current), when("Established", "False", InProgress)],
    ),
    inert("*.crossplane.io", &["ProviderConfig", "ProviderConfigUsage", "ClusterProviderConfig", "StoreConfig"]),
    inert("*.upbound.io", &["ProviderConfig", "ProviderConfigUsage", "ClusterProviderConfig", "StoreConfig"]),
    in_doubt_current("apiextensions.crossplane.io", &[], MANAGED),
    in_doubt_current("pkg.crossplane.io", &[], MANAGED),
    family("*.crossplane.io", &[], MANAGED),
    family("*.upbound.io", &[], MANAGED),
    // Clouds
    family(
        "*.services.k8s.aws",
        &[],
        &[
            when("ACK.Terminal", "True", Failed),
            when("ACK.ResourceSynced", "True", Current),
            when("ACK.ResourceSynced", "False", InProgress),
        ],
    ),
    family(
        "*.cnrm.cloud.google.com",
        &[],
        &[
            field("/status/healthy", &["true"], Current),
            field("/status/healthy", &["false"], Failed),
            when("Ready", "True", Current),
            because(
                "Ready",
                "False",
                &["UpdateFailed", "DeleteFailed", "DependencyNotFound", "DependencyInvalid", "ManagementConflict"],
                Failed,
            ),
        ],
    ),
    family(
        "networking.gke.io",
        &["ManagedCertificate"],
        &[
            field("/status/certificateStatus", &["Active"], Current),
            field("/status/certificateStatus", &["ProvisioningFailedPermanently", "RenewalFailed"], Failed),
        ],
    ),
    in_doubt_current("karpenter.sh", &["NodePool"], READY_OR_FAILED),
    in_doubt_current("karpenter.k8s.aws", &["EC2NodeClass"], READY_OR_FAILED),
    // Cluster API
    family(
        "cluster.x-k8s.io",
        &["Cluster", "Machine", "MachineDeployment", "MachinePool"],
        &[
            field("/spec/paused", &["true"], Suspended),
            field("/status/phase", &["Failed"], Failed),
            field("/status/phase", &["Pending", "Provisioning", "ScalingUp", "ScalingDown", "Deleting"], InProgress),
            when("Ready", "False", InProgress),
            field("/status/phase", &["Provisioned", "Running", "Scaling"], Current),
            when("Available", "True", Current),
        ],
    ),
    family(
        "addons.cluster.x-k8s.io",
        &["ClusterResourceSet"],
        &[when("ResourcesApplied", "True", Current), when("ResourcesApplied", "False", Failed)],
    ),
];
