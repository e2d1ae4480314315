//! Change requests (pull requests, merge requests) of GitHub, GitLab, Gitea and Forgejo, by their REST APIs.
//!
//! A [`Forge`] speaks for one project. It lists the requests of one base branch whose branches begin with a prefix and lie in
//! the project itself: a branch of a fork, whatever its name, is never one of them. It opens, rewrites and closes requests;
//! branches are pushed by Git and not here.
//!
//! ```text
//!  Forge ─┬─ open, closed ──► Request
//!         └─ create, rewrite, close, label, merge_when_ready
//! ```

mod client;
mod error;
mod gitea;
mod github;
mod gitlab;
mod request;

pub use client::{Forge, ForgeKind, ForgeSettings, TokenProvider};
pub use error::ForgeError;
pub use request::{NewRequest, Request};
