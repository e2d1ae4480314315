use jiff::SignedDuration;
use lockstep_manifest::{Form, ObjectId, PlaceComment};

use lockstep_registry::Repository;

use super::*;

fn object(kind: &str) -> ObjectId {
    ObjectId::new("", kind, "shop", "web")
}

/// `key=value; key=value`, each key with our prefix.
fn annotations(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split("; ").filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (format!("{PREFIX}{key}"), value.to_owned())).collect()
}

/// What is read for the containers `web`, which has the comment, and `proxy`.
fn all(
    kind: &str,
    text: &str,
    comment: Option<&PlaceComment>,
    rules: &[PlaceRule],
) -> Result<Vec<Option<PlacePolicy>>, Vec<Wrong>> {
    let [web, proxy] =
        ["acme/web", "acme/proxy"].map(|name| Repository { host: "ghcr.io".to_owned(), name: name.to_owned() });
    let form = Form::Container { init: false };
    let containers = [
        Container {
            name: "web",
            repository: Some(&web),
            tag: Some("1.4.2"),
            form,
            comment,
            setter: None,
            takes_digest: true,
        },
        Container {
            name: "proxy",
            repository: Some(&proxy),
            tag: Some("v2.0"),
            form,
            comment: None,
            setter: None,
            takes_digest: true,
        },
    ];
    let (object, annotations) = (object(kind), annotations(text));
    let subject = Subject {
        file: "shop/web.yaml",
        object: &object,
        line: 1,
        annotations: &annotations,
        annotation_lines: &BTreeMap::new(),
        labels: &BTreeMap::new(),
    };
    let compat = BTreeSet::new();
    read(
        &subject,
        &containers,
        &Given {
            rules,
            compat: &compat,
            setters: Setters::default(),
            reviewed: false,
            expressions: &Expressions::default(),
        },
    )
}

/// Each container as `NAME:POLICY`, with `!` if automated, `#` if locked, `@ORIGIN` if that is not the object, `-` if left
/// alone; or the problems.
fn shown_with(kind: &str, text: &str, comment: Option<&PlaceComment>, rules: &[PlaceRule]) -> String {
    match all(kind, text, comment, rules) {
        Err(problems) => problems.into_iter().map(|wrong| wrong.message).collect::<Vec<_>>().join(" | "),
        Ok(policies) => {
            let each = policies.iter().zip(["web", "proxy"]).map(|(policy, name)| match policy {
                None => format!("{name}:-"),
                Some(policy) => {
                    let automated = if policy.automated { "!" } else { "" };
                    let locked = policy.locked.as_ref().map(|reason| format!("#{reason}")).unwrap_or_default();
                    let origin = format!("@{}", policy.origin).replace("@shop/web.yaml:1", "");
                    format!("{name}:{}{automated}{locked}{origin}", policy.rule.policy)
                }
            });
            each.collect::<Vec<_>>().join(" ")
        }
    }
}

fn shown(kind: &str, text: &str) -> String {
    shown_with(kind, text, None, &[])
}

fn comment(policy: &str, options: &str) -> PlaceComment {
    let pairs = options.split("; ").filter_map(|pair| pair.split_once('='));
    let options = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    PlaceComment { policy: policy.to_owned(), options, line: 7 }
}

fn rule(image: &str, policy: &str) -> PlaceRule {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    PlaceRule { image: some(image), policy: some(policy), ..PlaceRule::default() }
}

#[test]
fn a_comment_is_stronger_than_annotations_and_opts_in_by_itself() {
    for (text, policy, options, expected) in [
        ("", "semver:~1.4", "", "web:semver:~1.4!@shop/web.yaml:7 proxy:-"),
        ("policy=glob:*", "semver:~1.4", "", "web:semver:~1.4!@shop/web.yaml:7 proxy:glob:*"),
        ("policy.web=glob:*; locked.web=a", "semver:*", "locked=b", "web:semver:*!#b@shop/web.yaml:7 proxy:-"),
        ("locked=a", "semver:*", "locked=b", "web:semver:*!#a@shop/web.yaml:7 proxy:semver:^2.0#a"),
        ("", "", "", "web:semver:^1.4.2!@shop/web.yaml:7 proxy:-"),
        ("", "semver:*", "automated=false; image=ghcr.io/x/y; part=tag", "web:semver:*@shop/web.yaml:7 proxy:-"),
        ("", "semver:nope", "", "the comment: the policy \"semver:nope\""),
        ("", "semver:*", "polisy=x", "the comment's polisy is no key that Lockstep knows"),
        ("", "semver:*", "min-age=x", "the comment's min-age: \"x\" is not a span of time"),
    ] {
        let shown = shown_with("Deployment", text, Some(&comment(policy, options)), &[]);
        assert!(shown.starts_with(expected), "{text} {policy} {options}: {shown}");
    }
    let wrong = all("Deployment", "", Some(&comment("semver:nope", "")), &[]).unwrap_err();
    assert_eq!(wrong[0].line, Some(7), "an error in a comment is one of its line");
}

