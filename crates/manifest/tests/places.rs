//! Where images are found, in which form, and what a new tag changes there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::{Form, ImagePlace, edit, images};

/// `OBJECT/CONTAINER FORM TEXT LINE POINTER…`, the pointers those of the scalars.
fn shown(place: &ImagePlace) -> String {
    let object = place.object.as_ref().map_or(String::new(), |object| format!("{}/", object.short()));
    let form = match place.form {
        Form::Container { init: true } => "init".to_owned(),
        Form::Container { init: false } => "container".to_owned(),
        form => format!("{form:?}").to_lowercase(),
    };
    let spots: Vec<&str> = place.spots.each().map(|spot| spot.pointer.as_str()).collect();
    let comment = place.comment.as_ref().map_or(String::new(), |comment| {
        let options: Vec<String> = comment.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!(" # {} [{}]@{}", comment.policy, options.join(","), comment.line)
    });
    format!("{object}{} {form} {} {} {}{comment}", place.container, place.text, place.line, spots.join(" "))
}

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

/// The text after the place got the tag, and its digest if it has one.
fn moved(file: &str, text: &str, place: &ImagePlace, tag: &str) -> Result<String, String> {
    let digest = place.text.contains('@').then(|| digest("b"));
    let edits = place.rewrite(tag, digest.as_deref())?;
    let wanted = place.with(tag, digest.as_deref()).unwrap().to_string();
    let edited = edit(file, text, &edits).map_err(|error| error.to_string())?;
    let again = images(file, &edited).unwrap();
    let same = again.iter().find(|other| other.container == place.container && other.object == place.object).unwrap();
    assert_eq!(same.text, wanted, "what is read back is what was meant");
    Ok(edited)
}

