//! The golden folders `tests/golden/cli/CASE`: the program is run there with the arguments of `case.json`, and must answer
//! with its exit code and, byte for byte, with the files `stdout` and `stderr` (a missing one is empty).
//! A case with `calls` has the fakes of both daemons to talk to, and these are the calls that they must see.
//! `LOCKSTEP_BLESS=1` writes what it answers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod fakes;
mod program;

use std::fs;
use std::path::Path;

use serde_json::Value;

use fakes::Daemons;
use program::lockstep;

#[test]
fn the_program_answers_as_every_golden_case_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/cli");
    let bless = std::env::var_os("LOCKSTEP_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut seen = 0;
    let daemons = Daemons::start();
    for folder in fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let case: Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
        let mut arguments: Vec<&str> =
            case["arguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        if case["calls"].is_array() {
            arguments.extend(["--server", &daemons.address]);
        }
        let before = daemons.seen().len();
        let stdin = case["stdin"].as_str().map(|file| fs::read(folder.join(file)).unwrap());
        let answer = lockstep(&folder, &arguments, stdin.as_deref().unwrap_or_default());
        seen += 1;
        if case["code"].as_i64() != Some(answer.code.into()) {
            wrong.push(format!("{name}: exit code {}\n{}", answer.code, answer.stderr));
        }
        let calls: Vec<String> = daemons.seen().drain(before..).map(|call| call.trim_end().to_owned()).collect();
        if case["calls"].is_array() && case["calls"] != serde_json::json!(calls) {
            wrong.push(format!("{name}: the calls are {calls:?}"));
        }
        for (file, got) in [("stdout", &answer.stdout), ("stderr", &answer.stderr)] {
            let path = folder.join(file);
            if bless {
                let _ = fs::remove_file(&path);
                if !got.is_empty() {
                    fs::write(&path, got).unwrap();
                }
            }
            let wanted = fs::read_to_string(&path).unwrap_or_default();
            if *got != wanted {
                wrong.push(format!("{name}: {file} is\n{got}\ninstead of\n{wanted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(seen >= 30, "only {seen} cases in {}", root.display());
}
