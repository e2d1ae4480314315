//! Annotations are set and removed as whole entries, or not at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use lockstep_manifest::{EditError, ObjectId, annotate, objects};
use proptest::prelude::*;
use proptest::sample::select;

fn web() -> ObjectId {
    ObjectId::new("", "Pod", "", "web")
}

/// `KEY=VALUE` sets, `KEY` alone removes.
fn run(text: &str, change: &str) -> Result<Option<String>, EditError> {
    let set = change.split(';').map(|part| match part.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (part.to_owned(), None),
    });
    annotate("f.yaml", text, &web(), &set.collect())
}

const HEAD: &str = "apiVersion: v1\nkind: Pod\n";

#[test]
fn what_is_set_and_removed() {
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "a new line after the last",
            "metadata:\n  name: web\n  annotations:\n    a: b # c\n",
            "x.dev/k=v",
            "metadata:\n  name: web\n  annotations:\n    a: b # c\n    x.dev/k: v\n",
        ),
        (
            "the last goes over several lines",
            "metadata:\n  name: web\n  annotations: # ours\n    # text\n    a: |\n      b\n\n",
            "k=v",
            "metadata:\n  name: web\n  annotations: # ours\n    k: v\n    # text\n    a: |\n      b\n\n",
        ),
        (
            "quotes where they are needed",
            "metadata:\n  name: web\n  annotations:\n    a: b\n",
            "k=true",
            "metadata:\n  name: web\n  annotations:\n    a: b\n    k: \"true\"\n",
        ),
        (
            "the value is changed, its quotes stay",
            "metadata:\n  name: web\n  annotations:\n    k: 'a' # c\n    l: b\n",
            "k=it's",
            "metadata:\n  name: web\n  annotations:\n    k: 'it''s' # c\n    l: b\n",
        ),
        (
            "a key with a slash is changed",
            "metadata:\n  name: web\n  annotations:\n    x.dev/~k: a\n",
            "x.dev/~k=b",
            "metadata:\n  name: web\n  annotations:\n    x.dev/~k: b\n",
        ),
        (
            "a line is removed, with its comment",
            "metadata:\n  annotations:\n    k: v # c\n    l: b\n  name: web\n",
            "k",
            "metadata:\n  annotations:\n    l: b\n  name: web\n",
        ),
        (
            "the last one takes the block with it",
            "metadata:\n  annotations:\n    k: v\n  name: web\n",
            "k",
            "metadata:\n  name: web\n",
        ),
        (
            "a comment keeps the block",
            "metadata:\n  annotations:\n    # why\n    k: v\n  name: web\n",
            "k",
            "metadata:\n  annotations: {}\n    # why\n  name: web\n",
        ),
        (
            "the block is created below the names",
            "metadata:\n  name: web\n  labels:\n    a: b\nspec: {}\n",
            "k=v",
            "metadata:\n  name: web\n  annotations:\n    k: v\n  labels:\n    a: b\nspec: {}\n",
        ),
        (
            "deep indentation",
            "metadata:\n     labels: {a: b}\n     name: web",
            "k=v",
            "metadata:\n     labels: {a: b}\n     name: web\n     annotations:\n          k: v",
        ),
        (
            "an empty block is filled",
            "metadata:\n  annotations: # none\n  name: web\n",
            "k=v",
            "metadata:\n  annotations: # none\n    k: v\n  name: web\n",
        ),
        (
            "empty braces",
            "metadata:\n  annotations: { }\n  name: web\n",
            "k=v",
            "metadata:\n  annotations: {k: v}\n  name: web\n",
        ),
        (
            "braces",
            "metadata: {name: web, annotations: {a: b}}\n",
            "k=true",
            "metadata: {name: web, annotations: {k: \"true\", a: b}}\n",
        ),
        (
            "braces without annotations",
            "metadata: {name: web}\n",
            "k=v",
            "metadata: {annotations: {k: v}, name: web}\n",
        ),
        (
            "out of braces, first",
            "metadata: {name: web, annotations: {k: v, a: b}}\n",
            "k",
            "metadata: {name: web, annotations: {a: b}}\n",
        ),
        (
            "out of braces, last",
            "metadata: {name: web, annotations: {a: b , k: v }}\n",
            "k",
            "metadata: {name: web, annotations: {a: b  }}\n",
        ),
        (
            "out of braces, only",
            "metadata: {name: web, annotations: { k: v }}\n",
            "k",
            "metadata: {name: web, annotations: {}}\n",
        ),
        (
            "JSON, one line for each",
            "metadata: {\n  \"name\": \"web\",\n  \"annotations\": {\n    \"a\": \"b\"\n  }\n}\n",
            "k=v",
            "metadata: {\n  \"name\": \"web\",\n  \"annotations\": {\n    \"k\": \"v\",\n    \"a\": \"b\"\n  }\n}\n",
        ),
        (
            "line ends of Windows",
            "metadata:\r\n  name: web\r\n",
            "k=v;l=w",
            "metadata:\r\n  name: web\r\n  annotations:\r\n    k: v\r\n    l: w\r\n",
        ),
        (
            "two at once",
            "metadata:\n  name: web\n  annotations:\n    k: v\n",
            "k;l=w",
            "metadata:\n  name: web\n  annotations:\n    l: w\n",
        ),
        (
            "no final line end",
            "metadata:\n  name: web\n  annotations:\n    a: b\n    k: v",
            "k",
            "metadata:\n  name: web\n  annotations:\n    a: b",
        ),
        (
            "an own key above a merge key",
            "metadata:\n  name: web\n  annotations:\n    a: b\nx: &x {l: m}\n",
            "k=v",
            "metadata:\n  name: web\n  annotations:\n    a: b\n    k: v\nx: &x {l: m}\n",
        ),
    ];
    for (about, before, change, after) in cases {
        let got = run(&format!("{HEAD}{before}"), change).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(got, Some(format!("{HEAD}{after}")), "{about}");
        assert_eq!(run(&format!("{HEAD}{after}"), change).unwrap(), None, "{about}: once more");
    }
}

