//! What goes wrong, and what the synchronizer does about it: each test is a line of the fault catalogue, with the fault
//! injected between one daemon and a real control plane.

mod bed;
mod discovery;
mod git;
mod kinds;
mod lease;
mod orders;
mod ownership;
mod proxy;
mod prunes;
mod rivals;
mod strain;
mod watches;
mod writes;
