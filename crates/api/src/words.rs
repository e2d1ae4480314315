//! The words that people see for the enumerations of the contract.

use std::fmt;

use crate::v1::{Outcome, Verdict};

/// One lower-case word: `live`, `failed`, `inconclusive`, `progressing` or `unknown`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unknown",
            Self::Live => "live",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Progressing => "progressing",
        })
    }
}

/// One lower-case word: `started`, `ready`, `failed`, `unhealthy`, `held`, `suspended` or `unknown`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unknown",
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Unhealthy => "unhealthy",
            Self::Held => "held",
            Self::Suspended => "suspended",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are the proto names without their prefix, so that one name is enough to search for.
    #[test]
    fn words_follow_the_proto_names() {
        for number in 1..=4 {
            let verdict = Verdict::try_from(number).unwrap();
            assert_eq!(format!("VERDICT_{}", verdict.to_string().to_uppercase()), verdict.as_str_name());
        }
        for number in 1..=6 {
            let outcome = Outcome::try_from(number).unwrap();
            assert_eq!(format!("OUTCOME_{}", outcome.to_string().to_uppercase()), outcome.as_str_name());
        }
        assert!(Verdict::try_from(5).is_err() && Outcome::try_from(7).is_err(), "a new value needs its word here");
    }
}
