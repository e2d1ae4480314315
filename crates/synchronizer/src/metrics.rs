//! What Prometheus sees: counters of what happened, and the state of the board at the time of a scrape.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_plan::ADMISSION;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::board::{Board, SyncSnapshot};
use crate::drift::manager;
use crate::lease::Lead;
use crate::ports::{Happening, SyncRef};

/// From a turn that found nothing to one that waited for definitions.
const SECONDS: [f64; 9] = [0.01, 0.05, 0.2, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// So many field managers have a count of their own. Whoever writes to the API server chooses a name, and each one here
/// would stay for ever.
const MANAGERS: usize = 100;
/// The count of all others.
const OTHERS: &str = "(others)";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSync {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApply {
    namespace: String,
    name: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFetch {
    namespace: String,
    name: String,
    category: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDrift {
    namespace: String,
    name: String,
    manager: String,
    repaired: &'static str,
}

type Seconds = Family<OfSync, Histogram, fn() -> Histogram>;

/// Counts what happens.
#[derive(Clone)]
pub(crate) struct Metrics {
    applies: Family<OfApply, Counter>,
    prunes: Family<OfSync, Counter>,
    drifts: Family<OfDrift, Counter>,
    managers: Arc<Mutex<BTreeSet<String>>>,
    fights: Family<OfSync, Counter>,
    fetch_failures: Family<OfFetch, Counter>,
    faults: Family<OfSync, Counter>,
    turns: Seconds,
}

impl Metrics {
    /// Makes the metrics and puts them into the registry, with the state of the board and who leads.
    pub(crate) fn register(registry: &mut Registry, board: Board, lead: Lead) -> Self {
        let registry = registry.sub_registry_with_prefix("lockstep_synchronizer");
        let this = Self {
            applies: Family::default(),
            prunes: Family::default(),
            drifts: Family::default(),
            managers: Arc::default(),
            fights: Family::default(),
            fetch_failures: Family::default(),
            faults: Family::default(),
            turns: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        };
        registry.register("applies", "Objects sent to the API server", this.applies.clone());
        registry.register("prunes", "Objects deleted because they left Git", this.prunes.clone());
        registry.register("drifts", "Changes by other hands that were seen", this.drifts.clone());
        registry.register("fights", "Objects that somebody else kept changing back", this.fights.clone());
        registry.register("fetch_failures", "Times the repository could not be read", this.fetch_failures.clone());
        registry.register("faults", "Times the work on a Sync ended in a fault of the program", this.faults.clone());
        registry.register_with_unit("turn_duration", "How long a turn took", Unit::Seconds, this.turns.clone());
        registry.register_collector(Box::new(BoardState(board)));
        registry.register_collector(Box::new(Leading(lead)));
        this
    }

    /// Counts one happening.
    pub(crate) fn count(&self, sync: &SyncRef, happening: &Happening) {
        let (namespace, name) = (sync.key.namespace.clone(), sync.key.name.clone());
        match happening {
            Happening::TurnEnded { took, applied, failed } => {
                for (result, count) in [("applied", *applied), ("failed", *failed)] {
                    let labels = OfApply { namespace: namespace.clone(), name: name.clone(), result };
                    self.applies.get_or_create(&labels).inc_by(count as u64);
                }
                self.turns.get_or_create(&OfSync { namespace, name }).observe(took.as_secs_f64());
            }
            Happening::Pruned { objects, .. } => {
                self.prunes.get_or_create(&OfSync { namespace, name }).inc_by(objects.len() as u64);
            }
            Happening::Drifted { fields, repaired, .. } => {
                let repaired = if *repaired { "true" } else { "false" };
                let manager = self.known(manager(fields));
                self.drifts.get_or_create(&OfDrift { namespace, name, manager, repaired }).inc();
            }
            Happening::AdmissionRewrote { objects } => {
                let (manager, repaired) = (ADMISSION.to_owned(), "false");
                let labels = OfDrift { namespace, name, manager, repaired };
                self.drifts.get_or_create(&labels).inc_by(objects.len() as u64);
            }
            Happening::Faulted => drop(self.faults.get_or_create(&OfSync { namespace, name }).inc()),
            Happening::Fighting { .. } => {
                self.fights.get_or_create(&OfSync { namespace, name }).inc();
            }
            Happening::FetchFailed(error) => {
                self.fetch_failures.get_or_create(&OfFetch { namespace, name, category: error.category }).inc();
            }
            _ => {}
        }
    }

    fn known(&self, manager: String) -> String {
        let mut managers = self.managers.lock().unwrap_or_else(PoisonError::into_inner);
        if managers.len() < MANAGERS {
            managers.insert(manager.clone());
        }
        if managers.contains(&manager) { manager } else { OTHERS.to_owned() }
    }
}

/// Whether this daemon is the one that works.
#[derive(Debug)]
struct Leading(Lead);

impl Collector for Leading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let leader = family(&mut encoder, "leader", "1 on the daemon that leads and may write, 0 on the others")?;
        ConstGauge::new(f64::from(u8::from(self.0.leads()))).encode(leader)
    }
}

/// Reads the board when it is scraped, so that nothing has to be kept up to date.
#[derive(Clone)]
struct BoardState(Board);

impl fmt::Debug for BoardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoardState")
    }
}

