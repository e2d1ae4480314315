//! Other tools' words, on one object with a container `web` and an init container `setup`.

use super::*;

const FLUX2: &str = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: web, namespace: flux}\nspec:\n  imageRepositoryRef: {name: web}\n  policy: {semver: {range: ~1.4}}\n---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: web, namespace: flux}\nspec: {image: IMAGE}\n";

/// Each container as `NAME:POLICY`, `!` automated, `?` listed only, `#LOCK`, `~` if a person has to approve, `-TAGS` that are
/// skipped, `@` if the digest is pinned; or the problems. A key `label:KEY` is that of a label. The setter is on `web`.
fn shown(kind: &str, pairs: &[(&str, &str)], setter: Option<&str>, compat: &[Tool]) -> String {
    shown_with(kind, pairs, setter, compat, &FLUX2.replace("IMAGE", "ghcr.io/acme/web"), false)
}

fn shown_with(
    kind: &str,
    pairs: &[(&str, &str)],
    setter: Option<&str>,
    compat: &[Tool],
    flux: &str,
    reviewed: bool,
) -> String {
    let [web, setup] =
        ["acme/web", "acme/setup"].map(|name| Repository { host: "ghcr.io".to_owned(), name: name.to_owned() });
    let comment = setter.map(|policy| PlaceComment { policy: policy.to_owned(), options: BTreeMap::new(), line: 9 });
    let container = |name, repository, init, setter| Container {
        name,
        repository: Some(repository),
        tag: Some("1.4.2"),
        form: Form::Container { init },
        comment: None,
        setter,
        takes_digest: name == "web",
    };
    let containers = [container("web", &web, false, comment.as_ref()), container("setup", &setup, true, None)];
    let object = object(kind);
    let owned = |pairs: Vec<(&str, &str)>| -> BTreeMap<String, String> {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let (labels, annotations): (Vec<_>, Vec<_>) = pairs.iter().partition(|(key, _)| key.starts_with("label:"));
    let labels = owned(labels.into_iter().map(|(key, value)| (&key["label:".len()..], value)).collect());
    let annotations = owned(annotations);
    let lines = annotations.keys().cloned().zip(2..).collect();
    let subject = Subject {
        file: "web.yaml",
        object: &object,
        line: 1,
        annotations: &annotations,
        annotation_lines: &lines,
        labels: &labels,
    };
    let objects = lockstep_manifest::objects("flux.yaml", flux).unwrap();
    let compat = compat.iter().copied().collect();
    let given = Given {
        rules: &[],
        compat: &compat,
        setters: Setters::of(&objects),
        reviewed,
        expressions: &Expressions::default(),
    };
    let absent = absent(&subject, &containers, &given);
    if !absent.is_empty() {
        return absent.into_iter().map(|wrong| wrong.message).collect::<Vec<_>>().join(" | ");
    }
    match read(&subject, &containers, &given) {
        Err(wrong) => wrong.into_iter().map(|wrong| wrong.message).collect::<Vec<_>>().join(" | "),
        Ok(policies) => {
            let each = policies.iter().zip(["web", "setup"]).map(|(policy, name)| match policy {
                None => format!("{name}:-"),
                Some(policy) => {
                    let mark = |is: bool, mark| if is { mark } else { "" };
                    let locked = policy.locked.as_ref().map(|reason| format!("#{reason}")).unwrap_or_default();
                    let (automated, listed) = (mark(policy.automated, "!"), mark(policy.listed_only, "?"));
                    let approval = mark(policy.approval.is_some(), "~");
                    let pinned = mark(policy.pin == Pin::TagAndDigest, "@");
                    let skips = |tag: &&str| policy.rule.skip_tags.as_ref().is_some_and(|skip| skip.matches(tag));
                    let skipped: Vec<&str> = ["1.sig", "1-rc"].into_iter().filter(skips).collect();
                    let skipped = if skipped.is_empty() { String::new() } else { format!("-{}", skipped.join("-")) };
                    let policy = &policy.rule.policy;
                    format!("{name}:{policy}{automated}{listed}{locked}{approval}{skipped}{pinned}")
                }
            });
            each.collect::<Vec<_>>().join(" ")
        }
    }
}

const ALL: [Tool; 4] = [Tool::Flux1, Tool::Flux2, Tool::Keel, Tool::ImageUpdater];
const IMAGE_LIST: &str = "argocd-image-updater.argoproj.io/image-list";

#[test]
fn other_tools_words_are_read_where_the_settings_name_the_tool() {
    for (pairs, expected) in [
        (vec![("fluxcd.io/automated", "true")], "web:glob:* (flux1)! setup:glob:* (flux1)!"),
        (
            vec![("flux.weave.works/automated", "true"), ("filter.fluxcd.io/web", "semver:~1.4")],
            "web:semver:~1.4 (flux1)! setup:glob:* (flux1)!",
        ),
        (vec![("fluxcd.io/tag.web", "glob:1.*")], "web:glob:1.* (flux1) setup:-"),
        (
            vec![("fluxcd.io/automated", "true"), ("fluxcd.io/locked", "true"), ("fluxcd.io/locked_msg", "audit")],
            "web:glob:* (flux1)!#fluxcd.io/locked: audit setup:glob:* (flux1)!#fluxcd.io/locked: audit",
        ),
        (vec![("keel.sh/policy", "minor")], "web:minor (keel)! setup:-"),
        (
            vec![("keel.sh/policy", "minor"), ("keel.sh/initContainers", "true")],
            "web:minor (keel)! setup:minor (keel)!",
        ),
        (vec![("keel.sh/policy", "minor"), ("keel.sh/monitorContainers", "^x")], "web:- setup:-"),
        (vec![("keel.sh/policy", "never")], "web:- setup:-"),
        (vec![("label:keel.sh/policy", "minor")], "web:minor (keel)! setup:-"),
        (vec![("label:keel.sh/policy", "minor"), ("keel.sh/policy", "never")], "web:- setup:-"),
        (
            vec![("label:keel.sh/policy", "force"), ("label:keel.sh/matchTag", "true"), ("keel.sh/trigger", "poll")],
            "web:force (keel)! setup:-",
        ),
        (vec![("label:keel.sh/policy", "force"), ("keel.sh/matchTag", "true")], "keel, policy: force without matchTag"),
        (vec![("label:keel.sh/policy", "minor"), ("label:keel.sh/approvals", "2")], "web:minor (keel)!~ setup:-"),
        (vec![("keel.sh/policy", "minor"), ("keel.sh/approvals", "1")], "web:minor (keel)!~ setup:-"),
        (vec![("keel.sh/policy", "minor"), ("keel.sh/approvals", "0")], "web:minor (keel)! setup:-"),
        (vec![("keel.sh/policy", "force"), ("keel.sh/matchTag", "true")], "web:force (keel)! setup:-"),
        // A policy of ours replaces them whole; their lock still binds.
        (
            vec![("fluxcd.io/automated", "true"), ("fluxcd.io/locked", "true"), ("lockstep.dev/policy", "semver:~1")],
            "web:semver:~1#fluxcd.io/locked setup:semver:~1#fluxcd.io/locked",
        ),
        (
            vec![("fluxcd.io/automated", "true"), ("lockstep.dev/policy.web", "semver:~1")],
            "web:semver:~1 setup:glob:* (flux1)!",
        ),
        // Other keys of ours say more about theirs.
        (
            vec![("fluxcd.io/automated", "true"), ("lockstep.dev/locked", "freeze")],
            "web:glob:* (flux1)!#freeze setup:glob:* (flux1)!#freeze",
        ),
        // What cannot be honoured.
        (vec![("fluxcd.io/tag.web", "semver:nope")], "flux1, tag: "),
        (vec![("keel.sh/policy", "force")], "keel, policy: force without matchTag"),
        (vec![("keel.sh/policy", "minor"), ("keel.sh/approvals", "one")], "keel.sh/approvals: \"one\" is not a number"),
        (
            vec![("keel.sh/policy", "minor"), ("fluxcd.io/automated", "true")],
            "both flux1 and keel were told about \"web\"",
        ),
    ] {
        let shown = shown("Deployment", &pairs, None, &ALL);
        assert!(shown.starts_with(expected), "{pairs:?}: {shown}");
    }
}

#[test]
fn the_image_list_of_an_application_says_which_images_and_how() {
    let key = |key: &str| format!("argocd-image-updater.argoproj.io/{key}");
    for (list, more, expected) in [
        ("ghcr.io/acme/web", vec![], "web:semver (argocd-image-updater)! setup:-"),
        ("web=ghcr.io/acme/web:~1.4", vec![], "web:semver:~1.4 (argocd-image-updater)! setup:-"),
        (
            "web=ghcr.io/acme/web, ghcr.io/acme/setup",
            vec![("web.update-strategy", "newest-build"), ("update-strategy", "alphabetical")],
            "web:newest-build (argocd-image-updater)! setup:alphabetical (argocd-image-updater)!",
        ),
        (
            "ghcr.io/acme/other, ghcr.io/acme/web",
            vec![],
            "argocd-image-updater.argoproj.io/image-list: \"ghcr.io/acme/other\" stands nowhere",
        ),
        (
            "ghcr.io/acme/web",
            vec![("write-back-target", "helmvalues:v.yaml")],
            "argocd-image-updater.argoproj.io/write-back-target: \"helmvalues:v.yaml\" is another file",
        ),
        ("ghcr.io/acme/web", vec![("update-strategy", "best")], "argocd-image-updater, update-strategy: \"best\""),
    ] {
        let more: Vec<(String, &str)> = more.into_iter().map(|(name, value)| (key(name), value)).collect();
        let mut pairs = vec![(IMAGE_LIST, list)];
        pairs.extend(more.iter().map(|(key, value)| (key.as_str(), *value)));
        let shown_there = shown("Application", &pairs, None, &ALL);
        assert!(shown_there.starts_with(expected), "{list}: {shown_there}");
        assert_eq!(shown("Deployment", &pairs, None, &ALL), "web:- setup:-", "only an Application has such a list");
    }
}

#[test]
fn a_setter_is_governed_by_its_image_policy() {
    for (setter, expected) in [
        ("flux:web", "web:semver:~1.4 (flux2)!-1.sig setup:-"),
        ("flux:api", "there is no ImagePolicy flux:api"),
        ("other:web", "there is no ImagePolicy other:web"),
    ] {
        let shown = shown("Deployment", &[], Some(setter), &ALL);
        assert!(shown.starts_with(expected), "{setter}: {shown}");
    }
}

#[test]
fn what_flux_says_beside_the_policy_counts() {
    let base = FLUX2.replace("IMAGE", "ghcr.io/acme/web");
    let automation = |name: &str, path: &str, suspend: bool| {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: {name}, namespace: flux}}\nspec: {{suspend: {suspend}, update: {{path: {path}}}}}\n"
        )
    };
    let policy = |field: &str| base.replace("  policy:", &format!("  {field}\n  policy:"));
    let repository = |field: &str| base.replace("spec: {image", &format!("spec: {{{field}, image"));
    let plain = "web:semver:~1.4 (flux2)!-1.sig";
    for (flux, expected) in [
        (base.clone(), plain.to_owned()),
        (policy("digestReflectionPolicy: Always"), format!("{plain}@")),
        (policy("digestReflectionPolicy: IfNotPresent"), format!("{plain}@")),
        (policy("digestReflectionPolicy: Never"), plain.to_owned()),
        (policy("suspend: true"), "web:semver:~1.4 (flux2)!#the ImagePolicy flux:web is suspended-1.sig".to_owned()),
        (repository("suspend: true"), "web:semver:~1.4 (flux2)!#the ImageRepository web is suspended-1.sig".to_owned()),
        (repository("exclusionList: []"), "web:semver:~1.4 (flux2)!".to_owned()),
        (repository("exclusionList: ['^.*-rc$', x]"), "web:semver:~1.4 (flux2)!-1-rc".to_owned()),
        (
            repository("exclusionList: ['(']"),
            "the ImageRepository of the ImagePolicy flux:web: exclusionList: the regular expression".to_owned(),
        ),
        (
            format!("{base}{}", automation("all", "./", true)),
            "web:semver:~1.4 (flux2)!#the ImageUpdateAutomation all is suspended-1.sig".to_owned(),
        ),
        (format!("{base}{}", automation("other", "./we", true)), plain.to_owned()),
        (format!("{base}{}{}", automation("all", ".", true), automation("live", "''", false)), plain.to_owned()),
    ] {
        let shown = shown_with("Deployment", &[], Some("flux:web"), &ALL, &flux, false);
        assert!(shown.strip_suffix(" setup:-").unwrap_or(&shown).starts_with(&expected), "{flux}\n{shown}");
        assert!(shown.contains('@') == expected.contains('@'), "{flux}\n{shown}");
    }
    let pinned = policy("digestReflectionPolicy: Always");
    let ours = [("lockstep.dev/pin", "as-found")];
    let shown = shown_with("Deployment", &ours, Some("flux:web"), &ALL, &pinned, false);
    assert!(shown.starts_with(&format!("{plain} ")), "{shown}");
}

