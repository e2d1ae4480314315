//! Values that stand as a text in an Application are changed within that text, and nothing else is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::{ImagePlace, ScalarEdit, edit, images};

fn application(values: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: first}}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a, annotations: {{note: web}}}}\nspec:\n  source:\n    helm:\n      values: {values}\n      other: 1\n"
    )
}

const VALUES: &str = "| # values\n\n        # comment\n        image:\n          repository: ghcr.io/a/b # lockstep: semver:~1 [min-age=1d]\n          tag: \"1.0\"\n\n        list: [{image: quay.io/a/c:1}]\n        plain: v1 # lockstep: semver:* [image=ghcr.io/a/d, part=tag]";

fn shown(place: &ImagePlace) -> String {
    let object = place.object.as_ref().unwrap().short();
    let comment =
        place.comment.as_ref().map_or(String::new(), |comment| format!(" # {}@{}", comment.policy, comment.line));
    format!("{object}/{} {} {} {}{comment}", place.container, place.text, place.line, place.pointer)
}

#[test]
fn values_in_a_text_are_found_and_changed() {
    for newline in ["\n", "\r\n"] {
        let text = application(VALUES).replace('\n', newline);
        let found = images("f.yaml", &text).unwrap();
        let base = "/spec/source/helm/values";
        assert_eq!(
            found.iter().map(shown).collect::<Vec<_>>(),
            [
                format!("Application/a/image ghcr.io/a/b:1.0 16 {base}/image/tag # semver:~1@15"),
                format!("Application/a/list.0.image quay.io/a/c:1 18 {base}/list/0/image"),
                format!("Application/a/plain ghcr.io/a/d:v1 19 {base}/plain # semver:*@19"),
            ]
        );
        assert!(
            found
                .iter()
                .all(|place| place.document == 1 && place.object_line == 5 && place.annotations["note"] == "web")
        );
        let edits: Vec<ScalarEdit> = found.iter().flat_map(|place| place.rewrite("2.10", None).unwrap()).collect();
        let edited = edit("f.yaml", &text, &edits).unwrap();
        let expected =
            text.replace("\"1.0\"", "\"2.10\"").replace("c:1}", "c:2.10}").replace("plain: v1", "plain: \"2.10\"");
        assert_eq!(edited, expected);
        assert_eq!(edit("f.yaml", &edited, &edits).unwrap(), expected, "once more");
    }
}

#[test]
fn texts_that_are_not_looked_into() {
    let none = [
        "'image: a:1'",
        ">\n        a: {{x}}\n        image: a:1",
        "|\n        {{ if x }}\n        image: a:1",
        "|\n        image: a:1\n        image: a:2",
        "|\n        text",
    ];
    for values in none {
        assert_eq!(images("f.yaml", &application(values)).unwrap().len(), 0, "{values}");
    }
    let errors = images("f.yaml", &application("|\n        # lockstep: alone\n        image: a:1")).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].to_string().starts_with("f.yaml:12: the comment for Lockstep stands beside no value"),
        "{errors:?}"
    );
}

#[test]
fn what_cannot_be_changed_within_a_text_is_refused() {
    let refused = |values: &str, new: &str| {
        let text = application(values);
        let place = images("f.yaml", &text).unwrap().remove(0);
        edit("f.yaml", &text, &place.rewrite(new, None).unwrap()).unwrap_err().to_string()
    };
    assert!(
        refused("|\n        x: &x a:1\n        image: *x", "2").starts_with("f.yaml:13: the value comes from an alias")
    );
    let folded = refused(">\n        image: a:1 #\n\n        x: 'b\n        c'", "2");
    assert!(folded.starts_with("f.yaml:11: the lines of the text are folded"), "{folded}");
    let text = application("|\n        image: a:1");
    let missing = ScalarEdit { document: 1, pointer: "/spec/source/helm/values/tag".into(), new: "2".into() };
    assert!(
        edit("f.yaml", &text, &[missing]).unwrap_err().to_string().starts_with("f.yaml:12: nothing stands at /tag")
    );
}