impl Collector for BoardState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.all();
        let mut syncs = family(&mut encoder, "syncs", "Syncs by their state")?;
        for state in STATES {
            let count = all.iter().filter(|snapshot| state_of(snapshot) == state).count();
            gauge(&mut syncs, &[("state", state)], count as f64)?;
        }
        let mut objects = family(&mut encoder, "objects", "Objects of each Sync, and how many of them are in a state")?;
        for snapshot in &all {
            let Some(counts) = snapshot.status.objects else { continue };
            let states = [
                ("total", counts.total),
                ("healthy", counts.healthy),
                ("drifted", counts.drifted),
                ("failed", counts.failed),
                ("waiting", counts.waiting),
                ("extras", counts.extras),
            ];
            for (state, count) in states {
                gauge(&mut objects, &with_sync(snapshot, &[("state", state)]), f64::from(count))?;
            }
        }
        let mut fighting =
            family(&mut encoder, "fighting", "Fields that another hand takes as often as they are changed back")?;
        for snapshot in &all {
            for fight in &snapshot.status.fights {
                for field in &fight.fields {
                    let labels =
                        [("object", fight.object.as_str()), ("manager", fight.manager.as_str()), ("field", field)];
                    gauge(&mut fighting, &with_sync(snapshot, &labels), 1.0)?;
                }
            }
        }
        let help = "When a commit was last applied without an error, in seconds since 1970";
        let mut applied = family(&mut encoder, "last_applied_timestamp_seconds", help)?;
        for snapshot in &all {
            let Some(at) = &snapshot.status.applied else { continue };
            gauge(&mut applied, &with_sync(snapshot, &[]), at.at.0.as_second() as f64)?;
        }
        Ok(())
    }
}

const STATES: [&str; 6] = ["ready", "progressing", "held", "stalled", "suspended", "failing"];

/// One word for a Sync; the first that fits.
fn state_of(snapshot: &SyncSnapshot) -> &'static str {
    let is = |kind: &str| {
        snapshot.status.conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
    };
    match () {
        () if snapshot.spec.suspend => "suspended",
        () if snapshot.status.held.is_some() => "held",
        () if is("Ready") => "ready",
        () if is("Stalled") => "stalled",
        () if is("Reconciling") => "progressing",
        () => "failing",
    }
}

fn family<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &'a str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, ConstGauge::new(0.0).metric_type())
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &[(&str, &str)], value: f64) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(family.encode_family(&labels)?)
}

fn with_sync<'a>(snapshot: &'a SyncSnapshot, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let sync = [("namespace", snapshot.key.namespace.as_str()), ("name", snapshot.key.name.as_str())];
    sync.into_iter().chain(more.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
