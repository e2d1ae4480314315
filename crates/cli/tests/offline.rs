//! The real program without a daemon: what golden folders cannot say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod program;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use program::lockstep;

const DEPLOYMENT: &str = "apiVersion: apps/v1\r\nkind: Deployment\r\nmetadata: {name: web}\r\nspec: {template: {spec: {containers: [{name: web, image: 'web:1'}]}}}\r\n";

fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).unwrap();
}

#[test]
fn what_is_wrong_with_the_words_is_exit_code_2_and_told_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "tags", "1.0.0\n");
    write(folder.path(), "deploy.yaml", DEPLOYMENT);
    let select = ["images", "select", "--tags-file", "tags"];
    let set = ["images", "set", "deploy.yaml", "--container", "web"];
    let target = ["--object", "deployment/web", "--image", "web:2"];
    let table: [(&[&str], &[&str], &str); 31] = [
        (&[], &[], "Usage: lockstep <COMMAND>"),
        (&["apply"], &[], "unrecognized subcommand 'apply'"),
        (&["images", "select"], &[], "--tags-file <FILE>"),
        (&select, &["--policy", "newest"], "\"newest\" is not a policy"),
        (&select, &["--policy", "semver:^^1"], "semver:^^1"),
        (&select, &["--policy", "digest:a b"], "cannot be a tag"),
        (&select, &["--policy", "calver:YYYY.M"], "column 6"),
        (&select, &["--compat", "flux3"], "no tool that is understood"),
        (&select, &["--compat", "keel", "--policy", "force"], "matchTag"),
        (&select, &["--compat", "keel", "--tags", "a"], "cannot be used with"),
        (&select, &["--platforms", "linux"], "is no platform"),
        (&select, &["--policy", "regexp:("], "the regular expression \"(\" cannot be read"),
        (&select, &["--tags", "("], "'--tags <RE>'"),
        (&select, &["--skip-tags", "["], "'--skip-tags <RE>'"),
        (&select, &["--min-age", "3 days"], "is not a span of time"),
        (&select, &["--now", "yesterday"], "'--now <TIME>'"),
        (&select, &["-o", "wide"], "[possible values: table, json, yaml]"),
        (&set, &["--image", "web:2"], "--object <KIND/NAME>"),
        (&set, &["--object", "web", "--image", "web:2"], "write KIND/NAME"),
        (&set, &["--object", "deployment/", "--image", "web:2"], "neither of them empty"),
        (&set, &["--object", "deployment/web", "--image", "Web:2"], "'--image <REFERENCE>'"),
        (&set, &["--object", "deployment/web", "--image", "web:2\n  x: y"], "'--image <REFERENCE>'"),
        (&set, &["--object", "deployment/a/web", "-n", "b", "--image", "web:2"], "the namespace a and --namespace b"),
        (&["images", "set", "-", "--write", "--container", "web"], &target, "cannot change standard input"),
        (&["health"], &[], "--filename <FILE>"),
        (&["render"], &[], "<FOLDER>"),
        (&["render", ".", "--sync", "shop"], &[], "write NAMESPACE/NAME"),
        (&["completion", "tcsh"], &[], "possible values: bash"),
        (&["sync", "shop", "--timeout", "5m"], &[], "--wait"),
        (&["sync", "shop", "--wait", "--timeout", "0s"], &[], "longer than nothing"),
        (&["get", "syncs", "--server", "http://lockstep.example:1"], &[], "plain text on the network"),
    ];
    for (words, more, wanted) in table {
        let answer = lockstep(folder.path(), &[words, more].concat(), b"");
        assert_eq!(answer.code, 2, "{words:?} {more:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(wanted), "{words:?} {more:?}: {}", answer.stderr);
        assert_eq!(answer.stdout, "", "{words:?} {more:?}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("deploy.yaml")).unwrap(), DEPLOYMENT);
}

#[test]
fn files_that_cannot_be_read_are_exit_code_1_and_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("latin1"), b"1.0.0\n\xe9\n").unwrap();
    fs::create_dir(folder.path().join("circle")).unwrap();
    symlink("..", folder.path().join("circle/up")).unwrap();
    let target = ["--object", "deployment/web", "--container", "web", "--image", "web:2"];
    let table: [(&[&str], &[&str], &str); 7] = [
        (&["images", "select", "--tags-file", "gone"], &[], "cannot read gone: "),
        (&["images", "select", "--tags-file", "latin1"], &[], "latin1:2: the file is not UTF-8"),
        (&["images", "set", "gone.yaml"], &target, "cannot read gone.yaml: "),
        (&["images", "set", "gone.yaml", "--write"], &target, "cannot read gone.yaml: "),
        (&["health", "-f", "gone.yaml"], &[], "cannot read gone.yaml: "),
        (&["render", "gone"], &[], "cannot read gone: "),
        (&["render", "circle"], &[], "a link leads in a circle"),
    ];
    for (words, more, wanted) in table {
        let answer = lockstep(folder.path(), &[words, more].concat(), b"");
        assert_eq!(answer.code, 1, "{words:?}: {}", answer.stderr);
        assert!(answer.stderr.starts_with("error: ") && answer.stderr.contains(wanted), "{words:?}: {}", answer.stderr);
        assert_eq!(answer.stdout, "", "{words:?}");
    }
}

