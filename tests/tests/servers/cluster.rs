//! The Kubernetes edge against a real API server.

mod deployment;
mod discovery;
mod objects;
mod reviews;
mod sync_resource;
mod watches;
