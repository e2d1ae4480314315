//! Names of branches.

use crate::error::RepositoryError;

/// `refs/heads/BRANCH`, if that is a name Git accepts and nothing could take for an option or a pattern.
pub(crate) fn reference(branch: &str) -> Result<String, RepositoryError> {
    let name = format!("refs/heads/{branch}");
    let valid = !branch.starts_with('-')
        && !branch.contains(['*', '+', ':'])
        && gix::refs::FullName::try_from(name.as_str()).is_ok();
    if valid { Ok(name) } else { Err(RepositoryError::BranchName { branch: branch.to_owned() }) }
}

/// Whether a text can be the name of a branch; for settings, before any server is asked.
///
/// # Errors
/// [`RepositoryError::BranchName`].
pub fn check_branch(branch: &str) -> Result<(), RepositoryError> {
    reference(branch).map(drop)
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn only_names_of_branches_pass() {
        assert_eq!(reference("main").unwrap(), "refs/heads/main");
        assert_eq!(reference("release/1.4").unwrap(), "refs/heads/release/1.4");
        for bad in ["", "-f", "a b", "a..b", "*", "a:b", "+main", "a\0", "a/", "a.lock", "@{1}"] {
            assert!(reference(bad).is_err(), "{bad:?}");
        }
    }
}