#[test]
fn who_merges_a_change_approves_it() {
    let pairs = [("keel.sh/policy", "minor"), ("keel.sh/approvals", "1")];
    assert_eq!(shown_with("Deployment", &pairs, None, &ALL, "", true), "web:minor (keel)! setup:-");
}

#[test]
fn a_tool_that_the_settings_do_not_name_is_only_listed() {
    for (pairs, compat, expected) in [
        (vec![("fluxcd.io/automated", "true")], &[Tool::Keel][..], "web:glob:* (flux1)? setup:glob:* (flux1)?"),
        (vec![("fluxcd.io/tag.web", "semver:nope")], &[], "web:- setup:-"),
        (
            vec![("fluxcd.io/automated", "true"), ("keel.sh/policy", "minor")],
            &[],
            "web:glob:* (flux1)? setup:glob:* (flux1)?",
        ),
        (vec![("fluxcd.io/locked", "true"), ("lockstep.dev/policy", "glob:*")], &[], "web:glob:*#fluxcd.io/locked"),
        (vec![("fluxcd.io/ignore", "true"), ("lockstep.dev/policy", "glob:*")], &[], "web:glob:*#fluxcd.io/ignore"),
    ] {
        let shown = shown("Deployment", &pairs, None, compat);
        assert!(shown.starts_with(expected), "{pairs:?}: {shown}");
    }
}
