//! What holds for every listing, whatever is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its case must fail")]

use std::cmp::Ordering;

use lockstep_image::compat::{self, Tool, Words};
use lockstep_image::{
    Candidate, Outcome, Platform, Policy, Question, Reference, Rule, Tag, Verified, Want, explain, select,
};
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

fn candidates() -> impl Strategy<Value = Vec<Candidate<'static>>> {
    prop::collection::vec((tag(), 0i64..50), 0..25).prop_map(|tags| {
        let time = |second: i64| jiff::Timestamp::from_second(1_700_000_000 + second).ok();
        tags.into_iter().map(|(tag, second)| Candidate { pushed: time(second), ..Candidate::new(tag) }).collect()
    })
}

fn foreign() -> impl Strategy<Value = Rule> {
    let words = prop::sample::select(vec![
        (Tool::Flux1, "semver:>=1-0"),
        (Tool::Flux1, "glob:*"),
        (Tool::Flux2, "semver:*"),
        (Tool::Flux2, "alphabetical:asc"),
        (Tool::Flux2, "alphabetical:desc filterTags.pattern=^(v?)(.*)$ filterTags.extract=$2-$1"),
        (Tool::Flux2, "numerical:desc filterTags.pattern=^v?([0-9]+[.][0-9]+)$ filterTags.extract=$1"),
        (Tool::Keel, "all"),
        (Tool::Keel, "minor matchPreRelease=false"),
        (Tool::Keel, "patch"),
        (Tool::Keel, "regexp:(?P<compare>[0-9]+)$"),
        (Tool::ImageUpdater, "semver"),
        (Tool::ImageUpdater, "name ignore-tags=v*"),
    ]);
    words.prop_map(|(tool, text)| compat::rule(tool, &Words::read(tool, text), None).unwrap().unwrap())
}

/// A registry: what is known of each tag once it was looked up.
fn registry() -> impl Strategy<Value = Vec<Candidate<'static>>> {
    let times = (0i64..40, prop::option::of(0i64..40), prop::bool::ANY);
    let rest = (
        prop::bool::ANY,
        prop::sample::select(vec![Verified::Signed, Verified::NotSigned, Verified::Wrong("key".to_owned())]),
    );
    prop::collection::vec((tag(), times, rest), 0..15).prop_map(|tags| {
        let time = |second: i64| jiff::Timestamp::from_second(1_700_000_000 + second * 60).unwrap();
        let platform = |runs: bool| if runs { vec![AMD64.parse().unwrap()] } else { Vec::new() };
        let known = tags.into_iter().map(|(tag, (seen, created, first), (runs, verified))| Candidate {
            first_seen: Some(time(if first { 0 } else { seen })),
            created: created.map(time),
            platforms: Some(platform(runs)),
            verified: Some(verified),
            digest: Some(format!("sha256:{}", tag.len())),
            ..Candidate::new(tag)
        });
        let mut known: Vec<Candidate<'_>> = known.collect();
        known.sort_by(|left, right| left.tag.cmp(&right.tag));
        known.dedup_by(|left, right| left.tag == right.tag);
        known
    })
}

