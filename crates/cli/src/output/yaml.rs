//! Values as YAML that every reader takes for the same values, those with YAML 1.1's rules included.

use serde::Serialize;

/// One document, without a marker before it.
pub(super) fn document<T: Serialize>(value: &T) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: 1_000_000, compact_list_indent: true };
    let mut text = serde_saphyr::to_string_with_options(value, options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What a reader could take for something else, as value and as key.
    const TEXTS: [&str; 62] = [
        "",
        " ",
        "a",
        " a",
        "a ",
        "on",
        "On",
        "off",
        "yes",
        "No",
        "y",
        "N",
        "true",
        "True",
        "null",
        "~",
        "Null",
        "0",
        "-1",
        "0644",
        "0o17",
        "0x1f",
        "0b11",
        "1_000",
        "1.10",
        "1e3",
        ".5",
        "5.",
        ".inf",
        "-.INF",
        ".nan",
        "NaN",
        "190:20:30",
        "2024-01-01",
        "2001-12-14t21:59:43.10-05:00",
        "=",
        "<<",
        "---",
        "...",
        "--- a",
        "- a",
        "? a",
        ": a",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "{a}",
        "[a]",
        "'a'",
        "\"a\"",
        "a\\b",
        "a,b",
        "\u{feff}a",
        "emoji 🚀",
    ];
    const BLOCKS: [&str; 22] = [
        "a\n",
        "a\nb",
        "a\nb\n",
        "a\n\n",
        "\n",
        "\n\n",
        "\na",
        " a\nb\n",
        "a\n  b\n",
        "  a\n b\n",
        "a \nb\n",
        "a\t\n",
        "\ta\n",
        "a\r\nb\r\n",
        "a\rb",
        "a\u{85}b\n",
        "a\u{2028}b\n",
        "a\u{7}b\n",
        "#!/bin/sh\nset -e\n",
        "a: b\n---\nc: d\n",
        "\u{7f}",
        "{{ a }}\n- b\n",
    ];

    fn read(text: &str) -> Value {
        lockstep_manifest::objects("printed.yaml", text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))[0]
            .value
            .clone()
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_value() {
        let long = "word ".repeat(40);
        for text in TEXTS.into_iter().chain(BLOCKS).chain([long.as_str(), "x".repeat(300).as_str()]) {
            let mut object = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": text},
                "list": [text, [text, {"k": text, "l": [text]}], [], {}],
            });
            object["data"][text] = text.into();
            let printed = document(&object).unwrap();
            assert_eq!(read(&printed), object, "{text:?}\n{printed}");
        }
    }

    #[test]
    fn numbers_stay_numbers() {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
            "data": [0, -1, 0.5, 1e300, i64::MIN, i64::MAX, true, false, null],
        });
        let printed = document(&object).unwrap();
        assert_eq!(read(&printed), object, "{printed}");
    }
}
