//! Plans and differences of Syncs that are told by their names.

use lockstep_api::v1::{DiffResponse, FieldDiff, Held, ObjectDiff, PlanResponse, PlanStep, Problem};
use tonic::Status;

use super::COMMIT;

fn step(verb: &str, object: &str, reason: &str, line: u32) -> PlanStep {
    PlanStep {
        object: object.to_owned(),
        group: if object.starts_with("Deployment") { "apps".to_owned() } else { String::new() },
        verb: verb.to_owned(),
        reason: reason.to_owned(),
        file: if line > 0 { "clusters/prod/web.yaml".to_owned() } else { String::new() },
        line,
        refusal: if verb == "adopt" { "the webhook says \u{1b}[31mno".to_owned() } else { String::new() },
    }
}

fn problems() -> Vec<Problem> {
    let problem = |object: &str, line, message: &str| Problem {
        object: object.to_owned(),
        file: "clusters/prod/web.yaml".to_owned(),
        line,
        message: message.to_owned(),
    };
    vec![problem("", 3, "a mapping is not closed"), problem("Deployment/shop/web", 9, "is declared a second time")]
}

fn held() -> Held {
    Held {
        commit: COMMIT.to_owned(),
        would_prune: 42,
        reason: "the commit would prune 42 of 50 objects, more than the Sync allows".to_owned(),
        objects: vec!["ConfigMap/shop/a".to_owned(), "ConfigMap/shop/b".to_owned()],
    }
}

pub(super) fn plan(name: &str, all: bool) -> Result<PlanResponse, Status> {
    let mut answer = PlanResponse { commit: COMMIT.to_owned(), ..PlanResponse::default() };
    match name {
        "missing" => return Err(Status::not_found("there is no Sync lockstep/missing")),
        "ready" | "suspended" => {
            answer.suspended = name == "suspended";
            answer.counts = [("unchanged".to_owned(), 50)].into();
            if all {
                answer.steps = vec![step("unchanged", "ConfigMap/shop/a", "", 1)];
            }
        }
        "invalid" => answer.problems = problems(),
        _ => {
            answer.counts = ["create", "update", "prune", "blocked"].map(|verb| (verb.to_owned(), 1)).into();
            answer.counts.insert("unchanged".to_owned(), 50);
            answer.steps = vec![
                step("create", "Namespace//shop", "", 1),
                step("update", "Deployment/shop/web", "Git has changed", 7),
                step("blocked", "Service/shop/web", "it belongs to Flux (infra); remove it there or here", 30),
                step("prune", "ConfigMap/shop/old", "it left Git", 0),
            ];
            if name == "refused" {
                answer.counts.insert("adopt".to_owned(), 1);
                answer.steps.push(step("adopt", "ConfigMap/shop/a", "it exists, and nobody claims it", 50));
            }
            answer.held = (name == "held").then(held);
            answer.left_out = u32::from(name == "huge") * 9000;
        }
    }
    Ok(answer)
}

fn field(path: &str, live: Option<&str>, after: Option<&str>) -> FieldDiff {
    FieldDiff { path: path.to_owned(), live: live.map(str::to_owned), after: after.map(str::to_owned) }
}

pub(super) fn diff(name: &str) -> Result<DiffResponse, Status> {
    let mut answer = DiffResponse { commit: COMMIT.to_owned(), ..DiffResponse::default() };
    let object = |verb: &str, object: &str, reason: &str, fields: Vec<FieldDiff>| ObjectDiff {
        object: object.to_owned(),
        verb: verb.to_owned(),
        reason: reason.to_owned(),
        fields,
        ..ObjectDiff::default()
    };
    match name {
        "missing" => return Err(Status::not_found("there is no Sync lockstep/missing")),
        "ready" => {}
        "invalid" => answer.problems = problems(),
        _ => {
            let image = ".spec.template.spec.containers[name=\"web\"].image";
            let script = (r#""set -e\nold\nlast\n""#, r#""set -e\nnew\nmore\nlast\n""#);
            answer.objects = vec![
                object("create", "ConfigMap/shop/new", "", vec![field(".data.a", None, Some("\"1\""))]),
                object(
                    "update",
                    "Deployment/shop/web",
                    "Git has changed",
                    vec![field(image, Some("\"web:1\""), Some("\"web:2\"")), field(".spec.paused", Some("true"), None)],
                ),
                object(
                    "update",
                    "ConfigMap/shop/script",
                    "Git has changed",
                    vec![field(".data[\"run.sh\"]", Some(script.0), Some(script.1))],
                ),
                object(
                    "drifted",
                    "Secret/shop/s",
                    ".data.a by kubectl",
                    vec![field(".data.a", Some("\"*** (before)\""), Some("\"*** (after)\""))],
                ),
                ObjectDiff {
                    refusal: "field is immutable".to_owned(),
                    left_out: 3,
                    ..object("update", "Job/shop/j", "Git has changed", vec![])
                },
            ];
            if name != "refused" {
                answer.objects.pop();
            }
            answer.held = (name == "held").then(held);
            answer.left_out = u32::from(name == "huge") * 9;
        }
    }
    Ok(answer)
}
