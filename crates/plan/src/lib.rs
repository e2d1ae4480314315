//! Wanted objects, live metadata, what to do, in which order, and whether the result is healthy.
//!
//! Everything here is a function of values: objects as Git has them, metadata as the API server lists
//! it, facts that somebody looked up before, and a time where one is needed. Nothing is read, sent or
//! deleted, and a doubt never ends in a deletion.
//!
//! ```text
//! Object ─place─► ─render─► Rendered ─┐
//!                 LiveMetadata, facts ┴─plan─► Plan ─applies, waves─► ApplyOutcome ─prune_step─► Deletion
//!                                      └─cover─► who took which field           assess ─► Health
//! ```

mod health;

pub use health::{Health, PodFailure, Status, Trouble, assess, pods_failure};
