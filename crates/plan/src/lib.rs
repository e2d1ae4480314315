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

mod autoscale;
mod canonical;
mod cover;
mod difference;
mod errors;
mod extras;
mod fieldset;
mod health;
mod instructions;
mod live;
mod migrate;
mod order;
mod ownership;
mod plan;
mod render;
mod secrets;

pub use autoscale::leave_to_autoscalers;
pub use cover::{ADMISSION, Cover, FieldLoss, cover, entry_hash, is_autoscaled, rewritten, without_replicas};
pub use difference::{FieldChange, differences};
pub use errors::{Class, classify, immutable_field};
pub use extras::{Extra, HumanManagers, claim_extras, extras};
pub use health::{
    Health, HealthCheckError, HealthCheckText, HealthChecks, PodFailure, Status, Trouble, assess, assess_with,
    depends_on_status, pods_failure,
};
pub use instructions::{ApplyMode, Autoscaled, FieldPointer, Instructions};
pub use live::{FIELD_MANAGER, LiveMetadata, ManagedFields, PackedMetadata};
pub use migrate::{let_go, migrate};
pub use order::{check_order, waves};
pub use ownership::{
    APPLIED_ANNOTATION, GROUP_KINDS_ANNOTATION, GroupKind, ID_ANNOTATION, Owner, Ownership, PART_OF_LABEL,
    ParentMetadata, SYNC_LABEL, SYNC_NAMESPACE_LABEL, label_value,
};
pub use plan::{
    Action, ApplyOutcome, Block, Cause, Counts, Deletion, DriftMode, Fact, Held, HoldReason, Input, Keep, Leaving,
    Plan, Pruning, Release, Settled, Step, SyncPolicy, Withheld, lookups, plan,
};
pub use render::{Body, Placed, RenderError, Rendered, Scope, check_unique, place, render};
pub use secrets::{mask, mask_pair};