#[test]
fn rules_of_the_settings_are_weakest_and_the_later_one_wins() {
    let locks = PlaceRule { locked: Some("freeze".to_owned()), ..PlaceRule::default() };
    let automates = |container: &str| PlaceRule {
        container: Some(container.to_owned()),
        automated: Some(true),
        ..PlaceRule::default()
    };
    let elsewhere = PlaceRule { path: Some("other/*".to_owned()), ..rule("", "glob:*") };
    let kind = PlaceRule { kind: Some("Stateful*".to_owned()), ..rule("", "glob:*") };
    for (text, rules, expected) in [
        ("", vec![rule("ghcr.io/acme/*", "semver:*")], "web:semver:*@rules[0] proxy:semver:*@rules[0]"),
        ("", vec![rule("*/web", "semver:*"), rule("*", "glob:*")], "web:glob:*@rules[1] proxy:glob:*@rules[1]"),
        ("", vec![rule("*", "glob:*"), rule("*/web", "semver:*")], "web:semver:*@rules[1] proxy:glob:*@rules[0]"),
        ("", vec![automates("web")], "web:semver:^1.4.2!@rules[0] proxy:-"),
        ("", vec![locks.clone()], "web:- proxy:-"),
        ("policy=glob:*", vec![locks.clone()], "web:glob:*#freeze proxy:glob:*#freeze"),
        ("policy=glob:*", vec![rule("*", "semver:*")], "web:glob:* proxy:glob:*"),
        ("policy=glob:*; automated.web=false", vec![automates("*")], "web:glob:* proxy:glob:*!"),
        ("policy.web=glob:*", vec![rule("*/proxy", "semver:*")], "web:glob:* proxy:semver:*@rules[0]"),
        ("policy.web=glob:*", vec![locks], "web:glob:*#freeze proxy:-"),
        ("", vec![elsewhere, kind], "web:- proxy:-"),
    ] {
        assert_eq!(shown_with("Deployment", text, None, &rules), expected, "{text} {rules:?}");
    }
}

