//! Facts that a decision lacks, looked up: a few of each registry at a time.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use super::Listings;
use super::under_way::AT_A_TIME;
use crate::facts::{self, LookUp};
use crate::ports::Ports;

impl Listings {
    /// Looks facts up. What cannot be read is handed back with the reason.
    pub(crate) async fn look_up(&mut self, wanted: Vec<LookUp>, ports: &Ports<'_>) -> Vec<(LookUp, String)> {
        let mut by_host: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for wanted in wanted {
            let host = wanted.repository.host.clone();
            let asked = async move {
                let found = facts::look_up(&wanted, ports.tags).await;
                (wanted, found)
            };
            by_host.entry(host).or_default().push(asked);
        }
        let hosts = by_host.into_values().map(|asked| futures::stream::iter(asked).buffer_unordered(AT_A_TIME));
        let mut answers = futures::stream::select_all(hosts);
        let mut unread = Vec::new();
        while let Some((wanted, found)) = answers.next().await {
            match (found, self.known.get_mut(&wanted.repository)) {
                (Ok(found), Some(facts)) => facts.note(wanted.want.tag(), found),
                (Ok(_), None) => {}
                (Err(error), _) => {
                    tracing::warn!(image = %wanted.repository, tag = wanted.want.tag(), %error, "not read");
                    unread.push((wanted, error.message));
                }
            }
        }
        unread
    }
}
