//! The words of another tool on the command line: in short, or as they stand in a file.

use lockstep_image::compat::{Tool, Words};
use serde_json::Value;

/// The words that a text has.
pub(super) fn words(tool: Tool, text: &str) -> Words {
    match serde_saphyr::from_str::<Value>(text) {
        Ok(document @ Value::Object(_)) => {
            let mut pairs = Vec::new();
            flatten(String::new(), &document, &mut pairs);
            pairs.into_iter().collect()
        }
        _ => Words::read(tool, text),
    }
}

/// Every value by its path. A mapping without anything in it counts as written.
fn flatten(path: String, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(path, value, pairs);
            }
        }
        Value::Object(_) | Value::Null => pairs.push((path, String::new())),
        Value::String(text) => pairs.push((path, text.clone())),
        other => pairs.push((path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_and_parts_of_resources_are_read_as_they_stand() {
        for (tool, long, short) in [
            (Tool::Flux1, "fluxcd.io/tag.web: semver:~1", "semver:~1"),
            (Tool::Keel, "keel.sh/policy: force\nkeel.sh/matchTag: \"true\"", "force matchTag=true"),
            (
                Tool::ImageUpdater,
                "alias: web\nimageName: web:1.x\ncommonUpdateSettings: {updateStrategy: semver, allowTags: 'regexp:^v'}",
                "semver:1.x allow-tags=regexp:^v",
            ),
        ] {
            let rule = |text| lockstep_image::compat::rule(tool, &words(tool, text), Some("1")).unwrap().unwrap();
            assert_eq!(format!("{:?}", rule(long)), format!("{:?}", rule(short)));
        }
    }

    #[test]
    fn an_image_policy_is_read_as_it_stands() {
        let file = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata:\n  name: app\n  labels: {a.b/c: d}\nspec:\n  imageRepositoryRef:\n    name: app\n  digestReflectionPolicy: Never\n  filterTags:\n    pattern: '^main-(?P<ts>[0-9]+)$'\n    extract: $ts\n  policy:\n    numerical:\n      order: asc\n";
        let short = "numerical:asc filterTags.pattern=^main-(?P<ts>[0-9]+)$ filterTags.extract=$ts";
        for (long, short) in [
            (file, short),
            ("{semver: {range: '^1.0'}}", "semver:^1.0"),
            ("policy:\n  alphabetical: {}", "alphabetical"),
            ("semver:\n  range: 1.0", "1.0"),
        ] {
            let rule =
                |text| lockstep_image::compat::rule(Tool::Flux2, &words(Tool::Flux2, text), None).unwrap().unwrap();
            assert_eq!(format!("{:?}", rule(long)), format!("{:?}", rule(short)));
        }
    }
}