#[test]
fn the_more_particular_word_wins_and_a_lock_on_the_object_always() {
    for (text, expected) in [
        ("automated=true", "web:semver:^1.4.2! proxy:semver:^2.0!"),
        ("policy=semver:~1", "web:semver:~1 proxy:semver:~1"),
        ("automated=true; policy=glob:*; policy.web=semver:~1.4", "web:semver:~1.4! proxy:glob:*!"),
        ("automated=true; policy.web=semver:~1.4", "web:semver:~1.4! proxy:-"),
        ("automated=true; automated.web=false", "web:semver:^1.4.2 proxy:semver:^2.0!"),
        ("automated.proxy=true", "web:semver:^1.4.2 proxy:semver:^2.0!"),
        ("locked.web=audit; automated=true", "web:semver:^1.4.2!#audit proxy:semver:^2.0!"),
        ("locked=freeze; locked.web=audit", "web:semver:^1.4.2#freeze proxy:semver:^2.0#freeze"),
        ("automated=true; prune=never; wave=3", "web:semver:^1.4.2! proxy:semver:^2.0!"),
    ] {
        assert_eq!(shown("Deployment", text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_or_honoured_selects_nothing() {
    for (text, expected) in [
        ("polisy=glob:*", "lockstep.dev/polisy is no key that Lockstep knows"),
        ("drift=report", "lockstep.dev/drift is no key that Lockstep knows"),
        ("policy.wob=glob:*", "lockstep.dev/policy.wob: the object has no container \"wob\""),
        ("locked.wob=x", "the object has no container \"wob\""),
        ("policy=semver:not", "lockstep.dev/policy: the policy \"semver:not\""),
        ("automated=yes", "lockstep.dev/automated: \"yes\" is neither"),
        ("tags=(", "lockstep.dev/tags: the regular expression"),
        ("skip-tags=(", "lockstep.dev/skip-tags: the regular expression"),
        ("min-age=3", "lockstep.dev/min-age: \"3\" is not a span of time"),
        ("on-failure=panic", "lockstep.dev/on-failure: \"panic\" is neither"),
        ("allow-downgrade=1", "lockstep.dev/allow-downgrade: \"1\""),
        ("verify=main", "lockstep.dev/verify: \"main\" is not cosign:KEYNAME"),
        ("verify=cosign:main; pin=tag", "lockstep.dev/pin: \"tag\" leaves out the digest that verify has to write"),
        ("policy=digest:stable; pin=tag", "\"tag\" leaves out the digest that the policy has to write"),
        ("window=Mon-Thu", "lockstep.dev/window: \"Mon-Thu\" is not a window"),
        ("platforms=linux/amd64,amd64", "lockstep.dev/platforms: \"amd64\" is no platform"),
        ("pin.web=always", "lockstep.dev/pin.web: \"always\" is neither"),
        ("group=a b", "lockstep.dev/group: \"a b\" is not a name"),
    ] {
        let text = format!("automated=true; {text}");
        assert!(shown("Deployment", &text).contains(expected), "{text}: {}", shown("Deployment", &text));
    }
    let several = shown("Deployment", "verify=x; on-failure=y; automated=z");
    assert_eq!(several.matches(" | ").count(), 2, "{several}");
}

#[test]
fn a_job_is_automated_only_if_it_may_be_replaced() {
    assert!(shown("Job", "automated=true").contains("replace: on-immutable"));
    assert_eq!(shown("Job", "automated=true; replace=on-immutable"), "web:semver:^1.4.2! proxy:semver:^2.0!");
    assert_eq!(shown("Job", "policy=glob:*"), "web:glob:* proxy:glob:*");
    assert_eq!(shown("CronJob", "automated=true"), "web:semver:^1.4.2! proxy:semver:^2.0!");
}

#[test]
fn everything_that_a_person_may_write_arrives() {
    let text = "automated=true; tags=^v; skip-tags=rc; min-age=1d; allow-downgrade=true; on-failure=revert; \
                pin=tag+digest; group=shop; platforms=linux/amd64, linux/arm64; verify=cosign:main; window=Mon 09:00-10:00 UTC";
    let policies = all("Pod", text, None, &[]).unwrap();
    let policy = policies[0].as_ref().unwrap();
    assert!(
        policy.rule.tags.as_ref().unwrap().matches("v1") && policy.rule.skip_tags.as_ref().unwrap().matches("1-rc")
    );
    assert_eq!(policy.rule.min_age, Some(SignedDuration::from_hours(24)));
    assert!(policy.rule.allow_downgrade);
    assert_eq!((policy.on_failure, policy.pin), (OnFailure::Revert, Pin::TagAndDigest));
    assert_eq!((policy.group.as_deref(), policy.verify.as_deref()), (Some("shop"), Some("main")));
    assert_eq!((policy.rule.platforms.len(), policy.rule.verify), (2, true));
    assert_eq!(policy.window.as_ref().map(ToString::to_string).as_deref(), Some("Mon 09:00-10:00 UTC"));
}

#[test]
fn only_what_is_addressed_to_the_automator_concerns_it() {
    for (text, expected) in [
        ("", false),
        ("prune=never; wave=2", false),
        ("prune=never; policy=glob:*", true),
        ("polisy=x", true),
        ("verify=x", true),
    ] {
        assert_eq!(concerns(&annotations(text), &BTreeMap::new()), expected, "{text}");
    }
    for (key, expected) in
        [("fluxcd.io/automated", true), ("keel.sh/policy", true), ("kustomize.toolkit.fluxcd.io/prune", false)]
    {
        assert_eq!(
            concerns(&BTreeMap::from([(key.to_owned(), "true".to_owned())]), &BTreeMap::new()),
            expected,
            "{key}"
        );
    }
}

mod foreign;
