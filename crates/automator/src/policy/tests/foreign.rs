//! Other tools' words, on one object with a container `web` and an init container `setup`.

use super::*;

const FLUX2: &str = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: web, namespace: flux}\nspec:\n  imageRepositoryRef: {name: web}\n  policy: {semver: {range: ~1.4}}\n---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: web, namespace: flux}\nspec: {image: IMAGE}\n";

/// Each container as `NAME:POLICY`, `!` automated, `?` listed only, `#LOCK`; or the problems. The setter is on `web`.
fn shown(kind: &str, pairs: &[(&str, &str)], setter: Option<&str>, compat: &[Tool]) -> String {
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
    };
    let containers = [container("web", &web, false, comment.as_ref()), container("setup", &setup, true, None)];
    let object = object(kind);
    let annotations: BTreeMap<String, String> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let lines = annotations.keys().cloned().zip(2..).collect();
    let subject =
        Subject { file: "web.yaml", object: &object, line: 1, annotations: &annotations, annotation_lines: &lines };
    let objects = lockstep_manifest::objects("flux.yaml", &FLUX2.replace("IMAGE", "ghcr.io/acme/web")).unwrap();
    let compat = compat.iter().copied().collect();
    match read(&subject, &containers, &Given { rules: &[], compat: &compat, setters: Setters::of(&objects) }) {
        Err(wrong) => wrong.into_iter().map(|wrong| wrong.message).collect::<Vec<_>>().join(" | "),
        Ok(policies) => {
            let each = policies.iter().zip(["web", "setup"]).map(|(policy, name)| match policy {
                None => format!("{name}:-"),
                Some(policy) => {
                    let mark = |is: bool, mark| if is { mark } else { "" };
                    let locked = policy.locked.as_ref().map(|reason| format!("#{reason}")).unwrap_or_default();
                    let (automated, listed) = (mark(policy.automated, "!"), mark(policy.listed_only, "?"));
                    format!("{name}:{}{automated}{listed}{locked}", policy.rule.policy)
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
        (vec![("keel.sh/policy", "minor"), ("keel.sh/approvals", "1")], "keel.sh/approvals: there is nobody"),
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
        ("ghcr.io/acme/other", vec![], "web:- setup:-"),
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
        ("flux:web", "web:semver:~1.4 (flux2)! setup:-"),
        ("flux:api", "there is no ImagePolicy flux:api"),
        ("other:web", "there is no ImagePolicy other:web"),
    ] {
        let shown = shown("Deployment", &[], Some(setter), &ALL);
        assert!(shown.starts_with(expected), "{setter}: {shown}");
    }
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
