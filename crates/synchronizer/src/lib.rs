//! The Deployment Synchronizer: fetch, render, plan, apply, observe, report.
//!
//! A Sync has an actor. Its turn reads the branch, makes objects of the files, plans against what the watches have seen,
//! applies what differs and deletes what left Git. What others change is seen by the watches and changed back at once.
//!
//! ```text
//! Sync ─controller─► actor ─turn─► fetch ─► render ─► plan ─► apply ─► prune
//!                      ▲                                        │
//!        Nudge ────────┴── drift (a watch per kind) ◄───────────┤
//!                      └── observe (health) ◄───────────────────┘
//! ```

mod actor;
mod apply;
mod args;
mod auth;
pub mod board;
mod bootstrap;
mod changes;
mod confirm;
mod controller;
mod definitions;
mod dependencies;
mod drift;
mod events;
mod fetch;
pub mod inspect;
mod lease;
mod mailbox;
mod metrics;
pub mod nudge;
mod observe;
pub mod ports;
mod protected;
mod render;
pub mod resource;
mod run;
mod server;
mod settings;
mod status;
mod turn;
mod updates;
mod wiring;

pub use args::Args;
pub use run::{RunError, StartError, Synchronizer, run};
pub use settings::{Bootstrap, LeaseSettings, Listen, Settings};

#[cfg(test)]
mod stories;
