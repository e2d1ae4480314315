//! Tests with real servers, all of them in one program: they share one control plane, in namespaces and under accounts of
//! their own, and while one waits another works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![cfg(test)]

mod plane;
mod process;

mod api;
mod apply;
mod automator;
mod cluster;
mod drift;
mod endurance;
mod faults;
mod rollback;
mod story;
mod synchronizer;
mod syncs;
mod verdicts;
