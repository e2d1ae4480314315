use super::*;

fn object(kind: &str) -> ObjectId {
    ObjectId::new("", kind, "shop", "web")
}

/// `key=value; key=value`, each key with our prefix.
fn annotations(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split("; ").filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (format!("{PREFIX}{key}"), value.to_owned())).collect()
}

/// Each container as `NAME:POLICY`, with `!` if automated, `#` if locked, `-` if left alone; or the problems.
fn shown(kind: &str, text: &str) -> String {
    let containers = [("web", Some("1.4.2")), ("proxy", Some("v2.0"))];
    match read(&object(kind), &annotations(text), &containers) {
        Err(problems) => problems.join(" | "),
        Ok(policies) => {
            let each = policies.iter().zip(containers).map(|(policy, (name, _))| match policy {
                None => format!("{name}:-"),
                Some(policy) => {
                    let automated = if policy.automated { "!" } else { "" };
                    let locked = policy.locked.as_ref().map(|reason| format!("#{reason}")).unwrap_or_default();
                    format!("{name}:{}{automated}{locked}", policy.rule.policy)
                }
            });
            each.collect::<Vec<_>>().join(" ")
        }
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
        ("policy.wob=glob:*", "lockstep.dev/policy.wob: the object has no container \"wob\""),
        ("locked.wob=x", "the object has no container \"wob\""),
        ("policy=semver:not", "lockstep.dev/policy: the policy \"semver:not\""),
        ("policy=calver:YYYY", "not supported yet"),
        ("automated=yes", "lockstep.dev/automated: \"yes\" is neither"),
        ("tags=(", "lockstep.dev/tags: the regular expression"),
        ("skip-tags=(", "lockstep.dev/skip-tags: the regular expression"),
        ("min-age=3", "lockstep.dev/min-age: \"3\" is not a span of time"),
        ("on-failure=panic", "lockstep.dev/on-failure: \"panic\" is neither"),
        ("allow-downgrade=1", "lockstep.dev/allow-downgrade: \"1\""),
        ("verify=cosign:main", "lockstep.dev/verify is not supported by this version"),
        ("window=Mon-Thu", "lockstep.dev/window is not supported by this version"),
        ("platforms=linux/amd64", "lockstep.dev/platforms is not supported by this version"),
        ("pin.web=tag", "lockstep.dev/pin is not supported by this version"),
        ("group=a", "lockstep.dev/group is not supported by this version"),
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
    let text = "automated=true; tags=^v; skip-tags=rc; min-age=1d; allow-downgrade=true; on-failure=revert";
    let policies = read(&object("Pod"), &annotations(text), &[("web", Some("v1.0.0"))]).unwrap();
    let policy = policies[0].as_ref().unwrap();
    assert!(
        policy.rule.tags.as_ref().unwrap().matches("v1") && policy.rule.skip_tags.as_ref().unwrap().matches("1-rc")
    );
    assert_eq!(policy.rule.min_age, Some(SignedDuration::from_hours(24)));
    assert!(policy.rule.allow_downgrade);
    assert_eq!(policy.on_failure, OnFailure::Revert);
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
        assert_eq!(concerns(&annotations(text)), expected, "{text}");
    }
    let others = BTreeMap::from([("fluxcd.io/automated".to_owned(), "true".to_owned())]);
    assert!(!concerns(&others));
}
