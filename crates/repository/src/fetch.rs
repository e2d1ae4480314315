//! Asking a server where a branch is, and getting what is new on it.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use gix::progress::Discard;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::{Transport, http};
use gix::protocol::transport::client::git::{ConnectMode, blocking_io::Connection as Pipe};
use gix::remote::fetch::{RefMap, Tags};
use gix::remote::{Direction, ref_map};
use secrecy::ExposeSecret as _;

use crate::branch;
use crate::clone::Repository;
use crate::credentials::{Authentication, Credentials};
use crate::deadline::Deadline;
use crate::error::RepositoryError;
use crate::explain;
use crate::ids::CommitId;
use crate::reserved::Resolver;
use crate::ssh::{Pipes, UploadPack};
use crate::url::Scheme;

type Wire = Box<dyn Transport + Send>;
type HttpTransport = http::Transport<http::reqwest::Remote>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Look,
    Fetch,
}

/// A transport that has not been used yet.
struct Prepared {
    wire: Wire,
    options: Option<Box<dyn Any>>,
    ssh: Option<UploadPack>,
}

impl Repository {
    /// Asks the server which commit `branch` is at; nothing is fetched.
    ///
    /// # Errors
    /// [`RepositoryError::BranchMissing`] when it has no such branch, else what kept it from answering.
    pub fn remote_head(&self, branch: &str, credentials: &Credentials) -> Result<CommitId, RepositoryError> {
        self.talk(branch, credentials, Task::Look)
    }

    /// Gets what is new on `branch` and returns its commit, all of whose history and files are in the clone then. A branch
    /// that was rewritten is followed.
    ///
    /// # Errors
    /// As [`Repository::remote_head`]; the clone keeps what it had.
    pub fn fetch(&self, branch: &str, credentials: &Credentials) -> Result<CommitId, RepositoryError> {
        let _alone = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let commit = self.talk(branch, credentials, Task::Fetch)?;
        let complete = self.local().find_commit(commit.0).and_then(|commit| commit.tree().map(drop));
        complete.map_err(|error| self.unreadable(commit, error))?;
        Ok(commit)
    }

    fn talk(&self, branch: &str, credentials: &Credentials, task: Task) -> Result<CommitId, RepositoryError> {
        let reference = branch::reference(branch)?;
        let url = self.url.as_str();
        let local = self.local();
        let refspec = format!("+{reference}:refs/remotes/origin/{branch}");
        let remote = local
            .remote_at_without_url_rewrite(url)
            .and_then(|remote| remote.with_fetch_tags(Tags::None).with_refspecs([refspec.as_str()], Direction::Fetch))
            .map_err(|error| explain::chain(url, &error, self.limits.whole))?;

        let Prepared { wire, options, ssh } = self.prepare(credentials)?;
        let deadline = match &ssh {
            Some(ssh) => Deadline::start(self.limits.whole, ssh.killer()),
            None => Deadline::start(self.limits.whole, || ()),
        };
        // The credentials are in the transport already; without this, helpers of the machine would be asked.
        let mut connection = remote.to_connection_with_transport(wire).with_credentials(|_| Ok(None));
        if let Some(options) = options {
            connection = connection.with_transport_options(options);
        }
        let head = match task {
            Task::Look => {
                connection.ref_map(Discard, ref_map::Options::default()).map(|(map, _)| head(&map, &reference))
            }
            Task::Fetch => connection.prepare_fetch(Discard, ref_map::Options::default()).and_then(|prepared| {
                let head = head(prepared.ref_map(), &reference);
                if head.is_some() {
                    prepared.receive(Discard, deadline.flag())?;
                }
                Ok(head)
            }),
        };
        let passed = deadline.has_passed();
        drop(deadline);
        let said = ssh.map(UploadPack::finish).unwrap_or_default();
        match head {
            Ok(Some(commit)) => Ok(commit),
            Ok(None) => Err(RepositoryError::BranchMissing { url: url.to_owned(), branch: branch.to_owned() }),
            Err(_) if passed => Err(RepositoryError::Timeout { url: url.to_owned(), after: self.limits.whole }),
            Err(_) if !said.trim().is_empty() => Err(explain::words(url, &said, self.limits.connect)),
            Err(error) => Err(explain::chain(url, &error, self.limits.stall)),
        }
    }

    fn prepare(&self, credentials: &Credentials) -> Result<Prepared, RepositoryError> {
        let wrong = |detail: &str| {
            Err(RepositoryError::WrongCredentials { url: self.url.to_string(), detail: detail.to_owned() })
        };
        match (self.url.scheme, &credentials.authentication) {
            (Scheme::Ssh, Authentication::Ssh { identity, known_hosts }) => {
                let (ssh, pipes) = UploadPack::start(&self.url, identity, known_hosts, &self.limits)?;
                let Pipes { reader, writer } = pipes;
                let path = self.url.path.as_str();
                let nobody = None::<(&str, Option<u16>)>;
                let pipe = Pipe::new(reader, writer, Protocol::V2, path, nobody, ConnectMode::Process, false)
                    .custom_url(Some(self.url.as_str().into()));
                Ok(Prepared { wire: Box::new(pipe), options: None, ssh: Some(ssh) })
            }
            (Scheme::Ssh, _) => wrong("SSH needs the keys identity and known_hosts"),
            (_, Authentication::Ssh { .. }) => wrong("a private key is for ssh:// URLs"),
            (Scheme::Http | Scheme::Https, _) => {
                let url = gix::Url::try_from(self.url.as_str())
                    .map_err(|error| explain::chain(self.url.as_str(), &error, self.limits.whole))?;
                let wire = HttpTransport::new(url, Protocol::V2, false);
                let options = self.http_options(credentials)?;
                Ok(Prepared { wire: Box::new(wire), options: Some(Box::new(options)), ssh: None })
            }
        }
    }

    /// Only this server is spoken to: a redirect could lead to a machine that nobody named.
    fn http_options(&self, credentials: &Credentials) -> Result<http::Options, RepositoryError> {
        let authorities = match &credentials.ca_pem {
            Some(pem) => Some(reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| {
                let detail = format!("ca.crt cannot be read: {error}");
                RepositoryError::WrongCredentials { url: self.url.to_string(), detail }
            })?),
            None => None,
        };
        let limits = self.limits;
        let backend = http::reqwest::Options {
            configure_client: Some(Box::new(move |client| {
                let client = client.connect_timeout(limits.connect).timeout(limits.stall);
                let client = client.dns_resolver(Arc::new(Resolver));
                Ok(match &authorities {
                    Some(authorities) => client.tls_certs_only(authorities.clone()),
                    None => client,
                })
            })),
            configure_request: None,
        };
        let header = credentials.authorization();
        Ok(http::Options {
            extra_headers: header.iter().map(|value| format!("Authorization: {}", value.expose_secret())).collect(),
            follow_redirects: http::options::FollowRedirects::None,
            backend: Some(Arc::new(Mutex::new(backend))),
            ..http::Options::default()
        })
    }
}

/// Where the server says the branch is.
fn head(map: &RefMap, reference: &str) -> Option<CommitId> {
    let mapping = map.mappings.iter().find(|mapping| mapping.remote.as_name().is_some_and(|name| name == reference))?;
    mapping.remote.as_id().map(|id| CommitId(id.to_owned()))
}
