use serde_json::json;

use super::*;

fn told(before: Option<Value>, after: Option<Value>) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    let changes = differences(before.as_ref(), after.as_ref());
    changes.iter().map(|change| format!("{} {} {}", change.path, text(&change.before), text(&change.after))).collect()
}

#[test]
fn fields_are_compared_one_by_one() {
    let table = [
        (json!({"a": 1}), json!({"a": 1}), vec![]),
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": 3, "d/e": 4}}),
            vec![".a.b 1 3", ".a.c 2 -", ".a[\"d/e\"] - 4"],
        ),
        (json!({"a": {"b": 1}}), json!({"a": {}}), vec![".a {\"b\":1} {}"]),
        (json!({"a": {"b": 1}}), json!({"a": "x"}), vec![".a {\"b\":1} \"x\""]),
        (
            json!({"c": [{"name": "a", "v": 1}, {"name": "b", "v": 2}]}),
            json!({"c": [{"name": "b", "v": 3}, {"name": "n"}]}),
            vec![
                ".c[name=\"a\"].name \"a\" -",
                ".c[name=\"a\"].v 1 -",
                ".c[name=\"b\"].v 2 3",
                ".c[name=\"n\"].name - \"n\"",
            ],
        ),
        (json!({"c": [{"port": 1}, {"port": 2}]}), json!({"c": [{"port": 1}]}), vec![".c[port=2].port 2 -"]),
        (json!({"c": [{"name": "a"}, {"name": "a"}]}), json!({"c": [{"name": "a"}]}), vec![".c[1].name \"a\" -"]),
        (json!({"c": ["x", "y"]}), json!({"c": ["x", "z"]}), vec![".c[1] \"y\" \"z\""]),
        (
            json!({"c": [{"name": "a"}, {"name": "b"}]}),
            json!({"c": [{"name": "b"}, {"name": "a"}]}),
            vec![".c [{\"name\":\"a\"},{\"name\":\"b\"}] [{\"name\":\"b\"},{\"name\":\"a\"}]"],
        ),
    ];
    for (before, after, wanted) in table {
        assert_eq!(told(Some(before.clone()), Some(after.clone())), wanted, "{before} {after}");
    }
    assert_eq!(told(None, Some(json!({"a": {"b": [1]}, "c": {}}))), [".a.b[0] - 1", ".c - {}"]);
    assert_eq!(told(Some(json!({"a": 1})), None), [".a 1 -"]);
}

#[test]
fn what_git_does_not_decide_is_left_out() {
    let metadata = |version: &str, hash: &str| {
        json!({"metadata": {
            "name": "x", "resourceVersion": version, "generation": version, "uid": version, "managedFields": [version],
            "labels": {SYNC_LABEL: hash}, "annotations": {APPLIED_ANNOTATION: hash, "note": "n"},
        }, "status": {"version": version}})
    };
    assert_eq!(told(Some(metadata("1", "a")), Some(metadata("2", "b"))), Vec::<String>::new());
    assert_eq!(told(None, Some(metadata("1", "a"))), [".metadata.annotations.note - \"n\"", ".metadata.name - \"x\""]);
}

#[test]
fn no_value_of_a_secret_is_in_any_difference() {
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": data});
    let (before, after) =
        (secret(json!({"a": "canary", "b": "canary"})), secret(json!({"a": "kanarie", "c": "canary"})));
    for (before, after) in [(Some(before.clone()), Some(after.clone())), (None, Some(after)), (Some(before), None)] {
        let told = told(before, after).join("\n");
        assert!(told.contains(".data.a") && told.contains("***"), "{told}");
        assert!(!told.contains("canary") && !told.contains("kanarie"), "{told}");
    }
    let change = FieldChange { path: ".a".into(), before: Some("canary".into()), after: None };
    assert_eq!(change.masked(), FieldChange { path: ".a".into(), before: Some(BEFORE.into()), after: None });
}

#[test]
fn of_long_texts_the_part_that_differs_is_shown() {
    let long = |middle: &str| Value::from(format!("{}{middle}{}", "ä".repeat(1000), "z".repeat(1000)));
    let change = FieldChange { path: ".a".into(), before: Some(long("one")), after: Some(long("two")) };
    let short = change.shortened(200);
    let text = |value: Option<Value>| value.unwrap().as_str().unwrap().to_owned();
    let (before, after) = (text(short.before), text(short.after));
    assert!(before.starts_with("…ä") && before.contains("one") && before.ends_with("z…"), "{before}");
    assert!(after.contains("two") && after.chars().count() == 202, "{after}");
    let small = FieldChange { path: ".a".into(), before: Some(json!("x")), after: Some(json!(7)) };
    assert_eq!(small.clone().shortened(200), small);
}