/// Checks the places of a file, and that moving all of them to `v9` turns each `OLD` in the text into `NEW`.
fn check(file: &str, text: &str, expected: &[&str], changes: &[(&str, &str)]) {
    let found = images(file, text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let seen: Vec<String> = found.iter().map(shown).collect();
    assert_eq!(seen, expected, "{text}");
    let mut edited = text.to_owned();
    for place in &found {
        edited = moved(file, &edited, place, "v9").unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    let mut wanted = text.to_owned();
    for (old, new) in changes {
        assert_eq!(wanted.matches(old).count(), 1, "{old} in {text}");
        wanted = wanted.replace(old, new);
    }
    assert_eq!(edited, wanted);
}

#[test]
fn containers_of_custom_resources() {
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r, namespace: ns}\nspec:\n  template:\n    spec:\n      initContainers: [{name: i, image: a:1}]\n      containers:\n      - {name: c, image: \"ghcr.io/a/b:2\"}\n";
    let base = "/spec/template/spec";
    check(
        "f.yaml",
        rollout,
        &[
            &format!("Rollout/ns/r/i init a:1 7 {base}/initContainers/0/image"),
            &format!("Rollout/ns/r/c container ghcr.io/a/b:2 9 {base}/containers/0/image"),
        ],
        &[("a:1", "a:v9"), ("b:2", "b:v9")],
    );
    let knative = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\nspec: {template: {spec: {containers: [{image: x/y:1, env: []}]}}}\n";
    check(
        "f.yaml",
        knative,
        &[&format!("Service/k/containers.0 container x/y:1 4 {base}/containers/0/image")],
        &[("y:1", "y:v9")],
    );
    // What a custom resource means by its fields is not ours to say.
    let odd = "apiVersion: x.example/v1\nkind: Odd\nmetadata: {name: k}\nspec: {template: {spec: {containers: [{name: a, image: 5}, {name: b, image: '{{x}}'}, text]}}}\n";
    check("f.yaml", odd, &[], &[]);
    let others = "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: t}\ntemplate: {spec: {containers: [{name: c, image: a:1}]}}\n---\napiVersion: v1\nkind: ReplicationController\nmetadata: {name: t}\nspec: {template: {spec: {containers: [{name: c, image: b:1}]}}}\n";
    let places: Vec<String> = images("f.yaml", others).unwrap().iter().map(shown).collect();
    assert_eq!(
        places,
        [
            "PodTemplate/t/c container a:1 4 /template/spec/containers/0/image",
            "ReplicationController/t/c container b:1 9 /spec/template/spec/containers/0/image"
        ]
    );
}

#[test]
fn images_of_a_kustomization() {
    let old = digest("a");
    let text = format!(
        "resources: [a.yaml]\nimages:\n- name: web\n  newName: ghcr.io/acme/web # ours\n  newTag: \"1.10\"\n- {{name: ghcr.io/acme/db, newTag: 1.10, digest: '{old}'}}\n- digest: {old}\n  name: quay.io/a/c\n"
    );
    let expected = [
        "images.web kustomization ghcr.io/acme/web:1.10 5 /images/0/newName /images/0/newTag".to_owned(),
        format!(
            "images.ghcr.io/acme/db kustomization ghcr.io/acme/db:1.10@{old} 6 /images/1/name /images/1/newTag /images/1/digest"
        ),
        format!("images.quay.io/a/c kustomization quay.io/a/c@{old} 8 /images/2/name /images/2/digest"),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let changes = [
        ("\"1.10\"".to_owned(), "\"v9\"".to_owned()),
        (format!("newTag: 1.10, digest: '{old}'"), format!("newTag: v9, digest: '{}'", digest("b"))),
        (format!("- digest: {old}"), format!("- digest: {}", digest("b"))),
    ];
    let changes: Vec<(&str, &str)> = changes.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    check("base/kustomization.yaml", &text, &expected, &changes);
    let component = format!("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n{text}");
    assert_eq!(images("any.yaml", &component).unwrap().len(), 3);
    assert_eq!(images("Kustomization", &text).unwrap().len(), 3);
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec:\n  images:\n  - name: web\n    newTag: v1\n";
    check(
        "f.yaml",
        flux,
        &["Kustomization/apps/images.web kustomization web:v1 7 /spec/images/0/name /spec/images/0/newTag"],
        &[("newTag: v1", "newTag: v9")],
    );
}

#[test]
fn images_of_values() {
    let text = "image: ghcr.io/a/one:1 # whole\n\
        two:\n  image: a/two\n  tag: 1\n\
        three:\n  image:\n    registry: quay.io\n    repository: a/three\n    tag: ''\n    pullPolicy: Always\n\
        list:\n- image: {repository: four, tag: 1.0, digest: ''}\n- sidecar: {registry: quay.io, image: five:1}\n\
        sixImage: {name: six, tag: 1.5-r0}\n\
        db: {repository: quay.io/a/seven, tag: 1}\n\
        chart: {repository: https://charts.example, tag: 1}\n\
        git: {repository: a/b}\n\
        image.png: {image: 5, tag: 1}\n\
        template: {image: '{{ .Values.x }}'}\n\
        kind: DaemonSet\n";
    check(
        "values.yaml",
        text,
        &[
            "image helmvalues ghcr.io/a/one:1 1 /image",
            "two.image helmvalues a/two:1 4 /two/image /two/tag",
            "three.image helmvalues quay.io/a/three 8 /three/image/registry /three/image/repository /three/image/tag",
            "list.0.image helmvalues four:1.0 12 /list/0/image/repository /list/0/image/tag /list/0/image/digest",
            "list.1.sidecar.image helmvalues quay.io/five:1 13 /list/1/sidecar/registry /list/1/sidecar/image",
            "sixImage helmvalues six:1.5-r0 14 /sixImage/name /sixImage/tag",
            "db helmvalues quay.io/a/seven:1 15 /db/repository /db/tag",
        ],
        &[
            ("one:1 ", "one:v9 "),
            ("tag: 1\nthree", "tag: v9\nthree"),
            ("tag: ''", "tag: 'v9'"),
            ("tag: 1.0,", "tag: v9,"),
            ("five:1", "five:v9"),
            ("tag: 1.5-r0", "tag: v9"),
            ("seven, tag: 1}", "seven, tag: v9}"),
        ],
    );
    let pinned = format!(
        "image:\n  repository: ghcr.io/a/b\n  tag: 1.2@{}\n---\nimage: {{repository: ghcr.io/a/c, tag: 1}}\n",
        digest("a")
    );
    check(
        "values.yaml",
        &pinned,
        &[
            &format!("image helmvalues ghcr.io/a/b:1.2@{} 3 /image/repository /image/tag", digest("a")),
            "1-image helmvalues ghcr.io/a/c:1 5 /image/repository /image/tag",
        ],
        &[(&format!("1.2@{}", digest("a")), &format!("v9@{}", digest("b"))), ("tag: 1}", "tag: v9}")],
    );
}

#[test]
fn images_of_releases_and_applications() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: h, namespace: ns}\nspec:\n  values:\n    image: {repository: ghcr.io/a/b, tag: v1}\n    web: {image: ghcr.io/a/c:v1, a: {b: {image: x:v1}}}\n  postRenderers:\n  - kustomize: {images: [{name: ghcr.io/a/d, newTag: v1}]}\n";
    check(
        "f.yaml",
        release,
        &[
            "HelmRelease/ns/h/chart-image helmrelease ghcr.io/a/b:v1 6 /spec/values/image/repository /spec/values/image/tag",
            "HelmRelease/ns/h/web helmrelease ghcr.io/a/c:v1 7 /spec/values/web/image",
            "HelmRelease/ns/h/web.a.b.image helmrelease x:v1 7 /spec/values/web/a/b/image",
            "HelmRelease/ns/h/images.ghcr.io/a/d kustomization ghcr.io/a/d:v1 9 /spec/postRenderers/0/kustomize/images/0/name /spec/postRenderers/0/kustomize/images/0/newTag",
        ],
        &[("b, tag: v1", "b, tag: v9"), ("c:v1", "c:v9"), ("x:v1", "x:v9"), ("newTag: v1", "newTag: v9")],
    );
    let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec:\n  source:\n    helm:\n      parameters:\n      - name: image.repository\n        value: ghcr.io/a/b\n      - name: image.tag\n        value: \"1.10\"\n      - {name: side.image, value: ghcr.io/a/side:1}\n      - {name: app.name, value: a:1}\n      valuesObject: {db: {image: quay.io/a/db:1}}\n  sources:\n  - kustomize:\n      images: ['old=ghcr.io/a/new:1', ghcr.io/a/plain:1]\n";
    check(
        "f.yaml",
        application,
        &[
            "Application/a/parameters.image argoapplication ghcr.io/a/b:1.10 11 /spec/source/helm/parameters/0/value /spec/source/helm/parameters/1/value",
            "Application/a/parameters.side argoapplication ghcr.io/a/side:1 12 /spec/source/helm/parameters/2/value",
            "Application/a/db.image argoapplication quay.io/a/db:1 14 /spec/source/helm/valuesObject/db/image",
            "Application/a/sources.0.images.old argoapplication ghcr.io/a/new:1 17 /spec/sources/0/kustomize/images/0",
            "Application/a/sources.0.images.ghcr.io/a/plain argoapplication ghcr.io/a/plain:1 17 /spec/sources/0/kustomize/images/1",
        ],
        &[
            ("\"1.10\"", "\"v9\""),
            ("side:1", "side:v9"),
            ("db:1", "db:v9"),
            ("new:1", "new:v9"),
            ("plain:1", "plain:v9"),
        ],
    );
}

#[test]
fn comments_make_places_and_speak_for_them() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: ghcr.io/a/web:1 # lockstep: semver:~1\n        env:\n        - name: SIDE\n          value: \"quay.io/a/side:1\" # lockstep: glob:* [part=ref, min-age=3d]\n        - name: VERSION\n          value: 1.10 # lockstep: semver:^1 [image=ghcr.io/a/b, part=tag]\n";
    let spec = "/spec/template/spec/containers/0";
    check(
        "f.yaml",
        text,
        &[
            &format!("Deployment/web/web container ghcr.io/a/web:1 9 {spec}/image # semver:~1 []@9"),
            &format!(
                "Deployment/web/spec.template.spec.containers.0.env.0.value comment quay.io/a/side:1 12 {spec}/env/0/value # glob:* [min-age=3d,part=ref]@12"
            ),
            &format!(
                "Deployment/web/spec.template.spec.containers.0.env.1.value comment ghcr.io/a/b:1.10 14 {spec}/env/1/value # semver:^1 [image=ghcr.io/a/b,part=tag]@14"
            ),
        ],
        &[("web:1 ", "web:v9 "), ("side:1", "side:v9"), ("value: 1.10", "value: v9")],
    );
    let values = "web:\n  image:\n    repository: web # other\n    tag: \"1.0\" # lockstep: semver:~1 [image=ghcr.io/acme/web]\ncustomName: ghcr.io/a/b\ncustom:\n  name: ghcr.io/a/c\n  tag: 1\n  newTag: 2 # lockstep: semver:~2\n";
    check(
        "values.yaml",
        values,
        &[
            "web.image helmvalues ghcr.io/acme/web:1.0 4 /web/image/repository /web/image/tag # semver:~1 [image=ghcr.io/acme/web]@4",
            "custom.newTag comment ghcr.io/a/c:2 9 /custom/name /custom/newTag # semver:~2 []@9",
        ],
        &[("\"1.0\"", "\"v9\""), ("newTag: 2", "newTag: v9")],
    );
    let kustomization = "images:\n- name: app # lockstep: semver:~1\n  newTag: v1\n- name: db\n  newName: ghcr.io/a/db # lockstep: semver:~2\n  newTag: v1\n";
    check(
        "kustomization.yaml",
        kustomization,
        &[
            "images.app kustomization app:v1 3 /images/0/name /images/0/newTag # semver:~1 []@2",
            "images.db kustomization ghcr.io/a/db:v1 6 /images/1/newName /images/1/newTag # semver:~2 []@5",
        ],
        &[("newTag: v1\n- ", "newTag: v9\n- "), ("newTag: v1\n", "newTag: v9\n")],
    );
    // A list of patches has no objects in it.
    let patch =
        "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: ghcr.io/a/b:1 # lockstep: semver:~1\n";
    check("patch.yaml", patch, &["0.value comment ghcr.io/a/b:1 3 /0/value # semver:~1 []@3"], &[("b:1", "b:v9")]);
}

