//! What a caller may see of objects: what the cluster lets them read by themselves.

use async_trait::async_trait;
use lockstep_cluster::Kind;
use lockstep_daemon::Identity;

use crate::auth::Authorize;
use crate::inspect::Sight;

/// Who asks. The right to look at a Sync is not the right to read its objects, which the daemon reads for them.
pub(super) struct Caller<'a> {
    pub(super) identity: &'a Identity,
    pub(super) authorize: &'a dyn Authorize,
}

#[async_trait]
impl Sight for Caller<'_> {
    async fn may_read(&self, kind: &Kind, namespace: &str, name: &str) -> bool {
        self.authorize.may_read(self.identity, kind, namespace, name).await
    }
}
