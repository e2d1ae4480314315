//! The Sync is being deleted: its objects stay, or go first, as its `deletionPolicy` says.

use std::time::Duration;

use lockstep_cluster::Resolution;
use lockstep_plan::{Class, LiveMetadata};
use tokio::time::Instant;

use super::{Actor, backoff::spread, desk, memory::Leaving};
use crate::{
    ports::{ClusterError, FINALIZER, Finalizer, Freshness, Happening, KindName, Target},
    resource::DeletionPolicy,
    turn::{Dismantled, dismantle},
};

/// After so long a deletion that gets nowhere is given up, so that the Sync and its namespace can go.
const DEADLINE: Duration = Duration::from_secs(600);
/// Between two passes while objects are on their way out.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So many objects are named on the Sync.
const NAMED: usize = 3;

impl Actor {
    /// Puts our finalizer on the Sync or takes it away, as its policy says. Says whether that is as it should be.
    pub(super) async fn hold(&mut self) -> bool {
        let wanted = match self.setting.spec.deletion_policy {
            DeletionPolicy::Orphan => Finalizer::Absent,
            DeletionPolicy::Prune | DeletionPolicy::Wait => Finalizer::Present,
        };
        let present = if self.has_finalizer() { Finalizer::Present } else { Finalizer::Absent };
        if present == wanted || self.memory.finalizer == Some(wanted) {
            return true;
        }
        match self.common.ports.cluster.set_finalizer(&self.setting.sync, wanted).await {
            Ok(()) => {
                self.memory.finalizer = Some(wanted);
                true
            }
            Err(error) => {
                // Nothing is applied that would stay behind against the policy.
                self.memory.cluster_error = Some(error);
                self.times.fetch = Instant::now() + self.times.backoff.next();
                self.times.retry = None;
                false
            }
        }
    }

    /// Our part of the deletion of the Sync: made a step further each time, until the finalizer can go.
    pub(super) async fn leave(&mut self) {
        let now = Instant::now();
        let is_early = self.times.retry.take().is_none() && now < self.times.fetch;
        if self.memory.leaving.is_some() && is_early {
            return; // What has just been deleted wakes us, too.
        }
        self.times.fetch = now + Duration::from(self.setting.spec.interval).max(LONGEST_PAUSE);
        if !self.has_finalizer() || self.memory.leaving.as_ref().is_some_and(|leaving| leaving.over) {
            return; // Somebody else's finalizer keeps it.
        }
        if self.setting.spec.unreadable.is_some() {
            let reason = "its specification cannot be read, and so not what is to become of them".to_owned();
            return self.let_go(Happening::Abandoned { reason, left: vec!["all of them".to_owned()] }).await;
        }
        if self.setting.spec.deletion_policy == DeletionPolicy::Orphan || self.setting.spec.suspend {
            let objects = self.memory.total();
            return self.let_go(Happening::Orphaned { objects }).await;
        }
        let since = self.memory.leaving.as_ref().map_or(now, |leaving| leaving.since);
        let mut deleted = self.memory.leaving.as_ref().map_or(0, |leaving| leaving.deleted);
        let pass = self.pass().await;
        deleted += pass.deleted;
        self.memory.leaving = Some(Leaving { since, deleted, message: in_words(deleted, &pass), over: false });
        let is_awaited = self.setting.spec.deletion_policy == DeletionPolicy::Wait || !pass.staying.is_empty();
        if pass.open.is_empty() && (pass.going.is_empty() || !is_awaited) {
            return self.let_go(Happening::Dismantled { objects: deleted, staying: pass.staying }).await;
        }
        let reason = if now.duration_since(since) >= DEADLINE {
            Some(format!("they could not be deleted for {} minutes", DEADLINE.as_secs() / 60))
        } else if pass.open.is_empty() {
            None
        } else {
            self.is_hopeless().await
        };
        match reason {
            Some(reason) => {
                let left: Vec<String> = [pass.open, pass.going, pass.staying].concat();
                tracing::error!(sync = %self.key, reason, ?left, "the Sync is let go though objects of it stay");
                self.let_go(Happening::Abandoned { reason, left }).await;
            }
            None => {
                self.times.fetch = now + self.times.backoff.next().min(spread(LONGEST_PAUSE));
            }
        }
    }

    async fn pass(&mut self) -> Dismantled {
        let (setting, common) = (self.setting.clone(), self.common.clone());
        let account = setting.spec.service_account_name.as_deref();
        let passed = match common.ports.cluster.objects(&self.key, account) {
            Ok(objects) => dismantle(&desk(&common, &setting, objects), &self.memory.record).await,
            Err(error) => Err(error),
        };
        passed.unwrap_or_else(|error| Dismantled { open: vec![error.to_string()], ..Dismantled::default() })
    }

    /// Why trying again cannot help; `None` when it can, or nobody knows.
    async fn is_hopeless(&self) -> Option<String> {
        let namespace = &self.key.namespace;
        if let Ok(Some(found)) = self.find("Namespace", "", namespace).await
            && found.deleting
        {
            return Some(format!("the namespace {namespace} is being deleted"));
        }
        let account = self.setting.spec.service_account_name.as_deref()?;
        let is_gone = matches!(self.find("ServiceAccount", namespace, account).await, Ok(None));
        is_gone.then(|| format!("the service account {namespace}/{account} does not exist any more"))
    }

    /// Looks up an object of the core group, as the daemon itself.
    pub(super) async fn find(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<LiveMetadata>, ClusterError> {
        let cluster = &self.common.ports.cluster;
        let asked = KindName { group: String::new(), version: None, kind: kind.to_owned() };
        let resolved = cluster.resolve(&[asked], Freshness::Cached).await?;
        let Some(Resolution::Resolved(kind)) = resolved.into_iter().next() else {
            return Err(not_served(kind));
        };
        let target = Target { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        cluster.objects(&self.key, None)?.lookup(&target).await
    }

    async fn let_go(&mut self, last_word: Happening) {
        let known = self.memory.leaving.take();
        let message = known.as_ref().map(|leaving| leaving.message.clone()).unwrap_or_default();
        let since = known.map_or_else(Instant::now, |leaving| leaving.since);
        let mut leaving = Leaving { since, deleted: 0, message, over: true };
        // The event must be there before the Sync is gone.
        match self.common.ports.cluster.set_finalizer(&self.setting.sync, Finalizer::Absent).await {
            Ok(()) => self.tell(&last_word),
            Err(error) => {
                tracing::warn!(sync = %self.key, %error, "cannot take the finalizer away; will retry");
                self.times.fetch = Instant::now() + self.times.backoff.next();
                leaving.over = false;
            }
        }
        self.memory.leaving = Some(leaving);
    }

    fn has_finalizer(&self) -> bool {
        let object = self.mailbox.object();
        object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
    }
}

fn not_served(kind: &str) -> ClusterError {
    let message = format!("the kind {kind} is not served");
    ClusterError { class: Class::NotFound, code: None, message, retry_after: None }
}

fn in_words(deleted: usize, pass: &Dismantled) -> String {
    let mut text = format!("the Sync is being deleted; {deleted} objects were deleted");
    for (what, all) in [("on their way out", &pass.going), ("not deleted yet", &pass.open), ("to stay", &pass.staying)]
    {
        if !all.is_empty() {
            let first: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
            text.push_str(&format!("; {} {what}: {}", all.len(), first.join(", ")));
        }
    }
    text
}
