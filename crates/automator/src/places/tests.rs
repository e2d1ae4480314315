use crate::fakes::FakeBranch;

use super::*;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: NAME\n  annotations: {lockstep.dev/policy: 'glob:*'}\nspec:\n  initContainers:\n  - {name: init, image: a/init:1}\n  containers:\n  - {name: main, image: a/main:1}\n";

async fn shown(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let branch = FakeBranch::with(files);
    let head = branch.head().await.unwrap();
    let read = read(&branch, head, &mut ParsedFiles::default(), &PlaceSettings::default()).await.unwrap();
    let (objects, problems) = (read.owners, read.problems);
    let places = objects.iter().flat_map(|object| {
        object.images.iter().map(|image| {
            let id =
                PlaceId { file: object.file.clone(), object: object.id.clone(), container: image.container.clone() };
            format!("{id} {}:{}", image.text, image.line)
        })
    });
    (places.collect(), problems.into_iter().map(|problem| problem.message).collect())
}

#[tokio::test]
async fn every_container_of_every_annotated_object_is_a_place() {
    let two = format!("{}---\n{}", POD.replace("NAME", "one"), POD.replace("NAME", "two\n  namespace: shop"));
    let plain = POD.replace("lockstep.dev/policy", "other.example/policy");
    let ours = POD.replace("lockstep.dev/policy", "lockstep.dev/prune");
    let (places, problems) = shown(&[
        ("b.yml", &two),
        ("a.yaml", &POD.replace("NAME", "zero")),
        ("plain.yaml", &plain),
        ("synchronizer.yaml", &ours),
        ("notes.txt", &two),
    ])
    .await;
    assert_eq!(
        places,
        [
            "a.yaml#Pod//zero/init a/init:1:8",
            "a.yaml#Pod//zero/main a/main:1:10",
            "b.yml#Pod//one/init a/init:1:8",
            "b.yml#Pod//one/main a/main:1:10",
            "b.yml#Pod/shop/two/init a/init:1:20",
            "b.yml#Pod/shop/two/main a/main:1:22",
        ]
    );
    assert_eq!(problems, [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_is_said_by_file_and_line_and_stops_no_other_file() {
    let twice = format!("{}---\n{}", POD.replace("NAME", "one"), POD.replace("NAME", "one"));
    let same_container = POD.replace("NAME", "same").replace("name: init", "name: main");
    let broken = format!("{}  bad: [\n", POD.replace("NAME", "one"));
    let (places, problems) = shown(&[
        ("broken.yaml", &broken),
        ("good.yaml", &POD.replace("NAME", "good")),
        ("same.yaml", &same_container),
        ("twice.yaml", &twice),
        ("nothing-of-ours.yaml", "a: [\n"),
    ])
    .await;
    assert_eq!(places.len(), 2, "{places:?}");
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("broken.yaml:1"), "{problems:?}");
    assert!(problems[1].starts_with("same.yaml:1: same.yaml#Pod//same/main stands twice"), "{problems:?}");
    assert!(problems[2].starts_with("twice.yaml:1"), "{problems:?}");
}

#[tokio::test]
async fn a_file_is_read_once_for_each_content() {
    let branch = FakeBranch::with(&[("a.yaml", POD)]);
    let mut known = ParsedFiles::default();
    let head = branch.head().await.unwrap();
    read(&branch, head, &mut known, &PlaceSettings::default()).await.unwrap();
    let first = known.files.values().next().cloned().unwrap();
    let head = branch.human("Elsewhere", &[("b.yaml", "kind: ConfigMap\n")]);
    read(&branch, head, &mut known, &PlaceSettings::default()).await.unwrap();
    assert!(known.files.iter().any(|((path, _), parsed)| path == "a.yaml" && Arc::ptr_eq(parsed, &first)));
    let head = branch.human("Here", &[("a.yaml", &POD.replace("NAME", "new"))]);
    read(&branch, head, &mut known, &PlaceSettings::default()).await.unwrap();
    assert!(!known.files.values().any(|parsed| Arc::ptr_eq(parsed, &first)));
}
