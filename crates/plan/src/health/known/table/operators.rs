//! Streams, jobs, observation, API management and whatever else an operator brings.

use super::super::Status::{Current, Failed, InProgress, Suspended};
use super::super::{Family, Rule};
use super::{READY_OR_FAILED, because, family, field, in_doubt_current, when};

const CLICKHOUSE: &[Rule] = &[
    field("/status/status", &["Completed"], Current),
    field("/status/status", &["Aborted", "Failed", "Terminated"], Failed),
];
const KEPTN: &[Rule] = &[
    field("/status/status", &["Succeeded"], Current),
    field("/status/status", &["Failed"], Failed),
    field("/status/overallStatus", &["Succeeded"], Current),
    field("/status/overallStatus", &["Failed"], Failed),
];
const TRIDENT: &[Rule] = &[
    field("/status/lastOperationStatus", &["Success"], Current),
    field("/status/lastOperationStatus", &["Failed"], Failed),
    field("/status/status", &["Installed"], Current),
    field("/status/status", &["Error", "Failed"], Failed),
];
const REMOTE_SYNCED: &[Rule] = &[when("RemoteSynced", "True", Current), when("RemoteSynced", "False", Failed)];

pub(super) const FAMILIES: &[Family] = &[
    // Atlas writes why it is not ready; only its own loop is on its way.
    family(
        "db.atlasgo.io",
        &[],
        &[
            when("Ready", "True", Current),
            because("Ready", "False", &["Reconciling"], InProgress),
            when("Ready", "False", Failed),
        ],
    ),
    family(
        "k8s.mariadb.com",
        &["Backup", "Restore", "SqlJob"],
        &[because("Complete", "True", &["JobFailed"], Failed), when("Complete", "True", Current)],
    ),
    family(
        "mariadb.mmontes.io",
        &["MariaDB"],
        &[when("Ready", "True", Current), because("Ready", "False", &["Failed"], Failed)],
    ),
    family("clickhouse.altinity.com", &[], CLICKHOUSE),
    family("clickhouse-keeper.altinity.com", &[], CLICKHOUSE),
    family("trident.netapp.io", &[], TRIDENT),
    family("astra.netapp.io", &["Application"], READY_OR_FAILED),
    family(
        "astra.netapp.io",
        &["AppVault", "Backup", "ExecHooksRun", "ResourceBackup", "ResticVolumeBackup", "Snapshot"],
        &[
            field("/status/state", &["Completed", "available"], Current),
            field("/status/state", &["Error", "Failed", "failed"], Failed),
        ],
    ),
    family(
        "objectbucket.io",
        &["ObjectBucketClaim"],
        &[field("/status/phase", &["Bound"], Current), field("/status/phase", &["Failed"], Failed)],
    ),
    family(
        "platform.confluent.io",
        &["Connector"],
        &[
            field("/status/failedTasks", &[], Failed),
            field("/status/failedTasksCount", &[], Failed),
            field("/status/state", &["CREATED"], Current),
            field("/status/state", &["ERROR"], Failed),
        ],
    ),
    family(
        "platform.confluent.io",
        &["Connect", "ControlCenter", "Kafka", "KsqlDB", "SchemaRegistry", "Zookeeper"],
        &[field("/status/phase", &["RUNNING"], Current), field("/status/phase", &["ERROR", "FAILED"], Failed)],
    ),
    family(
        "kafka.banzaicloud.io",
        &["KafkaCluster"],
        &[
            field("/status/cruiseControlTopicStatus", &["ClusterRollingUpgrading"], InProgress),
            field("/status/cruiseControlTopicStatus", &["CruiseControlTopicNotReady"], InProgress),
            field("/status/state", &["ClusterRunning"], Current),
        ],
    ),
    family(
        "flink.apache.org",
        &["FlinkDeployment"],
        &[
            field("/status/jobStatus/state", &["SUSPENDED"], Current),
            field("/status/jobManagerDeploymentStatus", &["READY"], Current),
            field("/status/jobManagerDeploymentStatus", &["ERROR"], Failed),
        ],
    ),
    family(
        "sparkoperator.k8s.io",
        &["SparkApplication"],
        &[
            field("/status/applicationState/state", &["COMPLETED", "RUNNING", "SUCCEEDING"], Current),
            field("/status/applicationState/state", &["FAILED", "FAILING", "SUBMISSION_FAILED"], Failed),
        ],
    ),
    family(
        "serving.kserve.io",
        &["InferenceService"],
        &[
            when("Stopped", "True", Suspended),
            field("/status/modelStatus/transitionStatus", &["BlockedByFailedLoad", "InvalidSpec"], Failed),
            because("PredictorReady", "False", &["RevisionFailed"], Failed),
            because("PredictorConfigurationReady", "False", &["RevisionFailed"], Failed),
            when("Ready", "True", Current),
        ],
    ),
    family(
        "camel.apache.org",
        &["Integration"],
        &[field("/status/phase", &["Running"], Current), field("/status/phase", &["Error"], Failed)],
    ),
    family(
        "operator.victoriametrics.com",
        &[],
        &[
            field("/status/updateStatus", &["operational"], Current),
            field("/status/updateStatus", &["failed"], Failed),
            field("/status/updateStatus", &["paused"], Suspended),
        ],
    ),
    family(
        "datadoghq.com",
        &["DatadogMetric"],
        &[when("Error", "True", Failed), when("Valid", "False", Failed), when("Updated", "True", Current)],
    ),
    family("coralogix.com", &[], REMOTE_SYNCED),
    family("grafana-org-operator.kubitus-project.gitlab.io", &[], READY_OR_FAILED),
    family(
        "lifecycle.keptn.sh",
        &["KeptnAppVersion", "KeptnEvaluation", "KeptnTask", "KeptnWorkloadInstance", "KeptnWorkloadVersion"],
        KEPTN,
    ),
    family(
        "metrics.keptn.sh",
        &["Analysis"],
        &[
            field("/status/pass", &["true"], Current),
            field("/status/warning", &["true"], Current),
            field("/status/state", &["Completed"], Failed),
        ],
    ),
    family(
        "metrics.keptn.sh",
        &["KeptnMetric"],
        &[field("/status/errMsg", &[], Failed), field("/status/value", &[], Current)],
    ),
    family(
        "kubernetes-client.io",
        &["ExternalSecret"],
        &[field("/status/status", &["SUCCESS"], Current), field("/status/status", &[], Failed)],
    ),
    family(
        "certmanager.k8s.io",
        &[],
        &[
            when("Ready", "True", Current),
            because("Ready", "False", &["ConfigError", "ErrRegisterACMEAccount"], Failed),
        ],
    ),
    family(
        "apps.3scale.net",
        &["APIManager"],
        &[because("Available", "False", &["MissingWatchedSecrets"], Failed), when("Available", "True", Current)],
    ),
    family(
        "capabilities.3scale.net",
        &[],
        &[
            when("Failed", "True", Failed),
            when("Invalid", "True", Failed),
            when("Orphan", "True", Failed),
            when("Waiting", "True", Suspended),
            field("/status/state", &["suspended"], Suspended),
            field("/status/developerUserState", &["suspended"], Suspended),
            when("Ready", "True", Current),
            when("Synced", "True", Current),
            when("Ready", "False", Failed),
        ],
    ),
    // What stands in no status is judged by nobody.
    in_doubt_current("astra.netapp.io", &["ExecHook", "Schedule"], &[]),
];
