//! The keys of annotations behind `lockstep.dev/`: one list for both daemons, so that neither lets one pass that nobody
//! reads.

/// How images are updated. A container's name may stand behind a dot.
pub const AUTOMATOR_KEYS: [&str; 13] = [
    "allow-downgrade",
    "automated",
    "group",
    "locked",
    "min-age",
    "on-failure",
    "pin",
    "platforms",
    "policy",
    "skip-tags",
    "tags",
    "verify",
    "window",
];

/// How an object is applied, and whether it may go.
pub const SYNCHRONIZER_KEYS: [&str; 7] = ["adopt", "apply", "depends-on", "ignore-fields", "prune", "replace", "wave"];

/// What the synchronizer writes on objects, and reads from a Sync.
pub const MARK_KEYS: [&str; 5] = ["acknowledge", "applied", "id", "sync", "sync-namespace"];
