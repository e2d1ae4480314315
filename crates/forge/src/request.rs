//! Change requests, as all forges know them.

use jiff::Timestamp;

/// A change request from a branch of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number that people name it by.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The branch that it would merge.
    pub branch: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// When it was closed without being merged.
    pub closed_at: Option<Timestamp>,
    /// Whether it merges by itself as soon as it may; unknown where the forge does not say.
    pub merges_itself: Option<bool>,
    /// What the forge calls it inside.
    pub id: String,
}

/// A change request to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRequest<'a> {
    /// The branch to merge; it is there already.
    pub branch: &'a str,
    /// The branch to merge into.
    pub base: &'a str,
    /// The title.
    pub title: &'a str,
    /// The description.
    pub body: &'a str,
}