const AMD64: &str = "linux/amd64";

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
                let candidates = [Candidate::new(text.as_str())];
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
        prop_assert_eq!(explain(&rule, &question), explain(&rule, &Question { candidates: &other, ..question }));
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

    #[test]
    fn looking_up_what_is_wanted_decides_as_knowing_everything(known in registry(), policy in policy(), current in tag(), filters in 0u8..4) {
        let mut rule = Rule::new(Policy::parse(policy, None).unwrap());
        rule.platforms = if filters & 1 == 0 { Vec::new() } else { vec![AMD64.parse::<Platform>().unwrap()] };
        rule.verify = filters & 2 != 0;
        let asked = |question: &Question<'_>, candidates: &[Candidate<'_>]| select(&rule, &Question { candidates, ..*question });
        let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        let question = Question {
            current: Some(&current),
            now: start + jiff::SignedDuration::from_hours(1),
            first_scan: Some(start),
            ..Question::default()
        };
        let mut facts: Vec<Candidate<'_>> =
            known.iter().map(|tag| Candidate { first_seen: tag.first_seen, ..Candidate::new(&*tag.tag) }).collect();
        let mut seen: Vec<Want> = Vec::new();
        let selection = loop {
            let selection = asked(&question, &facts);
            let fresh: Vec<Want> = selection.wants.iter().filter(|want| !seen.contains(want)).cloned().collect();
            if fresh.is_empty() {
                break selection;
            }
            for want in fresh {
                let fact = facts.iter_mut().find(|fact| fact.tag == want.tag()).unwrap();
                let truth = known.iter().find(|fact| fact.tag == want.tag()).unwrap();
                match &want {
                    Want::Created { .. } => fact.created = truth.created,
                    Want::Platforms { .. } => fact.platforms.clone_from(&truth.platforms),
                    Want::Verified { .. } => fact.verified.clone_from(&truth.verified),
                    Want::Digest { .. } => fact.digest.clone_from(&truth.digest),
                }
                seen.push(want);
            }
        };
        let mut looked_up: Vec<&str> =
            seen.iter().filter(|want| !matches!(want, Want::Created { .. })).map(Want::tag).collect();
        looked_up.dedup();
        prop_assert!(looked_up.len() <= 5);
        prop_assert_eq!(selection.outcome, asked(&question, &known).outcome);
    }

    #[test]
    fn what_is_selected_is_the_first_that_nothing_drops(known in registry(), policy in policy(), current in tag(), undone in tag()) {
        let rule = Rule::new(Policy::parse(policy, None).unwrap());
        let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        let undone = [undone];
        let stopped: Vec<(&str, &str)> = known.iter().step_by(5).map(|tag| (&*tag.tag, "broken")).collect();
        let question = Question {
            current: Some(&current),
            candidates: &known,
            undone: &undone,
            stopped: &stopped,
            now: start + jiff::SignedDuration::from_hours(1),
            first_scan: Some(start),
            ..Question::default()
        };
        let explanation = explain(&rule, &question);
        prop_assert_eq!(explanation.tags.len(), known.len());
        prop_assert_eq!(&explanation.selection, &select(&rule, &question));
        let first = explanation.tags.iter().find(|judged| !judged.verdict.starts_with("dropped"));
        match &explanation.selection.outcome {
            Outcome::Selected(tag) => prop_assert_eq!(Some(tag), first.map(|judged| &judged.tag)),
            _ => prop_assert!(explanation.tags.iter().all(|judged| !judged.verdict.starts_with("selected"))),
        }
    }

    #[test]
    fn of_many_tags_the_same_is_chosen_as_is_explained(
        tags in prop::collection::vec((0u32..60, 0u32..9, 0i64..3), 200..600),
        policy in prop::sample::select(vec!["semver:*", "numerical:^1[.](?P<key>[0-9]+)", "alphabetical:^1[.](?P<key>[0-9])"]),
        ages in 0i64..4,
    ) {
        let time = |hour: i64| jiff::Timestamp::from_second(1_700_000_000 + hour * 3600).ok();
        let candidate = |(minor, patch, hour): (u32, u32, i64)| Candidate {
            pushed: time(hour),
            ..Candidate::new(format!("1.{minor}.{patch}"))
        };
        let candidates: Vec<Candidate<'_>> = tags.into_iter().map(candidate).collect();
        let mut rule = Rule::new(Policy::parse(policy, None).unwrap());
        rule.min_age = Some(jiff::SignedDuration::from_hours(ages));
        let question =
            Question { current: Some("1.3.0"), candidates: &candidates, now: time(3).unwrap(), ..Question::default() };
        prop_assert_eq!(explain(&rule, &question).selection, select(&rule, &question));
    }

    #[test]
    fn foreign_words_go_up_in_their_own_order_whatever_the_listing(rule in foreign(), candidates in candidates(), current in tag(), turn in 0usize..25) {
        let question = Question { current: Some(&current), candidates: &candidates, ..Question::default() };
        let selection = explain(&rule, &question);
        let mut other = candidates.clone();
        other.reverse();
        other.rotate_left(turn.min(candidates.len()));
        prop_assert_eq!(&selection, &explain(&rule, &Question { candidates: &other, ..question }));
        if let Outcome::Selected(chosen) = selection.selection.outcome {
            prop_assert!(candidates.iter().any(|candidate| candidate.tag == chosen));
            prop_assert_eq!(select(&rule, &Question { current: Some(&chosen), ..question }).outcome, Outcome::UpToDate);
        }
    }

    #[test]
    fn calendar_tags_are_ordered_as_their_dates(format in prop::sample::select(vec!["YYYY.0M.0D", "YYYYMMDD", "DD-MM-YYYY", "YY.MM.DD"]), left in 0i32..40_000, right in 0i32..40_000) {
        let written = |days: i32| {
            let date = jiff::civil::date(2000, 1, 1) + jiff::Span::new().days(days);
            let (year, month, day) = (date.year(), date.month(), date.day());
            match format {
                "YYYY.0M.0D" => format!("{year}.{month:02}.{day:02}"),
                "YYYYMMDD" => format!("{year}{month:02}{day:02}"),
                "DD-MM-YYYY" => format!("{day}-{month}-{year}"),
                _ => format!("{}.{month}.{day}", year - 2000),
            }
        };
        let rule = Rule::new(Policy::parse(&format!("calver:{format}"), None).unwrap());
        let (current, tags) = (written(left), [Candidate::new(written(left)), Candidate::new(written(right))]);
        let question = Question { current: Some(&current), candidates: &tags, ..Question::default() };
        let expected = if right > left { Outcome::Selected(written(right)) } else { Outcome::UpToDate };
        prop_assert_eq!(select(&rule, &question).outcome, expected);
    }

    #[test]
    fn no_words_make_compat_panic(text in "\\PC{0,24}", main in prop::sample::select(vec!["", "semver:", "glob:", "regexp:", "numerical: filterTags.pattern=", "digest:", "image=", "semver allow-tags=regexp:", "tag="])) {
        for tool in [Tool::Flux1, Tool::Flux2, Tool::Keel, Tool::ImageUpdater] {
            if let Ok(Some(rule)) = compat::rule(tool, &Words::read(tool, &format!("{main}{text}")), Some(&text)) {
                let candidates = [Candidate::new(text.as_str()), Candidate::new("1.2.3")];
                select(&rule, &Question { current: Some(&text), candidates: &candidates, ..Question::default() });
            }
        }
    }
}
