//! The synchronizer in this process, under the rights that it is shipped with, between a real control plane and real Git.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod synchronizer {
    mod bed;
    mod dangers;
    mod day;
    mod health;
    mod kinds;
}
