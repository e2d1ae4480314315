//! From a bad release back, with everything real: two synchronizers that vote and one that may not, a registry, Git over HTTP, a
//! person with a will of their own, and the automator as a process that is killed with all that it knows after each commit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[cfg(test)]
mod rollback {
    mod bed;
    mod clusters;
    mod shop;
    mod stories;
}
