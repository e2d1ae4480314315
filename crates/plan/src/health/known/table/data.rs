//! Databases, queues, storage, virtual machines and identities.

use super::super::Status::{Current, Failed, InProgress, Suspended};
use super::super::{Family, Rule};
use super::{READY_OR_FAILED, because, family, field, when};

const PERCONA: &[Rule] = &[
    field("/status/state", &["ready"], Current),
    field("/status/state", &["error"], Failed),
    field("/status/state", &["paused"], Suspended),
];
const ROOK: &[Rule] =
    &[field("/status/phase", &["Ready", "Connected"], Current), field("/status/phase", &["Failure", "Failed"], Failed)];
const HEALTH_COLOUR: &[Rule] = &[
    field("/status/health", &["green"], Current),
    field("/status/health", &["yellow"], InProgress),
    field("/status/health", &["red"], Failed),
];

pub(super) const FAMILIES: &[Family] = &[
    // Strimzi: https://strimzi.io/docs/operators/latest/configuring (status conditions)
    family(
        "kafka.strimzi.io",
        &["Kafka", "KafkaBridge", "KafkaConnect", "KafkaConnector", "KafkaMirrorMaker2", "KafkaTopic", "KafkaUser"],
        &[
            when("ReconciliationPaused", "True", Suspended),
            because("NotReady", "True", &["Creating"], InProgress),
            when("NotReady", "True", Failed),
            when("Ready", "True", Current),
        ],
    ),
    family(
        "postgresql.cnpg.io",
        &["Cluster"],
        &[
            field("/metadata/annotations/cnpg.io~1reconciliationLoop", &["disabled"], Suspended),
            when("cnpg.io/hibernation", "True", Suspended),
            when("Ready", "True", Current),
        ],
    ),
    family(
        "postgresql.cnpg.io",
        &["Backup"],
        &[field("/status/phase", &["completed"], Current), field("/status/phase", &["failed"], Failed)],
    ),
    family(
        "acid.zalan.do",
        &["postgresql"],
        &[
            field("/status/PostgresClusterStatus", &["Running"], Current),
            field(
                "/status/PostgresClusterStatus",
                &["CreateFailed", "UpdateFailed", "SyncFailed", "Invalid", "AddFailed"],
                Failed,
            ),
        ],
    ),
    family(
        "elasticsearch.k8s.elastic.co",
        &["Elasticsearch"],
        &[
            field("/status/phase", &["Invalid"], Failed),
            field("/status/phase", &["ApplyingChanges", "MigratingData"], InProgress),
            field("/status/health", &["green"], Current),
            field("/status/health", &["yellow"], InProgress),
            field("/status/health", &["red"], Failed),
        ],
    ),
    family(
        "*.k8s.elastic.co",
        &["Agent", "ApmServer", "Beat", "ElasticMapsServer", "EnterpriseSearch", "Kibana", "Logstash"],
        HEALTH_COLOUR,
    ),
    family(
        "k8s.mariadb.com",
        &["MariaDB", "MaxScale", "Database", "User", "Grant", "Connection"],
        &[when("Ready", "True", Current), because("Ready", "False", &["Failed"], Failed)],
    ),
    family("psmdb.percona.com", &["PerconaServerMongoDB"], PERCONA),
    family("pxc.percona.com", &["PerconaXtraDBCluster"], PERCONA),
    family("pgv2.percona.com", &["PerconaPGCluster"], PERCONA),
    family(
        "rabbitmq.com",
        &["RabbitmqCluster"],
        &[when("ReconcileSuccess", "False", Failed), when("AllReplicasReady", "True", Current)],
    ),
    family("rabbitmq.com", &[], READY_OR_FAILED),
    family(
        "minio.min.io",
        &["Tenant"],
        &[
            field("/status/currentState", &["Initialized"], Current),
            field(
                "/status/currentState",
                &[
                    "Another MinIO Tenant already exists in the namespace",
                    "Different versions across MinIO Pools",
                    "Pool Decommissioning Not Allowed",
                    "Statefulset not controlled by operator",
                    "Tenant credentials are not set properly",
                ],
                Failed,
            ),
        ],
    ),
    family(
        "ceph.rook.io",
        &["CephCluster"],
        &[
            field("/status/state", &["Error"], Failed),
            field("/status/ceph/health", &["HEALTH_ERR"], Failed),
            field("/status/state", &["Created", "Connected"], Current),
        ],
    ),
    family("ceph.rook.io", &["CephObjectStore", "CephBlockPool", "CephFilesystem"], ROOK),
    family(
        "snapshot.storage.k8s.io",
        &["VolumeSnapshot", "VolumeSnapshotContent"],
        &[field("/status/error/message", &[], Failed), field("/status/readyToUse", &["true"], Current)],
    ),
    // Machines and identities
    family(
        "kubevirt.io",
        &["VirtualMachine"],
        &[
            when("Paused", "True", Suspended),
            field("/status/printableStatus", &["Stopped", "Paused"], Suspended),
            field(
                "/status/printableStatus",
                &[
                    "CrashLoopBackOff",
                    "DataVolumeError",
                    "ErrImagePull",
                    "ErrorPvcNotFound",
                    "ErrorUnschedulable",
                    "ImagePullBackOff",
                ],
                Failed,
            ),
            when("Ready", "True", Current),
        ],
    ),
    family(
        "cdi.kubevirt.io",
        &["DataVolume"],
        &[
            field("/status/phase", &["Succeeded"], Current),
            field("/status/phase", &["Failed"], Failed),
            because("Running", "False", &["Error"], Failed),
        ],
    ),
    family("k8s.keycloak.org", &["Keycloak"], &[when("HasErrors", "True", Failed), when("Ready", "True", Current)]),
];
