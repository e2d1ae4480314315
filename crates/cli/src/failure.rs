//! What went wrong, for a person, and which exit code it is.

use std::{fmt, io};

use lockstep_daemon::ExitCode;

/// Why a verb did not do what it was asked for. Says what was being done, to what, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    problems: Vec<String>,
    next: Option<String>,
}

impl Failure {
    fn new(code: ExitCode, problem: impl fmt::Display) -> Self {
        Self { code, problems: vec![problem.to_string()], next: None }
    }

    /// It went wrong.
    pub(crate) fn error(problem: impl fmt::Display) -> Self {
        Self::new(ExitCode::Error, problem)
    }

    /// Many things are wrong; each is told.
    pub(crate) fn errors<P: fmt::Display>(problems: impl IntoIterator<Item = P>) -> Self {
        let problems = problems.into_iter().map(|problem| problem.to_string()).collect();
        Self { code: ExitCode::Error, problems, next: None }
    }

    /// The words of the command line do not fit together.
    pub(crate) fn usage(problem: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, problem).next("For more information, try '--help'.")
    }

    /// Applied, but not healthy in time.
    pub(crate) fn unhealthy(problem: impl fmt::Display) -> Self {
        Self::new(ExitCode::Unhealthy, problem)
    }

    /// A person is needed.
    pub(crate) fn held(problem: impl fmt::Display) -> Self {
        Self::new(ExitCode::Held, problem)
    }

    /// The same with what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    pub(crate) fn what_next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// Standard output cannot be written to. Whoever closes a pipe early has read enough.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: ExitCode::Done, problems: Vec::new(), next: None };
        }
        Self::error(format!("cannot write to standard output: {error}"))
    }
}
