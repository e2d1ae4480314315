use serde_json::json;

use super::*;

fn from(metadata: Value) -> Result<Instructions, Problems> {
    Ok(of_metadata(metadata.as_object().unwrap())?.map(|instructions| *instructions).unwrap_or_default())
}

fn annotated(annotations: &[(&str, &str)]) -> Result<Instructions, Problems> {
    from(json!({"annotations": annotations.iter().copied().collect::<BTreeMap<&str, &str>>()}))
}

fn nothing() -> Instructions {
    Instructions::default()
}

#[test]
fn annotations_mean_what_they_say() {
    let ignore = || Instructions { apply: ApplyMode::Ignore, ..nothing() };
    let create_only = || Instructions { apply: ApplyMode::CreateOnly, ..nothing() };
    let never = || Instructions { prune_never: true, ..nothing() };
    let replace = || Instructions { replace_on_immutable: true, ..nothing() };
    let wave = |number| Instructions { wave: Some(number), ..nothing() };
    let depends_on =
        |ids: &[&str]| Instructions { depends_on: ids.iter().map(|id| id.parse().unwrap()).collect(), ..nothing() };
    let hook = |text: &str| Instructions { hook: Some(text.into()), ..ignore() };
    let table = [
        ("lockstep.dev/apply", "ignore", ignore()),
        ("lockstep.dev/apply", "create-only", create_only()),
        ("lockstep.dev/apply", " always ", nothing()),
        ("lockstep.dev/prune", "never", never()),
        ("lockstep.dev/replace", "on-immutable", replace()),
        ("lockstep.dev/adopt", "true", Instructions { adopt: true, ..nothing() }),
        ("lockstep.dev/adopt", "false", nothing()),
        ("lockstep.dev/wave", "-3", wave(-3)),
        ("lockstep.dev/wave", "0", wave(0)),
        (
            "lockstep.dev/depends-on",
            "apps/namespaces/shop/Deployment/db, /namespaces/shop/ConfigMap/x,rbac.authorization.k8s.io/ClusterRole/a:b, /Namespace/shop",
            depends_on(&[
                "apps/Deployment/shop/db",
                "/ConfigMap/shop/x",
                "rbac.authorization.k8s.io/ClusterRole//a:b",
                "/Namespace//shop",
            ]),
        ),
        (
            "lockstep.dev/ignore-fields",
            "/spec/replicas, /metadata/annotations/a~1b",
            Instructions {
                ignore_fields: vec!["/spec/replicas".parse().unwrap(), "/metadata/annotations/a~1b".parse().unwrap()],
                ..nothing()
            },
        ),
        // What others read, and what nobody reads.
        ("lockstep.dev/policy.web", "semver:~1.4", nothing()),
        ("lockstep.dev/automated", "true", nothing()),
        ("lockstep.dev/id", "/ConfigMap/a/x", nothing()),
        ("example.com/apply", "ignore", nothing()),
        // Flux.
        ("kustomize.toolkit.fluxcd.io/ssa", "Ignore", ignore()),
        ("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent", create_only()),
        ("kustomize.toolkit.fluxcd.io/ssa", "Merge", nothing()),
        ("kustomize.toolkit.fluxcd.io/ssa", "Override", nothing()),
        ("kustomize.toolkit.fluxcd.io/prune", "disabled", never()),
        ("kustomize.toolkit.fluxcd.io/prune", "Disabled", never()),
        ("kustomize.toolkit.fluxcd.io/prune", "enabled", nothing()),
        ("kustomize.toolkit.fluxcd.io/reconcile", "disabled", ignore()),
        ("kustomize.toolkit.fluxcd.io/force", "enabled", replace()),
        ("kustomize.toolkit.fluxcd.io/name", "apps", nothing()),
        ("fluxcd.io/ignore", "true", ignore()),
        ("fluxcd.io/ignore", "sync_only", never()),
        ("fluxcd.io/ignore", "false", nothing()),
        // Argo CD.
        ("argocd.argoproj.io/sync-options", "Prune=false", never()),
        ("argocd.argoproj.io/sync-options", "Delete=false", never()),
        ("argocd.argoproj.io/sync-options", "Prune=confirm", never()),
        ("argocd.argoproj.io/sync-options", "Replace=true", replace()),
        ("argocd.argoproj.io/sync-options", "Force=true", replace()),
        ("argocd.argoproj.io/sync-options", "Prune=true, Replace=false", nothing()),
        ("argocd.argoproj.io/sync-options", "PruneLast=true", nothing()),
        ("argocd.argoproj.io/sync-options", " Prune=false , ServerSideApply=true", never()),
        ("argocd.argoproj.io/sync-options", "", nothing()),
        ("argocd.argoproj.io/sync-wave", "5", wave(5)),
        ("argocd.argoproj.io/hook", "PreSync", hook("argocd.argoproj.io/hook: PreSync")),
        ("helm.sh/hook", "pre-install,pre-upgrade", hook("helm.sh/hook: pre-install,pre-upgrade")),
        // The rest.
        ("config.kubernetes.io/depends-on", "/namespaces/a/Pod/x", depends_on(&["/Pod/a/x"])),
        ("client.lifecycle.config.k8s.io/deletion", "detach", never()),
        ("helm.sh/resource-policy", "keep", never()),
    ];
    for (key, value, expected) in table {
        assert_eq!(annotated(&[(key, value)]), Ok(expected), "{key}: {value}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_a_guess() {
    let depends_on = "must be group/namespaces/NAMESPACE/Kind/NAME or group/Kind/NAME, separated by commas";
    let table = [
        ("lockstep.dev/apply", "Ignore", "must be ignore, create-only or always"),
        ("lockstep.dev/prune", "newer", "must be never or always"),
        ("lockstep.dev/prune", "", "must be never or always"),
        ("lockstep.dev/replace", "true", "must be on-immutable or never"),
        ("lockstep.dev/adopt", "yes", "must be \"true\" or \"false\""),
        ("lockstep.dev/wave", "first", "must be a whole number, such as \"-1\" or \"2\""),
        ("lockstep.dev/wave", "99999999999", "must be a whole number, such as \"-1\" or \"2\""),
        ("lockstep.dev/depends-on", "Deployment/db", depends_on),
        ("lockstep.dev/depends-on", "apps/namespaces//Deployment/db", depends_on),
        ("lockstep.dev/depends-on", "apps/Deployment/", depends_on),
        ("lockstep.dev/depends-on", "/namespaces/a/Pod/x,", depends_on),
        (
            "lockstep.dev/ignore-fields",
            "spec.replicas",
            "must be JSON pointers that begin with a slash, separated by commas",
        ),
        ("lockstep.dev/ignore-fields", "/spec/a~b", "has a ~ that is neither ~0 nor ~1"),
        ("lockstep.dev/ignore-fields", "/spec//x", "has an empty name between two slashes"),
        ("lockstep.dev/prunne", "never", "is no annotation that Lockstep knows; check the spelling"),
        ("lockstep.dev/drift", "report", "is no annotation that Lockstep knows; check the spelling"),
        ("lockstep.dev/health", "ignore", "is no annotation that Lockstep knows; check the spelling"),
        ("lockstep.dev/apply.web", "ignore", "is no annotation that Lockstep knows; check the spelling"),
        ("config.kubernetes.io/depends-on", "db", depends_on),
        ("kustomize.toolkit.fluxcd.io/ssa", "ifnot", "must be Merge, Override, IfNotPresent or Ignore"),
        ("kustomize.toolkit.fluxcd.io/prune", "false", "must be enabled or disabled"),
        ("kustomize.toolkit.fluxcd.io/force", "true", "must be enabled or disabled"),
        ("fluxcd.io/ignore", "maybe", "must be \"true\", \"false\" or sync_only"),
        ("argocd.argoproj.io/sync-options", "Prune=no", "has a value for Prune that cannot be read"),
        ("argocd.argoproj.io/sync-options", "Delete", "has a value for Delete that cannot be read"),
        ("argocd.argoproj.io/sync-wave", "1.5", "must be a whole number, such as \"-1\" or \"2\""),
        ("client.lifecycle.config.k8s.io/deletion", "attach", "must be detach"),
        ("helm.sh/resource-policy", "delete", "must be keep"),
    ];
    for (key, value, expected) in table {
        assert_eq!(annotated(&[(key, value)]), Err(vec![format!("{key} {expected}")]), "{key}: {value}");
    }
    let both = annotated(&[("lockstep.dev/apply", "x"), ("lockstep.dev/wave", "y"), ("lockstep.dev/z", "")]);
    assert_eq!(both.unwrap_err().len(), 3, "all of it at once");
}

#[test]
fn what_says_what_the_object_is_cannot_be_left_to_others() {
    for pointer in [
        "/",
        "/apiVersion",
        "/kind",
        "/metadata",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/labels",
        "/metadata/annotations",
        "/metadata/labels/lockstep.dev~1sync",
        "/metadata/labels/applyset.kubernetes.io~1part-of",
        "/metadata/annotations/lockstep.dev~1id",
        "/metadata/annotations/lockstep.dev~1applied",
    ] {
        assert!(pointer.parse::<FieldPointer>().is_err(), "{pointer}");
    }
    for pointer in ["/metadata/labels/app", "/metadata/finalizers", "/spec", "/data/a~1b", "/data/a~0b"] {
        assert_eq!(pointer.parse::<FieldPointer>().unwrap().to_string(), pointer);
    }
}

#[test]
fn fields_are_found_and_taken_out() {
    let object = || json!({"spec": {"replicas": 3, "containers": [{"name": "web", "image": "w"}, {"name": "log", "image": "l", "env": [{"name": "A", "value": 1}]}]}, "data": {"a/b": "x"}});
    let after = |pointer: &str, value: Value| {
        let mut changed = object();
        let place = changed.pointer_mut(pointer).unwrap();
        *place = value;
        changed
    };
    let without_data = json!({"spec": object()["spec"]});
    let table = [
        ("/spec/replicas", Some(json!(3)), Some(after("/spec", json!({"containers": object()["spec"]["containers"]})))),
        ("/spec/missing/deeper", None, Some(object())),
        ("/spec/replicas/deeper", None, Some(object())),
        ("/data/a~1b", Some(json!("x")), Some(without_data.clone())),
        ("/data", Some(json!({"a/b": "x"})), Some(without_data)),
        ("/spec/containers/0/image", Some(json!("w")), Some(after("/spec/containers/0", json!({"name": "web"})))),
        (
            "/spec/containers/[name=log]/image",
            Some(json!("l")),
            Some(after("/spec/containers/1", json!({"name": "log", "env": [{"name": "A", "value": 1}]}))),
        ),
        (
            "/spec/containers/[name=log]/env/[value=1]/value",
            Some(json!(1)),
            Some(after("/spec/containers/1/env/0", json!({"name": "A"}))),
        ),
        ("/spec/containers/[name=db]/image", None, None),
        ("/spec/containers/2/image", None, None),
        ("/spec/containers/x/image", None, None),
        // A whole item may not be left out: where the list is one value that would delete it.
        ("/spec/containers/0", Some(json!({"name": "web", "image": "w"})), None),
    ];
    for (text, found, left) in table {
        let pointer: FieldPointer = text.parse().unwrap();
        assert_eq!(pointer.get(&object()).cloned(), found, "{text}");
        let mut changed = object();
        assert_eq!(pointer.remove(&mut changed).then_some(changed), left, "{text}");
    }
    let named: FieldPointer = "/spec/containers/[name=log]/env/0/a~1b".parse().unwrap();
    assert_eq!(named.in_object(&object()).unwrap(), "/spec/containers/1/env/0/a~1b");
    assert_eq!("/spec/containers/[name=db]/env".parse::<FieldPointer>().unwrap().in_object(&object()), None);
    assert_eq!("/no/such/way".parse::<FieldPointer>().unwrap().in_object(&object()).unwrap(), "/no/such/way");
    let mut empty = json!({"spec": {"selector": {}, "template": {"a": 1}}});
    "/spec/selector/x".parse::<FieldPointer>().unwrap().remove(&mut empty);
    "/spec/template/a".parse::<FieldPointer>().unwrap().remove(&mut empty);
    assert_eq!(empty, json!({"spec": {"selector": {}}}), "a map that Git has empty stays");
}

#[test]
fn our_own_word_wins_and_among_others_the_careful_one() {
    let table = [
        (vec![("kustomize.toolkit.fluxcd.io/prune", "disabled"), ("lockstep.dev/prune", "always")], nothing()),
        (vec![("kustomize.toolkit.fluxcd.io/ssa", "Ignore"), ("lockstep.dev/apply", "always")], nothing()),
        (
            vec![("argocd.argoproj.io/sync-wave", "7"), ("lockstep.dev/wave", "2")],
            Instructions { wave: Some(2), ..nothing() },
        ),
        (vec![("helm.sh/hook", "crd-install"), ("lockstep.dev/apply", "always")], nothing()),
        (
            vec![("helm.sh/hook", "test"), ("lockstep.dev/apply", "create-only")],
            Instructions { apply: ApplyMode::CreateOnly, ..nothing() },
        ),
        (
            vec![("fluxcd.io/ignore", "true"), ("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent")],
            Instructions { apply: ApplyMode::Ignore, ..nothing() },
        ),
        (
            vec![("kustomize.toolkit.fluxcd.io/prune", "enabled"), ("helm.sh/resource-policy", "keep")],
            Instructions { prune_never: true, ..nothing() },
        ),
    ];
    for (annotations, expected) in table {
        assert_eq!(annotated(&annotations), Ok(expected), "{annotations:?}");
    }
}

#[test]
fn flux_is_heard_by_its_labels_too() {
    let labels = json!({"kustomize.toolkit.fluxcd.io/prune": "disabled", "helm.sh/resource-policy": "keep"});
    assert!(from(json!({"labels": labels})).unwrap().prune_never);
    let elsewhere = json!({"helm.sh/resource-policy": "keep", "lockstep.dev/prune": "never"});
    assert_eq!(from(json!({"labels": elsewhere})), Ok(nothing()));
}

#[test]
fn a_live_object_is_read_the_same_way() {
    let id: ObjectId = "/ConfigMap/a/x".parse().unwrap();
    let metadata = json!({"metadata": {
        "labels": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
        "annotations": {"lockstep.dev/prune": "never", "lockstep.dev/unheard-of": "x"},
    }});
    let read = of_live(&LiveMetadata::from_object(id.clone(), &metadata));
    assert_eq!(read, Ok(Instructions { apply: ApplyMode::Ignore, prune_never: true, ..nothing() }));
    let wrong = json!({"metadata": {"annotations": {"lockstep.dev/prune": "nevr"}}});
    assert!(of_live(&LiveMetadata::from_object(id, &wrong)).is_err());
}
