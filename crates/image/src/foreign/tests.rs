use std::cmp::Ordering;

use regex::Regex;

use super::{Decimal, Grammar, Release, View};

#[test]
fn reads_versions_as_their_library_does() {
    let cases = [
        ("1.2.3", true, true, true),
        ("v1.2.3-rc.1", true, true, true),
        ("1.2", true, true, false),
        ("v1", true, false, false),
        ("2025.07.03", true, true, true),
        ("1.2.3-x.Y.0+meta", true, true, true),
        ("1-a.b", true, true, false),
        ("1.2.3.4", false, false, false),
        ("1.2.beta", false, false, false),
        ("1.2.3-", false, false, false),
        ("1.2.3-01", false, false, false),
        ("1.2.3-a_b", false, false, false),
        ("b1.2.3", false, false, false),
        ("vv1.2.3", false, false, false),
        ("", false, false, false),
    ];
    for (text, loose, dotted, full) in cases {
        let reads = |grammar| Release::parse(text).is_some_and(|release| release.is(grammar));
        assert_eq!(
            (reads(Grammar::Loose), reads(Grammar::Dotted), reads(Grammar::Full)),
            (loose, dotted, full),
            "{text}"
        );
    }
}

#[test]
fn orders_prereleases_as_semver_does() {
    let ascending =
        ["1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc10", "1.0.0-rc2", "1.0", "1.0.1"];
    for (place, left) in ascending.iter().enumerate() {
        for (other, right) in ascending.iter().enumerate() {
            let read = |text| Release::parse(text).unwrap();
            assert_eq!(read(left).compare(&read(right)), place.cmp(&other), "{left} {right}");
        }
    }
}

#[test]
fn compares_decimals_exactly() {
    let ascending = [
        "-1e3",
        "-12.5",
        "-12.25",
        "-0.1",
        "0",
        "1e-9",
        ".5",
        "0.75",
        "1.",
        "9",
        "10",
        "1.1e1",
        "100000000000000000000000",
        "100000000000000000000001",
    ];
    for (place, left) in ascending.iter().enumerate() {
        for (other, right) in ascending.iter().enumerate() {
            let order = Decimal::parse(left).unwrap().compare(&Decimal::parse(right).unwrap());
            assert_eq!(order, place.cmp(&other), "{left} {right}");
        }
    }
    for (left, right) in [("1", "01.00"), ("-0", "0.0"), ("100", "1e2"), ("0e9", "0")] {
        assert_eq!(
            Decimal::parse(left).unwrap().compare(&Decimal::parse(right).unwrap()),
            Ordering::Equal,
            "{left} {right}"
        );
    }
    for text in ["", "-", ".", "1a", "1.2.3", "1e", "1e2.5", "--1", "inf", "0x10"] {
        assert!(Decimal::parse(text).is_none(), "{text}");
    }
}

#[test]
fn makes_a_text_of_a_match() {
    let cases = [
        (r"^(\d+)-(?P<word>[a-z]+)$", "$word.$1", "12-ab", Some("ab.12")),
        (r"^(\d+)-(?P<word>[a-z]+)$", "${1}x$$", "12-ab", Some("12x$")),
        (r"^(\d+)$", "$2", "12", Some("")),
        (r"^(\d+)$", "$1", "a", None),
    ];
    for (pattern, template, tag, text) in cases {
        let view = View { pattern: Regex::new(pattern).unwrap().into(), template: Some(template.to_owned()) };
        assert_eq!(view.of(tag).as_deref(), text, "{pattern} {template}");
    }
}
