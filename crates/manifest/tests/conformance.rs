//! The peers' cases, read in place: what a lossless editor makes of Flux v1's image updates, and which manifests load.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the test reads the cases of another folder")]

use std::fs;
use std::path::PathBuf;

use lockstep_manifest::{Selector, images, objects, set_image};
use serde_json::Value;

fn cases(name: &str) -> Option<Value> {
    let root = std::env::var("LOCKSTEP_CONFORMANCE").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join(name);
    if !path.is_file() {
        println!("IGNORED: {} is not here; set LOCKSTEP_CONFORMANCE", path.display());
        return None;
    }
    Some(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
}

#[test]
fn image_updates_change_what_a_lossless_editor_changes() {
    let Some(data) = cases("flux1/yaml_image_update.json") else {
        return;
    };
    let mut wrong = Vec::new();
    for case in data["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let (namespace, object) = case["resource"].as_str().unwrap().split_once(':').unwrap();
        let (kind, name) = object.split_once('/').unwrap();
        let input = case["input"].as_str().unwrap();
        let mut containers: Vec<&str> =
            case["containers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if !case["image_map"].is_null() {
            // The name that the annotations of the manifest give the image.
            containers = vec!["custom"];
        }
        let result = containers.iter().try_fold(input.to_owned(), |text, container| {
            let selector = Selector {
                kind: kind.to_owned(),
                name: name.to_owned(),
                // Flux v1 says `default` where a manifest names no namespace.
                namespace: (namespace != "default").then(|| namespace.to_owned()),
                container: (*container).to_owned(),
            };
            set_image("f.yaml", &text, &selector, case["new_image"].as_str().unwrap())
        });
        match result {
            Ok(text) if Some(text.as_str()) == case["expected_minimal"].as_str() => {}
            Ok(text) => wrong.push(format!("{id}: got\n{text}")),
            Err(error) => wrong.push(format!("{id}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn manifests_load_as_elsewhere_once_they_say_their_version() {
    let Some(data) = cases("flux1/manifest_loading.json") else {
        return;
    };
    for case in data["parse"].as_array().unwrap() {
        let (name, Some(yaml)) = (case["name"].as_str().unwrap(), case["yaml"].as_str()) else {
            continue;
        };
        // Flux v1's fixtures leave apiVersion out; an API server would not take them.
        let yaml = yaml.replace("apiVersion: batch/v1beta1\n", "").replace("kind:", "apiVersion: apps/v1\nkind:");
        let yaml = yaml.replace("- apiVersion: apps/v1\nkind:", "- apiVersion: apps/v1\n  kind:");
        let yaml = yaml.replace("apps/v1\nkind: CronJob", "batch/v1\nkind: CronJob");
        let result = objects("f.yaml", &yaml);
        if case["error"] == Value::Bool(true) || name == "missing metadata.name" {
            assert!(result.is_err(), "{name}");
            continue;
        }
        let loaded = result.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        if let Some(ids) = case["ids"].as_array() {
            let got: Vec<String> = loaded
                .iter()
                .map(|object| {
                    let namespace = Some(object.id.namespace.as_str()).filter(|n| !n.is_empty());
                    let kind = object.id.kind.to_lowercase();
                    format!("{}:{kind}/{}", namespace.unwrap_or("<cluster>"), object.id.name)
                })
                .collect();
            assert_eq!(&Value::from(got), &Value::from(ids.clone()), "{name}");
        }
        if let Some(count) = case["count"].as_u64() {
            assert_eq!(loaded.len() as u64, count, "{name}");
        }
        for (container, image) in case["containers"].as_object().into_iter().flatten() {
            let found = images("f.yaml", &yaml).unwrap();
            let place = found.iter().find(|place| place.container == *container).unwrap();
            assert_eq!(Some(place.text.as_str()), image.as_str(), "{name}");
        }
    }
}

#[test]
fn every_manifest_of_the_sample_repository_has_its_images() {
    let Some(data) = cases("flux1/sample_repo.json") else {
        return;
    };
    for (file, text) in data["files"].as_object().unwrap() {
        let (true, false, Some(text)) = (file.ends_with(".yaml"), file.contains("charts/"), text.as_str()) else {
            continue;
        };
        let found = images(file, text).unwrap_or_else(|errors| panic!("{file}: {errors:?}"));
        let written = text.lines().filter(|line| line.trim_start().trim_start_matches("- ").starts_with("image:"));
        assert_eq!(found.len(), written.count(), "{file}");
    }
}
