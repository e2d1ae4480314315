//! The apply engine under the rights that it is shipped with, against a real API server: what is hard to apply.

mod admission;
mod bench;
mod kinds;
mod quotas;
mod refusals;
mod replacing;
mod taking_over;
