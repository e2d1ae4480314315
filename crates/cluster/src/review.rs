//! Who a caller of ours is to this cluster, and what they may do: asked of the API server.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{
    Resource,
    core::{Request, params::PostParams},
};
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{call::Call, client::Cluster, error::CallError};

/// How long an answer is believed: a right that was taken away must not live on for a minute.
const BELIEVED: Duration = Duration::from_secs(30);
const MOST_BELIEVED: u64 = 2_000;

/// Somebody the API server knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// `system:serviceaccount:shop:ci`.
    pub name: String,
    /// The account's own identity; empty when the authenticator has none.
    pub uid: String,
    /// The groups they are in.
    pub groups: Vec<String>,
    /// What the authenticator adds.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// One thing that somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// `get`, `update`.
    pub verb: String,
    /// `lockstep.dev`.
    pub group: String,
    /// The plural: `syncs`.
    pub resource: String,
    /// Empty for all namespaces.
    pub namespace: String,
    /// Empty for all names.
    pub name: String,
}

/// Asks the API server, and remembers its answers for half a minute. Errors are not remembered.
#[derive(Clone, Debug)]
pub struct Reviews {
    cluster: Cluster,
    audiences: Vec<String>,
    users: Cache<[u8; 32], Option<User>>,
    verdicts: Cache<(User, Access), bool>,
}

impl Reviews {
    /// `audiences` that a token must be for; empty accepts tokens for the API server itself.
    pub fn new(cluster: Cluster, audiences: Vec<String>) -> Self {
        Self { cluster, audiences, users: remembering(), verdicts: remembering() }
    }

    /// Whose token this is; `None` when the API server does not accept it.
    pub async fn authenticate(&self, token: &SecretString) -> Result<Option<User>, CallError> {
        let key: [u8; 32] = Sha256::digest(token.expose_secret()).into();
        if let Some(user) = self.users.get(&key).await {
            return Ok(user);
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.expose_secret().to_owned(),
                audiences: (!self.audiences.is_empty()).then(|| self.audiences.clone()),
            },
            ..TokenReview::default()
        };
        let status = self.review("authenticate", "bearer token", &review).await?.status.unwrap_or_default();
        let accepted = status.authenticated == Some(true) && self.is_for_us(status.audiences.as_deref());
        let user = status.user.filter(|_| accepted).map(user).filter(|user| !user.name.is_empty());
        self.users.insert(key, user.clone()).await;
        Ok(user)
    }

    /// An authenticator that does not know audiences answers without them; its word then does not count.
    fn is_for_us(&self, audiences: Option<&[String]>) -> bool {
        let named = |audience: &String| audiences.is_some_and(|audiences| audiences.contains(audience));
        self.audiences.is_empty() || self.audiences.iter().any(named)
    }

    /// Whether the cluster's rules allow it.
    pub async fn may(&self, user: &User, access: &Access) -> Result<bool, CallError> {
        let key = (user.clone(), access.clone());
        if let Some(verdict) = self.verdicts.get(&key).await {
            return Ok(verdict);
        }
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.name.clone()),
                uid: given(&user.uid),
                groups: Some(user.groups.clone()),
                extra: Some(user.extra.clone()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(access.verb.clone()),
                    group: Some(access.group.clone()),
                    resource: Some(access.resource.clone()),
                    namespace: given(&access.namespace),
                    name: given(&access.name),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let status = self.review("authorize", &user.name, &review).await?.status.unwrap_or_default();
        let verdict = status.allowed && status.denied != Some(true);
        self.verdicts.insert(key, verdict).await;
        Ok(verdict)
    }

    async fn review<R>(&self, doing: &'static str, target: &str, review: &R) -> Result<R, CallError>
    where
        R: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let body = serde_json::to_vec(review)
            .map_err(|error| CallError::unsendable(doing, target, format!("write JSON at line {}", error.line())))?;
        let request = Request::new(R::url_path(&(), None)).create(&PostParams::default(), body);
        let call = Call::new(doing, target.to_owned(), request)?;
        call.read(&self.cluster.call(&call).await?)
    }
}

fn remembering<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(MOST_BELIEVED).time_to_live(BELIEVED).build()
}

fn user(info: UserInfo) -> User {
    User {
        name: info.username.unwrap_or_default(),
        uid: info.uid.unwrap_or_default(),
        groups: info.groups.unwrap_or_default(),
        extra: info.extra.unwrap_or_default(),
    }
}
