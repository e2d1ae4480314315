//! Jobs and CronJobs.

use super::conditions;
use super::fields::{count, flag, number, text};
use super::rules::Subject;
use super::workloads::with_detail;
use super::{Assessed, Health};

/// A Job is current when it is complete. kstatus says so as soon as it runs, which tells a waiting person nothing.
pub(super) fn job(subject: &Subject<'_>) -> Assessed {
    let object = subject.object;
    let parallelism = number(object, "/spec/parallelism");
    let completions = number(object, "/spec/completions").or(parallelism).unwrap_or(1);
    let succeeded = count(object, "/status/succeeded");
    let active = count(object, "/status/active");
    let failed = count(object, "/status/failed");
    for condition in subject.conditions.iter().filter(|condition| condition.is_true()) {
        match condition.kind {
            "Complete" => return Ok(Health::current(format!("Job Completed. succeeded: {succeeded}/{completions}"))),
            "Failed" => {
                let sentence = format!("Job Failed. failed: {failed}/{completions}");
                return Ok(Health::failed("JobFailed", with_detail(&sentence, condition.message)));
            }
            _ => {}
        }
    }
    // A condition that contradicts the specification is on its way to follow it.
    let observed = conditions::find(subject.conditions, "Suspended");
    if flag(object, "/spec/suspend") && observed.is_none_or(|condition| condition.is_true()) {
        return Ok(Health::suspended("JobSuspended", "Job is suspended"));
    }
    if text(object, "/status/startTime").is_none() {
        let message = match parallelism {
            Some(parallelism) => format!("Job not started. active: {active}/{parallelism}"),
            None => "Job not started".to_owned(),
        };
        return Ok(Health::in_progress("JobNotStarted", message));
    }
    let message = format!("Job in progress. success:{succeeded}, active: {active}, failed: {failed}");
    Ok(Health::in_progress("JobInProgress", message))
}

pub(super) fn cron_job(subject: &Subject<'_>) -> Assessed {
    if flag(subject.object, "/spec/suspend") {
        return Ok(Health::suspended("CronJobSuspended", "CronJob is suspended"));
    }
    Ok(Health::current("Resource is always ready"))
}
