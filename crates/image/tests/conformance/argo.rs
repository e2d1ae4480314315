//! Argo CD Image Updater: references, and the constraint behind an image's name.

use lockstep_image::Reference;
use lockstep_image::compat::Tool;

use super::{ask, cases, chosen, kept, list, rule, text};

#[test]
fn image_updater_and_keel_references_read_the_same() {
    let Some(file) = cases("argo/image_parse.json") else { return };
    for case in file["parse"].as_array().unwrap() {
        let text = case["input"].as_str().unwrap();
        // An alias is that tool's own syntax, and five digits are no digest.
        if text.contains('=') || text.ends_with("sha256:abcde") {
            assert!(text.parse::<Reference>().is_err(), "{text}");
            continue;
        }
        let reference: Reference = text.parse().unwrap();
        let registry = case["registry"].as_str().unwrap();
        assert_eq!(reference.host(), if registry.is_empty() { "docker.io" } else { registry }, "{text}");
        assert!(reference.name().ends_with(case["name"].as_str().unwrap()), "{text}");
        assert_eq!(reference.tag().unwrap_or(""), case["tag"].as_str().unwrap_or(""), "{text}");
        assert_eq!(reference.digest().unwrap_or(""), case["digest"].as_str().unwrap_or(""), "{text}");
    }
    for case in file["keel_parse"]["cases"].as_array().unwrap() {
        let text = case["input"].as_str().unwrap();
        // A URL is no reference; a missing tag stays missing.
        if text.starts_with("https://") {
            assert!(text.parse::<Reference>().is_err(), "{text}");
            continue;
        }
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            reference.host(),
            case["registry"].as_str().unwrap().replace("index.docker.io", "docker.io"),
            "{text}"
        );
        assert_eq!(reference.repository(), case["short_name"].as_str().unwrap(), "{text}");
        assert_eq!(reference.tag().unwrap_or("latest"), case["tag"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn a_constraint_stands_behind_the_name() {
    let Some(file) = cases("argo/image_parse.json") else { return };
    for case in list(&file["parse"]) {
        let image = text(&case["input"]);
        // A digest is no constraint.
        let Some(tag) = case["tag"].as_str().filter(|_| !image.contains('@')) else { continue };
        let words = [("app.update-strategy", "digest"), ("image-list", image)];
        let rule = rule(Tool::ImageUpdater, &words, None).unwrap();
        assert_eq!(rule.policy.to_string(), format!("digest:{tag} (argocd-image-updater)"), "{image}");
    }
}

/// What its strategies do with tags, as `GetNewestVersionFromTags` and its tests have it.
#[test]
fn strategies_choose_the_same() {
    let tags = ["1.0", "1.1.0", "v1.1.1", "1.2.0-rc1", "2.0.0", "nightly", "latest"];
    let cases = [
        (&[("update-strategy", "semver")][..], Some("1.0"), Some("2.0.0")),
        (&[("update-strategy", "semver"), ("constraint", "~1.1")], Some("1.0"), Some("v1.1.1")),
        (&[("update-strategy", "semver"), ("image", "reg:5000/app:1.x-0")], Some("1.0"), Some("1.2.0-rc1")),
        (&[("update-strategy", "semver"), ("ignore-tags", "2.*, v*")], Some("1.0"), Some("1.2.0-rc1")),
        (&[("allow-tags", r"regexp:^1\.")], Some("1.0"), Some("1.2.0-rc1")),
        (&[("update-strategy", "semver")], Some("latest"), None),
        (&[("update-strategy", "name")], Some("1.0"), Some("v1.1.1")),
        (&[("update-strategy", "alphabetical"), ("allow-tags", "regexp:^[a-z]+$")], Some("latest"), Some("nightly")),
    ];
    for (words, current, wanted) in cases {
        let rule = rule(Tool::ImageUpdater, words, current).unwrap();
        assert_eq!(chosen(ask(&rule, current, &tags)).as_deref(), wanted, "{words:?}");
    }
    let rule = rule(Tool::ImageUpdater, &[("update-strategy", "latest"), ("allow-tags", "regexp:^1")], None).unwrap();
    assert_eq!(kept(&ask(&rule, None, &tags)).len(), 3);
}
