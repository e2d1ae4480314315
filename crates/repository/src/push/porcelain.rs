//! What `git push --porcelain` prints.

use super::PushOutcome;
use crate::explain::tidy;

/// Words in a refusal that mean: the branch is no longer where the commit was made for.
const RACED: [&str; 7] = [
    "non-fast-forward",
    "fetch first",
    "stale info",
    "cannot lock ref",
    "incorrect old value provided",
    "reference already exists",
    "failed to update ref",
];

/// What became of `reference`; none when the output does not say.
pub(super) fn outcome(output: &str, errors: &str, reference: &str) -> Option<PushOutcome> {
    let (flag, summary) = output.lines().find_map(|line| {
        let mut fields = line.splitn(3, '\t');
        let (flag, refs, summary) = (fields.next()?, fields.next()?, fields.next()?);
        let (_, to) = refs.split_once(':')?;
        (to == reference).then_some((flag, summary))
    })?;
    match flag {
        " " | "*" | "=" | "+" => Some(PushOutcome::Pushed),
        "!" if RACED.iter().any(|words| summary.contains(words)) => Some(PushOutcome::Raced),
        "!" if summary.contains("[remote failure]") => None,
        "!" => Some(PushOutcome::Rejected { reason: reason(summary, errors) }),
        _ => None,
    }
}

/// The summary, and what the server's hook printed.
fn reason(summary: &str, errors: &str) -> String {
    let said: Vec<_> = errors.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    let said = tidy(&said.join("\n"));
    if said.is_empty() { tidy(summary) } else { format!("{}: {said}", tidy(summary)) }
}

#[cfg(test)]
mod tests {
    use super::{PushOutcome, outcome};

    fn of(line: &str) -> Option<PushOutcome> {
        let output = format!("To https://h/a.git\n{line}\nDone\n");
        outcome(&output, "remote: GL-HOOK-ERR: not on main\nremote: \n", "refs/heads/main")
    }

    #[test]
    fn what_git_prints_is_understood() {
        let rejected = |reason: &str| Some(PushOutcome::Rejected { reason: reason.to_owned() });
        let main = "5b7d:refs/heads/main";
        for (line, expected) in [
            (format!(" \t{main}\t1a2b..5b7d"), Some(PushOutcome::Pushed)),
            (format!("*\t{main}\t[new branch]"), Some(PushOutcome::Pushed)),
            (format!("=\t{main}\t[up to date]"), Some(PushOutcome::Pushed)),
            (format!("!\t{main}\t[rejected] (non-fast-forward)"), Some(PushOutcome::Raced)),
            (format!("!\t{main}\t[rejected] (fetch first)"), Some(PushOutcome::Raced)),
            (
                format!("!\t{main}\t[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)"),
                Some(PushOutcome::Raced),
            ),
            (format!("!\t{main}\t[remote rejected] (incorrect old value provided)"), Some(PushOutcome::Raced)),
            (
                format!("!\t{main}\t[remote rejected] (pre-receive hook declined)"),
                rejected("[remote rejected] (pre-receive hook declined): GL-HOOK-ERR: not on main"),
            ),
            (format!("!\t{main}\t[remote failure] (remote failed to report status)"), None),
            ("*\t5b7d:refs/heads/other\t[new branch]".to_owned(), None),
            (format!("+\t{main}\t1a2b...5b7d (forced update)"), Some(PushOutcome::Pushed)),
            (format!("!\t{main}\t[rejected] (stale info)"), Some(PushOutcome::Raced)),
            (String::new(), None),
        ] {
            assert_eq!(of(&line), expected, "{line}");
        }
    }
}
