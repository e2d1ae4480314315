//! `lockstep`: what a person types.
//!
//! Thin: the offline verbs read files and ask the pure crates, the online verbs ask a daemon over gRPC. What a verb finds
//! goes through one module to standard output, what went wrong through the same to standard error, and the end is an
//! [`ExitCode`](lockstep_daemon::ExitCode).
//!
//! ```text
//! words ─arguments─► images select | images set | health | render    files  ─► pure crates ─┐
//!                    get … | sync | release | history                 daemon ─► gRPC ────────┴─► output ─► exit code
//! ```

mod arguments;

mod connection;
mod input;
mod progress;

mod changes;
mod history;
mod images;
mod subject;
mod syncs;

mod health;
mod render;

#[cfg(feature = "demo")]
mod demo;

mod failure;
mod output;

pub use arguments::run;
