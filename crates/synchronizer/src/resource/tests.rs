use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::*;

#[test]
fn crd_file_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kustomize/base/crd.yaml");
    let wanted = crd_yaml().unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &wanted).unwrap();
    }
    let present = std::fs::read_to_string(&file).unwrap_or_default();
    let line =
        std::iter::zip(present.lines(), wanted.lines()).take_while(|(present, wanted)| present == wanted).count() + 1;
    assert!(
        present == wanted,
        "deploy/kustomize/base/crd.yaml differs from resource.rs from line {line} on; renew it: \
         UPDATE_EXPECT=1 cargo test -p lockstep-synchronizer crd"
    );
}

#[test]
fn a_spec_of_one_line_means_the_documented_defaults() {
    let spec: SyncSpec =
        serde_json::from_value(json!({"source": {"repository": "https://git.example/c.git"}})).unwrap();
    assert_eq!((spec.source.branch.as_str(), spec.source.path.as_str()), ("main", "."));
    assert_eq!(Duration::from(spec.interval), Duration::from_secs(30));
    assert_eq!(Duration::from(spec.timeout), Duration::from_secs(300));
    assert_eq!((spec.prune.clone(), spec.drift, spec.suspend), (Prune::default(), Drift::Repair, false));
    let value: Value = serde_json::to_value(&spec).unwrap();
    assert_eq!(serde_json::from_value::<SyncSpec>(value).unwrap(), spec);
}

#[test]
fn the_crd_is_what_an_apply_set_parent_must_be() {
    let crd = serde_json::to_value(crd()).unwrap();
    assert_eq!(crd["metadata"]["name"], "syncs.lockstep.dev");
    assert_eq!(crd["metadata"]["labels"]["applyset.kubernetes.io/is-parent-type"], "true");
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["subresources"]["status"], json!({}));
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"];
    assert_eq!(spec["required"], json!(["source"]));
    assert_eq!(spec["properties"]["interval"]["default"], "30s");
    assert_eq!(spec["properties"]["timeout"]["default"], "5m");
    assert_eq!(spec["properties"]["drift"]["enum"], json!(["repair", "report", "strict"]));
    let prune = json!({"enabled": true, "maxObjects": 10, "maxPercent": 20});
    assert_eq!(spec["properties"]["prune"]["default"], prune);
    let conditions = &version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
}
