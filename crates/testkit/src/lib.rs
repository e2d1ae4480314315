//! Real servers for tests, benches and the demo: control plane, registry, Git.
//!
//! Nothing here is a fake. The control plane is etcd, the API server, the controller manager and
//! the scheduler of Kubernetes, with kwok in the kubelet's place; the registry is the one of the
//! distribution project; Git is `git` itself behind HTTP and SSH. Every server listens on
//! loopback, on a port of its own, and ends with the process that started it, however that ended.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use lockstep_testkit::{GitServer, Registry, RegistryOptions};
//!
//! let plane = lockstep_testkit::shared().await?;
//! let namespace = plane.fresh_namespace("shop").await?;
//! let registry = Registry::start(RegistryOptions::default()).await?;
//! registry.push_image("shop/web", "1.4.2", None).await?;
//! let git = GitServer::start(Default::default())?;
//! let human = git.human()?;
//! human.write("apps/web.yaml", "kind: Deployment\n")?;
//! human.commit("Deploy the shop")?;
//! # let _ = namespace; Ok(())
//! # }
//! ```

mod plane;
mod port;
mod process;

mod tls;
mod tls_listener;
mod wait;

mod control_plane;

mod registry;

mod proxy;

mod git_http;
mod git_server;
mod git_ssh;
mod human;
mod server_thread;

mod admission;

mod installation;
mod story;

pub use admission::{AdmissionWebhook, Review};
pub use control_plane::{Call, Calls, ControlPlane, administrator, shared};
pub use git_server::{GitServer, GitServerOptions};
pub use human::Human;
pub use installation::{Daemon, DaemonProcess, GitWay, Installation, Names, install_definitions};
pub use plane::Plane;
pub use port::free as free_ports;
pub use proxy::{Answer, Asked, Fault, FaultProxy, Injected, Requests, Seen, Times, Trick};
pub use registry::{Notify, Registry, RegistryOptions, Served};
pub use story::{Story, Told};
pub use tls::{Authority, ServerCertificate};
pub use wait::eventually;
