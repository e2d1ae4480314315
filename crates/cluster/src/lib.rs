//! The Kubernetes API: discover, apply, delete, watch, events, lease.
//!
//! This is the edge between the planner's values and an API server. It adds what the generated clients leave out: a
//! time limit per call, bounded retries, proofs (a list is complete or an error, a 404 counts only when the API server
//! speaks of that very object, a delete names uid and resourceVersion), and silence about values. Nothing here decides what
//! should be in the cluster.
//!
//! ```text
//! Cluster::connect ─► discover ─► Kind ─┬─► apply, dry_run, dry_run_create, preview ─► Applied
//!                                       ├─► set_managed_fields, release
//!                                       ├─► lookup, object, list_metadata
//!                                       ├─► delete ─► Deletion
//!                                       └─► watch_metadata, watch_objects ─► WatchEvent
//! Cluster ─► secret · replace_status · annotate · Events · Reviews · Leases ─► Fence (no write passes when it is closed)
//! ```

mod apply;
mod call;
mod client;
mod delete;
mod discovery;
mod error;
mod events;
mod fence;
mod kind;
mod lease;
mod limit;
mod list;
mod lookup;
mod marks;
mod metadata;
mod report;
mod review;
mod secret;
mod watch;

pub use apply::{Applied, Precondition};
pub use client::{Cluster, Connect, ConnectError, Options};
pub use delete::Deletion;
pub use discovery::{Discovery, Resolution};
pub use error::CallError;
pub use events::{Events, Notice, Severity};
pub use fence::Fence;
pub use kind::Kind;
pub use lease::{LeaseRecord, Leases};
pub use lookup::Lookup;
pub use review::{Access, Reviews, User};
pub use secret::SecretValues;
pub use watch::WatchEvent;
