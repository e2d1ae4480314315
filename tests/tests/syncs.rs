//! More than one Sync: order between them, whose account they act as, what they share, and how they end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod syncs {
    mod accounts;
    mod ends;
    mod many;
    mod town;
}
