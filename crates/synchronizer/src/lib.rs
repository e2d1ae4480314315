//! The Deployment Synchronizer: fetch, render, plan, apply, observe, report.

pub mod resource;
