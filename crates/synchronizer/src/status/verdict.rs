//! How a Sync stands, in one word and one sentence.

use lockstep_plan::{Class, Status};

use super::{Picture, cut, is_sick};
use crate::{dependencies::Why, ports::ObjectFailure, resource::Failure};

/// How far a Sync is from what it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There.
    Ready,
    /// On its way, or trying again.
    Moving,
    /// A person must act.
    Stuck,
    /// Standing still because somebody asked for it.
    Resting,
}

/// The one thing to say about a Sync.
pub(super) struct Verdict {
    pub(super) progress: Progress,
    /// One of a closed set of words.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Whether the same apply fails again until somebody changes something.
pub(crate) fn is_final(failure: &ObjectFailure) -> bool {
    match failure {
        ObjectFailure::Refused(error) => {
            !error.class.is_transient() || matches!(error.class, Class::Denied | Class::Forbidden)
        }
        ObjectFailure::Blocked(_) => true,
    }
}

/// The first that applies, the most urgent first.
pub(super) fn verdict(picture: &Picture<'_>, failures: &[Failure]) -> Verdict {
    let say = |progress, reason, message: String| Verdict { progress, reason, message: cut(message) };
    let commit = short(picture.commit.unwrap_or_default());
    let kept = match picture.applied {
        Some(applied) => format!("; commit {} is kept", short(&applied.commit)),
        None => String::new(),
    };
    let stuck_or_moving = |is_stuck| if is_stuck { Progress::Stuck } else { Progress::Moving };
    let sick = picture.unhealthy.values().any(|health| is_sick(picture, health));
    let recovering = picture.unhealthy.iter().find(|(_, health)| health.status != Status::Suspended);
    let waiting = picture.waiting.iter().next();

    if let Some(message) = picture.fault {
        return say(Progress::Stuck, "InternalError", message.to_owned());
    }
    if let Some(message) = picture.leaving {
        return say(Progress::Moving, "Deleting", message.to_owned());
    }
    if picture.suspended {
        return say(
            Progress::Resting,
            "Suspended",
            "the Sync is suspended; nothing is fetched, applied or pruned".into(),
        );
    }
    if let Some((commit, objects)) = picture.applying {
        let commit = short(commit);
        return say(Progress::Moving, "Applying", format!("commit {commit}: {objects} objects are being applied"));
    }
    if picture.spec_invalid {
        let message = format!("the Sync itself is wrong, and no new commit is applied{kept}: {}", first(failures));
        return say(Progress::Stuck, "InvalidSpec", message);
    }
    if let Some((bad, _)) = picture.invalid {
        let message = format!("nothing of commit {} is applied{kept}: {}", short(bad), first(failures));
        return say(Progress::Stuck, "InvalidManifests", message);
    }
    if let Some(error) = picture.fetch_error {
        return say(stuck_or_moving(!error.transient), "FetchFailed", format!("{error} ({}){kept}", error.category));
    }
    if let Some(error) = picture.cluster_error {
        return say(Progress::Moving, "ClusterUnavailable", format!("{error}{kept}"));
    }
    if let Some(obstacle) = picture.obstacle {
        return say(
            stuck_or_moving(obstacle.why != Why::NotReady),
            obstacle.why.reason(),
            format!("{}{kept}", obstacle.message),
        );
    }
    if !picture.failed.is_empty() {
        let is_stuck = picture.failed.values().any(is_final);
        let message = format!(
            "{} of {} objects of commit {commit}: {}",
            picture.failed.len(),
            picture.wanted.len(),
            first(failures)
        );
        return say(stuck_or_moving(is_stuck), "ApplyFailed", message);
    }
    if let Some(held) = picture.held {
        let message = format!(
            "{held}; to let it go: kubectl annotate sync {} --namespace {} --overwrite lockstep.dev/acknowledge={}",
            picture.key.name,
            picture.key.namespace,
            picture.commit.unwrap_or_default()
        );
        return say(Progress::Stuck, "PruneHeld", message);
    }
    if let Some(path) = picture.path_missing {
        return say(
            Progress::Stuck,
            "PathMissing",
            format!("commit {commit} has nothing at {path:?}; correct the Sync's path"),
        );
    }
    if !picture.undeleted.is_empty() {
        return say(Progress::Moving, "PruneFailed", first(failures));
    }
    if let Some((id, why)) = waiting {
        return say(Progress::Moving, "Waiting", format!("{}: {why}", id.short()));
    }
    if let Some(withheld) = picture.withheld {
        return say(Progress::Moving, "PruneWithheld", withheld.to_string());
    }
    if !picture.unwatched.is_empty() {
        return say(Progress::Moving, "WatchFailed", first(failures));
    }
    if sick {
        return say(Progress::Stuck, "Unhealthy", first(failures));
    }
    if let Some((id, health)) = recovering {
        return say(Progress::Moving, "Progressing", format!("{}: {}", id.short(), super::health_in_words(health)));
    }
    if picture.drifted > 0 {
        return say(Progress::Stuck, "Drifted", drift_in_words(picture));
    }
    if picture.outdated {
        return say(Progress::Moving, "Pending", format!("the Sync has changed and was not applied since{kept}"));
    }
    if let Some(fetched) = picture.fetched.filter(|fetched| Some(fetched.commit.as_str()) != picture.commit) {
        return say(Progress::Moving, "Pending", format!("commit {} is not applied yet{kept}", short(&fetched.commit)));
    }
    match picture.applied {
        Some(applied) if Some(applied.commit.as_str()) == picture.commit => {
            let total = picture.wanted.len();
            let but = rewriting_in_words(picture);
            say(
                Progress::Ready,
                "Succeeded",
                format!("commit {commit} is applied and all {total} objects are healthy{but}"),
            )
        }
        _ => say(Progress::Moving, "Pending", "nothing has been applied yet".into()),
    }
}

fn first(failures: &[Failure]) -> String {
    let Some(failure) = failures.first() else { return "nothing more is known".to_owned() };
    let place = match (failure.file.as_str(), failure.line) {
        ("", _) => String::new(),
        (file, 0) => format!("{file}: "),
        (file, line) => format!("{file}:{line}: "),
    };
    let object = if failure.object.is_empty() { String::new() } else { format!("{}: ", failure.object) };
    // Some messages begin with the place already.
    let said = failure.message.strip_prefix(place.as_str()).unwrap_or(&failure.message);
    match failures.len() {
        1 => format!("{place}{object}{said}"),
        count => format!("{place}{object}{said} (and {} more)", count - 1),
    }
}

fn drift_in_words(picture: &Picture<'_>) -> String {
    let count = picture.drifted;
    match picture.drift.iter().find(|seen| !seen.repaired) {
        Some(seen) if seen.manager.is_empty() => format!("{count} objects differ from Git; {} first", seen.object),
        Some(seen) => format!("{count} objects differ from Git; {} first, by {}", seen.object, seen.manager),
        None => format!("{count} objects differ from Git"),
    }
}

/// No apply can help, so it is no reason not to be ready.
fn rewriting_in_words(picture: &Picture<'_>) -> String {
    let first = picture.rewritten.iter().find_map(|(id, now)| Some((id, now.fields.first()?)));
    let Some((id, field)) = first else { return String::new() };
    format!("; admission rewrites {} of them, {} first, at {}", picture.rewritten.len(), id.short(), field.path)
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