#[test]
fn an_object_of_a_list_and_of_a_later_document() {
    let item = "  metadata:\n    name: web\n    namespace: shop\n";
    let text = format!(
        "kind: Pod\napiVersion: v1\nmetadata: {{name: web}}\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n{item}"
    );
    let set: BTreeMap<String, Option<String>> = [("k".to_owned(), Some("v".to_owned()))].into();
    let got = annotate("f.yaml", &text, &ObjectId::new("", "Pod", "shop", "web"), &set).unwrap();
    assert_eq!(got.unwrap(), format!("{text}    annotations:\n      k: v\n"));
}

#[test]
fn what_is_refused() {
    let cases = [
        ("metadata: &m\n  name: web\nother: *m\n", "k=v", "4: the value stands under an anchor"),
        ("metadata:\n  name: web\n  annotations: &a {l: m}\nother: *a\n", "k=v", "5: the value stands under an anchor"),
        ("x: &a {l: m}\nmetadata:\n  name: web\n  annotations: *a\n", "k=v", "6: the value comes from an alias"),
        (
            "x: &a {l: m}\nmetadata:\n  name: web\n  annotations:\n    <<: *a\n",
            "l",
            "7: the value comes from a merge key",
        ),
        (
            "metadata:\n  name: web\n  annotations:\n    k: |\n      a\n    l: m\n",
            "k",
            "6: the annotation goes over several lines",
        ),
        ("metadata:\n  name: web\n  annotations: ~\n", "k=v", "5: the annotations are null here"),
        ("metadata:\n  name: web\n  ? annotations\n  : l: m\n", "k=v", "6: the line is written in a way"),
        ("metadata:\n  name: web\n  annotations:\n    &l l: m\n  labels: {x: *l}\n", "l", "6: "),
        ("metadata:\n  name: other\n", "k=v", "1: Pod/web is not in this file"),
        (
            "metadata:\n  name: web\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n",
            "k=v",
            "1: Pod/web stands more than once",
        ),
        ("metadata:\n  name: web\n", "k=a\nb", "1: an annotation must not have a control character"),
        ("metadata:\n  name: web\n  labels: [\n", "k=v", "5: not valid YAML"),
    ];
    for (text, change, expected) in cases {
        let error = run(&format!("{HEAD}{text}"), change).unwrap_err().to_string();
        assert!(error.starts_with(&format!("f.yaml:{expected}")), "{text}: {error}");
    }
}

