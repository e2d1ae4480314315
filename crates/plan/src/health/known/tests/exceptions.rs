//! Where Lockstep answers differently from Argo CD on purpose.

use super::Status;

/// Cases with another answer than Argo CD's; what ends with `*` stands for all that begin so.
pub(super) const EXCEPTIONS: &[(&str, Status, &str)] = &[
    (
        "_.cnrm.cloud.google.com/_#dependency_not_ready",
        Status::InProgress,
        "it waits for another object, and nobody asked it to stand still",
    ),
    (
        "apiextensions.k8s.io/CustomResourceDefinition#crd-v1-non-structual-degraded",
        Status::Current,
        "it is served; apiextensions.k8s.io/v1 takes no such schema any more",
    ),
    (
        "apiextensions.k8s.io/CustomResourceDefinition#crd-v1-terminating-timestamp-progressing",
        Status::Terminating,
        "deletion has a status of its own here",
    ),
    (
        "argoproj.io/Rollout#progressing_newWorkloadGeneration",
        Status::Current,
        "the generation of the Deployment that it refers to stands in no condition",
    ),
    (
        "argoproj.io/Rollout#degraded_statusPhaseMessage",
        Status::Unknown,
        "its conditions are no list, which no API server stores",
    ),
    ("argoproj.io/Rollout#healthy_*", Status::InProgress, "Argo Rollouts before 1.0 (2021) wrote no phase"),
    (
        "batch/CronJob#degraded",
        Status::Current,
        "a run that failed says nothing of what was applied; the next run may succeed",
    ),
    ("batch/CronJob#suspended", Status::Suspended, "suspension has a status of its own here"),
    ("beat.k8s.elastic.co/Beat#*", Status::InProgress, "what its controller has not reported on is on its way"),
    ("ceph.rook.io/CephCluster#degraded_warn", Status::Current, "a cluster with a warning serves"),
    (
        "cluster.x-k8s.io/Cluster#*",
        Status::InProgress,
        "a condition that is false is worked on until the phase is Failed",
    ),
    (
        "elasticsearch.k8s.elastic.co/Elasticsearch#progressing",
        Status::Current,
        "green is green; Argo CD counts nodes beside it",
    ),
    (
        "elasticsearch.k8s.elastic.co/Elasticsearch#unknown",
        Status::InProgress,
        "what its controller has not reported on is on its way",
    ),
    (
        "gateway.networking.k8s.io/BackendTLSPolicy#progressing_observed_generation",
        Status::Current,
        "one ancestor accepts the present specification; a stale condition of another says nothing",
    ),
    (
        "helm.toolkit.fluxcd.io/HelmRelease#degraded",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("image.toolkit.fluxcd.io/*", Status::InProgress, "kstatus: not ready, and not Stalled, is on its way"),
    ("k8s.keycloak.org/Keycloak#degraded", Status::InProgress, "kstatus: the status is not of this generation"),
    ("kafka.strimzi.io/*", Status::Terminating, "deletion has a status of its own here"),
    (
        "kustomize.toolkit.fluxcd.io/Kustomization#degraded",
        Status::InProgress,
        "kstatus: not ready, and not Stalled, is on its way",
    ),
    (
        "monitoring.coreos.com/Prometheus#degraded",
        Status::InProgress,
        "no pod is ready yet, as in the first minute of every Prometheus",
    ),
    (
        "networking.gke.io/ManagedCertificate#failed",
        Status::InProgress,
        "a domain that is not visible yet may become so",
    ),
    (
        "notification.toolkit.fluxcd.io/Receiver#degraded",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("operator.knative.dev/*", Status::InProgress, "a Ready condition of a made-up status is not ready"),
    (
        "pkg.crossplane.io/Provider#degraded_healthy",
        Status::InProgress,
        "a package that is being unpacked is on its way",
    ),
    ("policy/PodDisruptionBudget#*", Status::Current, "kstatus: a budget is a rule, not something that gets ready"),
    (
        "postgresql.cnpg.io/Cluster#cluster_degraded",
        Status::InProgress,
        "its operator says the same while it brings it up",
    ),
    (
        "projectcontour.io/HTTPProxy#parent_child",
        Status::Failed,
        "it is not valid; Argo CD forgives it for what a message says",
    ),
    (
        "psmdb.percona.com/PerconaServerMongoDB#unknown",
        Status::InProgress,
        "what its controller has not reported on is on its way",
    ),
    ("pxc.percona.com/PerconaXtraDBCluster#paused", Status::Suspended, "as for the same operator's MongoDB"),
    ("pxc.percona.com/PerconaXtraDBCluster#*", Status::InProgress, "a state between two others is on its way"),
    ("rabbitmq.com/*", Status::InProgress, "not observed, or not in this generation, is on its way"),
    (
        "source.toolkit.fluxcd.io/*",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("stacks.crossplane.io/*", Status::InProgress, "a kind of Crossplane before 1.0 (2020)"),
    ("apps.kruise.io/*", Status::Current, "the kind is in no table of ours; kstatus' general rules answer"),
    (
        "apps.openshift.io/DeploymentConfig#degraded",
        Status::InProgress,
        "a replica that is not available yet may come; Progressing turns False when it does not",
    ),
    (
        "astra.netapp.io/ExecHook#*",
        Status::Current,
        "it has no status, and a hook that is switched off is as it was written",
    ),
    ("astra.netapp.io/ResticVolumeBackup#degraded", Status::Terminating, "deletion has a status of its own here"),
    (
        "cassandra.rook.io/Cluster#progressing",
        Status::Current,
        "the kind is in no table of ours; kstatus' general rules answer",
    ),
    (
        "cluster.x-k8s.io/MachineHealthCheck#degraded_expectedMachines",
        Status::Current,
        "it reports on Machines, and is itself in order",
    ),
    (
        "controlplane.cluster.x-k8s.io/AWSManagedControlPlane#progressing_updating",
        Status::Current,
        "the kind is in no table of ours; kstatus' general rules answer",
    ),
    (
        "controlplane.cluster.x-k8s.io/AWSManagedControlPlane#degraded_failure_message_no_conditions",
        Status::Current,
        "the kind is in no table of ours; kstatus' general rules answer",
    ),
    (
        "controlplane.cluster.x-k8s.io/AWSManagedControlPlane#*",
        Status::InProgress,
        "a condition that is false is worked on",
    ),
    ("core.gardener.cloud/Shoot#*", Status::Current, "the kind is in no table of ours; kstatus' general rules answer"),
    ("game.kruise.io/GameServer#unknown", Status::InProgress, "what its controller has not reported on is on its way"),
    (
        "game.kruise.io/GameServer#degraded",
        Status::Current,
        "what its controller says stands in numbers or lists, which the table does not read",
    ),
    (
        "game.kruise.io/GameServerSet#*",
        Status::Current,
        "the kind is in no table of ours; kstatus' general rules answer",
    ),
    ("gateway.solo.io/*", Status::InProgress, "pending is on its way; nobody asked it to stand still"),
    ("gloo.solo.io/*", Status::InProgress, "pending is on its way; nobody asked it to stand still"),
    ("k8s.mariadb.com/Backup#failed", Status::InProgress, "its schedule is there, and its next run may succeed"),
    (
        "kafka.banzaicloud.io/KafkaCluster#degraded",
        Status::Current,
        "what its controller says stands in numbers or lists, which the table does not read",
    ),
    (
        "kubevirt.io/VirtualMachineInstance#suspended_succeeded",
        Status::Terminating,
        "deletion has a status of its own here",
    ),
    (
        "kubevirt.io/VirtualMachineInstance#*",
        Status::Current,
        "the kind is in no table of ours; kstatus' general rules answer",
    ),
    ("microgateway.airlock.com/_#degraded_multiple_ancestors", Status::Current, "one ancestor accepts it"),
    ("microgateway.airlock.com/_#unknown", Status::InProgress, "what its controller has not reported on is on its way"),
    (
        "numaflow.numaproj.io/*",
        Status::Current,
        "what its controller says stands in numbers or lists, which the table does not read",
    ),
    (
        "numaplane.numaproj.io/MonoVertexRollout#paused",
        Status::InProgress,
        "its children's health is not known while they stand still",
    ),
    (
        "openfaas.com/Function#degraded_no_secret",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("openfaas.com/Function#suspended_zero_replicas", Status::Current, "it is ready to be called"),
    (
        "opentelemetry.io/OpenTelemetryCollector#*",
        Status::Current,
        "what its controller says stands in numbers or lists, which the table does not read",
    ),
    (
        "operator.openshift.io/IngressController#progressing_pod_rollout",
        Status::Current,
        "it is available while its pods are exchanged",
    ),
    (
        "operators.coreos.com/Subscription#install_plan_missing",
        Status::Failed,
        "without its plan nothing will be installed",
    ),
    (
        "policy.open-cluster-management.io/ConfigurationPolicy#progressing",
        Status::Failed,
        "the generation that was evaluated stands under a name of its own",
    ),
    (
        "policy.open-cluster-management.io/OperatorPolicy#progressing_no_compliance",
        Status::Current,
        "it says that it is compliant",
    ),
    ("policy.open-cluster-management.io/Policy#*", Status::Current, "a policy that is placed nowhere reports nothing"),
    ("promoter.argoproj.io/*", Status::Terminating, "deletion has a status of its own here"),
    (
        "promoter.argoproj.io/*",
        Status::Unknown,
        "the case has a boolean for a condition's status, which no API server stores",
    ),
    (
        "promoter.argoproj.io/*",
        Status::Current,
        "it is ready; what it says of the environments that it watches is their health",
    ),
    ("services.cloud.sap.com/*", Status::Terminating, "deletion has a status of its own here"),
    ("solr.apache.org/SolrCloud#*", Status::Current, "the kind is in no table of ours; kstatus' general rules answer"),
    (
        "work.karmada.io/*",
        Status::Current,
        "what its controller says stands in numbers or lists, which the table does not read",
    ),
    (
        "zookeeper.pravega.io/ZookeeperCluster#progressing",
        Status::Current,
        "the kind is in no table of ours; kstatus' general rules answer",
    ),
];