#[test]
fn comments_that_are_wrong() {
    let errors =
        |text: &str| -> Vec<String> { images("f.yaml", text).unwrap_err().iter().map(ToString::to_string).collect() };
    let nothing = "the comment for Lockstep stands beside no value: put it behind a value that is plain or in quotes, on one line and outside of brackets";
    let text = "# lockstep: above\na:\n  - b: 'x:1' # other\n  - {c: d} # lockstep: flow\n  - e: |  # lockstep: block\n      # lockstep: not a comment\n  - f: # lockstep: key\n      g: a\n";
    assert_eq!(errors(text), [1, 4, 5, 7].map(|line| format!("f.yaml:{line}: {nothing}")));
    let text = "a: x:1 # lockstep: glob:* [part=all]\nimage: # ours\n  repository: ghcr.io/a/b # lockstep: semver:~1\n  tag: 1 # lockstep: semver:~2\n";
    assert_eq!(
        errors(text),
        [
            "f.yaml:1: part=all is neither ref, name, tag nor digest",
            "f.yaml:4: another comment at line 3 is about the same image; keep one"
        ]
    );
    // Templates that do not mention us are nobody's business; the file is told when it does.
    assert!(errors("a: {{ x }} # lockstep: glob:*\n")[0].contains("template"));
}

