use lockstep_manifest::Object;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ownership::Ownership;
use crate::render::render;

const ORDER: [&[&str]; 4] = [
    &["/Namespace//a", "/Namespace//b"],
    &["apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com"],
    &[
        "scheduling.k8s.io/PriorityClass//high",
        "rbac.authorization.k8s.io/ClusterRole//x",
        "rbac.authorization.k8s.io/ClusterRoleBinding//x",
        "cert-manager.io/ClusterIssuer//x",
        "/ResourceQuota/a/x",
        "/ServiceAccount/a/x",
        "/Secret/a/x",
        "/ConfigMap/a/x",
        "/ConfigMap/a/y",
        "/ConfigMap/b/x",
        "rbac.authorization.k8s.io/Role/a/x",
        "/PersistentVolumeClaim/a/x",
        "/Service/a/x",
        "apps/Deployment/a/x",
        "apps/StatefulSet/a/x",
        "batch/CronJob/a/x",
        "networking.k8s.io/Ingress/a/x",
        "example.com/Deployment/a/x",
        "apiregistration.k8s.io/APIService//v1.example.com",
    ],
    &[
        "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding//x",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration//x",
    ],
];

fn object(id: &str, annotations: &[(&str, &str)]) -> Rendered {
    let id: ObjectId = id.parse().unwrap();
    let annotations: serde_json::Map<_, _> =
        annotations.iter().map(|(key, value)| (format!("lockstep.dev/{key}"), json!(value))).collect();
    let value = json!({"metadata": {"name": id.name, "annotations": annotations}});
    let file = format!("{}.yaml", id.name);
    let object = Object { id, api_version: "v1".into(), value, file: file.as_str().into(), line: 1 };
    render(object.clone(), &Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() }).unwrap()
}

fn plain(ids: &[&str]) -> Vec<Rendered> {
    ids.iter().map(|id| object(id, &[])).collect()
}

fn ids(stages: &[Vec<&Rendered>]) -> Vec<Vec<String>> {
    stages.iter().map(|stage| stage.iter().map(|rendered| rendered.object.id.to_string()).collect()).collect()
}

/// The sequence, in short, when the objects come in backwards.
fn sequence(objects: &[Rendered]) -> Vec<String> {
    let items: Vec<Item<'_>> = objects.iter().rev().map(Item::of).collect();
    Order::of(&items).sequence.iter().map(|at| items[*at].id.short()).collect()
}

#[test]
fn objects_are_applied_in_the_order_in_which_they_need_each_other() {
    let mut shuffled = plain(&ORDER.concat());
    shuffled.sort_by_key(|rendered| (rendered.object.id.name.clone(), rendered.object.id.group.clone()));
    assert_eq!(ids(&waves(&shuffled)), ORDER);
    assert!(waves(&[]).is_empty());
}

#[test]
fn waves_and_dependencies_come_before_kinds() {
    let wave = |id: &str, wave: &str| object(id, &[("wave", wave)]);
    let needs = |id: &str, on: &str| object(id, &[("depends-on", on)]);
    let definition = "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com";
    let webhook = "admissionregistration.k8s.io/ValidatingWebhookConfiguration//w";
    let table: [(&str, Vec<Rendered>, &[&str]); 11] = [
        (
            "waves by number, kinds inside",
            vec![
                wave("batch/Job/a/migrate", "-1"),
                wave("/Secret/a/x", "1"),
                object("/Service/a/x", &[]),
                object("/ConfigMap/a/x", &[]),
            ],
            &["Job/a/migrate", "ConfigMap/a/x", "Service/a/x", "Secret/a/x"],
        ),
        (
            "namespaces and definitions first of all",
            vec![wave("example.com/Widget/a/x", "-5"), object("/Namespace//a", &[]), object(definition, &[])],
            &["Namespace/a", "CustomResourceDefinition/widgets.example.com", "Widget/a/x"],
        ),
        (
            "with a wave of its own, a namespace comes with the first that needs it",
            vec![
                wave("/Namespace//a", "3"),
                object("/ConfigMap/b/y", &[]),
                wave("/ConfigMap/a/x", "1"),
                wave("/Secret/b/z", "1"),
            ],
            &["ConfigMap/b/y", "Namespace/a", "Secret/b/z", "ConfigMap/a/x"],
        ),
        (
            "a definition too",
            vec![wave(definition, "3"), wave("example.com/Widget/a/x", "1"), object("/ConfigMap/a/y", &[])],
            &["ConfigMap/a/y", "CustomResourceDefinition/widgets.example.com", "Widget/a/x"],
        ),
        (
            "admission last, after every wave",
            vec![object(webhook, &[]), wave("apps/Deployment/a/x", "7"), object("/ConfigMap/a/x", &[])],
            &["ConfigMap/a/x", "Deployment/a/x", "ValidatingWebhookConfiguration/w"],
        ),
        (
            "but in the wave that is written",
            vec![wave(webhook, "0"), wave("apps/Deployment/a/x", "7")],
            &["ValidatingWebhookConfiguration/w", "Deployment/a/x"],
        ),
        (
            "and before what depends on it",
            vec![
                object(webhook, &[]),
                object(
                    "example.com/Widget/a/x",
                    &[("depends-on", "admissionregistration.k8s.io/ValidatingWebhookConfiguration/w")],
                ),
                wave("apps/Deployment/a/x", "7"),
            ],
            &["ValidatingWebhookConfiguration/w", "Widget/a/x", "Deployment/a/x"],
        ),
        (
            "dependencies against the kinds",
            vec![needs("/ConfigMap/a/x", "apps/namespaces/a/Deployment/db"), object("apps/Deployment/a/db", &[])],
            &["Deployment/a/db", "ConfigMap/a/x"],
        ),
        (
            "in a chain, and twice named",
            vec![
                needs("/ConfigMap/a/x", "/namespaces/a/ConfigMap/y,/namespaces/a/ConfigMap/y"),
                needs("/ConfigMap/a/y", "/namespaces/a/ConfigMap/z"),
                object("/ConfigMap/a/z", &[]),
            ],
            &["ConfigMap/a/z", "ConfigMap/a/y", "ConfigMap/a/x"],
        ),
        (
            "a definition that waits for its operator",
            vec![
                needs(definition, "apps/namespaces/a/Deployment/op"),
                object("example.com/Widget/a/x", &[]),
                object("apps/Deployment/a/op", &[]),
            ],
            &["Deployment/a/op", "CustomResourceDefinition/widgets.example.com", "Widget/a/x"],
        ),
        (
            "dependencies inside a wave",
            vec![
                object("/ConfigMap/a/x", &[("wave", "2"), ("depends-on", "apps/namespaces/a/Deployment/db")]),
                wave("apps/Deployment/a/db", "2"),
                object("batch/Job/a/x", &[]),
            ],
            &["Job/a/x", "Deployment/a/db", "ConfigMap/a/x"],
        ),
    ];
    for (name, objects, expected) in table {
        assert_eq!(sequence(&objects), expected, "{name}");
        assert_eq!(check_order(&objects), Ok(()), "{name}");
    }
}

