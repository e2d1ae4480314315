//! What can go wrong with a registry, told so that a person knows what to do.

use std::time::Duration;

/// A failed request to a registry.
///
/// Messages name the registry and the repository, never a credential and never the query of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The settings of a registry cannot be used.
    #[error("the settings of registry {host} cannot be used: {problem}")]
    Settings {
        /// The registry as it was configured.
        host: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The credentials of a registry could not be read.
    #[error("cannot read the credentials of registry {host}: {problem}")]
    Credentials {
        /// The registry.
        host: String,
        /// What the provider of the credentials said.
        problem: String,
    },
    /// No answer: name resolution, connection, TLS, or a connection that broke.
    #[error(
        "cannot {doing} {repository}: no answer from {host}: {problem}; check the name, the network and the CA of the registry"
    )]
    Unreachable {
        /// Who did not answer (the registry, its token service, or its storage).
        host: String,
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// What the network said.
        problem: String,
    },
    /// The registry refuses our credentials, or wants some.
    #[error("cannot {doing} {repository}: {host} refuses: {problem}")]
    Unauthorised {
        /// Who refuses (the registry or its token service).
        host: String,
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// Why, and what to configure.
        problem: String,
    },
    /// The registry sends us to a place where credentials must not go.
    #[error("cannot {doing} {repository}: {problem}")]
    UnsafeTarget {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// Which rule the target breaks.
        problem: String,
    },
    /// The registry does not know the repository, the manifest or the blob.
    #[error("cannot {doing} {repository}: not found; check the name, and that the credentials may read it")]
    NotFound {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
    },
    /// Too many requests. The whole registry is left alone until the time is over.
    #[error("cannot {doing} {repository}: the registry asks for a pause of {} s", .pause.as_secs())]
    RateLimited {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// How long to wait before the next request.
        pause: Duration,
    },
    /// The registry is broken or overloaded at the moment.
    #[error("cannot {doing} {repository}: the registry answers {status}; this is tried again")]
    Unavailable {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// The pause that the registry asked for, if any.
        pause: Option<Duration>,
    },
    /// The registry did not answer many times in a row. Nothing is asked of it until the time is over.
    #[error(
        "cannot {doing} {repository}: the registry failed {failures} times in a row and is left alone for {} s; check that it runs",
        .pause.as_secs()
    )]
    LeftAlone {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// How long it is left alone.
        pause: Duration,
        /// How often it failed in a row.
        failures: u32,
    },
    /// The registry counts pulls, and few are left to this address.
    #[error(
        "cannot {doing} {repository}: {remaining} of {limit} pulls are left to this address, and those are kept for the nodes behind it; \
         configure credentials with a higher limit, or wait"
    )]
    Spared {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// The pulls that are left.
        remaining: u64,
        /// The pulls that the registry allows.
        limit: u64,
    },
    /// The registry understood the request and refuses it.
    #[error("cannot {doing} {repository}: the registry answers {status} {code}")]
    Refused {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// The first error code of the body, or nothing.
        code: String,
    },
    /// The whole operation took too long.
    #[error("cannot {doing} {repository}: not done within {} s", .limit.as_secs())]
    TimedOut {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The pages of a listing do not add up, so nothing may be decided on it.
    #[error("cannot list all tags of {repository}: {problem}; nothing is decided on a part of them")]
    Incomplete {
        /// The repository, host included.
        repository: String,
        /// What is wrong with the pages.
        problem: String,
    },
    /// The answer is not what the protocol says, or does not have the digest that was asked for.
    #[error("cannot {doing} {repository}: the answer cannot be used: {problem}")]
    Malformed {
        /// The repository, host included.
        repository: String,
        /// What was being done.
        doing: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl RegistryError {
    /// A word for metric labels and event reasons; the set is closed.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "settings",
            Self::Credentials { .. } => "credentials",
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorised { .. } => "unauthorised",
            Self::UnsafeTarget { .. } => "unsafe-target",
            Self::NotFound { .. } => "not-found",
            Self::RateLimited { .. } => "rate-limited",
            Self::Unavailable { .. } => "unavailable",
            Self::LeftAlone { .. } => "left-alone",
            Self::Spared { .. } => "spared",
            Self::Refused { .. } => "refused",
            Self::TimedOut { .. } => "timed-out",
            Self::Incomplete { .. } => "incomplete",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::RateLimited { .. } | Self::Unavailable { .. } | Self::TimedOut { .. }
        )
    }

    /// The pause that the registry asked for.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { pause, .. } | Self::LeftAlone { pause, .. } => Some(*pause),
            Self::Unavailable { pause, .. } => *pause,
            _ => None,
        }
    }
}
