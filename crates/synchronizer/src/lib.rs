//! The Deployment Synchronizer: fetch, render, plan, apply, observe, report.
