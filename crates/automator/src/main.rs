//! lockstep-automator

fn main() {}
