//! Files that were written to cost the square of their size: they would take this test minutes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::images;

const COUNT: usize = 10_000;

fn lines(line: impl Fn(usize) -> String) -> String {
    (0..COUNT).map(line).collect()
}

#[test]
fn a_file_costs_time_and_memory_by_its_size() {
    let annotations: String = (0..1_000).map(|n| format!("    a{n}: '{}'\n", "x".repeat(100))).collect();
    let pod =
        format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n{annotations}spec:\n  containers:\n");
    let files = [
        ("comments in one mapping", lines(|n| format!("k{n}: a:1 # lockstep: semver:*\n"))),
        ("tags in one mapping", lines(|n| format!("k{n}: 1 # lockstep: semver:* [part=tag]\n"))),
        ("comments in a list", format!("list:\n{}", lines(|n| format!("- tag: {n} # lockstep: semver:*\n")))),
        (
            "many objects",
            format!(
                "apiVersion: v1\nkind: List\nitems:\n{}",
                lines(|n| format!(
                    "- apiVersion: v1\n  kind: Pod\n  metadata: {{name: a{n}}}\n  x: a:1 # lockstep: semver:*\n"
                ))
            ),
        ),
        (
            "many containers below many annotations",
            format!("{pod}{}", lines(|n| format!("  - name: c{n}\n    image: a:1 # lockstep: semver:*\n"))),
        ),
    ];
    for (about, text) in files {
        let places = images("values.yaml", &text).unwrap_or_else(|errors| panic!("{about}: {:?}", errors[0]));
        assert_eq!(places.len(), COUNT, "{about}");
    }
}