#[test]
fn setters_of_flux_are_places_by_their_policies() {
    let text = "images:\n- name: app\n  newName: ghcr.io/a/app # {\"$imagepolicy\": \"ns:app:name\"}\n  newTag: v1 # {\"$imagepolicy\": \"ns:app:tag\"}\n  digest: sha256:1 # {\"$imagepolicy\": \"ns:other:digest\"}\nother: {x: 1}\nfree: v1 # {\"$imagepolicy\": \"ns:free:tag\"}\nflow: [v1] # {\"$imagepolicy\": \"ns:free:tag\"}\nbad: v1 # {\"$imagepolicy\": \"free\"}\n";
    let found = images("kustomization.yaml", text).unwrap();
    let seen: Vec<String> = found.iter().map(shown).collect();
    assert_eq!(
        seen,
        [
            "images.app setter ghcr.io/a/app:v1 4 /images/0/newName /images/0/newTag # ns:app []@3",
            "images.0.digest setter @sha256:1 5 /images/0/digest # ns:other []@5",
            "free setter :v1 7 /free # ns:free []@7",
        ]
    );
    let error = found[2].rewrite("v2", None).unwrap_err();
    assert_eq!(error, "no name stands beside the tag; say image=REGISTRY/NAME in a comment of the line");
    let free = found[2].with_name("ghcr.io/a/free");
    assert_eq!(free.text, "ghcr.io/a/free:v1");
    let edited = edit("kustomization.yaml", text, &free.rewrite("v2", None).unwrap()).unwrap();
    assert_eq!(edited, text.replace("free: v1", "free: v2"));
}

