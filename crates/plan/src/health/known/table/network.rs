//! Serving, scaling, routes, secrets and observability.

use super::super::Status::{Current, Failed, InProgress, Suspended};
use super::super::{Family, Rule};
use super::{READY, READY_OR_FAILED, because, family, field, inert, when};

const ROUTE: &[Rule] = &[
    when("Accepted", "False", Failed),
    when("ResolvedRefs", "False", Failed),
    when("Programmed", "False", InProgress),
    when("Accepted", "True", Current),
];

pub(super) const FAMILIES: &[Family] = &[
    // Knative: False is final, Unknown is at work (knative/specs, error signalling); its operator says False while it waits.
    family("operator.knative.dev", &[], READY),
    family("*.knative.dev", &[], READY_OR_FAILED),
    // KEDA
    inert("keda.sh", &["TriggerAuthentication", "ClusterTriggerAuthentication"]),
    family(
        "keda.sh",
        &["ScaledObject", "ScaledJob"],
        &[
            when("Paused", "True", Suspended),
            when("Fallback", "True", Failed),
            when("Ready", "False", Failed),
            because("Ready", "Unknown", &["PartialTriggerError"], Failed),
            when("Ready", "True", Current),
        ],
    ),
    // Gateway API: https://gateway-api.sigs.k8s.io/geps/gep-1364/
    family(
        "gateway.networking.k8s.io",
        &["GatewayClass"],
        &[when("Accepted", "True", Current), when("Accepted", "False", Failed)],
    ),
    Family {
        group: "gateway.networking.k8s.io",
        kinds: &["Gateway"],
        conditions: &["/status/conditions", "/status/listeners/*/conditions"],
        rules: &[
            when("Accepted", "False", Failed),
            when("ResolvedRefs", "False", Failed),
            when("Programmed", "False", InProgress),
            when("Programmed", "True", Current),
        ],
        otherwise: InProgress,
    },
    Family {
        group: "gateway.networking.k8s.io",
        kinds: &["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"],
        conditions: &["/status/parents/*/conditions"],
        rules: ROUTE,
        otherwise: InProgress,
    },
    Family {
        group: "gateway.networking.k8s.io",
        kinds: &["BackendTLSPolicy"],
        conditions: &["/status/ancestors/*/conditions"],
        rules: ROUTE,
        otherwise: InProgress,
    },
    family(
        "projectcontour.io",
        &["HTTPProxy", "ExtensionService"],
        &[when("Valid", "True", Current), when("Valid", "False", Failed)],
    ),
    Family {
        group: "route.openshift.io",
        kinds: &["Route"],
        conditions: &["/status/ingress/*/conditions"],
        rules: &[when("Admitted", "False", Failed), when("Admitted", "True", Current)],
        otherwise: InProgress,
    },
    // Secrets
    family(
        "external-secrets.io",
        &["ClusterExternalSecret"],
        &[when("Ready", "True", Current), when("NotReady", "True", Failed), when("PartiallyReady", "True", Failed)],
    ),
    family(
        "external-secrets.io",
        &["ExternalSecret", "PushSecret", "SecretStore", "ClusterSecretStore"],
        READY_OR_FAILED,
    ),
    family("bitnami.com", &["SealedSecret"], &[when("Synced", "True", Current), when("Synced", "False", Failed)]),
    family("onepassword.com", &["OnePasswordItem"], READY_OR_FAILED),
    // Observability
    family(
        "monitoring.coreos.com",
        &["Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"],
        &[
            field("/spec/paused", &["true"], Suspended),
            when("Reconciled", "False", Failed),
            when("Available", "True", Current),
        ],
    ),
    family(
        "grafana.integreatly.org",
        &["Grafana"],
        &[field("/status/stageStatus", &["failed"], Failed), field("/status/stage", &["complete"], Current)],
    ),
    family(
        "grafana.integreatly.org",
        &["GrafanaDashboard", "GrafanaFolder", "GrafanaDatasource"],
        &[
            when("DashboardSynchronized", "True", Current),
            when("DashboardSynchronized", "False", Failed),
            when("FolderSynchronized", "True", Current),
            when("FolderSynchronized", "False", Failed),
            when("DatasourceSynchronized", "True", Current),
            when("DatasourceSynchronized", "False", Failed),
            field("/status/NoMatchingInstances", &["true"], Failed),
            field("/status/hash", &[], Current),
        ],
    ),
    family(
        "jaegertracing.io",
        &["Jaeger"],
        &[field("/status/phase", &["Running"], Current), field("/status/phase", &["Failed"], Failed)],
    ),
    family("kiali.io", &["Kiali"], &[when("Failure", "True", Failed), when("Successful", "True", Current)]),
    family("kyverno.io", &["Policy", "ClusterPolicy"], READY),
];
