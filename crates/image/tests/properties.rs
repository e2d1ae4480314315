//! What holds for every listing, whatever is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its case must fail")]

use std::cmp::Ordering;

use lockstep_image::{Candidate, Outcome, Policy, Question, Reference, Rule, Tag, select};
use proptest::prelude::*;

const TAG: &str = "v?[0-9]{1,2}(\\.[0-9]{1,2}){0,3}(-(rc|beta)[.-]?[0-9]{0,2})?(-alpine)?(-r?[0-9]{1,2})?";

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![4 => "v?[0-3]\\.[0-3]\\.0?[0-9](-rc\\.?[0-3])?", 2 => TAG, 1 => "[a-z0-9_][a-z0-9_.-]{0,12}"]
}

fn policy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "semver:*",
        "semver:^1",
        "semver:>=1.1-0",
        "semver:~0.2 || 2.x",
        "alphabetical:^[0-9v]",
        "numerical:(?P<key>[0-9]+)$",
        "glob:*",
        "calver:YY.MM.DD",
        "calver:MAJOR.YY.MICRO-MODIFIER",
    ])
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec((tag(), 0i64..50), 0..25).prop_map(|tags| {
        let time = |second: i64| jiff::Timestamp::from_second(1_700_000_000 + second).ok();
        tags.into_iter().map(|(tag, second)| Candidate { pushed: time(second), ..Candidate::new(tag) }).collect()
    })
}

proptest! {
    #[test]
    fn a_reference_is_written_as_it_was_read(text in "([a-z]{1,4}(\\.[a-z]{1,3}|:[0-9]{1,4})/)?[a-z0-9]{1,4}([._/]|__|-{1,3})[a-z0-9]{1,4}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,8})?(@sha256:[0-9a-f]{64})?") {
        let reference: Reference = text.parse().unwrap();
        prop_assert_eq!(reference.to_string(), text.clone());
        let moved = reference.with_tag("x").unwrap();
        prop_assert_eq!(moved.name(), reference.name());
        let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = reference.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
        prop_assert_eq!(format!("{}{tag}{digest}", reference.name()), text);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,24}") {
        let _ = text.parse::<Reference>().map(|reference| reference.repository());
        let _ = text.parse::<lockstep_image::Range>();
        let _ = lockstep_image::parse_duration(&text);
        let _ = Policy::parse(&format!("glob:{text}"), Some(&text));
        for word in ["digest", "calver", "semver"] {
            let _ = Policy::parse(&format!("{word}:{text}"), Some(&text)).map(|policy| {
                let candidates = [Candidate::new(&text)];
                select(&Rule::new(policy), &Question { current: Some(&text), candidates: &candidates, ..Question::default() })
            });
        }
        let _ = Tag::parse(&text).map(|tag| tag.compare(&tag));
    }

    #[test]
    fn tags_have_a_total_order(left in TAG, middle in TAG, right in TAG) {
        let [left, middle, right] = [&left, &middle, &right].map(|text| Tag::parse(text).unwrap());
        prop_assert_eq!(left.compare(&left), Ordering::Equal);
        prop_assert_eq!(left.compare(&right), right.compare(&left).reverse());
        if left.compare(&middle).is_le() && middle.compare(&right).is_le() {
            prop_assert!(left.compare(&right).is_le());
        }
    }

    #[test]
    fn a_selection_ignores_the_order_of_the_listing(candidates in candidates(), policy in policy(), current in tag(), turn in 0usize..25) {
        let rule = Rule::new(Policy::parse(policy, None).unwrap());
        let question = Question { current: Some(&current), candidates: &candidates, ..Question::default() };
        let mut other = candidates.clone();
        other.reverse();
        other.rotate_left(turn.min(candidates.len()));
        prop_assert_eq!(select(&rule, &question), select(&rule, &Question { candidates: &other, ..question }));
    }

    #[test]
    fn a_selection_goes_up_and_rests_there(candidates in candidates(), policy in policy(), current in tag(), undone in tag()) {
        let rule = Rule::new(Policy::parse(policy, None).unwrap());
        let undone = [undone];
        let question = Question { current: Some(&current), candidates: &candidates, undone: &undone, ..Question::default() };
        if let Outcome::Selected(chosen) = select(&rule, &question).outcome {
            prop_assert!(candidates.iter().any(|candidate| candidate.tag == chosen));
            prop_assert_ne!(&chosen, &undone[0]);
            if policy.starts_with("semver:") {
                prop_assert!(Tag::parse(&chosen).unwrap().compare(&Tag::parse(&current).unwrap()).is_gt());
            }
            prop_assert_eq!(select(&rule, &Question { current: Some(&chosen), ..question }).outcome, Outcome::UpToDate);
        }
    }
}
