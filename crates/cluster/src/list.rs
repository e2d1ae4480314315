//! Complete lists: all of a kind, or an error.

use kube::core::{ObjectMeta, params::ListParams};
use lockstep_plan::LiveMetadata;
use serde::Deserialize;

use crate::{call::Call, client::Cluster, error::CallError, kind::Kind, metadata::live};

/// How many objects one answer holds.
const PAGE: u32 = 500;
/// How often a list begins again because the API server forgot where it stood.
const RESTARTS: usize = 3;

/// Read by hand: kube's list type refuses items without a kind.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: Position,
    /// `null` for none, where the API server reads from its storage.
    #[serde(default)]
    items: Option<Vec<Item>>,
}

#[derive(Default, Deserialize)]
struct Position {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    metadata: ObjectMeta,
}

impl Cluster {
    /// The metadata of every object of `kind` that `selector` matches and `keep` keeps, in one namespace or (`None`) in
    /// all; of the others no more than a page is ever in memory. A list of which any page failed is an error, so the answer
    /// can serve as proof of absence.
    pub async fn list_metadata(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: &str,
        keep: &(dyn Fn(&LiveMetadata) -> bool + Sync),
    ) -> Result<Vec<LiveMetadata>, CallError> {
        let mut restarts = 0;
        loop {
            match self.all_pages(kind, namespace, selector, keep).await {
                Err(error) if error.code == Some(410) && restarts < RESTARTS => restarts += 1,
                result => return result,
            }
        }
    }

    async fn all_pages(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: &str,
        keep: &(dyn Fn(&LiveMetadata) -> bool + Sync),
    ) -> Result<Vec<LiveMetadata>, CallError> {
        let mut found = Vec::new();
        let mut params = ListParams::default().limit(PAGE).labels(selector);
        loop {
            let request = kind.all("list", namespace)?.list_metadata(&params);
            let call = Call::new("list", kind.resource.plural.clone(), request)?;
            let page: Page = call.read(&self.call(&call).await?)?;
            let items = page.items.into_iter().flatten().map(|item| live(&kind.resource, item.metadata));
            found.extend(items.filter(|live| keep(live)));
            if page.metadata.next.is_empty() {
                return Ok(found);
            }
            params.continue_token = Some(page.metadata.next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn a_list_of_nothing_has_no_items() {
        for text in ["{}", r#"{"items": null}"#, r#"{"items": []}"#] {
            let page: Page = serde_json::from_str(text).unwrap();
            assert_eq!(page.items.into_iter().flatten().count(), 0, "{text}");
        }
    }
}
