//! More than one Sync: order between them, whose account they act as, what they share, and how they end.

mod accounts;
mod ends;
mod many;
mod town;
