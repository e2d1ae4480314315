//! The values of a Secret, for credentials that a Sync names.

use std::{collections::BTreeMap, fmt};

use http::Request;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{ApiResource, params::GetParams};
use lockstep_plan::Scope;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::{call::Call, client::Cluster, error::CallError, kind::Kind};

/// The values of one Secret by key. Debug shows the keys only; the memory is wiped on drop.
pub struct SecretValues {
    values: BTreeMap<String, SecretSlice<u8>>,
    /// To tell whether it changed since.
    pub resource_version: String,
}

impl SecretValues {
    /// The bytes of a key.
    pub fn bytes(&self, key: &str) -> Option<&SecretSlice<u8>> {
        self.values.get(key)
    }

    /// The text of a key, without the line break that editors leave at its end; `None` also when it is no UTF-8.
    pub fn text(&self, key: &str) -> Option<SecretString> {
        let text = std::str::from_utf8(self.bytes(key)?.expose_secret()).ok()?;
        Some(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// The keys that there are.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

impl Cluster {
    /// Reads a Secret; `None` when it does not exist.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretValues>, CallError> {
        let kind = Kind { resource: ApiResource::erase::<Secret>(&()), scope: Scope::Namespaced };
        let (requests, segment) = kind.one("read", namespace, name)?;
        let request: Result<Request<Vec<u8>>, _> = requests.get(&segment, &GetParams::default());
        let call = Call::new("read", kind.target(namespace, name), request)?;
        match self.call(&call).await {
            Ok(answer) => call.read(&answer).map(values).map(Some),
            Err(error) if error.says_absent(name) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn values(secret: Secret) -> SecretValues {
    let data = secret.data.unwrap_or_default();
    SecretValues {
        values: data.into_iter().map(|(key, value)| (key, SecretSlice::from(value.0))).collect(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_readable_and_never_shown() {
        let secret = serde_json::from_value(
            serde_json::json!({"metadata": {"name": "a"}, "data": {"password": "aHVudGVyMgo="}}),
        );
        let values = values(secret.unwrap());
        assert_eq!(values.text("password").unwrap().expose_secret(), "hunter2");
        assert!(values.text("other").is_none());
        assert_eq!(format!("{values:?}"), r#"{"password"}"#);
    }
}
