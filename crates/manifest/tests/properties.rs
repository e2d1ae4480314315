//! Random documents: an edit changes the bytes of its scalar and no other, or is refused; nothing panics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::{ScalarEdit, Selector, edit, images, objects, set_image};
use proptest::prelude::*;
use proptest::sample::select;

/// How one container is written: `(text before the image's content, content, text behind)`.
#[derive(Debug, Clone)]
struct Written {
    before: String,
    after: String,
    old: String,
    flow: bool,
    quote: &'static str,
}

fn reference() -> impl Strategy<Value = String> {
    let name =
        select(vec!["web", "team/web", "registry.example:5000/a/b", "localhost:80/x", "docker.io/library/nginx"]);
    let tag = prop_oneof![
        Just(String::new()),
        "[0-9]{1,3}\\.[0-9]{1,2}(\\.[0-9])?(-rc[0-9])?".prop_map(|tag| format!(":{tag}")),
        "[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}".prop_map(|tag| format!(":{tag}")),
        "[0-9a-f]{64}".prop_map(|digest| format!(":v1@sha256:{digest}")),
    ];
    (name, tag).prop_map(|(name, tag)| format!("{name}{tag}"))
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ \t]{1,3}#[ -~é🦀]{0,12}"]
}

fn document() -> impl Strategy<Value = Written> {
    let layout = (any::<bool>(), select(vec!["", "'", "\""]), select(vec!["", "&i ", "!!str ", "  "]), any::<bool>());
    let noise = (comment(), comment(), select(vec!["\n", "\r\n"]), any::<bool>(), any::<bool>(), any::<bool>());
    (layout, noise, reference()).prop_map(|((flow, quote, property, first), noise, old)| {
        let (head, tail, newline, mark, ends, others) = noise;
        let top = format!(
            "{}# {head}é\n---\napiVersion: apps/v1{head}\nkind: Deployment\nmetadata:\n  name: web # x\n  annotations: {{a: \"ü\", b: 'it''s'}}\nspec:\n  template:\n    spec:\n      # {tail}\n      containers:{tail}\n",
            if mark { "\u{feff}" } else { "" }
        );
        let side = if others { "      - image: web:1.0 # other\n        name: side\n" } else { "" };
        let (before, after) = match (flow, first) {
            (true, true) => (format!("      - {{image: {property}"), format!(" ,name: web}}{tail}")),
            (true, false) => (format!("      - {{name: web,\n         image: {property}"), format!("}}{tail}")),
            (false, true) => (format!("      - image: {property}"), format!("{tail}\n        name: web")),
            (false, false) => (format!("      - name: web\n        image: {property}"), tail),
        };
        let end = if ends { "" } else { "\n" };
        Written {
            before: format!("{top}{side}{before}{quote}").replace('\n', newline),
            after: format!("{quote}{after}{end}").replace('\n', newline),
            old,
            flow,
            quote,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_the_scalar_and_nothing_else(written in document(), new in reference()) {
        let text = format!("{}{}{}", written.before, written.old, written.after);
        let selector = Selector { kind: "Deployment".into(), name: "web".into(), namespace: None, container: "web".into() };
        let got = set_image("f.yaml", &text, &selector, &new).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&got, &format!("{}{}{}", written.before, new, written.after), "{:?}", written.flow);
        let places = images("f.yaml", &got).unwrap();
        prop_assert!(places.iter().any(|place| place.container == "web" && place.text == new));
        prop_assert_eq!(set_image("f.yaml", &got, &selector, &new).unwrap(), got);
    }

    #[test]
    fn any_text_is_written_so_that_it_reads_back(written in document(), new in "\\PC{0,12}|[-+.0-9_eExobinfty:~]{1,6}|[ -~]{1,6}") {
        let text = format!("{}{}{}", written.before, written.old, written.after);
        let places = images("f.yaml", &text).unwrap();
        let place = places.iter().find(|place| place.container == "web").unwrap();
        let change = ScalarEdit { document: place.document, pointer: place.pointer.clone(), new: new.clone() };
        let Ok(got) = edit("f.yaml", &text, &[change]) else { return Ok(()) };
        prop_assert!(got.starts_with(written.before.strip_suffix(written.quote).unwrap()));
        prop_assert!(got.ends_with(written.after.strip_prefix(written.quote).unwrap()));
        let value = objects("f.yaml", &got).unwrap().remove(0).value;
        prop_assert_eq!(value.pointer(&place.pointer).and_then(|v| v.as_str()), Some(new.as_str()), "{}", got);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(\\PC|[\n\t :\\-{}\\[\\],&*!|>'\"#%@a<]){0,80}") {
        let _ = objects("f.yaml", &text);
        let _ = images("f.yaml", &text);
        let _ = images("kustomization.yaml", &format!("{text} # lockstep: x [part=tag]"));
        for pointer in ["", "/a", "/0", "/a/0", "/-"] {
            let change = ScalarEdit { document: 0, pointer: pointer.into(), new: "x: 1".into() };
            if let Ok(got) = edit("f.yaml", &text, &[change]) {
                prop_assert!(objects("f.yaml", &got).is_ok() || objects("f.yaml", &text).is_err());
            }
        }
    }
}
