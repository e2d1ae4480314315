use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

fn text(current: &str, in_progress: Option<&str>, failed: Option<&str>) -> HealthCheckText {
    HealthCheckText {
        api_version: "db.example.org/v1".into(),
        kind: "Database".into(),
        current: current.into(),
        in_progress: in_progress.map(str::to_owned),
        failed: failed.map(str::to_owned),
    }
}

fn judged(text: HealthCheckText, mut object: Value) -> (Status, String) {
    object["apiVersion"] = "db.example.org/v2".into();
    object["kind"] = "Database".into();
    let health = assess_with(&HealthChecks::compile(&[text]).0, &object, Timestamp::UNIX_EPOCH);
    (health.status, health.message)
}

/// Flux' own cases; what is an error there is in progress here, with the reason.
#[test]
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the cases are a file that may be absent")]
fn agrees_with_flux() {
    let folder = std::env::var_os("LOCKSTEP_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"), PathBuf::from);
    let path = folder.join("flux2/health.json");
    if !path.exists() {
        println!(
            "ignored: {} is not there (LOCKSTEP_CONFORMANCE names the folder of the peers' cases)",
            path.display()
        );
        return;
    }
    let data: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in data["cel"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let expression = |name: &str| case["exprs"][name].as_str();
        let check = text(expression("current").unwrap_or_default(), expression("inProgress"), expression("failed"));
        if case["obj"].is_null() {
            let errors = HealthChecks::compile(&[check]).1;
            assert!(
                errors[0].to_string().starts_with("spec.healthChecks[0] (Database.db.example.org): current: "),
                "{name}"
            );
            continue;
        }
        let (status, message) = judged(check, case["obj"].clone());
        match case["want"].as_str() {
            Some(want) => assert_eq!(status.as_str(), want, "{name}: {message}"),
            None => {
                assert_eq!(status, Status::InProgress, "{name}: {message}");
                assert!(message.starts_with("the expression "), "{name}: {message}");
            }
        }
    }
}

#[test]
fn the_order_is_in_progress_then_failed_then_current() {
    let all = || text("status.a", Some("status.b"), Some("status.c"));
    let object = |a: bool, b: bool, c: bool| json!({"status": {"a": a, "b": b, "c": c, "message": "it says"}});
    assert_eq!(judged(all(), object(true, true, true)).0, Status::InProgress);
    let failed = (Status::Failed, "by its health check: failed: it says".to_owned());
    assert_eq!(judged(all(), object(true, false, true)), failed);
    assert_eq!(judged(all(), object(true, false, false)).0, Status::Current);
    assert_eq!(judged(all(), object(false, false, false)).0, Status::InProgress);
    let deleted = json!({"metadata": {"deletionTimestamp": "2026-11-23T11:00:00Z"}});
    assert_eq!(judged(text("true", None, None), deleted).0, Status::Terminating);
}

#[test]
fn idioms_that_people_write() {
    let object = json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": {"ready": 3, "conditions": [
        {"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False", "reason": "Broken"},
    ]}});
    for expression in [
        "status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')",
        "status.conditions.exists(c, c.type == 'Synced' && c.reason in ['Broken', 'Lost'])",
        "has(status.ready) && status.ready == spec.replicas",
        "status.?conditions.orValue([]).exists_one(c, c.type == 'Ready')",
        "status.?phase.orValue('') == ''",
        "status.conditions.map(c, c.type).size() == 2 && size(status.conditions) > 1",
        "metadata.generation == 2 ? status.ready >= 3 : false",
        "status.conditions[0].type.startsWith('Re') && !('phase' in status)",
        "!has(status.phase) || status.phase == 'Running' || status.phase == 'Succeeded' || status.phase == 'Ready'",
    ] {
        assert_eq!(judged(text(expression, None, None), object.clone()).0, Status::Current, "{expression}");
    }
}

#[test]
fn other_kinds_keep_their_rules() {
    let (checks, errors) = HealthChecks::compile(&[text("false", None, None)]);
    assert!(errors.is_empty());
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Bound"}});
    assert_eq!(assess_with(&checks, &claim, Timestamp::UNIX_EPOCH).status, Status::Current);
    assert!(checks.kinds().map(ToString::to_string).eq(["Database.db.example.org"]));
}

#[test]
fn every_broken_expression_is_named_with_its_place() {
    let broken = [
        text("status.", Some("true"), Some("a ==")),
        text("true", None, None),
        HealthCheckText { kind: "Table".into(), ..text(&"a".repeat(2000), None, None) },
    ];
    let (checks, errors) = HealthChecks::compile(&broken);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    let object = json!({"apiVersion": "db.example.org/v1", "kind": "Database"});
    let health = assess_with(&checks, &object, Timestamp::UNIX_EPOCH);
    assert_eq!((health.status, health.reason.as_str()), (Status::InProgress, "HealthCheckError"), "nobody can tell");
    assert!(
        errors[0].starts_with("spec.healthChecks[0] (Database.db.example.org): failed: line 1, column "),
        "{errors:?}"
    );
    assert!(
        errors[1].starts_with("spec.healthChecks[0] (Database.db.example.org): current: line 1, column "),
        "{errors:?}"
    );
    assert!(errors[2].starts_with("spec.healthChecks[1]") && errors[2].contains("another check"), "{errors:?}");
    assert!(errors[3].contains("longer than 1024"), "{errors:?}");
}

#[test]
fn errors_show_no_values() {
    let object = json!({"data": {"password": "c3VwZXI="}});
    for expression in
        ["data.password", "data.password > 1", "int(data.password) == 1", "data.password + 1 == 2", "size(1)"]
    {
        let (status, message) = judged(text(expression, None, None), object.clone());
        assert_eq!(status, Status::InProgress, "{expression}");
        assert!(!message.contains("c3VwZXI"), "{expression}: {message}");
    }
}

/// Without the budget some of these would not end; without the limits on nesting some would overflow the stack of a test.
#[test]
fn no_expression_is_costly() {
    let conditions: Vec<Value> = (0..300).map(|n| json!({"type": format!("T{n}"), "status": "True"})).collect();
    let object = json!({"metadata": {"text": "x".repeat(10_000)}, "status": {"conditions": conditions}});
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|n| format!("status.conditions.all(c{n}, ")).collect();
        format!("{open}true{}", ")".repeat(depth))
    };
    let chain = format!("[metadata.text]{}.size() > 0", ".map(a, a + a)".repeat(25));
    for expression in
        [nested(3), nested(6), nested(12), chain, "[[1]]".to_owned() + &".map(a, [a, a])".repeat(24) + " == []"]
    {
        let (status, message) = judged(text(&expression, None, None), object.clone());
        assert_eq!(status, Status::InProgress, "{expression}: {message}");
        assert!(message.contains("too many values"), "{expression}: {message}");
    }
    let parses = |expression: String| drop(HealthChecks::compile(&[text(&expression, None, None)]));
    for (open, close) in
        [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("{1:", "}"), ("has(", ")"), ("a ? a : ", ""), ("a.", "")]
    {
        for depth in [31, 500] {
            parses(format!("{}a{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    for operator in ["+", "-", "*", "&&", "||", "==", "<", ",", "?", ":", " in "] {
        parses(vec!["a"; 100].join(operator));
    }
}
