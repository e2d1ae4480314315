//! The command line.

use std::net::SocketAddr;

use clap::Parser;
use lockstep_daemon::{ProcessArguments, Sources};

/// Keeps the images in config repositories up to date: lists tags, decides by the policies that stand in Git, commits.
///
/// Settings = defaults <- --config <- environment (LOCKSTEP__LISTEN__GRPC is listen.grpc) <- flags.
#[derive(Clone, Debug, Parser)]
#[command(name = "lockstep-automator", version)]
pub struct Args {
    /// Those of every daemon.
    #[command(flatten)]
    pub process: ProcessArguments,
    /// Where registries send their push notifications: IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    listen_webhook: Option<SocketAddr>,
}

impl Args {
    /// Where the settings come from: the file, the environment and these flags.
    #[must_use]
    pub fn sources(&self, environment: impl IntoIterator<Item = (String, String)>) -> Sources {
        self.process.sources(environment).flag("--listen-webhook", "listen.webhook", self.listen_webhook.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_one_that_clap_accepts() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
        Args::parse_from(["lockstep-automator", "--listen-grpc", "unix:/run/lockstep.sock", "--data", "/x"]);
        assert!(Args::try_parse_from(["lockstep-automator", "--listen-grpc", "localhost:1"]).is_err());
    }
}
