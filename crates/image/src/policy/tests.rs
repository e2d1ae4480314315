use super::Policy;

#[test]
fn reads_every_policy_and_keeps_their_text() {
    for text in [
        "semver:~1.4",
        "glob:main-*",
        "regexp:^main-[0-9a-f]{7}$",
        r"numerical:^build-(?P<key>\d+)$",
        "alphabetical:.*",
        "digest:latest",
        "calver:YYYY.0M.0D",
    ] {
        assert_eq!(Policy::parse(text, None).unwrap().to_string(), text);
    }
}

#[test]
fn without_a_policy_the_first_number_stays() {
    let cases = [
        (Some("1.2.3"), "semver:^1.2.3"),
        (Some("v0.4"), "semver:^0.4"),
        (Some("app-2.0.1.7-alpine"), "semver:^2.0.1"),
        (Some("latest"), "semver:*"),
        (None, "semver:*"),
    ];
    for (current, text) in cases {
        assert_eq!(Policy::parse(" ", current).unwrap().to_string(), text);
    }
}

#[test]
fn errors_say_what_to_write() {
    let cases = [
        ("newest", "semver:RANGE"),
        ("~1.4", "is a range and not a policy: write semver:~1.4"),
        ("regex:^a$", "regexp:RE"),
        ("calver:YYYY.M", "column 6"),
        ("digest:", "cannot be a tag"),
        ("digest:a b", "cannot be a tag"),
        ("semver:~1.4 >>2", "column 7"),
        ("glob:main-[a", "not closed"),
        ("glob:main-{a,b}", "column 6"),
        ("glob:", "empty"),
        ("regexp:*", "regular expression"),
        ("numerical:(", "unclosed group"),
    ];
    for (text, word) in cases {
        let error = Policy::parse(text, None).expect_err(text).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn only_an_exact_pattern_names_a_tag() {
    for (text, named) in
        [("glob:latest", true), ("regexp:^latest$", true), ("glob:lat*", false), ("regexp:latest", false)]
    {
        assert_eq!(Policy::parse(text, None).unwrap().means_latest("latest"), named, "{text}");
    }
}
