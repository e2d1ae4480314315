use super::parse_duration;

#[test]
fn reads_spans_and_their_combinations() {
    let cases = [
        ("3d", 259_200),
        ("12h", 43_200),
        ("30m", 1_800),
        ("1w", 604_800),
        ("45s", 45),
        ("1d12h", 129_600),
        ("0d", 0),
        (" 2h ", 7_200),
    ];
    for (text, seconds) in cases {
        assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
    }
}

#[test]
fn says_what_is_wrong() {
    let cases = [
        ("", "empty"),
        ("3", "no unit"),
        ("d", "whole number"),
        ("3 d", "not a unit"),
        ("1y", "not a unit"),
        ("12h1d", "behind a shorter"),
        ("1d1d", "twice"),
        ("1.5d", "not a unit"),
        ("-1d", "whole number"),
        ("99999999999999999999d", "too large"),
        ("9999999999999999w", "too long"),
        ("1дней", "not a unit"),
    ];
    for (text, word) in cases {
        let error = parse_duration(text).expect_err(text).to_string();
        assert!(error.contains(word), "{error}");
    }
}
