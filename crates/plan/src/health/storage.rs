//! Persistent volumes and the claims on them.

use super::fields::text;
use super::rules::Subject;
use super::{Assessed, Health};

pub(super) fn claim(subject: &Subject<'_>) -> Assessed {
    Ok(match text(subject.object, "/status/phase").unwrap_or("unknown") {
        "Bound" => Health::current("PVC is Bound"),
        "Lost" => Health::failed("ClaimLost", "PVC has lost the volume that it was bound to"),
        phase => Health::in_progress("NotBound", format!("PVC is not Bound. phase: {phase}")),
    })
}

pub(super) fn volume(subject: &Subject<'_>) -> Assessed {
    Ok(match text(subject.object, "/status/phase").unwrap_or("unknown") {
        phase @ ("Available" | "Bound" | "Released") => Health::current(format!("PersistentVolume is {phase}")),
        "Failed" => {
            let reason = text(subject.object, "/status/reason").unwrap_or("VolumeFailed");
            let message = text(subject.object, "/status/message").unwrap_or("PersistentVolume could not be reclaimed");
            Health::failed(reason, message)
        }
        phase => {
            Health::in_progress("VolumeNotAvailable", format!("PersistentVolume is not available. phase: {phase}"))
        }
    })
}
