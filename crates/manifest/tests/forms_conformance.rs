//! The peers' cases of images that are written in other forms than a container's, read in place.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the test reads the cases of another folder")]

use std::fs;
use std::path::PathBuf;

use lockstep_image::Reference;
use lockstep_manifest::{Form, ImagePlace, edit, images, mentions_updates};
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

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let pair =
        |value: &Value| (value["name"].as_str().unwrap().to_owned(), value["image"].as_str().unwrap().to_owned());
    list(value).iter().map(pair).collect()
}

fn found(file: &str, text: &str) -> Vec<(String, String)> {
    let places = images(file, text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    places.into_iter().map(|place| (place.container, place.text)).collect()
}

/// Cases whose manifest breaks off after its first image, with values that have the others, each in the form that the case
/// is about.
const CUT_OFF: [(&str, &str); 2] = [
    (
        "TestParseMappedImageFormats",
        "    CCC: {customRepository: repo/image-two, customTag: tagTwo}\n    NNN: {image: {customRepository: 'repo/image-three:tagThree'}}\n    ZZZ: {nested: {deep: {customRegistry: registry.com, customRepository: repo/image-four, customTag: tagFour}}}\n",
    ),
    (
        "TestParseAllFormatsInOne",
        "    AAA: {image: 'repo/image-two:tagTwo'}\n    DDD: {image: repo/image-three, tag: tagThree}\n    HHH: {registry: registry.com, image: 'repo/image-four:tagFour'}\n    NNN: {registry: registry.com, image: repo/image-five, tag: tagFive}\n    XXX: {image: {registry: registry.com, repository: repo/image-six, tag: tagSix}}\n    ZZZ: {customRepository: repo/image-seven, customTag: tagSeven}\n",
    ),
];

#[test]
fn images_of_helm_releases_are_those_of_flux_v1() {
    let Some(data) = cases("flux1/helmrelease_images.json") else { return };
    for case in list(&data["cases"]) {
        let (test, manifest) = (case["test"].as_str().unwrap(), case["manifest"].as_str().unwrap());
        let mut text = manifest.to_owned();
        if let [first, second, ..] = text.match_indices("\nspec:\n").map(|(at, _)| at).collect::<Vec<_>>()[..] {
            // These manifests have `spec` twice, which Flux v1 reads as the last one and Lockstep refuses.
            assert!(images("f.yaml", &text).unwrap_err()[0].message.contains("stands twice"), "{test}");
            text.replace_range(first..second, "");
        }
        let mut expected = pairs(&case["expected_containers"]);
        if let Some((_, others)) = CUT_OFF.iter().find(|(name, _)| *name == test) {
            // Docker refuses names in upper case, so Lockstep takes no value for an image that has one.
            let lower = |text: &str| {
                ["One", "Two", "Three", "Four", "Five", "Six", "Seven"].iter().fold(text.to_owned(), |text, number| {
                    text.replace(&format!("image{number}"), &format!("image-{}", number.to_lowercase()))
                })
            };
            text = lower(text.trim_end()) + "\n" + others;
            expected.iter_mut().for_each(|(_, image)| *image = lower(image));
        }
        assert_eq!(found("f.yaml", &text), expected, "{test}");
        let set = &case["set"];
        if let Some(container) = set["container"].as_str() {
            let places = images("f.yaml", &text).unwrap();
            let place = places.iter().find(|place| place.container == container).unwrap();
            let edits = place.write(&set["new_image"].as_str().unwrap().parse().unwrap()).unwrap();
            let edited = edit("f.yaml", &text, &edits).unwrap();
            assert_eq!(found("f.yaml", &edited), pairs(&set["expected_containers_after"]), "{test}");
            assert_eq!(edited.lines().count(), text.lines().count(), "{test}");
        }
    }
}

/// Every setter of a known policy gets the image of its policy.
fn set_all(file: &str, text: &str, policies: &Value) -> String {
    let mut edits = Vec::new();
    for place in images(file, text).unwrap_or_else(|errors| panic!("{file}: {errors:?}")) {
        let policy = place.comment.as_ref().filter(|_| place.form == Form::Setter).map(|comment| &comment.policy);
        let Some(new) = policy.and_then(|policy| policies[policy.as_str()].as_str()) else { continue };
        let new: Reference = new.parse().unwrap();
        let named: ImagePlace = if place.text.starts_with([':', '@']) { place.with_name(new.name()) } else { place };
        edits.extend(named.write(&new).unwrap_or_else(|reason| panic!("{file}: {reason}")));
    }
    edit(file, text, &edits).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn setters_are_set_as_by_flux() {
    let Some(data) = cases("flux2/setters.json") else { return };
    let mut seen = 0;
    for case in list(&data["cases"]) {
        let name = case["name"].as_str().unwrap();
        let Some(files) = case["input_files"].as_object() else {
            println!("exception: {name}: the settings of an ImageUpdateAutomation are not read");
            continue;
        };
        for (file, text) in files {
            let Some(text) = text.as_str() else { continue };
            let screened = text.contains("\"$imagepolicy\"");
            assert!(!screened || mentions_updates(text), "{file}");
            let outside = case["path"].as_str().is_some_and(|path| !file.starts_with(path.trim_start_matches("./")));
            let got = if outside { text.to_owned() } else { set_all(file, text, &case["policies"]) };
            let changed = case["expected_changed_files"][file].as_str().or(case["expected_all_files"][file].as_str());
            assert_eq!(got, changed.unwrap_or(text), "{name}: {file}");
            seen += 1;
        }
    }
    assert!(seen >= 7, "only {seen} files");
}

#[test]
fn an_entry_of_a_kustomization_reads_as_kustomize_renders_it() {
    let Some(data) = cases("flux2/kustomize_images.json") else { return };
    for case in list(&data["cases"]) {
        // Which fields remain when an entry is laid over another one is Flux's doing; what they mean together is ours.
        let mut entry = case["existing"][0].as_object().cloned().unwrap_or_default();
        let over = case["override"][0].as_object().unwrap();
        if over.contains_key("newTag") || over.contains_key("digest") {
            entry.remove("newTag");
            entry.remove("digest");
        }
        entry.extend(over.clone());
        let text = format!("images:\n- {}\n", Value::from(entry));
        assert_eq!(found("kustomization.yaml", &text)[0].1, case["want"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn images_of_argo_cd_are_read_and_written_back() {
    let Some(data) = cases("argo/kustomize_writeback.json") else { return };
    for case in list(&data["parse_override"]) {
        let said = case["override"].as_str().unwrap();
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{source: {{kustomize: {{images: ['{said}']}}}}}}\n"
        );
        let want = |field: &str| case["want"][field].as_str();
        let name = want("name").unwrap();
        let mut image = want("newName").unwrap_or(name).to_owned();
        image.extend(want("newTag").map(|tag| format!(":{tag}")));
        image.extend(want("digest").map(|digest| format!("@{digest}")));
        assert_eq!(found("f.yaml", &text), [(format!("images.{name}"), image)], "{said}");
    }
    // The digests of these cases are too short to be digests; longer ones of the same letters stand for them.
    let (old, new) = (format!("sha256:{}", "1".repeat(64)), format!("sha256:{}", "2".repeat(64)));
    let real = |text: &Value| text.as_str().unwrap().replace("sha12345", &old).replace("sha23456", &new);
    for case in list(&data["update_file"]) {
        let (name, text, want) = (case["name"].as_str().unwrap(), real(&case["input"]), real(&case["want"]));
        let places = images("kustomization.yaml", &text).unwrap();
        let edits = places[0].write(&real(&case["override"]).parse().unwrap()).unwrap();
        assert_eq!(edits.is_empty(), case["no_change"].as_bool().unwrap(), "{name}");
        assert_eq!(edit("kustomization.yaml", &text, &edits).unwrap(), want, "{name}");
    }
    println!("exception: images_filter: entries and keys are not added, a person writes the first ones");
}