fn metadata() -> impl Strategy<Value = String> {
    let comment = || prop_oneof![3 => Just(""), 1 => Just(" # k: v"), 1 => Just("\n      # own line")];
    let value =
        select(vec!["b", "'b'", "\"b\"", "&x b", "|\n      text\n      # no comment", "", "\"two\n      lines\""]);
    let entries = proptest::collection::vec((select(vec!["a", "k", "l", "\"m\"", "? n"]), value, comment()), 0..4);
    let form = select(vec!["block", "braces", "none", "null", "json"]);
    (entries, form, comment(), any::<bool>()).prop_map(|(entries, form, tail, first)| {
        let mut seen = Vec::new();
        let entries: Vec<_> = entries
            .into_iter()
            .filter(|(key, _, _)| {
                !seen.contains(key) && {
                    seen.push(*key);
                    true
                }
            })
            .collect();
        let annotations = match form {
            "block" if !entries.is_empty() => {
                let lines = entries.iter().map(|(key, value, comment)| format!("    {key}: {value}{comment}\n"));
                format!("  annotations:{tail}\n{}", lines.collect::<String>())
            }
            "braces" => {
                let inside: Vec<_> = entries.iter().map(|(key, _, _)| format!("{key}: 'v'")).collect();
                format!("  annotations: {{{}}}{tail}\n", inside.join(", "))
            }
            "json" => {
                let inside: Vec<_> =
                    entries.iter().map(|(key, _, _)| format!("\"{}\":\"v\"", key.trim_matches('"'))).collect();
                format!("  annotations: {{\n {}}}{tail}\n", inside.join(",\n "))
            }
            "null" => format!("  annotations:{tail}\n"),
            _ => String::new(),
        };
        if first {
            format!("metadata:\n{annotations}  name: web\n")
        } else {
            format!("metadata:{tail}\n  name: web\n{annotations}spec: {{}}\n")
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_annotation_differs(
        text in metadata(),
        newline in select(vec!["\n", "\r\n"]),
        mark in any::<bool>(),
        key in select(vec!["k", "a", "n", "lockstep.dev/locked"]),
        value in proptest::option::of("[ -~é]{0,12}"),
    ) {
        let text = format!("{}{HEAD}{text}", if mark { "\u{feff}" } else { "" }).replace('\n', newline);
        let Ok(before) = objects("f.yaml", &text) else { return Ok(()) };
        let set = [(key.to_owned(), value.clone())].into();
        let Ok(Some(after)) = annotate("f.yaml", &text, &web(), &set) else { return Ok(()) };
        let after = objects("f.yaml", &after).unwrap();
        let annotations = |object: &lockstep_manifest::Object| {
            let mut value = object.value.clone();
            let metadata = value["metadata"].as_object_mut().unwrap();
            let annotations = metadata.remove("annotations").and_then(|found| found.as_object().cloned()).unwrap_or_default();
            (value, annotations)
        };
        let ((rest, mut had), (rest_after, has)) = (annotations(&before[0]), annotations(&after[0]));
        match value {
            Some(value) => had.insert(key.to_owned(), value.into()),
            None => had.remove(key),
        };
        prop_assert_eq!(rest, rest_after);
        prop_assert_eq!(had, has);
    }
}
