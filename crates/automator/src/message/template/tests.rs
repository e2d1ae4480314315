use super::*;

fn rendered(template: &str) -> Vec<String> {
    let template = MessageTemplate::parse(template).unwrap();
    examples().map(|batch| template.render(&batch)).collect()
}

#[test]
fn a_template_names_what_is_documented() {
    let one = ["Update shop/web to 1.5.0", "Revert shop/web to 1.5.0", "Set shop/web to 1.5.0"];
    let two = ["Update 2 images", "Revert 2 images", "Set 2 images"];
    assert_eq!(rendered(DEFAULT), [one, two].concat());
    let template = "{{ kind }}({{ count }}): {% for c in changes %}{{ c.name }} {{ c.tag }}{% if not loop.last %}, {% endif %}{% endfor %}";
    assert_eq!(rendered(template)[3], "update(2): web 1.5.0, api 1.5.0");
    let all = "{% for c in changes %}{{ c.file }}:{{ c.line }} {{ c.kind }} {{ c.namespace }} {{ c.object }} {{ c.container }} {{ c.from }} {{ c.to }} {{ c.digest }}\n{% endfor %}";
    assert_eq!(
        rendered(all)[0],
        "clusters/prod/web.yaml:21 Deployment shop shop/web web ghcr.io/acme/web:1.4.2 ghcr.io/acme/web:1.5.0"
    );
    assert_eq!(
        rendered("chore(deps): {{ summary | lower }}\n\nRefs: OPS-1\n")[0],
        "chore(deps): update shop/web to 1.5.0\n\nRefs: OPS-1"
    );
}

#[test]
fn a_template_that_could_fail_is_refused_at_once() {
    for (template, wanted) in [
        ("{% if kind == 'request' %}{{ nobody }}{% endif %}x", "\"nobody\" is not a variable"),
        ("{{ sumary }}", "\"sumary\" is not a variable"),
        ("{% if count > 1 %}{{ tag }}{% endif %}{{ summary }}", "\"tag\" is not a variable"),
        ("{% for c in changes %}{{ c.tga }}{% endfor %}", "undefined value"),
        ("{{ summary", "syntax error"),
        ("{{ summary | shout }}", "unknown filter"),
        ("{% include 'x' %}{{ summary }}", "cannot be used"),
        ("  \n", "writes nothing"),
        ("{% if count == 1 %}One{% endif %}", "writes nothing"),
        (
            "{% set long = (summary * 5000) | list %}{% for a in long %}{% for b in long %}{% endfor %}{% endfor %}{{ summary }}",
            "cannot be used: engine ran out of fuel",
        ),
        ("{{ summary * 90000000 }}", "cannot be used"),
    ] {
        let error = MessageTemplate::parse(template).unwrap_err();
        assert!(error.contains(wanted), "{template}: {error}");
    }
}

#[test]
fn a_template_may_name_very_many_places() {
    let all = "{% for c in changes %}{% if c.tag %}{{ c.object }} {{ c.container }} {{ c.from }} {{ c.to }}\n{% endif %}{% endfor %}";
    let template = MessageTemplate::parse(all).unwrap();
    let mut batch = examples().next().unwrap();
    batch.moves = vec![batch.moves[0].clone(); 10_000];
    assert_eq!(template.try_render(&batch).unwrap().len(), LONGEST);
}

#[test]
fn what_others_named_stays_on_its_line() {
    let template = MessageTemplate::parse("{% for c in changes %}{{ c.name }}{% endfor %}").unwrap();
    let mut batch = examples().next().unwrap();
    batch.moves[0].place.object = ObjectId::new("apps", "Deployment", "shop", "web\n\nLockstep-Release: x y");
    assert_eq!(template.render(&batch), "web  Lockstep-Release: x y");
}
