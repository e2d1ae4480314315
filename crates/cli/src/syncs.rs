//! What is done with Syncs: look at them and at what they would do, start their turns, ask things of them.

mod diff;
mod drift;
mod get;
mod look;
mod plan;
mod requests;
mod state;
mod target;
mod trigger;

pub(crate) use diff::DiffArguments;
pub(crate) use drift::DriftArguments;
pub(crate) use get::GetArguments;
pub(crate) use plan::PlanArguments;
pub(crate) use requests::{AcknowledgeArguments, ResumeArguments, SuspendArguments};
pub(crate) use trigger::TriggerArguments;
