//! lockstep-synchronizer

fn main() {}
