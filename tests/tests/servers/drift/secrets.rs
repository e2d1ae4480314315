//! No value of a Secret is told, whatever is wrong with it.

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use lockstep_api::v1::{DiffRequest, GetRequest, PlanRequest, syncs_client::SyncsClient};
use lockstep_daemon::{Endpoint, ListenAddress, SecretFile, connect};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::bed::Bed;

/// The value, its base64, and the text of its bytes in either.
const CANARY: [&str; 2] = ["hunter2canary", "aHVudGVyMmNhbmFyeQ"];

/// The API server quotes what it cannot read, and validation what it does not like.
const WRONG: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: flag, namespace: NS}\nimmutable: hunter2canary\n\
    stringData: {v: hunter2canary}\n---\n\
    apiVersion: v1\nkind: Secret\nmetadata: {name: list, namespace: NS}\ntype: [hunter2canary]\n\
    data: {v: aHVudGVyMmNhbmFyeQ==}\n---\n\
    apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: NS}\ntype: kubernetes.io/dockerconfigjson\n\
    stringData: {.dockerconfigjson: hunter2canary}\n---\n\
    apiVersion: v1\nkind: Secret\nmetadata: {name: field, namespace: NS}\nhunter: {v: hunter2canary}\n\
    stringData: {v: hunter2canary}\n---\n\
    apiVersion: v1\nkind: Secret\nmetadata: {name: right, namespace: NS}\nstringData: {v: hunter2canary}\n";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_clean(what: &str, text: &str) {
    for canary in CANARY {
        let found = text.find(canary).map(|at| text.get(at.saturating_sub(200)..at + 40));
        assert_eq!(found, None, "{what} tells a value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_refused_is_named_and_its_values_are_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let filter = "debug,h2=info,hyper=info,hyper_util=info,rustls=info,tonic=info,tower=info";
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(move || writer.clone()).init();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n";
    let bed = Bed::ready("secrets", json!({}), map).await;
    bed.commit(&format!("{map}---\n{WRONG}"));
    let refused = |status: &serde_json::Value| status["failures"]["total"] == 4;
    let status = bed.until("four refusals", refused).await;
    let told = status.to_string();
    for name in ["flag", "list", "login", "field"] {
        assert!(told.contains(&format!("Secret/{}/{name}", bed.namespace)), "{name}: {told}");
    }
    is_clean("the status", &told);
    bed.patch("kubectl-edit", "Secret", "right", json!({"data": {"v": "c29tZXRoaW5nIGVsc2U="}})).await;
    bed.wait("the repair", async || bed.drift_of("/right").await.is_some_and(|seen| seen["repaired"] == true)).await;
    is_clean("the status", &bed.status().await.to_string());
    bed.wait("the Event", async || bed.events().await.iter().any(|event| event.starts_with("ApplyFailed"))).await;
    is_clean("an Event", &bed.events().await.join("\n"));

    // What the command-line client prints is what the daemon answers.
    let (ListenAddress::Tcp(grpc), admin) = bed.addresses.clone().unwrap() else { panic!("no port") };
    let folder = tempfile::tempdir().unwrap();
    let file = camino::Utf8PathBuf::from_path_buf(folder.path().join("token")).unwrap();
    fs::write(&file, bed.plane.token_for(&bed.namespace, "robot").await.unwrap().expose_secret()).unwrap();
    let endpoint =
        Endpoint { address: format!("http://{grpc}"), token_file: Some(SecretFile::new(file)), ca_file: None };
    let mut client = SyncsClient::new(connect(&endpoint).unwrap());
    let (namespace, name) = (bed.namespace.clone(), "shop".to_owned());
    let state = client.get(GetRequest { namespace: namespace.clone(), name: name.clone() }).await.unwrap();
    is_clean("Get", &format!("{state:?}"));
    let request = PlanRequest {
        namespace: namespace.clone(),
        name: name.clone(),
        commit: String::new(),
        dry_run: true,
        all: true,
    };
    let plan = format!("{:?}", client.plan(request).await);
    assert!(plan.contains("flag"), "{plan}");
    is_clean("Plan", &plan);
    let diff = format!("{:?}", client.diff(DiffRequest { namespace, name, commit: String::new() }).await);
    assert!(diff.contains("flag"), "{diff}");
    is_clean("Diff", &diff);
    let metrics = reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("lockstep_synchronizer"));
    is_clean("the metrics", &metrics);

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("/flag"), "the refusal is in the log");
    is_clean("the log", &log);
}
