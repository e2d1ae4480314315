//! OCI registries over HTTP: listings, facts about tags, push notifications.
//!
//! One [`Registries`] serves a whole process. It asks politely (few requests at a time, pauses kept, one fetch in flight for
//! each key), logs in as each registry wants it, and gives a complete answer or an error, never a part. What a registry cannot
//! tell reliably, the time of a tag, is remembered in [`SeenTags`].
//!
//! ```text
//!  Repository ─► tags ────► Listing ──► SeenTags::record ──► first_seen
//!             └► digest, created                      notification ──► WebhookKind::hints ──► "scan now"
//! ```
//!
//! ```no_run
//! # async fn example(image: &lockstep_image::Reference) -> Result<(), Box<dyn std::error::Error>> {
//! use lockstep_registry::{Registries, RegistrySettings, Repository, SeenTags};
//!
//! let registries = Registries::new(vec![RegistrySettings::new("ghcr.io")])?;
//! let seen = SeenTags::open("seen.redb".as_ref())?;
//!
//! let repository = Repository::from(image);
//! let listing = registries.tags(&repository).await?;
//! let recorded = seen.record(&repository, &listing.tags, jiff::Timestamp::now())?;
//! let digest = registries.digest(&repository, "1.4.2").await?;
//! # Ok(()) }
//! ```

mod auth;
mod challenge;
mod client;
mod credentials;
mod documents;
mod endpoint;
mod error;
mod facts;
mod flight;
mod json_stream;
mod kept_listings;
mod link;
mod manners;
mod page;
mod recent_listings;
mod resolver;
mod seen;
mod settings;
mod signature;
mod store;
mod tag_names;
mod tags;
mod webhooks;

pub use client::{Observer, Registries};
pub use credentials::{
    Basic, CredentialPlugins, Credentials, CredentialsSource, DockerConfig, Login, PluginsError, PullSecret,
};
pub use endpoint::Repository;
pub use error::RegistryError;
pub use seen::{MovedTag, Recorded, SeenTags};
pub use settings::{PlainHttp, RegistrySettings};
pub use signature::{Verification, VerificationKey, VerificationKeyError};
pub use store::SeenError;
pub use tag_names::TagNames;
pub use tags::{Listed, Listing};
pub use webhooks::{Admission, KeysFrom, PushHint, PushTokens, Shown, TokenRules, WebhookError, WebhookKind};
