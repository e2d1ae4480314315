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

pub mod board;
pub mod nudge;
pub mod ports;
pub mod resource;
