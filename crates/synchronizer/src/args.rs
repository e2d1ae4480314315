//! The command line.

use camino::Utf8PathBuf;
use clap::Parser;
use lockstep_daemon::{ProcessArguments, Sources};

/// Keeps what Syncs describe in the cluster: fetches the config repository, applies it, watches for drift, reports.
///
/// Settings = defaults <- --config <- environment (LOCKSTEP__LISTEN__GRPC is listen.grpc) <- flags.
#[derive(Clone, Debug, Parser)]
#[command(name = "lockstep-synchronizer", version)]
pub struct Args {
    /// Those of every daemon.
    #[command(flatten)]
    pub process: ProcessArguments,
    /// The kubeconfig file [default: the pod's own service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<Utf8PathBuf>,
}

impl Args {
    /// Where the settings come from: the file, the environment and these flags.
    #[must_use]
    pub fn sources(&self, environment: impl IntoIterator<Item = (String, String)>) -> Sources {
        self.process.sources(environment).flag("--kubeconfig", "kubeconfig", self.kubeconfig.as_ref())
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
