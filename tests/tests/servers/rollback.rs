//! From a bad release back: two synchronizers that vote and one that may not, a person with a will of their own, and the
//! automator as a process that is killed with all that it knows after each commit.

mod bed;
mod clusters;
mod shop;
mod stories;
