//! What can go wrong with a forge, told so that a person knows what to do.

/// A failed call to a forge. Messages name the project and never hold the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgeError {
    /// The settings cannot be used.
    #[error("the forge of {project} cannot be used: {problem}")]
    Settings {
        /// The project as it was configured.
        project: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The token could not be read.
    #[error("cannot read the token for {project}: {problem}")]
    Token {
        /// The project.
        project: String,
        /// What its provider said.
        problem: String,
    },
    /// No answer.
    #[error("cannot {doing} {project}: no answer from {host}: {problem}; check the API's URL, the network and the CA")]
    Unreachable {
        /// The project.
        project: String,
        /// What was being done.
        doing: &'static str,
        /// Who did not answer.
        host: String,
        /// What the network said.
        problem: String,
    },
    /// The token is not accepted, or may not do this.
    #[error(
        "cannot {doing} {project}: the forge answers {status}: {said}; give the token the right to write change requests and their labels"
    )]
    Unauthorised {
        /// The project.
        project: String,
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the forge said.
        said: String,
    },
    /// The forge is broken, overloaded, or wants a pause.
    #[error("cannot {doing} {project}: the forge answers {status}; this is tried again")]
    Unavailable {
        /// The project.
        project: String,
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The forge refuses.
    #[error("cannot {doing} {project}: the forge answers {status}: {said}")]
    Refused {
        /// The project.
        project: String,
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the forge said.
        said: String,
    },
    /// The answer is not what the API promises.
    #[error("cannot {doing} {project}: the answer cannot be used: {problem}")]
    Malformed {
        /// The project.
        project: String,
        /// What was being done.
        doing: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl ForgeError {
    /// A word for metric labels; the set is closed.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "settings",
            Self::Token { .. } => "credentials",
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorised { .. } => "unauthorised",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Malformed { .. } => "malformed",
        }
    }
}
