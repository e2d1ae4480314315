//! A kustomization that sets an image elsewhere is found by file and line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use lockstep_manifest::{Overlay, Overlays, images};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n      initContainers: [{name: init, image: a/init}]\n      containers: [{name: web, image: ghcr.io/a/web:1}]\n";

/// What overrides the two images of `base/web.yaml`, with these other files.
fn by(files: &[(&str, &str)]) -> Vec<String> {
    let texts: BTreeMap<&str, &str> = files.iter().copied().collect();
    let mut overlays = BTreeMap::new();
    for (file, text) in files.iter().filter(|(file, _)| file.ends_with("kustomization.yaml")) {
        let mut overlay = Overlay::read(file, text).unwrap();
        let patches: Vec<String> = overlay.patch_files().map(str::to_owned).collect();
        for patch in patches {
            overlay.read_patch(&patch, texts[patch.as_str()]);
        }
        overlays.insert((*file).to_owned(), overlay);
    }
    let overlays: Overlays = overlays.into_iter().collect();
    let places = images("base/web.yaml", WEB).unwrap();
    let shown = |place| {
        overlays.overridden("base/web.yaml", place).map_or("-".to_owned(), |(file, line)| format!("{file}:{line}"))
    };
    places.iter().map(shown).collect()
}

const BASE: (&str, &str) = ("base/kustomization.yaml", "resources:\n- web.yaml\n");

#[test]
fn who_sets_an_image() {
    let prod = |text: &'static str| [BASE, ("prod/kustomization.yaml", text)];
    assert_eq!(by(&[]), ["-", "-"]);
    assert_eq!(by(&[BASE]), ["-", "-"]);
    assert_eq!(
        by(&prod("resources: [../base]\nimages:\n- name: ghcr.io/a/web\n  newTag: v2\n")),
        ["-", "prod/kustomization.yaml:3"]
    );
    assert_eq!(by(&prod("resources: [../base/]\nimages: [{name: ghcr.io/a/web}]\n")), ["-", "-"], "nothing is set");
    assert_eq!(
        by(&prod("resources: [../base]\nimages: [{name: a/init, tagSuffix: -alpine}]\n")),
        ["prod/kustomization.yaml:2", "-"],
        "what runs is another tag than the one that was chosen"
    );
    assert_eq!(
        by(&prod("resources: [../other]\nimages: [{name: ghcr.io/a/web, newTag: v2}]\n")),
        ["-", "-"],
        "it is not reached"
    );
    assert_eq!(
        by(&prod("bases: [../base]\nimages: [{name: a/init, newName: b}]\n")),
        ["prod/kustomization.yaml:2", "-"]
    );
    assert_eq!(
        by(&[("base/kustomization.yaml", "resources: [./web.yaml]\nimages: [{name: ghcr.io/a/web, digest: x}]\n")]),
        ["-", "base/kustomization.yaml:2"]
    );
    let mid = ("mid/kustomization.yaml", "resources: [../base]\nimages: [{name: a, newName: b, newTag: '1'}]\n");
    let top = ("top/kustomization.yaml", "resources: [../mid]\nimages: [{name: b, newTag: '2'}]\n");
    let overlays: Overlays =
        [mid, top].into_iter().map(|(file, text)| (file.to_owned(), Overlay::read(file, text).unwrap())).collect();
    let overrides = |(file, text): (&str, &str)| {
        let places = images(file, text).unwrap();
        overlays.overridden(file, &places[0]).map(|(file, line)| format!("{file}:{line}"))
    };
    assert_eq!(overrides(mid).as_deref(), Some("top/kustomization.yaml:2"));
    assert_eq!(overrides(top), None);
    let chain = [
        BASE,
        ("mid/kustomization.yaml", "resources: [../base]\n"),
        ("a/b/kustomization.yaml", "components: [../../mid]\nimages: [{name: a/init, newTag: '2'}]\n"),
    ];
    assert_eq!(by(&chain), ["a/b/kustomization.yaml:2", "-"]);
    let circle = [
        ("base/kustomization.yaml", "resources: [web.yaml, ../mid]\n"),
        ("mid/kustomization.yaml", "resources: [../base]\n"),
    ];
    assert_eq!(by(&circle), ["-", "-"]);
}

#[test]
fn patches_that_set_an_image() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: ghcr.io/a/web:2\n";
    let prod = |text: &'static str| {
        [
            BASE,
            ("prod/kustomization.yaml", text),
            ("prod/patch.yaml", patch),
            (
                "prod/ops.yaml",
                "- {op: test, path: /spec/template/spec/initContainers/0/image}\n- op: replace\n  path: /spec/template/spec/initContainers/0/image\n  value: x\n",
            ),
        ]
    };
    for text in [
        "resources: [../base]\npatches: [{path: patch.yaml}]\n",
        "resources: [../base]\npatchesStrategicMerge: [./patch.yaml]\n",
        "resources: [../base]\npatches: [{path: patch.yaml, target: {kind: Deployment}}]\n",
    ] {
        assert_eq!(by(&prod(text)), ["-", "prod/patch.yaml:9"], "{text}");
    }
    assert_eq!(
        by(&prod("resources: [../base]\npatches: [{path: ops.yaml, target: {kind: Deployment, name: web}}]\n")),
        ["prod/ops.yaml:2", "-"]
    );
    assert_eq!(
        by(&prod("resources: [../base]\npatches: [{path: ops.yaml, target: {kind: Deployment, name: other}}]\n")),
        ["-", "-"]
    );
    assert_eq!(
        by(&prod(
            "resources: [../base]\npatchesJson6902:\n- target: {kind: Deployment, name: web}\n  patch: |\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: x\n"
        )),
        ["-", "prod/kustomization.yaml:4"]
    );
    let inline = "resources: [../base]\npatches:\n- patch: |\n    kind: Deployment\n    apiVersion: apps/v1\n    metadata: {name: web}\n    spec: {template: {spec: {initContainers: [{name: init, image: x}]}}}\n";
    assert_eq!(by(&prod(inline)), ["prod/kustomization.yaml:3", "-"]);
}
