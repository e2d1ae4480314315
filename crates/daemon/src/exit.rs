//! What a process says when it ends.

use std::process;

/// The exit codes of every program of Lockstep; the only place where a number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Done, or no difference.
    Done = 0,
    /// It went wrong; standard error says why.
    Error = 1,
    /// The command line or the settings are not valid.
    Usage = 2,
    /// Differences were found, by a command that was asked to look for them.
    Differences = 3,
    /// Applied, but not healthy in time.
    Unhealthy = 4,
    /// Waits for a person's acknowledgement.
    Held = 5,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

impl process::Termination for ExitCode {
    fn report(self) -> process::ExitCode {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts depend on these numbers.
    #[test]
    fn numbers_stay() {
        for (code, number) in [
            (ExitCode::Done, 0),
            (ExitCode::Error, 1),
            (ExitCode::Usage, 2),
            (ExitCode::Differences, 3),
            (ExitCode::Unhealthy, 4),
            (ExitCode::Held, 5),
        ] {
            assert_eq!(process::ExitCode::from(code), process::ExitCode::from(number));
        }
    }
}
