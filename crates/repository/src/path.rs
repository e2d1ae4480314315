//! Paths inside a tree, as people write them.

use crate::error::RepositoryError;

const MAX_LENGTH: usize = 4096;

/// The names along `path`, from the root of the tree; empty for the root itself. `.` and doubled slashes are dropped;
/// whatever could lead out of the tree is refused.
pub(crate) fn names(path: &str) -> Result<Vec<&str>, RepositoryError> {
    let refused = |reason: &str| {
        let path = path.chars().take(200).collect();
        Err(RepositoryError::PathRefused { path, reason: reason.to_owned() })
    };
    if path.len() > MAX_LENGTH {
        return refused("it is too long");
    }
    if path.starts_with('/') {
        return refused("it is absolute; write it relative to the root of the repository");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return refused("it has a backslash or a control character");
    }
    let lowercase = path.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c", "%00"].iter().any(|escape| lowercase.contains(escape)) {
        return refused("it has an escaped dot, slash or NUL; write it plainly");
    }
    let names: Vec<_> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.contains(&"..") {
        return refused("it leads upwards with '..'");
    }
    if names.iter().any(|name| name.eq_ignore_ascii_case(".git")) {
        return refused("'.git' is Git's own");
    }
    Ok(names)
}

/// Whether a text can be a path inside a repository; for settings, before anything is read.
///
/// # Errors
/// [`RepositoryError::PathRefused`].
pub fn check_path(path: &str) -> Result<(), RepositoryError> {
    names(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn paths_are_normalised_or_refused() {
        assert_eq!(names("").unwrap(), Vec::<&str>::new());
        assert_eq!(names("./").unwrap(), Vec::<&str>::new());
        assert_eq!(names("./clusters//prod/").unwrap(), ["clusters", "prod"]);
        assert_eq!(names("a/..b/c..").unwrap(), ["a", "..b", "c.."]);
        let long = "a/".repeat(3000);
        for bad in ["../etc", "a/../../b", "/etc", "a\0b", "%2e%2e/etc", "a/%2E%2e/b", "a\\..\\b", ".git/config", &long]
        {
            assert!(names(bad).is_err(), "{bad:?}");
        }
    }
}
