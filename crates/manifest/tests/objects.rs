//! Which objects a file has, what is wrong with it, and what a hostile one costs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::{Form, ObjectId, documents, images, objects, text_of};
use serde_json::json;

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";

fn errors(text: &str) -> String {
    let errors = objects("f.yaml", text).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn ids(text: &str) -> Vec<String> {
    objects("f.yaml", text).unwrap().iter().map(|object| object.id.to_string()).collect()
}

#[test]
fn empty_documents_are_ignored_and_lists_taken_apart() {
    assert!(ids("").is_empty());
    assert!(ids("\u{feff}").is_empty());
    assert!(ids("# only a comment\n").is_empty());
    assert!(ids("---\n---\n# c\n---\n...\n---\nnull\n").is_empty());
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n\
        - apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: a}}\n\
        - apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - metadata: {name: c}\n---\napiVersion: v1\nkind: List\nitems:\n";
    assert_eq!(ids(list), ["/Namespace//a", "apps/Deployment/a/b", "/ConfigMap//c"]);
    let lines: Vec<usize> = objects("f", list).unwrap().iter().map(|object| object.line).collect();
    assert_eq!(lines, [4, 8, 12]);
    // A kind of somebody's own that ends in List and has no items is an object.
    assert_eq!(ids("apiVersion: x.example/v1\nkind: AllowList\nmetadata: {name: a}\n"), ["x.example/AllowList//a"]);
}

#[test]
fn documents_are_read_whatever_they_hold() {
    let text = "# first\nkind: Pod\nready: on\n---\n---\nnull\n--- [1, 0x2]\n---\ntext\n";
    let expected = [(2, json!({"kind": "Pod", "ready": true})), (7, json!([1, 2])), (9, json!("text"))];
    assert_eq!(documents("f.yaml", text).unwrap(), expected);
    assert_eq!(documents("f.yaml", "a: 1\n---\nb: {c: 1, c: 2}\n").unwrap_err()[0].line, 3);
}

#[test]
fn an_identity_is_written_and_read_back() {
    for text in ["apps/Deployment/shop/web", "/Namespace//shop", "rbac.authorization.k8s.io/ClusterRole//system:x"] {
        assert_eq!(text.parse::<ObjectId>().unwrap().to_string(), text);
    }
    for text in ["", "Deployment/web", "///", "a/b/c/d/e", "apps//ns/name", "apps/Kind/ns/"] {
        assert!(text.parse::<ObjectId>().is_err(), "{text}");
    }
    assert_eq!("apps/Deployment/shop/web".parse::<ObjectId>().unwrap().short(), "Deployment/shop/web");
    assert_eq!("/Namespace//shop".parse::<ObjectId>().unwrap().short(), "Namespace/shop");
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_line_and_field() {
    let text = "kind: ConfigMap\nmetadata:\n  labels: {a: 1, b: yes}\n---\napiVersion: v1\nmetadata: x\n---\n- 1\n---\n\
        apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: a-\n---\napiVersion: v1\nkind: List\nitems: {}\n---\n\
        apiVersion: v1\nkind: List\nitems:\n- 3\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: 12\n    annotations:\n      example.com/x: [1]\n";
    let expected = [
        "f.yaml:1: apiVersion: is missing",
        "f.yaml:1: metadata.name: is missing",
        "f.yaml:3: metadata.labels[a]: must be a string; put it in quotes",
        "f.yaml:3: metadata.labels[b]: must be a string; put it in quotes",
        "f.yaml:5: kind: is missing",
        "f.yaml:6: metadata: must be a mapping",
        "f.yaml:8: not an object: a mapping with apiVersion, kind and metadata belongs here",
        "f.yaml:13: metadata.generateName: an object that Git declares needs a fixed metadata.name: under generateName each sync would create another",
        "f.yaml:17: items: must be a sequence of objects",
        "f.yaml:22: items[0]: not an object: a mapping with apiVersion, kind and metadata belongs here",
        "f.yaml:26: items[1].metadata.name: must be a string; put it in quotes",
        "f.yaml:28: items[1].metadata.annotations[example.com/x]: must be a string",
    ];
    assert_eq!(errors(text), expected.join("\n"));
    assert!(
        errors("kind: Deployment\nmetadata:\n  name: &serviceName\n").contains("f.yaml:3: metadata.name: is empty")
    );
    assert!(errors("apiVersion: v1\nkind: Pod\nmetadata: {name: a/b}\n").contains("metadata.name: has a character"));
    assert!(errors("apiVersion: v1\nkind: Pod\nmetadata: {name: '{{ .x }}'}\n").contains("a template"));
}

#[test]
fn duplicates_in_several_documents_are_all_named() {
    let text = format!("{WEB}a: 1\na: 2\n---\n{WEB}b: {{x: 1, x: 2}}\n");
    let expected = "f.yaml:6: a: the key `a` stands twice in one mapping, first at line 5; remove one\n\
        f.yaml:12: b.x: the key `x` stands twice in one mapping, first at line 12; remove one";
    assert_eq!(errors(&text), expected);
    let large: String = (0..40).map(|n| format!("  k{n}: 1\n")).collect();
    assert!(errors(&format!("{WEB}data:\n{large}  k7: 2\n")).contains("f.yaml:46: data.k7: the key `k7` stands twice"));
}

#[test]
fn no_error_tells_a_value() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {a: [hunter2]}}\n";
    for data in [
        "data: {x: hunter2, x: hunter2}\n",
        "data: {x: !!int hunter2}\n",
        "data: hunter2: hunter2\n",
        "data: {x: @hunter2}\n",
        "stringData:\n  x: \"hunter2\n",
        "stringData:\n  <<: hunter2\n",
        "data: *hunter2\n",
        "data: {x: !!binary hunter2}\n",
        "stringData:\n  x: hunter2\n y: hunter2\n",
        "data: 'hunter2\\q' hunter2\n",
    ] {
        let all = errors(&format!("{secret}{data}"));
        assert!(!all.contains("hunter2"), "{all}");
    }
    assert!(
        !errors("apiVersion: v1\nkind: Secret\nmetadata: {name: [hunter2]}\ndata: {x: hunter2}\n").contains("hunter2")
    );
}

