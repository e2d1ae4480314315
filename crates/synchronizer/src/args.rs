//! The command line.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use clap::Parser;
use lockstep_daemon::{ListenAddress, Sources};

/// Keeps what Syncs describe in the cluster: fetches the config repository, applies it, watches for drift, reports.
///
/// Settings = defaults <- --config <- environment (LOCKSTEP__LISTEN__GRPC is listen.grpc) <- flags.
#[derive(Clone, Debug, Parser)]
#[command(name = "lockstep-synchronizer", version)]
pub struct Args {
    /// The settings file (YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Print the settings that hold, and end
    #[arg(long)]
    pub print_config: bool,
    /// What to log: a level, or pairs as in info,lockstep_cluster=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The kubeconfig file [default: the pod's own service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<Utf8PathBuf>,
    /// The folder of the clones
    #[arg(long, value_name = "FOLDER")]
    data: Option<Utf8PathBuf>,
    /// Where the gRPC service listens: IP:PORT or unix:/PATH
    #[arg(long, value_name = "ADDRESS")]
    listen_grpc: Option<ListenAddress>,
    /// Where /live, /ready and /metrics are: IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    listen_admin: Option<SocketAddr>,
}

impl Args {
    /// Where the settings come from: the file, the environment and these flags.
    #[must_use]
    pub fn sources(&self, environment: impl IntoIterator<Item = (String, String)>) -> Sources {
        Sources::new()
            .file(self.config.clone())
            .environment(environment)
            .flag("--log-level", "log.level", self.log_level.as_ref())
            .flag("--kubeconfig", "kubeconfig", self.kubeconfig.as_ref())
            .flag("--data", "data", self.data.as_ref())
            .flag("--listen-grpc", "listen.grpc", self.listen_grpc.as_ref())
            .flag("--listen-admin", "listen.admin", self.listen_admin.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn flags_win_over_the_environment() {
        let args = Args::parse_from(["lockstep-synchronizer", "--listen-grpc", "127.0.0.1:1", "--log-level", "debug"]);
        let environment = [("LOCKSTEP__LISTEN__GRPC", "127.0.0.1:2"), ("LOCKSTEP__LISTEN__ADMIN", "127.0.0.1:3")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::load(&args.sources(environment)).unwrap();
        assert_eq!(settings.listen.grpc.to_string(), "127.0.0.1:1");
        assert_eq!(settings.listen.admin.to_string(), "127.0.0.1:3");
        assert_eq!(settings.log.filter, "debug");
    }
}
