//! Whole stories of a Sync, told to the controller and its actors over fakes of the ports.

mod api_server;
mod commits;
mod companions;
mod drifts;
mod git;
mod keeping;
mod prunes;
mod troubles;
mod world;
