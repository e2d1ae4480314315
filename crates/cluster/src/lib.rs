//! The Kubernetes API: discover, apply, delete, watch, events.