#[test]
fn setters_of_one_policy_that_stand_apart_are_one_image() {
    let old = digest("a");
    let marked = |part: &str| format!("# {{\"$imagepolicy\": \"ns:app:{part}\"}}");
    let text = format!(
        "name: ghcr.io/a/app {}\nversions:\n  app: v1 {}\nlocks:\n  app: {old} {}\n",
        marked("name"),
        marked("tag"),
        marked("digest")
    );
    check(
        "values.yaml",
        &text,
        &[&format!("versions.app setter ghcr.io/a/app:v1@{old} 3 /name /versions/app /locks/app # ns:app []@3")],
        &[("app: v1", "app: v9"), (&old, &digest("b"))],
    );
    let twice = format!("{text}more: v1 {}\n", marked("tag"));
    let errors = images("values.yaml", &twice).unwrap_err();
    assert!(errors[0].to_string().starts_with("values.yaml:5: it cannot be told which of several tags"), "{errors:?}");
    let tags = format!("a: v1 {0}\nb: v1 {0}\nc: ghcr.io/a/app {1}\n", marked("tag"), marked("name"));
    let seen: Vec<String> = images("values.yaml", &tags).unwrap().iter().map(|place| place.text.clone()).collect();
    assert_eq!(seen, [":v1", ":v1", "ghcr.io/a/app"]);
}

#[test]
fn refusals_say_what_to_write() {
    let place = |file: &str, text: &str| images(file, text).unwrap().remove(0);
    let old = digest("a");
    let refused =
        |text: &str, digest: Option<&str>| place("kustomization.yaml", text).rewrite("2.0", digest).unwrap_err();
    assert_eq!(
        refused("images:\n- name: ghcr.io/a/b\n", None),
        "no key is ever added: write `newTag: 2.0` below line 2 yourself"
    );
    assert_eq!(
        refused("images:\n- name: ghcr.io/a/b\n  newTag: 1.0\n", Some(&old)),
        format!("no key is ever added: write `digest: {old}` below line 3 yourself")
    );
    assert_eq!(
        refused(&format!("images:\n- name: ghcr.io/a/b\n  newTag: 1.0\n  digest: {old}\n"), None),
        "the digest beside line 3 would stay that of the old image, and no new one is known"
    );
    let values = place("values.yaml", &format!("image: {{repository: a/b, tag: '1@{old}'}}\n"));
    assert!(values.rewrite("2", None).unwrap_err().starts_with("the digest beside line 1 would stay"));
    assert!(values.rewrite("no tag", None).unwrap_err().contains("no tag"));
    assert!(values.reference().unwrap_err().starts_with("a/b:1@"));
    for sure in [
        "image: a/b:1\n",
        "image: {registry: ghcr.io, repository: a/b, tag: 1}\n",
        "image: {repository: localhost/b, tag: 1}\n",
        "image:\n  repository: a/b\n  tag: 1 # lockstep: [image=a/b]\n",
    ] {
        assert!(place("values.yaml", sure).reference().is_ok(), "{sure}");
    }
    assert!(place("kustomization.yaml", "images: [{name: a, newName: b, newTag: c}]\n").reference().is_ok());
}

#[test]
fn another_name_is_written_where_it_stands() {
    let place = |file: &str, text: &str| images(file, text).unwrap().remove(0);
    let written = |file: &str, text: &str, new: &str| {
        let edits = place(file, text).write(&new.parse().unwrap())?;
        Ok::<_, String>(edit(file, text, &edits).unwrap())
    };
    assert_eq!(
        written("values.yaml", "image:\n  registry: a.io\n  repository: b/c\n  tag: 1\n", "d.io/e:2").unwrap(),
        "image:\n  registry: d.io\n  repository: e\n  tag: \"2\"\n"
    );
    assert_eq!(
        written("values.yaml", "image:\n  registry: a.io\n  repository: b/c:1\n", "d.io/e:2"),
        Ok("image:\n  registry: d.io\n  repository: e:2\n".to_owned())
    );
    assert_eq!(
        written("kustomization.yaml", "images: [{name: a, newName: b, newTag: c}]\n", "d.io/e:2").unwrap(),
        "images: [{name: a, newName: d.io/e, newTag: \"2\"}]\n"
    );
    assert_eq!(
        written("kustomization.yaml", "images: [{name: a, newTag: c}]\n", "d.io/e:2").unwrap_err(),
        "no key is ever added: write `newName: d.io/e` below line 1 yourself"
    );
    assert_eq!(
        written("values.yaml", "image: {registry: a.io, repository: b, tag: '1'}\n", "e:2").unwrap_err(),
        "a registry stands at line 1, and e has none"
    );
    assert_eq!(
        written("values.yaml", "image: {repository: b, tag: '1'}\n", "b").unwrap_err(),
        "a tag stands at line 1, and b has none"
    );
}
