//! Tests that need more than one crate stand in `tests/`; this library is empty.
