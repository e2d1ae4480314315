//! The Kubernetes edge against a real API server.

#[cfg(test)]
mod cluster {
    mod deployment;
    mod discovery;
    mod objects;
    mod reviews;
    mod sync_resource;
    mod watches;
}
