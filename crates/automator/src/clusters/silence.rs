//! After a start: which clusters have not yet said what they run.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A cluster says all that it has in a row. So long after the last of it, there is no more to come.
pub(crate) const QUIET: Duration = Duration::from_secs(2);

/// The clusters that are to speak, each with when it did last.
#[derive(Debug, Default)]
pub(super) struct Silence {
    ends: Option<Instant>,
    heard: BTreeMap<String, Option<Instant>>,
}

/// What is not known yet of what clusters run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unheard {
    /// Those that said nothing; those that may have more to say are none of them.
    pub(crate) clusters: Vec<String>,
    /// When it is waited for no longer.
    pub(crate) until: Instant,
}

impl Silence {
    /// From now on, and no longer than that.
    pub(super) fn begin(clusters: impl IntoIterator<Item = String>, longest: Duration) -> Self {
        let heard = clusters.into_iter().map(|cluster| (cluster, None)).collect();
        Self { ends: Some(Instant::now() + longest), heard }
    }

    /// The cluster spoke. True if it is the first time. Once all have, it does not begin anew.
    pub(super) fn hear(&mut self, cluster: &str) -> bool {
        self.unheard().is_some()
            && self.heard.get_mut(cluster).is_some_and(|heard| heard.replace(Instant::now()).is_none())
    }

    /// None once all have said what they run, or have been waited for long enough.
    pub(super) fn unheard(&self) -> Option<Unheard> {
        let clusters = self.silent();
        let last = self.heard.values().flatten().max().map(|last| *last + QUIET);
        let until = if clusters.is_empty() { last.min(self.ends) } else { self.ends };
        until.filter(|until| Instant::now() < *until).map(|until| Unheard { clusters, until })
    }

    /// Those of which nothing was heard.
    pub(super) fn silent(&self) -> Vec<String> {
        self.heard.iter().filter(|(_, heard)| heard.is_none()).map(|(cluster, _)| cluster.clone()).collect()
    }
}
