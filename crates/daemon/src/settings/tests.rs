use std::{collections::BTreeMap, fs};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::*;
use crate::SecretFile;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Settings {
    interval_seconds: u32,
    name: Option<String>,
    verbose: bool,
    grpc: Grpc,
    targets: Vec<Target>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Grpc {
    listen_on: String,
    limit: u16,
    token_file: Option<SecretFile>,
}

impl Default for Grpc {
    fn default() -> Self {
        Self { listen_on: "127.0.0.1:1".to_owned(), limit: 7, token_file: None }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Target {
    repository: String,
    #[serde(default)]
    depth: u8,
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: &str) -> (Self, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(folder.path().join("settings.yaml")).unwrap();
        fs::write(&file, text).unwrap();
        (Self(folder), Sources::new().file(Some(file)))
    }

    /// The problems, with the folder's name cut away.
    fn problems(&self, sources: &Sources) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        let errors = load::<Settings>(sources, |_| Vec::new()).unwrap_err();
        errors.0.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn later_sources_win_and_text_becomes_what_the_type_wants() {
    let (_folder, sources) = Folder::with(
        "interval-seconds: 1\nname: from-file\ngrpc:\n  limit: 2\n  token-file: /run/token\ntargets:\n- repository: a\n",
    );
    let sources = sources
        .environment(variables(&[
            ("LOCKSTEP__INTERVAL_SECONDS", "30"),
            ("LOCKSTEP__NAME", "123"),
            ("LOCKSTEP__VERBOSE", "true"),
            ("LOCKSTEP__GRPC__LIMIT", "3"),
            ("LOCKSTEP__TARGETS", "[{repository: b}, {repository: c, depth: 2}]"),
            ("LOCKSTEP_SERVICE_PORT", "is not ours"),
            ("HOME", "is not ours"),
        ]))
        .flag("--limit", "grpc.limit", Some(4))
        .flag("--name", "name", None::<String>);
    let settings: Settings = load(&sources, |_| Vec::new()).unwrap();
    let target = |repository: &str, depth| Target { repository: repository.to_owned(), depth };
    assert_eq!(
        settings,
        Settings {
            interval_seconds: 30,
            name: Some("123".to_owned()),
            verbose: true,
            grpc: Grpc { limit: 4, token_file: Some(SecretFile::new("/run/token")), ..Grpc::default() },
            targets: vec![target("b", 0), target("c", 2)],
        }
    );
}

#[test]
fn nothing_and_an_empty_file_are_the_defaults() {
    assert_eq!(load::<Settings>(&Sources::new(), |_| Vec::new()).unwrap(), Settings::default());
    for text in ["", "# nothing\n", "---\n", "{}\n"] {
        let (_folder, sources) = Folder::with(text);
        assert_eq!(load::<Settings>(&sources, |_| Vec::new()).unwrap(), Settings::default(), "{text:?}");
    }
}

#[test]
fn all_problems_are_reported_at_once_with_their_places() {
    let (folder, sources) = Folder::with(
        "interval-seconds: soon\nintervall: 3\ngrpc:\n  limit: 70000\n  listen: x\n  tls:\n    key: hunter2\n\
         targets:\n- depth: 1\n- repository: a\n  depth: deep\n  deepth: 1\n- repository: [b]\n- repository: c\n  extra: 1\n",
    );
    let sources = sources
        .environment(variables(&[("LOCKSTEP__VERBOSE", "perhaps"), ("LOCKSTEP__GRPC__LIMITS", "1")]))
        .flag("--nome", "nome", Some("x"));
    let mut problems = folder.problems(&sources);
    problems.sort();
    expected(
        &problems,
        &[
            "--nome: nome: there is no such setting",
            "environment variable LOCKSTEP__GRPC__LIMITS: grpc.limits: there is no such setting",
            "environment variable LOCKSTEP__VERBOSE: verbose: invalid type: string \"perhaps\", expected a boolean",
            "settings.yaml:11: targets.1.depth: invalid type: string \"deep\", expected u8",
            "settings.yaml:12: targets.1.deepth: there is no such setting",
            "settings.yaml:13: targets.2.repository: invalid type: sequence, expected a string",
            "settings.yaml:15: targets.3.extra: there is no such setting",
            "settings.yaml:1: interval-seconds: invalid type: string \"soon\", expected u32",
            "settings.yaml:2: intervall: there is no such setting",
            "settings.yaml:4: grpc.limit: invalid value: integer `70000`, expected u16",
            "settings.yaml:5: grpc.listen: there is no such setting",
            "settings.yaml:6: grpc.tls: there is no such setting",
            "settings.yaml:9: targets.0.repository: is required and not set",
        ],
    );
    assert!(!problems.iter().any(|problem| problem.contains("hunter2")));
}

/// Each expected text starts one of the problems, and there are no others.
fn expected(problems: &[String], starts: &[&str]) {
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem:?} does not start with {start:?}: {problems:#?}");
    }
}

#[test]
fn a_file_that_is_no_mapping_no_yaml_or_not_there_is_one_problem() {
    for (text, wanted) in [
        ("- a\n", "settings.yaml:1: the settings must be a mapping"),
        ("a: [\n", "settings.yaml:"),
        ("name: a\nname: b\n", "settings.yaml:2: "),
    ] {
        let (folder, sources) = Folder::with(text);
        let problems = folder.problems(&sources);
        expected(&problems, &[wanted]);
        assert!(!problems[0].contains('\n'), "{problems:?}");
    }
    let (folder, _) = Folder::with("");
    let gone = Utf8PathBuf::from_path_buf(folder.0.path().join("gone.yaml")).unwrap();
    expected(&folder.problems(&Sources::new().file(Some(gone))), &["gone.yaml: cannot read the settings: "]);
}

#[test]
fn the_daemons_own_checks_come_with_the_place_too() {
    let (folder, sources) = Folder::with("name: x\ngrpc:\n  limit: 1\nunknown: 1\n");
    let errors = load::<Settings>(&sources, |settings| {
        vec![("grpc.limit".to_owned(), format!("{} is too few", settings.grpc.limit))]
    })
    .unwrap_err();
    let text = errors.to_string().replace(&format!("{}/", folder.0.path().display()), "");
    assert_eq!(
        text,
        "the settings are not valid:\n  settings.yaml:4: unknown: there is no such setting\n  \
         settings.yaml:3: grpc.limit: 1 is too few"
    );
}

#[test]
fn printing_shows_paths_and_masks_secrets() {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Careless {
        url: &'static str,
        token_file: SecretFile,
        api_token: &'static str,
        passwords: Vec<u32>,
        credentials: BTreeMap<&'static str, &'static str>,
        nothing: Option<u8>,
    }
    let text = printed(&Careless {
        url: "https://me:canary@git.example/a@b.git",
        token_file: SecretFile::new("/run/token"),
        api_token: "canary",
        passwords: vec![4711],
        credentials: [("username", "canary"), ("password-file", "/run/password")].into(),
        nothing: None,
    })
    .unwrap();
    for gone in ["canary", "4711", "//me"] {
        assert!(!text.contains(gone), "{text}");
    }
    for shown in ["://***@git.example/a@b.git", "/run/token", "/run/password"] {
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn errors_hold_no_password_of_a_url() {
    let (folder, sources) = Folder::with("interval-seconds: https://me:canary@host/x\ncanary-key: canary-value\n");
    let problems = folder.problems(&sources);
    assert_eq!(problems.len(), 2);
    assert!(!problems.iter().any(|problem| problem.contains("me:canary") || problem.contains("canary-value")));
}
