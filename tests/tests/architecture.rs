//! What `docs/architecture.md` says about arrows, pure crates, file sizes and names, held against the tree.
#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our crates a crate may use. `*` is any, for the two tools that stand outside the product's core.
const ARROWS: &[(&str, &[&str])] = &[
    ("image", &[]),
    ("manifest", &["image"]),
    ("plan", &["manifest"]),
    ("registry", &["image"]),
    ("repository", &[]),
    ("forge", &[]),
    ("cluster", &["manifest", "plan"]),
    ("api", &[]),
    ("daemon", &[]),
    ("automator", &["image", "manifest", "registry", "repository", "forge", "api", "daemon"]),
    ("synchronizer", &["manifest", "plan", "repository", "cluster", "api", "daemon"]),
    ("cli", &["*"]),
    ("testkit", &["*"]),
    ("tests", &["*"]),
];

const PURE: &[&str] = &["image", "manifest", "plan"];

/// Crates that bring I/O, clocks or an async runtime: none of them may stand below a pure crate.
const BANNED_IN_PURE: &[&str] = &[
    "tokio",
    "kube",
    "k8s-openapi",
    "gix",
    "tonic",
    "reqwest",
    "hyper",
    "axum",
    "redb",
    "tracing-subscriber",
    "config",
];

/// Unmaintained, unsound, or a second copy of something that the workspace has already.
const BANNED_EVERYWHERE: &[&str] = &[
    "serde_yaml",
    "serde_yml",
    "yamlpatch",
    "backoff",
    "figment",
    "kubert",
    "git2",
    "openssl",
    "openssl-sys",
    "native-tls",
    "semver-parser",
];

const LONGEST_FILE: usize = 400;

const NAMES_THAT_SAY_NOTHING: &[&str] = &["utils", "util", "common", "shared", "helpers", "helper", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace").to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".into()])
        .exec()
        .expect("cargo metadata")
}

fn ours(metadata: &Metadata) -> BTreeMap<String, &Package> {
    metadata.workspace_packages().into_iter().map(|package| (short(&package.name).to_owned(), package)).collect()
}

fn short(package: &str) -> &str {
    package.strip_prefix("lockstep-").unwrap_or(package)
}

#[test]
fn arrows_are_those_of_the_table() {
    let metadata = metadata();
    let packages = ours(&metadata);
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(known, found, "the table in this test and the workspace name different crates");

    let mut wrong = Vec::new();
    for (name, allowed) in ARROWS {
        for dependency in &packages[*name].dependencies {
            let Some(target) = dependency.name.strip_prefix("lockstep-") else { continue };
            let testkit_in_tests = dependency.kind == DependencyKind::Development && target == "testkit";
            if !testkit_in_tests && !allowed.contains(&"*") && !allowed.contains(&target) {
                wrong.push(format!(
                    "crates/{name}/Cargo.toml: {name} -> {target} is not an arrow of docs/architecture.md"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_crates_stay_pure() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let by_id: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let mut wrong = Vec::new();
    for name in PURE {
        let start = &ours(&metadata)[*name].id;
        let mut waiting = vec![start];
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = resolve.nodes.iter().find(|node| &node.id == id).expect("every package has a node");
            for dependency in &node.deps {
                if dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal) {
                    waiting.push(&dependency.pkg);
                }
            }
            let package = by_id[id];
            if BANNED_IN_PURE.contains(&package.name.as_str()) {
                wrong.push(format!(
                    "{name} is pure, yet {} stands below it (cargo tree -p lockstep-{name} -i {})",
                    package.name, package.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn banned_crates_are_absent() {
    let metadata = metadata();
    let found: Vec<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .filter(|name| BANNED_EVERYWHERE.contains(name))
        .collect();
    assert!(found.is_empty(), "banned: {found:?}; `cargo tree -i NAME` says who brings it");
}

#[test]
fn the_daemons_do_not_know_each_other() {
    let metadata = metadata();
    let packages = ours(&metadata);
    for (one, other) in [("automator", "synchronizer"), ("synchronizer", "automator")] {
        assert!(
            packages[one].dependencies.iter().all(|dependency| short(&dependency.name) != other),
            "{one} depends on {other}"
        );
    }
}

#[test]
fn files_are_short_and_their_names_say_what_they_hold() {
    let mut wrong = Vec::new();
    for file in rust_files(&root()) {
        let lines = std::fs::read_to_string(root().join(&file)).expect("a readable source file").lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines, the cap is {LONGEST_FILE}", file.display()));
        }
        let says_nothing = file.iter().any(|part| {
            let part = part.to_string_lossy();
            NAMES_THAT_SAY_NOTHING.contains(&part.strip_suffix(".rs").unwrap_or(&part))
        });
        if says_nothing {
            wrong.push(format!("{}: a name that says nothing", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every Rust source file of the workspace, by its path below the root.
fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from("crates"), PathBuf::from("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).expect("a readable folder") {
            let entry = entry.expect("a readable entry");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a file type").is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 20, "the walk found only {} files", files.len());
    files
}
