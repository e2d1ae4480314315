//! Whole stories of a Sync, told to the controller and its actors over fakes of the ports.

mod api_server;
mod applies;
mod commits;
mod companions;
mod doubts;
mod drifts;
mod found;
mod git;
mod keeping;
mod leaving;
mod looks;
mod namespaces;
mod prunes;
mod troubles;
mod webhooks;
mod world;

use std::sync::Arc;

use lockstep_daemon::Shutdown;

use crate::{
    board::Board,
    controller::{Controller, Options},
    inspect::Inspector,
    ports::{Ports, Source},
    protected::Protected,
};

/// An inspector of Syncs that only the board knows, over this repository.
pub(crate) fn inspector(source: Arc<dyn Source>, board: Board, shutdown: Shutdown) -> Inspector {
    let ports = Ports { source, ..world::World::new(serde_json::json!({})).ports() };
    let options = Options { concurrency: 4, turns: 1, protected: Protected::default(), human: Default::default() };
    Controller::new(ports, board, Arc::default(), options).inspector(shutdown)
}
