//! What is said about an image in its comment changes, and no value does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::{EditError, images, say};

/// Says it of the first image: a policy, and options as `KEY=VALUE` or `KEY` to be removed.
fn said(text: &str, policy: Option<&str>, options: &[&str]) -> Result<Option<String>, EditError> {
    let place = images("kustomization.yaml", text).unwrap().remove(0);
    let options = options.iter().map(|option| match option.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => ((*option).to_owned(), None),
    });
    say("kustomization.yaml", text, &place, policy, &options.collect())
}

#[test]
fn comments_are_changed_and_begun() {
    let entry = |comment: &str| format!("images:\n- name: ghcr.io/a/b # other\n  newTag: '1.0'{comment}\n# end\n");
    let cases: &[(&str, Option<&str>, &[&str], &str)] = &[
        ("", Some("semver:~1"), &[], " # lockstep: semver:~1"),
        ("", None, &["locked=on fire"], " # lockstep: [locked=on fire]"),
        ("   #lockstep:  semver:~1  ", Some("glob:v[0-9]*"), &[], "   #lockstep: glob:v[0-9]*  "),
        (" # lockstep: semver:~1", None, &["locked=by: me, now"], " # lockstep: semver:~1 [locked=\"by: me, now\"]"),
        (" # lockstep: semver:~1 [locked=x, min-age=1d]", None, &["locked"], " # lockstep: semver:~1 [min-age=1d]"),
        (" # lockstep: semver:~1 [locked=x]", None, &["locked"], " # lockstep: semver:~1"),
        (" # lockstep: semver:~1 [locked=]", None, &["locked"], " # lockstep: semver:~1"),
    ];
    for (before, policy, options, after) in cases {
        for newline in ["\n", "\r\n"] {
            let (before, after) = (entry(before).replace('\n', newline), entry(after).replace('\n', newline));
            assert_eq!(said(&before, *policy, options).unwrap().as_deref(), Some(after.as_str()));
            assert_eq!(said(&after, *policy, options).unwrap(), None, "{after}");
        }
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refused = |text: &str, policy: &str| said(text, Some(policy), &[]).unwrap_err().to_string();
    let entry = "images: [{name: ghcr.io/a/b, newTag: v1}]\n";
    assert!(refused(entry, "semver:~1").contains(":1: no comment can stand behind the value"));
    let entry = "images:\n- name: ghcr.io/a/b\n  newTag: v1 # keep\n";
    assert!(refused(entry, "semver:~1").contains(":3: another comment stands there"));
    let entry = "images:\n- name: ghcr.io/a/b\n  newTag: v1 # {\"$imagepolicy\": \"a:b:tag\"}\n";
    assert!(refused(entry, "semver:~1").contains(":3: the comment there is a setter"));
    let entry = "images:\n- name: ghcr.io/a/b\n  newTag: v1\n";
    for policy in ["a\nb", "semver:~1 [part=tag]", "glob:a\u{2028}b"] {
        assert!(refused(entry, policy).contains(":3: this cannot stand in a comment"), "{policy}");
    }
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec:\n  source:\n    helm:\n      values: |\n        image: a:1 # lockstep: semver:~1\n";
    assert!(refused(text, "semver:~2").contains(":8: the comment stands in a text within the file"));
}
