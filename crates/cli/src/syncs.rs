//! What is done with Syncs: look at them, start their turns.

mod get;
mod state;
mod trigger;

pub(crate) use get::GetArguments;
pub(crate) use trigger::TriggerArguments;
