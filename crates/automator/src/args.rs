//! The command line.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use clap::Parser;
use lockstep_daemon::{ListenAddress, Sources};

/// Keeps the images in config repositories up to date: lists tags, decides by the policies that stand in Git, commits.
///
/// Settings = defaults <- --config <- environment (LOCKSTEP__LISTEN__GRPC is listen.grpc) <- flags.
#[derive(Clone, Debug, Parser)]
#[command(name = "lockstep-automator", version)]
pub struct Args {
    /// The settings file (YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Print the settings that hold, and end
    #[arg(long)]
    pub print_config: bool,
    /// What to log: a level, or pairs as in info,lockstep_registry=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The folder of the clones and of the first sights of tags
    #[arg(long, value_name = "FOLDER")]
    data: Option<Utf8PathBuf>,
    /// Where the gRPC service listens: IP:PORT or unix:/PATH
    #[arg(long, value_name = "ADDRESS")]
    listen_grpc: Option<ListenAddress>,
    /// Where /live, /ready and /metrics are: IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    listen_admin: Option<SocketAddr>,
    /// Where registries send their push notifications: IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    listen_webhook: Option<SocketAddr>,
}

impl Args {
    /// Where the settings come from: the file, the environment and these flags.
    #[must_use]
    pub fn sources(&self, environment: impl IntoIterator<Item = (String, String)>) -> Sources {
        Sources::new()
            .file(self.config.clone())
            .environment(environment)
            .flag("--log-level", "log.level", self.log_level.as_ref())
            .flag("--data", "data", self.data.as_ref())
            .flag("--listen-grpc", "listen.grpc", self.listen_grpc.as_ref())
            .flag("--listen-admin", "listen.admin", self.listen_admin.as_ref())
            .flag("--listen-webhook", "listen.webhook", self.listen_webhook.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_one_that_clap_accepts() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
        let args = Args::parse_from(["lockstep-automator", "--listen-grpc", "unix:/run/lockstep.sock", "--data", "/x"]);
        assert!(args.config.is_none() && !args.print_config);
        assert!(Args::try_parse_from(["lockstep-automator", "--listen-grpc", "localhost:1"]).is_err());
    }
}
