//! What scalars, keys and merges mean: a table whose right-hand side is what kubectl 1.32 printed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::objects;
use serde_json::{Value, json};

fn spec(spec: &str) -> Result<Value, String> {
    let text = format!("apiVersion: example.com/v1\nkind: Foo\nmetadata:\n  name: a\nspec:\n{spec}");
    match objects("f.yaml", &text) {
        Ok(objects) => Ok(objects[0].value["spec"].clone()),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

#[test]
fn plain_scalars_are_read_as_kubectl_reads_them() {
    let table: &[(&str, Value)] = &[
        ("yes", json!(true)),
        ("Yes", json!(true)),
        ("YES", json!(true)),
        ("no", json!(false)),
        ("on", json!(true)),
        ("On", json!(true)),
        ("off", json!(false)),
        ("y", json!(true)),
        ("Y", json!(true)),
        ("n", json!(false)),
        ("N", json!(false)),
        ("TRUE", json!(true)),
        ("tRUE", json!("tRUE")),
        ("~", json!(null)),
        ("null", json!(null)),
        ("", json!(null)),
        ("0644", json!(420)),
        ("0o17", json!(15)),
        ("0O17", json!(15)),
        ("0x1f", json!(31)),
        ("0X1F", json!(31)),
        ("0b1", json!(1)),
        ("0B1", json!(1)),
        ("0b12", json!("0b12")),
        ("1_000", json!(1000)),
        ("0_7", json!(7)),
        ("_1", json!("_1")),
        ("1_", json!(1)),
        ("1__0", json!(10)),
        ("1e3", json!(1000)),
        ("1E+3", json!(1000)),
        ("1.5", json!(1.5)),
        ("1.", json!(1)),
        (".5", json!(0.5)),
        ("-.5", json!(-0.5)),
        ("+.5", json!(0.5)),
        ("+1", json!(1)),
        ("-0x1f", json!(-31)),
        ("-0b11", json!(-3)),
        ("+0b11", json!(3)),
        ("-0o17", json!(-15)),
        ("-0644", json!(-420)),
        ("0899", json!(899)),
        ("08", json!(8)),
        ("190:20:30", json!("190:20:30")),
        ("1:30", json!("1:30")),
        ("2001-12-14", json!("2001-12-14")),
        ("2001-12-14T21:59:43Z", json!("2001-12-14T21:59:43Z")),
        ("=", json!("=")),
        ("<<", json!("<<")),
        ("-0", json!(0)),
        ("00", json!(0)),
        ("0.0", json!(0)),
        ("-0.0", json!(0)),
        ("1.0", json!(1)),
        ("1.10", json!(1.1)),
        ("9223372036854775807", json!(i64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("9223372036854775808", json!(9_223_372_036_854_775_808_f64)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615_f64)),
        ("99999999999999999999999", json!(1e23)),
        ("1e400", json!("1e400")),
        ("1e20", json!(1e20)),
        ("1234567890123456789.0", json!(1_234_567_890_123_456_800_i64)),
        ("0x", json!("0x")),
        ("0o8", json!("0o8")),
        ("1_0.5", json!(10.5)),
        ("1.2.3", json!("1.2.3")),
        ("0xfffffffffffffffff", json!("0xfffffffffffffffff")),
        ("0x1p3", json!("0x1p3")),
        ("1e", json!("1e")),
        ("1e-7", json!(1e-7)),
        ("+", json!("+")),
        (".", json!(".")),
        ("1,000", json!("1,000")),
        ("inf", json!("inf")),
        ("NaN", json!("NaN")),
        ("0777_0", json!(4088)),
        ("0b_1", json!(1)),
        ("-0x_1", json!(-1)),
        ("-2E+05", json!(-200_000)),
        ("0b+1", json!(1)),
        ("0b-1", json!(-1)),
        ("-0b-1", json!("-0b-1")),
        (".5_0", json!(0.5)),
        (".1e400", json!(".1e400")),
        ("0_x1", json!(1)),
        ("!!str 123", json!("123")),
        ("!!int \"12\"", json!(12)),
        ("!!bool \"yes\"", json!(true)),
        ("!!float 1", json!(1)),
        ("!!null ''", json!(null)),
        ("!foo 12", json!("12")),
        ("!!str", json!("")),
        ("! 12", json!("12")),
        ("!!int 0644", json!(420)),
        ("!!timestamp 2001-12-14", json!("2001-12-14")),
        ("\"yes\"", json!("yes")),
        ("'0644'", json!("0644")),
        ("\"\\x41\"", json!("A")),
        ("'a''b'", json!("a'b")),
        ("|\n    text", json!("text\n")),
        (">\n    a\n    b\n", json!("a b\n")),
        ("a\n    b", json!("a b")),
        ("{a:1}", json!({"a:1": null})),
        ("{\"a\":1}", json!({"a": 1})),
        ("[1,2,]", json!([1, 2])),
        ("{image: nginx:1.2}", json!({"image": "nginx:1.2"})),
        ("x\t# c", json!("x")),
        ("a#b", json!("a#b")),
        ("---", json!("---")),
        ("\tx", json!("x")),
    ];
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(text, wanted)| {
            let got = spec(&format!("  v: {text}\n")).map(|spec| spec["v"].clone());
            (got.as_ref() != Ok(wanted)).then(|| format!("{text:?}: wanted {wanted}, got {got:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keys_and_merges_are_read_as_kubectl_reads_them() {
    let table: &[(&str, Value)] = &[
        ("  true: 1\n", json!({"true": 1})),
        ("  yes: 1\n", json!({"true": 1})),
        ("  1: 1\n", json!({"1": 1})),
        ("  1.10: 1\n", json!({"1.1": 1})),
        ("  1e3: 1\n", json!({"1000": 1})),
        ("  0644: 1\n", json!({"420": 1})),
        ("  .inf: 1\n", json!({".inf": 1})),
        ("  123456789.0: 1\n", json!({"1.2345679e+08": 1})),
        ("  2001-01-01: 1\n", json!({"2001-01-01": 1})),
        ("  ? a\n  : b\n", json!({"a": "b"})),
        ("  x: &x {a: 1, b: 2}\n  v:\n    a: 9\n    <<: *x\n", json!({"x": {"a": 1, "b": 2}, "v": {"a": 1, "b": 2}})),
        ("  x: &x {a: 1, b: 2}\n  v:\n    <<: *x\n    a: 9\n", json!({"x": {"a": 1, "b": 2}, "v": {"a": 9, "b": 2}})),
        (
            "  x: &x {a: 1}\n  z: &z {a: 3, c: 4}\n  v:\n    <<: [*x, *z]\n",
            json!({"x": {"a": 1}, "z": {"a": 3, "c": 4}, "v": {"a": 1, "c": 4}}),
        ),
        ("  x: &x {a: {q: 1}}\n  v:\n    <<: *x\n    a: {r: 2}\n", json!({"x": {"a": {"q": 1}}, "v": {"a": {"r": 2}}})),
        ("  v:\n    \"<<\": {a: 1}\n", json!({"v": {"<<": {"a": 1}}})),
        ("  v:\n    <<: {a: 1}\n", json!({"v": {"a": 1}})),
        ("  a: &a x\n  b: *a\n", json!({"a": "x", "b": "x"})),
    ];
    for (text, wanted) in table {
        assert_eq!(spec(text).as_ref(), Ok(wanted), "{text}");
    }
}

#[test]
fn what_kubectl_refuses_is_refused_by_line_and_field() {
    let table = [
        ("  v: .inf\n", "f.yaml:6: spec.v: infinity and NaN"),
        ("  v: .NaN\n", "f.yaml:6: spec.v: infinity and NaN"),
        ("  v: !!int abc\n", "f.yaml:6: spec.v: is not an integer"),
        ("  v: !!null x\n", "f.yaml:6: spec.v: is not null"),
        ("  null: 1\n", "f.yaml:6: spec: null and integers"),
        ("  ? {a: 1}\n  : b\n", "f.yaml:6: spec: a mapping or sequence cannot be a key"),
        ("  v:\n    <<: 3\n", "f.yaml:7: spec.v: a merge key needs"),
        ("  v: &a [*a]\n", "f.yaml:6: an alias stands inside the node"),
        ("  v: *nope\n", "f.yaml:6: not valid YAML"),
        ("  a: 1\n  b: 2\n  a: 3\n", "f.yaml:8: spec.a: the key `a` stands twice in one mapping, first at line 6"),
        ("  1: a\n  \"1\": b\n", "f.yaml:7: spec.1: the key `1` stands twice"),
        ("\tv: 1\n", "f.yaml:6: not valid YAML"),
        ("  v: a\u{7}b\n", "f.yaml:6: a control character"),
        ("  v: @a\n", "f.yaml:6: not valid YAML"),
        ("  v: a: b\n", "f.yaml:6: not valid YAML"),
        ("  v: {{ .Values.v }}\n", "f.yaml:6: spec.v: not a value but a template"),
        ("  {{- if .x }}\n  v: 1\n", "a template"),
    ];
    for (text, wanted) in table {
        let got = spec(text).unwrap_err();
        assert!(got.contains(wanted), "{text:?}: {got}");
    }
}