#[test]
fn images_are_found_where_workloads_keep_them() {
    let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c, annotations: {lockstep.dev/automated: \"true\"}}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          initContainers:\n          - {name: i, image: 'a:1'}\n          containers:\n          - image: b # no tag\n            name: m\n          - name: none\n\
        ---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p, namespace: ns}\n  spec: {containers: [{name: x, image: \"1.10\"}]}\n\
        ---\napiVersion: batch.example/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: [{name: x, image: no:1}]}}}\n";
    let found = images("f.yaml", text).unwrap();
    let seen: Vec<_> = found
        .iter()
        .map(|p| {
            (
                p.object.as_ref().unwrap().short(),
                p.container.as_str(),
                p.form == Form::Container { init: true },
                p.text.as_str(),
                p.line,
                p.object_line,
                p.pointer.as_str(),
                p.document,
            )
        })
        .collect();
    let base = "/spec/jobTemplate/spec/template/spec";
    assert_eq!(
        seen,
        [
            ("CronJob/c".to_owned(), "i", true, "a:1", 10, 1, format!("{base}/initContainers/0/image").as_str(), 0),
            ("CronJob/c".to_owned(), "m", false, "b", 12, 1, format!("{base}/containers/0/image").as_str(), 0),
            ("Pod/ns/p".to_owned(), "x", false, "1.10", 22, 19, "/items/0/spec/containers/0/image", 1),
            ("Job/j".to_owned(), "x", false, "no:1", 27, 24, "/spec/template/spec/containers/0/image", 2),
        ]
    );
    assert_eq!(found[0].annotations["lockstep.dev/automated"], "true");
    let error = |image: &str| {
        let text = format!("{WEB}spec: {{template: {{spec: {{containers: [{{name: a, image: {image}}}]}}}}}}\n");
        images("f.yaml", &text).unwrap_err()[0].to_string()
    };
    let field = "f.yaml:5: spec.template.spec.containers[0].image:";
    assert_eq!(error("1.10"), format!("{field} must be a string; put it in quotes"));
    assert!(error("'{{ .Values.image }}'").starts_with(&format!("{field} not an image but a template")));
}

#[test]
fn bytes_that_are_not_utf8_are_refused_by_name() {
    assert_eq!(text_of("f", "\u{feff}a: é\n".as_bytes()).unwrap(), "\u{feff}a: é\n");
    for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0:\0", b"\0a\0:", b"\xff\xfe\0\0"] {
        assert!(text_of("f", bytes).unwrap_err().message.contains("UTF-16"), "{bytes:?}");
    }
    assert_eq!(text_of("f", b"a: 1\nb: \xe9\n").unwrap_err().line, 2);
}

#[test]
fn hostile_files_are_refused_before_they_grow() {
    let laughs = |levels: usize| {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..levels {
            let item = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![item; 9].join(", ")));
        }
        text
    };
    let table = [
        (laughs(9), "its aliases expanded"),
        (format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", ")), "bytes of text"),
        ("[".repeat(10_000), "limit"),
        ("- ".repeat(10_000), "deeper"),
        ("{a: ".repeat(10_000), "limit"),
        (format!("{}x", (0..230).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()), "deeper"),
        (
            format!(
                "a: &a {}{}\nb: &b {}*a{}\nc: [[[*b]]]\n",
                "[".repeat(100),
                "]".repeat(100),
                "[".repeat(100),
                "]".repeat(100)
            ),
            "deeper",
        ),
        ("---\n".repeat(1_000_000), "documents"),
        ("a: ".to_owned() + &"x".repeat(11 << 20), "split it"),
        ("[".to_owned() + &"1,".repeat(1_100_000) + "]", "values"),
    ];
    for (text, reason) in table {
        let all = errors(&text);
        assert!(all.contains(reason) && all.len() < 300, "{}: {all}", &text[..20]);
    }
    // What is deep but within reason is read.
    let deep = format!("{WEB}data: {}{}\n", "[".repeat(190), "]".repeat(190));
    assert_eq!(objects("f", &deep).unwrap().len(), 1);
    // As many documents as a large configuration has are read.
    let many = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n".repeat(10_000);
    assert_eq!(objects("f", &many).unwrap().len(), 10_000);
    assert_eq!(
        objects("f", WEB).unwrap()[0].value,
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}})
    );
}
