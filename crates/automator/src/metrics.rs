//! What is counted. Labels take few values: branches are those of the settings, the rest are words of closed sets.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_registry::WebhookKind;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::board::{BranchKey, BranchState};
use crate::clusters::Clusters;
use crate::publish::ChangeKind;
use crate::turn::{Outcome, TurnError};

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;

/// So many registries have a label of their own, the first ones.
const MOST_HOSTS: usize = 50;
/// The label of all others.
const OTHERS: &str = "(others)";

/// What became of a push notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookOutcome {
    /// A branch names a pushed image.
    Rang,
    /// No branch does.
    NotUsed,
    /// The secret was wrong.
    Refused,
    /// It was no notification.
    Unreadable,
    /// Our own secret could not be read.
    Broken,
}

/// Everything that the automator counts. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    turns: Counters,
    turn_seconds: Family<Labels, Histogram>,
    listings: Counters,
    decisions: Counters,
    commits: Counters,
    failures: Counters,
    errors: Counters,
    places: Family<Labels, Gauge>,
    webhooks: Counters,
    requests: Counters,
    moved_tags: Counters,
    hosts: Arc<Mutex<BTreeSet<String>>>,
    dangerous: Family<Labels, Gauge>,
    streams: Gauge,
    clusters: Gauge,
    syncs: Gauge,
}

