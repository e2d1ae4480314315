//! The only file that knows everybody: the ports of the story, made of Git, registries and the clock of this machine.

mod branch;
mod forge;
mod tags;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::ports::Clock;

pub(crate) use branch::{Clones, GitBranch};
pub(crate) use forge::ForgeRequests;
pub(crate) use tags::RegistryTags;

/// The time of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
