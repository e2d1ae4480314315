//! Drift against a real API server: what the managed fields tell, and what the daemon makes of it.

mod admission;
mod attacks;
mod bed;
mod daemon;
mod dice;
mod differential;
mod fields;
mod generated;
mod secrets;
mod stand;
mod traps;