impl Metrics {
    /// Registers everything under `lockstep_automator_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("lockstep_automator");
        let metrics = Self {
            turns: Family::default(),
            turn_seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.05, 2.0, 12))),
            listings: Family::default(),
            decisions: Family::default(),
            commits: Family::default(),
            failures: Family::default(),
            errors: Family::default(),
            places: Family::default(),
            webhooks: Family::default(),
            requests: Family::default(),
            moved_tags: Family::default(),
            hosts: Arc::default(),
            dangerous: Family::default(),
            streams: Gauge::default(),
            clusters: Gauge::default(),
            syncs: Gauge::default(),
        };
        registry.register("turns", "Turns taken, by branch and result (ok, error)", metrics.turns.clone());
        let help = "How long turns took";
        registry.register_with_unit("turn_duration", help, Unit::Seconds, metrics.turn_seconds.clone());
        registry.register("listings", "Tag listings read from registries, by branch", metrics.listings.clone());
        let help = "Places looked at in turns, by decision (moved, held, left)";
        registry.register("decisions", help, metrics.decisions.clone());
        registry.register("commits", "Commits pushed, by branch and kind (update, revert)", metrics.commits.clone());
        let help = "Failures that clusters proved, by decision (revert, hold, ignore, person, wait, none)";
        registry.register("failures", help, metrics.failures.clone());
        let help = "What could not be read or done, by category; once in each turn that meets it";
        registry.register("errors", help, metrics.errors.clone());
        let help = "Places at the branch head, by state (current, pending, held, preview)";
        registry.register("places", help, metrics.places.clone());
        let help = "Push notifications, by kind of sender and outcome (rang, not-used, refused, unreadable, broken)";
        registry.register("webhooks", help, metrics.webhooks.clone());
        let help = "Requests to registries, by host and outcome (ok, not-modified, redirect, unauthorised, not-found, \
                    rate-limited, unavailable, refused, unreachable, token)";
        registry.register("registry_requests", help, metrics.requests.clone());
        let help = "Tags that were pushed again with other content, by host of the registry";
        registry.register("moved_tags", help, metrics.moved_tags.clone());
        let help = "Settings that give up a protection, each 1";
        registry.register("dangerous_settings", help, metrics.dangerous.clone());
        registry.register("streams", "Synchronizers that are connected", metrics.streams.clone());
        registry.register("clusters", "Clusters that have reported since the start", metrics.clusters.clone());
        registry.register("syncs", "Syncs that have been reported since the start", metrics.syncs.clone());
        metrics
    }

    /// A turn ended.
    pub(crate) fn turn(&self, branch: &BranchKey, took: Duration, ended: &Result<Outcome, TurnError>) {
        let result = if ended.is_ok() { "ok" } else { "error" };
        self.turns.get_or_create(&labels(branch, [("result", result)])).inc();
        self.turn_seconds.get_or_create(&labels(branch, [])).observe(took.as_secs_f64());
        match ended {
            Ok(outcome) => {
                self.listings.get_or_create(&labels(branch, [])).inc_by(outcome.listed as u64);
                let (moved, held) = (outcome.moved.len(), outcome.held);
                let left = outcome.places.saturating_sub(moved + held);
                for (decision, count) in [("moved", moved), ("held", held), ("left", left)] {
                    self.decisions.get_or_create(&labels(branch, [("decision", decision)])).inc_by(count as u64);
                }
                if outcome.pushed.is_some() {
                    self.commit(branch, ChangeKind::Update);
                }
                outcome.problems.iter().for_each(|problem| self.error(problem.category));
            }
            Err(error) => self.error(error.category()),
        }
    }

    /// A commit was pushed.
    pub(crate) fn commit(&self, branch: &BranchKey, kind: ChangeKind) {
        self.commits.get_or_create(&labels(branch, [("kind", kind.as_str())])).inc();
    }

    /// It was decided what to do about a failure.
    pub(crate) fn failure(&self, branch: &BranchKey, decision: &'static str) {
        self.failures.get_or_create(&labels(branch, [("decision", decision)])).inc();
    }

    /// Something could not be read or done.
    pub(crate) fn error(&self, category: &'static str) {
        self.errors.get_or_create(&vec![("category", category.to_owned())]).inc();
    }

    /// What stands at a branch head now.
    pub(crate) fn places(&self, branch: &BranchKey, state: &BranchState) {
        let count = |state| self.places.get_or_create(&labels(branch, [("state", state)])).clone();
        let (mut current, mut pending, mut held, mut preview) = (0, 0, 0, 0);
        for place in &state.places {
            let counter = match (place.automated, &place.held, &place.selected) {
                (false, ..) => &mut preview,
                (true, Some(_), _) => &mut held,
                (true, None, Some(_)) => &mut pending,
                (true, None, None) => &mut current,
            };
            *counter += 1;
        }
        for (state, value) in [("current", current), ("pending", pending), ("held", held), ("preview", preview)] {
            count(state).set(value);
        }
    }

    /// A push notification came.
    pub(crate) fn webhook(&self, kind: WebhookKind, outcome: WebhookOutcome) {
        let outcome = match outcome {
            WebhookOutcome::Rang => "rang",
            WebhookOutcome::NotUsed => "not-used",
            WebhookOutcome::Refused => "refused",
            WebhookOutcome::Unreadable => "unreadable",
            WebhookOutcome::Broken => "broken",
        };
        self.webhooks.get_or_create(&vec![("kind", kind.name().to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    /// A registry was asked.
    pub(crate) fn request(&self, host: &str, outcome: &'static str) {
        self.requests.get_or_create(&vec![("host", self.host(host)), ("outcome", outcome.to_owned())]).inc();
    }

    /// A tag was pushed again with other content.
    pub(crate) fn moved_tag(&self, host: &str) {
        self.moved_tags.get_or_create(&vec![("host", self.host(host))]).inc();
    }

    /// The label of a registry. Manifests may name any number of them.
    fn host(&self, host: &str) -> String {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if !hosts.contains(host) {
            if hosts.len() >= MOST_HOSTS {
                return OTHERS.to_owned();
            }
            hosts.insert(host.to_owned());
        }
        host.to_owned()
    }

    /// A setting gives up a protection.
    pub(crate) fn dangerous(&self, setting: String) {
        self.dangerous.get_or_create(&vec![("setting", setting)]).set(1);
    }

    /// A synchronizer is connected until this is dropped.
    pub(crate) fn stream(&self) -> impl Drop + Send + use<> {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }

    /// A cluster reported.
    pub(crate) fn clusters(&self, clusters: &Clusters) {
        let (known, syncs) = clusters.counts();
        self.clusters.set(i64::try_from(known).unwrap_or(i64::MAX));
        self.syncs.set(i64::try_from(syncs).unwrap_or(i64::MAX));
    }
}

struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn labels<const N: usize>(branch: &BranchKey, more: [(&'static str, &str); N]) -> Labels {
    let mut labels = vec![("repository", branch.repository.clone()), ("branch", branch.branch.clone())];
    labels.extend(more.map(|(name, word)| (name, word.to_owned())));
    labels
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn registries_share_a_label_from_the_fifty_first_on() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        for _ in 0..2 {
            (1..=53).for_each(|number| metrics.request(&format!("r{number:02}.example"), "ok"));
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in ["{host=\"r50.example\",outcome=\"ok\"} 2", "{host=\"(others)\",outcome=\"ok\"} 6"] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("r51"));
    }

    #[test]
    fn what_is_counted_is_shown_under_our_prefix() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let branch = BranchKey { repository: "https://git.example/a".to_owned(), branch: "main".to_owned() };
        let outcome = Outcome {
            head: "1".repeat(40).parse().unwrap(),
            pushed: Some("1".repeat(40).parse().unwrap()),
            moved: Vec::new(),
            places: 5,
            held: 2,
            listed: 3,
            unanswered: 0,
            problems: Vec::new(),
            again_at: None,
        };
        metrics.turn(&branch, Duration::from_millis(70), &Ok(outcome));
        let raced = TurnError::Raced { branch: branch.clone(), attempts: 5 };
        metrics.turn(&branch, Duration::from_millis(70), &Err(raced));
        metrics.webhook(WebhookKind::Harbor, WebhookOutcome::NotUsed);
        metrics.request("ghcr.io", "ok");
        metrics.dangerous("registries.0.dangerous-plain-http".to_owned());
        let stream = metrics.stream();
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "lockstep_automator_turns_total{repository=\"https://git.example/a\",branch=\"main\",result=\"error\"} 1",
            "lockstep_automator_decisions_total{repository=\"https://git.example/a\",branch=\"main\",decision=\"left\"} 3",
            "lockstep_automator_listings_total{repository=\"https://git.example/a\",branch=\"main\"} 3",
            "lockstep_automator_commits_total{repository=\"https://git.example/a\",branch=\"main\",kind=\"update\"} 1",
            "lockstep_automator_errors_total{category=\"raced\"} 1",
            "lockstep_automator_webhooks_total{kind=\"harbor\",outcome=\"not-used\"} 1",
            "lockstep_automator_registry_requests_total{host=\"ghcr.io\",outcome=\"ok\"} 1",
            "lockstep_automator_dangerous_settings{setting=\"registries.0.dangerous-plain-http\"} 1",
            "lockstep_automator_streams 1",
            "lockstep_automator_turn_duration_seconds_count",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        drop(stream);
        assert_eq!(metrics.streams.get(), 0);
    }
}
