use super::{Tag, is_valid};

fn split(text: &str) -> String {
    let Some(tag) = Tag::parse(text) else { return "none".to_owned() };
    let prerelease = tag.tail.prerelease.map(|found| format!("{found:?}")).unwrap_or_default();
    let prerelease = prerelease.replace("Prerelease { word: ", "").replace(", tail: ", "+").replace(" }", "");
    let revision = tag.tail.revision.map(|found| format!("{}#{}", found.word, found.digits)).unwrap_or_default();
    format!("{}|{}|{prerelease}|{}|{revision}", tag.prefix, tag.numbers(), tag.variant())
}

#[test]
fn splits_a_tag_into_its_parts() {
    let cases = [
        ("1.2.3", "|1.2.3|||"),
        ("v1.2.3", "v|1.2.3|||"),
        ("1.2.3-rc.1", r#"|1.2.3|"rc"+".1"||"#),
        ("1.2.3-rc1-alpine", r#"|1.2.3|"rc"+"1"|-alpine|"#),
        ("1.2.3-rc-1-alpine", r#"|1.2.3|"rc"+"-1"|-alpine|"#),
        ("1.2.3-rc-1", r#"|1.2.3|"rc"+"-1"||"#),
        ("1.2.3-RC1", r#"|1.2.3|"RC"+"1"||"#),
        ("1.2.3rc1", r#"|1.2.3|"rc"+"1"||"#),
        ("3.13.0b2-slim", r#"|3.13.0|"b"+"2"|-slim|"#),
        ("5.0.0.M1", r#"|5.0.0|"M"+"1"||"#),
        ("1.2.3-SNAPSHOT", r#"|1.2.3|"SNAPSHOT"+""||"#),
        ("1.2.3-beta-r5", r#"|1.2.3|"beta"+""||r#5"#),
        ("1.2.3-mysql", "|1.2.3||-mysql|"),
        ("1.2.3-m", "|1.2.3||-m|"),
        ("1.2.3-developer", "|1.2.3||-developer|"),
        ("1.2.3-alpine3.19-r1", "|1.2.3||-alpine3.19|r#1"),
        ("1.2.3-debian-12-r5", "|1.2.3||-debian-12|r#5"),
        ("1.2.3-debian-12", "|1.2.3||-debian|#12"),
        ("8.0.1-jdk17-slim", "|8.0.1||-jdk17-slim|"),
        ("1.2.3-ls123", "|1.2.3|||ls#123"),
        ("1.2.3-rev7", "|1.2.3|||rev#7"),
        ("2024.01.02-build5", "|2024.01.02|||build#5"),
        ("1.2.3-4", "|1.2.3|||#4"),
        ("1.2.3-b2", "|1.2.3|||b#2"),
        ("7.9.1-1-ubi8", r#"|7.9.1|""+"1"|-ubi8|"#),
        ("1.2.3-0.20240101", r#"|1.2.3|""+"0.20240101"||"#),
        ("1.2.3p", "|1.2.3||p|"),
        ("1.2.3_4", "|1.2.3||_4|"),
        ("1.2.3.Final", "|1.2.3||.Final|"),
        ("release-1.2.3", "release-|1.2.3|||"),
        ("k8s-1.2.3", "k8s-|1.2.3|||"),
        ("jdk17-v1.2.3", "jdk17-v|1.2.3|||"),
        ("go1.22.3-alpine-3", "go|1.22.3||-alpine|#3"),
        ("v1-alpine3.19", "v|1||-alpine3.19|"),
        ("main", "none"),
    ];
    for (text, parts) in cases {
        assert_eq!(split(text), parts, "{text}");
    }
}

#[test]
fn orders_by_numbers_then_prerelease_then_revision() {
    let ascending = [
        "0.9.99999999999999999999999",
        "1.2.3-0.1",
        "1.2.3-alpha",
        "1.2.3-alpha.1",
        "1.2.3-beta.2",
        "1.2.3-beta.11",
        "1.2.3-rc1",
        "1.2.3-rc.2",
        "1.2.3-rc10",
        "1.2.3",
        "1.2.3-r1",
        "1.2.3-r10",
        "1.2.3.1",
        "1.2.10",
        "1.10.0",
        "2.0.0.0.0.1",
        "100000000000000000000.0.0",
        "100000000000000000001.0.0",
    ];
    for (place, left) in ascending.iter().enumerate() {
        for (other, right) in ascending.iter().enumerate() {
            let (left, right) = (Tag::parse(left).unwrap(), Tag::parse(right).unwrap());
            assert_eq!(left.compare(&right), place.cmp(&other), "{left:?} {right:?}");
        }
    }
    for (left, right) in [("1.2.3", "v1.02.003"), ("1.0-rc.1", "1.0-RC1"), ("1.0-r1", "1.0-r01"), ("1.2", "1.2.0")] {
        assert!(Tag::parse(left).unwrap().compare(&Tag::parse(right).unwrap()).is_eq(), "{left} {right}");
    }
}

#[test]
fn knows_what_a_tag_can_be_made_of() {
    assert!(is_valid("_a.B-9") && is_valid(&"a".repeat(128)));
    for text in ["", "-a", ".a", "a+b", "a/b", "a b", "ä", &"a".repeat(129)] {
        assert!(!is_valid(text), "{text}");
    }
}
