//! lockstep

fn main() {}
