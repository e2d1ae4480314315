//! The Kubernetes edge against a real API server.

mod cluster {
    mod discovery;
    mod objects;
    mod reviews;
    mod sync_resource;
    mod watches;
}