#[test]
fn a_circle_is_named_with_all_its_members() {
    let table: [(Vec<Rendered>, &[&str]); 6] = [
        (
            vec![
                object("/ConfigMap/a/x", &[("depends-on", "/namespaces/a/ConfigMap/y")]),
                object("/ConfigMap/a/y", &[("depends-on", "/namespaces/a/ConfigMap/z")]),
                object("/ConfigMap/a/z", &[("depends-on", "/namespaces/a/ConfigMap/x")]),
                object("/ConfigMap/a/innocent", &[("depends-on", "/namespaces/a/ConfigMap/x")]),
            ],
            &["x.yaml:1: no order can be found: ConfigMap/a/x (x.yaml:1) depends on ConfigMap/a/y (y.yaml:1), \
              ConfigMap/a/y (y.yaml:1) depends on ConfigMap/a/z (z.yaml:1), \
              ConfigMap/a/z (z.yaml:1) depends on ConfigMap/a/x (x.yaml:1)"],
        ),
        (
            vec![object("/ConfigMap/a/x", &[("depends-on", "/namespaces/a/ConfigMap/x")])],
            &["x.yaml:1: no order can be found: ConfigMap/a/x (x.yaml:1) depends on ConfigMap/a/x (x.yaml:1)"],
        ),
        (
            vec![
                object("/ConfigMap/a/x", &[("depends-on", "/namespaces/a/ConfigMap/y")]),
                object("/ConfigMap/a/y", &[("wave", "1")]),
            ],
            &["x.yaml:1: no order can be found: ConfigMap/a/x (x.yaml:1) depends on ConfigMap/a/y (y.yaml:1), \
              ConfigMap/a/y (y.yaml:1) of wave 1 comes after ConfigMap/a/x (x.yaml:1) of wave 0"],
        ),
        (
            vec![
                object("/Namespace//a", &[("depends-on", "/namespaces/a/ConfigMap/x")]),
                object("/ConfigMap/a/x", &[]),
            ],
            &["x.yaml:1: no order can be found: ConfigMap/a/x (x.yaml:1) is in Namespace/a (a.yaml:1), \
              Namespace/a (a.yaml:1) depends on ConfigMap/a/x (x.yaml:1)"],
        ),
        (
            vec![
                object(
                    "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com",
                    &[("depends-on", "example.com/namespaces/a/Widget/x")],
                ),
                object("example.com/Widget/a/x", &[]),
            ],
            &["widgets.example.com.yaml:1: no order can be found: \
              CustomResourceDefinition/widgets.example.com (widgets.example.com.yaml:1) depends on Widget/a/x (x.yaml:1), \
              Widget/a/x (x.yaml:1) needs its definition CustomResourceDefinition/widgets.example.com (widgets.example.com.yaml:1)"],
        ),
        (
            vec![
                object("/ConfigMap/a/p", &[("depends-on", "/namespaces/a/ConfigMap/q")]),
                object("/ConfigMap/a/q", &[("depends-on", "/namespaces/a/ConfigMap/p")]),
                object("/ConfigMap/a/x", &[("depends-on", "/namespaces/a/ConfigMap/x")]),
            ],
            &[
                "p.yaml:1: no order can be found: ConfigMap/a/p (p.yaml:1) depends on ConfigMap/a/q (q.yaml:1), \
                 ConfigMap/a/q (q.yaml:1) depends on ConfigMap/a/p (p.yaml:1)",
                "x.yaml:1: no order can be found: ConfigMap/a/x (x.yaml:1) depends on ConfigMap/a/x (x.yaml:1)",
            ],
        ),
    ];
    for (objects, expected) in table {
        let errors = check_order(&objects).unwrap_err();
        assert_eq!(errors.iter().map(RenderError::to_string).collect::<Vec<_>>(), expected);
        assert!(errors.iter().all(|error| error.category() == "cycle"));
        assert_eq!(sequence(&objects).len(), objects.len(), "nothing is lost even then");
    }
}

