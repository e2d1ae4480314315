//! Real servers for tests, benches and the demo: control plane, registry, Git.
