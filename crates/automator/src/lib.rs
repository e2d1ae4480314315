//! The Deployment Automator: scan, decide, edit, publish.