#[test]
fn write_changes_the_file_whole_keeps_its_mode_and_follows_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deploy.yaml");
    fs::write(&file, DEPLOYMENT).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("deploy.yaml", folder.path().join("link.yaml")).unwrap();
    let set = |file: &str, image: &str| {
        let words =
            ["images", "set", file, "--write", "--object", "deploy/web", "--container", "web", "--image", image];
        lockstep(folder.path(), &words, b"")
    };
    for (name, image) in [("deploy.yaml", "web:2"), ("link.yaml", "web:3"), ("deploy.yaml", "web:3")] {
        let answer = set(name, image);
        assert_eq!((answer.code, answer.stdout.as_str()), (0, ""), "{}", answer.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), DEPLOYMENT.replace("web:1", image));
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(folder.path().join("link.yaml")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file may stay");
}

#[test]
fn a_refusal_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("a: &x web:1\r\nb: *x\r\n---\r\n{DEPLOYMENT}");
    write(folder.path(), "deploy.yaml", &text);
    let words = ["images", "set", "deploy.yaml", "--write", "--object", "deploy/web", "--container", "web"];
    let answer = lockstep(folder.path(), &[&words[..], &["--image", "web:2"]].concat(), b"");
    assert_eq!(answer.code, 0, "documents without an object of that name do not matter: {}", answer.stderr);
    let before = text.replace("'web:1'", "'web:1-{{ tag }}'");
    write(folder.path(), "deploy.yaml", &before);
    let answer = lockstep(folder.path(), &[&words[..], &["--image", "web:2"]].concat(), b"");
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("deploy.yaml:7: ") && answer.stderr.contains("template"), "{}", answer.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("deploy.yaml")).unwrap(), before);
}

#[test]
fn edits_keep_a_byte_order_mark_and_colour_codes() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("\u{feff}# \u{1b}[31mred\n{DEPLOYMENT}");
    let words = ["images", "set", "-", "--object", "deploy/web", "--container", "web", "--image", "web:2"];
    let answer = lockstep(folder.path(), &words, text.replace('\u{1b}', "").as_bytes());
    assert_eq!((answer.code, answer.stdout), (0, text.replace('\u{1b}', "").replace("web:1", "web:2")));
}

#[test]
fn completions_exist_for_the_usual_shells_and_name_the_verbs() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let answer = lockstep(folder.path(), &["completion", shell], b"");
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{shell}");
        for word in ["lockstep", "render", "health", "skip-tags", "all-namespaces"] {
            assert!(answer.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for (words, wanted) in [
        (&["version"][..], format!("lockstep {version}\n")),
        (&["--version"], format!("lockstep {version}\n")),
        (&["version", "-o", "json"], format!("{{\n  \"version\": \"{version}\"\n}}\n")),
        (&["version", "-o", "yaml"], format!("version: \"{version}\"\n")),
    ] {
        let answer = lockstep(folder.path(), words, b"");
        assert_eq!((answer.code, answer.stdout, answer.stderr), (0, wanted, String::new()), "{words:?}");
    }
    let help = lockstep(folder.path(), &["images", "select", "--help"], b"");
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("Examples:\n  lockstep images select"), "{}", help.stdout);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let value = "x".repeat(1024 * 1024);
    let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big}}\ndata: {{value: {value}}}\n");
    write(folder.path(), "big.yaml", &text);
    let mut child = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .current_dir(folder.path())
        .args(["render", "big.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn a_folder_is_listed_with_the_origin_of_each_policy_and_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pod = |annotation: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\n  annotations: {{{annotation}}}\nspec:\n  containers:\n  - {{name: web, image: 'ghcr.io/acme/web:1.4.2'}}\n"
        )
    };
    fs::create_dir(folder.path().join("apps")).unwrap();
    fs::write(folder.path().join("apps/web.yaml"), pod("lockstep.dev/policy: semver:~1.4")).unwrap();
    let listed = lockstep(folder.path(), &["images", "list", ".", "-o", "wide"], b"");
    let expected = "\
OBJECT         CONTAINER   CURRENT                  SELECTED   AUTOMATED   HELD   POLICY        FROM              REPOSITORY   BRANCH   PLACE
Pod/shop/web   web         ghcr.io/acme/web:1.4.2   -          false       -      semver:~1.4   apps/web.yaml:6   -            -        apps/web.yaml:9
";
    assert_eq!((listed.code, listed.stdout.as_str(), listed.stderr.as_str()), (0, expected, ""));
    fs::write(folder.path().join("apps/wrong.yaml"), pod("lockstep.dev/polcy: x")).unwrap();
    let refused = lockstep(folder.path(), &["images", "list", "."], b"");
    assert_eq!(refused.code, 5);
    assert!(refused.stderr.contains("note: apps/wrong.yaml:6: Pod/shop/web: "), "{}", refused.stderr);
}
