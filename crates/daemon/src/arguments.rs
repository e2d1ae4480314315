//! The flags that every daemon has.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use clap::Args;

use crate::grpc::ListenAddress;
use crate::settings::Sources;

/// Where the settings are, and those of them that a flag can set.
#[derive(Args, Clone, Debug)]
pub struct ProcessArguments {
    /// The settings file (YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Print the settings that hold, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// What to log: a level, or pairs as in info,lockstep_daemon=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The folder of the clones, and of what else may be lost at any time
    #[arg(long, value_name = "FOLDER")]
    data: Option<Utf8PathBuf>,
    /// Where the gRPC service listens: IP:PORT or unix:/PATH
    #[arg(long, value_name = "ADDRESS")]
    listen_grpc: Option<ListenAddress>,
    /// Where /live, /ready and /metrics are: IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    listen_admin: Option<SocketAddr>,
}

impl ProcessArguments {
    /// Where the settings come from: the file, the environment and these flags. A daemon adds its own flags.
    #[must_use]
    pub fn sources(&self, environment: impl IntoIterator<Item = (String, String)>) -> Sources {
        Sources::new()
            .file(self.config.clone())
            .environment(environment)
            .flag("--log-level", "log.level", self.log_level.as_ref())
            .flag("--data", "data", self.data.as_ref())
            .flag("--listen-grpc", "listen.grpc", self.listen_grpc.as_ref())
            .flag("--listen-admin", "listen.admin", self.listen_admin.as_ref())
    }
}
