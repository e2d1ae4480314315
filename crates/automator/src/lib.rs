//! The Deployment Automator: it watches registries and commits which image tag each workload runs.
//!
//! Policy stands in Git beside what it governs. A turn fetches the branch, lists what the automated places name, decides by
//! pure functions, changes bytes, and pushes one commit; where others pushed first, it decides again on their tree. All that
//! must survive is in Git: what a person or a revert took back is read from the branch's history, never from a database.
//!
//! ```text
//!  Git ─► places ─► policy ─┐
//!  registries ─► scan ──────┼─► decide ─► edit ─► publish ─► Git
//!  history ─► undone ───────┘   pure      pure
//! ```

mod allow;
mod glob;
mod ports;
mod stopped;

mod overlays;
mod places;
mod policy;
mod survey;
mod undone;

mod choices;
mod decide;
mod edit;
mod facts;
mod group;
mod moves;
mod rhythm;
mod scan;

mod change_requests;
mod message;
mod publish;

mod board;
#[cfg(test)]
mod fakes;
mod memory;
mod turn;
mod update;

mod asks;
mod subject;

mod clusters;
mod repository_name;
mod revert;

mod bell;
mod metrics;
mod notes;
mod server;
mod webhook;

mod args;
mod preview;
mod run;
mod settings;
mod wiring;

pub use allow::AllowedRepositories;
pub use args::Args;
pub use board::{Board, BranchKey, BranchState, Heads, PlaceState, Problem};
pub use memory::Memory;
pub use message::MessageTemplate;
pub use policy::OnFailure;
pub use ports::{Branch, Clock, FileChange, OwnBranch, PortError, Ports, Sights, Tags};
pub use preview::{Listing, Preview, preview};
pub use publish::{ChangeKind, Moved};
pub use rhythm::Pace;
pub use run::{Addresses, RunError, run, start};
pub use settings::{PlaceRule, PlaceSettings, Settings};
pub use stopped::StoppedTags;
pub use turn::{Outcome, Target, TurnError, Wake, turn};
