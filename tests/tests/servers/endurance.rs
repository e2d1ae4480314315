//! What a daemon must live through: being killed between any two writes, a disk that is full, and a long day of commits,
//! edits by hand and faults. The daemon is a process of its own here.

mod daemon;
mod day;
mod dice;
mod edits;
mod git;
mod host;
mod leader;
mod oracle;
mod stand;
mod sweep;
mod weather;
