use lockstep_repository::FileMode;

use super::*;

fn file(path: &str) -> TreeFile {
    let blob = "0123456789012345678901234567890123456789".parse().unwrap();
    TreeFile { path: path.to_owned(), blob, mode: FileMode::Plain, linked: false }
}

#[test]
fn manifests_are_the_yaml_and_json_files_that_no_dot_hides() {
    let paths = [
        "apps/.hidden.yaml",
        "apps/.github/workflow.yaml",
        "apps/README.md",
        "apps/a.json",
        "apps/b.yaml",
        "apps/c.yml",
        "apps/d.yaml.bak",
        "apps/deep/er/e.yaml",
    ];
    let files = paths.iter().map(|path| file(path)).collect();
    let found: Vec<String> = files::manifests("./apps/", files).unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(found, ["apps/a.json", "apps/b.yaml", "apps/c.yml", "apps/deep/er/e.yaml"]);
    let hidden = vec![file(".apps/a.yaml")];
    assert_eq!(files::manifests(".apps", hidden).unwrap().len(), 1, "a hidden folder that was asked for is read");
}

#[test]
fn a_kustomization_is_refused_where_it_stands() {
    for name in ["kustomization.yaml", "kustomization.yml", "Kustomization"] {
        let failures = files::manifests(".", vec![file("a.yaml"), file(&format!("x/{name}"))]).unwrap_err();
        assert_eq!(failures.len(), 1);
        assert_eq!((failures[0].file.as_str(), failures[0].line), (format!("x/{name}").as_str(), 1));
    }
}
