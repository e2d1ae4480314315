//! The apply engine under the rights that it is shipped with, against a real API server: what is hard to apply.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod apply {
    mod admission;
    mod bench;
    mod kinds;
    mod quotas;
    mod refusals;
    mod replacing;
    mod taking_over;
}
