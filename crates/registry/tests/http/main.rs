//! The client against a scripted registry: the quirks of the registries that exist, and the tricks of hostile ones.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod facts;
mod login;
mod logins;
mod manners;
mod paging;
mod referrers;
mod scripted;
mod vendors;
