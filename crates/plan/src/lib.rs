//! Wanted objects, live metadata, what to do, in which order, and whether the result is healthy.
