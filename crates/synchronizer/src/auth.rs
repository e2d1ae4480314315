//! Who may call, and what: the cluster's own tokens and rules.
//!
//! The token is checked before anything of a call is parsed; the right needs the namespace, so it is checked as soon as
//! the message is read and before anything is done with it.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use lockstep_cluster::{Access, CallError, Kind, Reviews, User};
use lockstep_daemon::{Authenticate, Identity};
use secrecy::SecretString;
use tonic::{Request, Status};

/// What a caller wants with Syncs: the verb that a rule of the cluster has to allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `Get`, `Plan`, `Diff`
    Get,
    /// `List`
    List,
    /// `Watch`
    Watch,
    /// `Trigger`, `Suspend`, `Resume`, `Acknowledge`
    Update,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Update => "update",
        }
    }
}

/// Decides whether a caller may do something with the Syncs of a namespace.
#[async_trait]
pub(crate) trait Authorize: Send + Sync + 'static {
    /// An empty namespace means all, an empty name every one.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or `UNAVAILABLE` where nobody can tell.
    async fn authorize(&self, caller: &Identity, verb: Verb, namespace: &str, name: &str) -> Result<(), Status>;

    /// Whether the caller may read an object by themselves; `false` where nobody can tell.
    async fn may_read(&self, caller: &Identity, kind: &Kind, namespace: &str, name: &str) -> bool;
}

/// Asks the API server by TokenReview and SubjectAccessReview.
#[derive(Clone, Debug)]
pub(crate) struct ClusterAuth(Reviews);

impl ClusterAuth {
    /// Asks through these reviews.
    #[must_use]
    pub(crate) fn new(reviews: Reviews) -> Self {
        Self(reviews)
    }
}

#[async_trait]
impl Authenticate for ClusterAuth {
    async fn authenticate(&self, bearer: Option<&SecretString>, _: &str) -> Result<Identity, Status> {
        let bearer = bearer.ok_or_else(|| Status::unauthenticated("this call needs a bearer token of the cluster"))?;
        let user = self.0.authenticate(bearer).await.map_err(|error| unavailable(&error))?;
        let user = user.ok_or_else(|| Status::unauthenticated("the cluster does not accept the bearer token"))?;
        Ok(identity(user))
    }
}

#[async_trait]
impl Authorize for ClusterAuth {
    async fn authorize(&self, caller: &Identity, verb: Verb, namespace: &str, name: &str) -> Result<(), Status> {
        let access = Access {
            verb: verb.as_str().to_owned(),
            group: "lockstep.dev".to_owned(),
            resource: "syncs".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        if self.0.may(&user(caller), &access).await.map_err(|error| unavailable(&error))? {
            return Ok(());
        }
        let place =
            if namespace.is_empty() { "in all namespaces".to_owned() } else { format!("in namespace {namespace}") };
        let message =
            format!("{} may not {} syncs.lockstep.dev {place}; a Role has to allow it", caller.name, access.verb);
        Err(Status::permission_denied(message))
    }

    async fn may_read(&self, caller: &Identity, kind: &Kind, namespace: &str, name: &str) -> bool {
        let access = |name: &str| Access {
            verb: Verb::Get.as_str().to_owned(),
            group: kind.resource.group.clone(),
            resource: kind.resource.plural.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let user = user(caller);
        // Most who may read one may read all of the namespace, and that answer is remembered.
        for name in ["", name] {
            match self.0.may(&user, &access(name)).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "whether a caller may read an object is unknown; its values are masked");
                    return false;
                }
            }
        }
        false
    }
}

/// The caller of a request, if its rights allow this.
pub(crate) async fn admit<T>(
    authorize: &dyn Authorize,
    request: &Request<T>,
    verb: Verb,
    namespace: &str,
    name: &str,
) -> Result<(), Status> {
    authorize.authorize(Identity::of(request)?, verb, namespace, name).await
}

fn unavailable(error: &CallError) -> Status {
    tracing::warn!(%error, "a caller could not be checked");
    Status::unavailable("the API server could not be asked about the caller; the log of this server says why")
}

const UID: &str = "uid:";
const GROUP: &str = "group:";
const EXTRA: &str = "extra:";

/// What the cluster knows of a caller, as the roles of an identity: the review of a right needs all of it again.
fn identity(user: User) -> Identity {
    let mut roles = BTreeSet::from([format!("{UID}{}", user.uid)]);
    roles.extend(user.groups.iter().map(|group| format!("{GROUP}{group}")));
    for (key, values) in &user.extra {
        // Keys are lower case and hold no '='.
        roles.extend(values.iter().map(|value| format!("{EXTRA}{key}={value}")));
    }
    Identity { name: user.name, roles, ..Identity::default() }
}

fn user(identity: &Identity) -> User {
    let mut user = User { name: identity.name.clone(), uid: String::new(), groups: Vec::new(), extra: BTreeMap::new() };
    for role in &identity.roles {
        if let Some(uid) = role.strip_prefix(UID) {
            user.uid = uid.to_owned();
        } else if let Some(group) = role.strip_prefix(GROUP) {
            user.groups.push(group.to_owned());
        } else if let Some((key, value)) = role.strip_prefix(EXTRA).and_then(|extra| extra.split_once('=')) {
            user.extra.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_survives_being_an_identity() {
        let extra = |key: &str, values: &[&str]| (key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect());
        let whole = User {
            name: "system:serviceaccount:shop:ci".into(),
            uid: "u-1".into(),
            groups: vec!["group:odd".into(), "system:authenticated".into()],
            extra: [extra("scopes.example/x", &["a=b", "c"]), extra("y", &[""])].into(),
        };
        assert_eq!(user(&identity(whole.clone())), whole);
        let bare = User { name: "x".into(), uid: String::new(), groups: Vec::new(), extra: BTreeMap::new() };
        assert_eq!(user(&identity(bare.clone())), bare);
    }
}
