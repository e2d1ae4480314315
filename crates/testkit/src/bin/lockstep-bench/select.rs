//! Pure work of the automator: which tag is chosen, and where images stand.

use anyhow::{Result, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use lockstep_image::{Candidate, Outcome, Policy, Question, Rule, select};

use crate::pure::{events, times};
use crate::table::{Row, Table};

const BUDGET_MS: f64 = 5.0;

/// Selects one of the tags under each policy, each of which finds something newer than the current tag.
pub(crate) fn policies(table: &mut Table) -> Result<()> {
    for count in [1000, 10_000] {
        let semver = |number: usize| format!("{}.{}.{}", 1 + number / 2500, number / 50 % 50, number % 50);
        let date =
            |number: usize| format!("{}.{:02}.{:02}", 2000 + number / 336, number / 28 % 12 + 1, number % 28 + 1);
        let build = |number: usize| format!("build-{number}-{:07x}", number.wrapping_mul(2_654_435_761) & 0xfff_ffff);
        let text = |number: usize| format!("main-{number:06}");
        let cases: [(&str, &dyn Fn(usize) -> String); 8] = [
            ("semver:>=1 <9", &semver),
            ("semver:^1", &semver),
            ("calver:YYYY.0M.0D", &date),
            (r"numerical:^build-(?P<key>\d+)-[0-9a-f]+$", &build),
            ("alphabetical:^main-", &text),
            ("glob:main-*", &text),
            (r"regexp:^main-\d+$", &text),
            ("digest:main-000007", &text),
        ];
        for (policy, tag) in cases {
            one(table, policy, count, tag)?;
        }
    }
    Ok(())
}

fn one(table: &mut Table, policy: &str, count: usize, tag: &dyn Fn(usize) -> String) -> Result<()> {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let time = |number: usize| begin.checked_add(SignedDuration::from_secs(number as i64)).ok();
    let by_digest = policy.starts_with("digest");
    let digest = |number: usize| format!("sha256:{number:064x}");
    let candidate = |number: usize| Candidate {
        pushed: time(number),
        digest: by_digest.then(|| digest(number)),
        ..Candidate::new(tag(number))
    };
    // In no order, as far as a policy can tell.
    let candidates: Vec<Candidate> = (0..count).map(|number| candidate(number * 7919 % count)).collect();
    let current = tag(7);
    let rule = Rule::new(Policy::parse(policy, Some(&current))?);
    let old = digest(8);
    let question = Question {
        current: Some(&current),
        current_digest: by_digest.then_some(old.as_str()),
        candidates: &candidates,
        now: begin.checked_add(SignedDuration::from_hours(24 * 30))?,
        first_scan: Some(begin),
        ..Question::default()
    };
    let outcome = select(&rule, &question).outcome;
    if !matches!(outcome, Outcome::Selected(_)) {
        bail!("{policy} chose nothing of {count} tags: {outcome:?}");
    }
    let took = times(|| Ok(select(&rule, &question).wants.len()))?;
    // In a table a bar would end the cell.
    let row = Row::new(&format!("select one of N tags, {}", policy.replace('|', "/")), count).value(took);
    let row = if count < 10_000 { row } else { row.budget("5 ms", took.as_secs_f64() * 1000.0 < BUDGET_MS) };
    table.add(row);
    Ok(())
}

/// Finds the images of many manifests, beside the bare events of the parser.
pub(crate) fn scan(table: &mut Table) -> Result<()> {
    for count in [1000, 10_000] {
        let files: Vec<String> =
            (0..count).map(|number| manifest(number, "semver:*", "ghcr.io/acme/app:1.2.3")).collect();
        let ours = times(|| {
            let mut found = 0;
            for text in &files {
                found += lockstep_manifest::images("app.yaml", text).map_err(|errors| anyhow!("{errors:?}"))?.len();
            }
            Ok(found)
        })?;
        let bare = times(|| events(&files))?;
        table.add(Row::new("find the images of N manifests, one core", count).value(ours).limit(bare));
        let each = ours / u32::try_from(count)?;
        table.add(Row::new("  for one of them", count).text(format!("{:.1} µs", each.as_secs_f64() * 1e6)));
    }
    Ok(())
}

/// A Deployment that asks for updates.
pub(crate) fn manifest(number: usize, policy: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: bench-shop
  annotations:
    lockstep.dev/automated: \"true\"
    lockstep.dev/policy: '{policy}'
spec:
  replicas: 1
  selector:
    matchLabels: {{app: app-{number}}}
  template:
    metadata:
      labels: {{app: app-{number}}}
    spec:
      containers:
        - name: app
          image: {image} # kept up to date
          ports:
            - containerPort: 8080
          resources:
            limits: {{cpu: 100m, memory: 128Mi}}
"
    )
}