#[test]
fn what_others_depend_on_must_be_there() {
    let objects = [
        object("/ConfigMap/a/x", &[("depends-on", "/namespaces/a/ConfigMap/y,/namespaces/b/ConfigMap/x")]),
        object("/ConfigMap/a/y", &[]),
    ];
    let errors = check_order(&objects).unwrap_err();
    let expected = "x.yaml:1: /ConfigMap/a/x depends on /ConfigMap/b/x, which is not in this Sync; \
                    add it, or take the dependency away";
    assert_eq!(errors.iter().map(RenderError::to_string).collect::<Vec<_>>(), [expected]);
    assert_eq!((errors[0].category(), errors[0].place().1), ("dependency_missing", "x.yaml"));
}

const KINDS: [&str; 7] = [
    "/Namespace/",
    "apiextensions.k8s.io/CustomResourceDefinition/",
    "rbac.authorization.k8s.io/ClusterRole/",
    "/ConfigMap/a",
    "apps/Deployment/b",
    "example.com/Widget/a",
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration/",
];

prop_compose! {
    /// Objects that depend on earlier ones alone, so that an order can mostly be found.
    fn commits()(objects in prop::collection::vec((0..KINDS.len(), prop::option::weighted(0.3, -2..3_i32), prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..12)) -> Vec<Rendered> {
        let name = |kind: usize, at: usize| match (kind, at) {
            (0, 0) => "a".to_owned(),
            (0, 1) => "b".to_owned(),
            (1, _) => format!("widgets{at}.example.com"),
            _ => format!("x{at}"),
        };
        let mut made: Vec<Rendered> = Vec::new();
        for (at, (kind, wave, needs)) in objects.iter().enumerate() {
            let wave = wave.map(|wave| wave.to_string());
            let needs: Vec<String> = needs.iter().filter(|_| !made.is_empty()).map(|index| {
                let id = &made[index.index(made.len())].object.id;
                let namespace = if id.namespace.is_empty() { String::new() } else { format!("namespaces/{}/", id.namespace) };
                format!("{}/{namespace}{}/{}", id.group, id.kind, id.name)
            }).collect();
            let needs = needs.join(",");
            let mut annotations = Vec::new();
            annotations.extend(wave.as_ref().map(|wave| ("wave", wave.as_str())));
            annotations.extend((!needs.is_empty()).then_some(("depends-on", needs.as_str())));
            made.push(object(&format!("{}/{}", KINDS[*kind], name(*kind, at)), &annotations));
        }
        made
    }
}

proptest! {
    /// Each object comes after its namespace, its definition, its dependencies and all that has an earlier wave.
    #[test]
    fn the_order_respects_every_constraint(objects in commits()) {
        prop_assume!(check_order(&objects).is_ok());
        let items: Vec<Item<'_>> = objects.iter().map(Item::of).collect();
        let order = Order::of(&items);
        let place: HashMap<usize, usize> = order.sequence.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        prop_assert_eq!(place.len(), objects.len());
        let waves: Vec<Option<i32>> = objects.iter().map(|rendered| rendered.instructions.as_ref().and_then(|it| it.wave)).collect();
        let is_early = |at: usize| matches!(Rank::of(items[at].id), Rank::Namespace | Rank::Definition);
        for (at, item) in items.iter().enumerate() {
            for (other, needed) in items.iter().enumerate() {
                let is_namespace = Rank::of(needed.id) == Rank::Namespace && needed.id.name == item.id.namespace;
                let is_definition = Rank::of(needed.id) == Rank::Definition && item.id.group == "example.com";
                let is_dependency = item.depends_on().contains(needed.id);
                let is_later = match (waves[other], waves[at]) {
                    _ if is_early(at) || is_early(other) => false,
                    (Some(first), Some(second)) => first < second,
                    _ => false,
                };
                if is_namespace || is_definition || is_dependency || is_later {
                    prop_assert!(place[&other] < place[&at], "{} before {}", needed.id, item.id);
                }
            }
        }
    }
}
