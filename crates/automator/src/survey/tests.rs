use super::*;
use crate::fakes::FakeBranch;
use crate::memory::Memory;

/// Each place as `PLACE REFERENCE`, `!` if automated; and the problems.
async fn shown(files: &[(&str, &str)], compat: &[Tool]) -> (Vec<String>, Vec<String>) {
    let branch = FakeBranch::with(files);
    let (mut memory, head) = (Memory::default(), branch.head().await.unwrap());
    let settings = PlaceSettings { compat: compat.iter().copied().collect(), ..PlaceSettings::default() };
    let Memory { files, history, .. } = &mut memory;
    let survey = survey(&branch, head, files, history, &settings).await.unwrap();
    let place = |place: &Place| {
        let automated = if place.policy.automated { "!" } else { "" };
        format!("{} {}{automated}", place.id, place.reference)
    };
    let problems = survey.problems.into_iter().map(|problem| problem.message).collect();
    (survey.places.iter().map(place).collect(), problems)
}

#[tokio::test]
async fn flux_v1_reads_a_name_without_a_registry_as_docker_does() {
    let release = "apiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata:\n  name: ghost\n  annotations: {fluxcd.io/automated: 'true'}\nspec:\n  values:\n    image: {repository: bitnami/ghost, tag: 1.21.5-r0}\n";
    let (places, problems) = shown(&[("ghost.yaml", release)], &[Tool::Flux1]).await;
    assert_eq!(places, ["ghost.yaml#HelmRelease//ghost/chart-image bitnami/ghost:1.21.5-r0!"]);
    assert_eq!(problems, [""; 0]);
    let ours = release.replace("{fluxcd.io", "{lockstep.dev/policy: 'semver:~1', fluxcd.io");
    for (text, compat) in [(release, &[][..]), (&ours, &[Tool::Flux1][..])] {
        let (places, problems) = shown(&[("ghost.yaml", text)], compat).await;
        assert_eq!(places, [""; 0], "{text}");
        assert!(problems[0].contains("has no registry in its name"), "{problems:?}");
    }
}

const POLICY: &str = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: web, namespace: flux}\nspec:\n  imageRepositoryRef: {name: web}\n  policy: {semver: {range: 1.x}}\n---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: web, namespace: flux}\nspec: {image: IMAGE}\n";

#[tokio::test]
async fn a_setter_has_the_name_that_its_image_repository_says() {
    let apart = "name: ghcr.io/acme/web # {\"$imagepolicy\": \"flux:web:name\"}\nversions:\n  web: 1.4.0 # {\"$imagepolicy\": \"flux:web:tag\"}\n";
    let short = "images:\n- name: web\n  newTag: 1.4.0 # {\"$imagepolicy\": \"flux:web:tag\"}\n";
    for (file, text, image, expected) in [
        ("values.yaml", apart, "ghcr.io/acme/web", Ok("values.yaml#///versions.web ghcr.io/acme/web:1.4.0!")),
        ("kustomization.yaml", short, "web", Ok("kustomization.yaml#///images.web web:1.4.0!")),
        ("kustomization.yaml", short, "docker.io/library/web", Ok("kustomization.yaml#///images.web web:1.4.0!")),
        ("kustomization.yaml", short, "ghcr.io/acme/web", Err("web:1.4.0 has no registry in its name")),
    ] {
        let policy = POLICY.replace("IMAGE", image);
        let (places, problems) = shown(&[("flux.yaml", &policy), (file, text)], &[Tool::Flux2]).await;
        match expected {
            Ok(place) => assert_eq!((places, problems), (vec![place.to_owned()], Vec::new()), "{text}"),
            Err(problem) => {
                assert_eq!(places, [""; 0], "{text}");
                assert!(problems[0].contains(problem), "{problems:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_application_says_which_of_its_parameters_are_an_image() {
    let tool = "argocd-image-updater.argoproj.io";
    let application = |annotations: &str, spec: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: app\n  annotations:\n    {tool}/image-list: web=ghcr.io/acme/web:~1.4\n{annotations}spec:\n  source:\n    helm:\n{spec}"
        )
    };
    let name_and_tag = format!("    {tool}/web.helm.image-name: a.name\n    {tool}/web.helm.image-tag: a.version\n");
    let spec = format!("    {tool}/web.helm.image-spec: a.ref\n    {tool}/web.helm.image-tag: a.version\n");
    let parameters = |pairs: &[(&str, &str)]| {
        let one = |(name, value): &(&str, &str)| format!("      - {{name: {name}, value: '{value}'}}\n");
        format!("      parameters:\n{}", pairs.iter().map(one).collect::<String>())
    };
    let both = parameters(&[("a.name", "ghcr.io/acme/web"), ("a.version", "1.4.0")]);
    let named = "a.yaml#Application//app/parameters.web ghcr.io/acme/web:1.4.0!";
    for (annotations, helm, expected) in [
        (&name_and_tag, both.clone(), named),
        (&name_and_tag, parameters(&[("a.version", "1.4.0")]), named),
        (&spec, parameters(&[("a.ref", "ghcr.io/acme/web:1.4.0")]), named),
        (
            &name_and_tag,
            "      valuesObject: {a: {name: ghcr.io/acme/web, version: 1.4.0}}\n".to_owned(),
            "a.yaml#Application//app/web ghcr.io/acme/web:1.4.0!",
        ),
    ] {
        let text = application(annotations, &helm);
        let seen = shown(&[("a.yaml", &text)], &[Tool::ImageUpdater]).await;
        assert_eq!(seen, (vec![expected.to_owned()], Vec::new()), "{text}");
    }
    // What stands nowhere in the Application is told, be there another image or none.
    for helm in ["      releaseName: app\n", "      valuesObject: {image: ghcr.io/acme/other:1}\n"] {
        let text = application("", helm);
        let (places, problems) = shown(&[("a.yaml", &text)], &[Tool::ImageUpdater]).await;
        assert_eq!(places, [""; 0], "{text}");
        assert!(
            problems[0].contains("\"web=ghcr.io/acme/web:~1.4\" stands nowhere in this Application"),
            "{problems:?}"
        );
        assert_eq!(shown(&[("a.yaml", &text)], &[]).await, (Vec::new(), Vec::new()), "the tool is not acted on");
    }
}
