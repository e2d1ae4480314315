//! lockstep: what a person types.
