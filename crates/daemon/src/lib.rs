//! What every daemon needs: settings, telemetry, admin port, tasks, signals, TLS, exit codes.
//!
//! A daemon's `main.rs` reads its settings, binds its ports, spawns its tasks and waits; all of
//! that is here, and nothing of what the daemon is for: no Kubernetes, no Git, no registry.
//!
//! ```text
//! Sources ─load─► settings ─► start_logging
//!                    │
//!                    ├─► Admin::bind, GrpcServer::bind    ports first, then work
//!                    └─► Tasks::spawn … run_until_stopped ─► ExitCode
//! ```

mod admin;
mod arguments;
mod auth;
mod channel;
mod connections;
mod exit;
mod grpc;
mod handshake;
mod http;
mod process;
mod secret;
mod settings;
mod tasks;
mod telemetry;
mod tls;

pub use admin::{Admin, Readiness, ReadinessHandle};
pub use arguments::ProcessArguments;
pub use auth::{Authenticate, Identity, TokenFile, TokenFileError};
pub use channel::{AuthenticatedChannel, BearerToken, ChannelError, Endpoint, connect};
pub use exit::ExitCode;
pub use grpc::{GrpcError, GrpcServer, GrpcServices, ListenAddress, Transport};
pub use http::{HttpError, HttpServer};
pub use process::{environment, run_process};
pub use secret::{SecretFile, SecretFileError};
pub use settings::{Origin, Period, Problem, SettingsErrors, Sources, load, printed};
pub use tasks::{Policy, Shutdown, Stopped, TaskError, Tasks};
pub use telemetry::{LogFormat, LogSettings, TelemetryError, start_logging};
pub use tls::{ServerTls, TlsError, TlsFiles};

/// The most bytes of one gRPC message or one HTTP body that anybody may send us: 1 MiB.
pub const MESSAGE_LIMIT: usize = 1024 * 1024;
