//! All tags of a repository, or an error: never a part of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::LINK;

use crate::client::{Answer, Host, Registries, Request, header_texts};
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::link::next_query;
use crate::tag_names::TagNames;

const DOING: &str = "list the tags of";
/// The time for all pages of a listing, waits included.
const LISTING_TIMEOUT: Duration = Duration::from_secs(180);
const MOST_PAGES: usize = 1000;
/// For one page; some registries answer everything on one.
const PAGE_BYTES: usize = 32 << 20;
/// For all pages of a listing.
const LISTING_BYTES: usize = 64 << 20;
/// The page size that is asked for first; ECR and GHCR allow no more.
const PAGE_SIZE: u32 = 1000;

/// Every tag that a repository had, sorted by bytes, each once.
///
/// It is complete by construction: where a page is missing there is an error and no listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The tags. A listing that the registry confirmed has those of the one before, and not a copy.
    pub tags: Arc<TagNames>,
    /// When tags were pushed, as far as the registry says it in its listing. Google's do.
    pub pushed: BTreeMap<String, Timestamp>,
}

impl Listing {
    /// How much room it takes.
    pub(crate) fn bytes(&self) -> usize {
        // An entry of a map takes about a hundred bytes.
        self.tags.bytes() + 100 * self.pushed.len()
    }
}

/// A listing, and when it began: what was pushed before is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// When it began.
    pub began: Timestamp,
    /// The tags.
    pub listing: Arc<Listing>,
}

impl Registries {
    /// Lists all tags of `repository`.
    ///
    /// Callers who ask for the same repository at the same time share one listing, but never one that began before they asked.
    ///
    /// # Errors
    /// [`RegistryError::Incomplete`] if the pages do not add up; else what the registry or the network says.
    pub async fn tags(&self, repository: &Repository) -> Result<Arc<Listing>, RegistryError> {
        self.tags_since(repository, Timestamp::now()).await.map(|listed| listed.listing)
    }

    /// A listing of `repository` that began no sooner than `not_before`, or now if that is to come: one that was made for
    /// somebody else ([`Registries::sharing`]), or a new one.
    ///
    /// # Errors
    /// As [`Registries::tags`].
    pub async fn tags_since(&self, repository: &Repository, not_before: Timestamp) -> Result<Listed, RegistryError> {
        let host = self.host(repository)?;
        let not_before = not_before.min(Timestamp::now());
        let timed_out =
            |_| RegistryError::TimedOut { repository: repository.to_string(), doing: DOING, limit: LISTING_TIMEOUT };
        let list = || async {
            // Whoever waited for another's listing may be content with it.
            if let Some(recent) = self.recent_listings.get(repository, not_before).await {
                return Ok(recent);
            }
            let began = Timestamp::now();
            let pages = tokio::time::timeout(LISTING_TIMEOUT, self.all_pages(&host, repository));
            let listed = Listed { began, listing: pages.await.map_err(timed_out)?? };
            self.recent_listings.keep(repository, &listed).await;
            Ok(listed)
        };
        if let Some(recent) = self.recent_listings.get(repository, not_before).await {
            return Ok(recent);
        }
        let listed = self.listings.run(repository.clone(), list()).await?;
        // What the flight was content with may be too old for us.
        if listed.began >= not_before { Ok(listed) } else { self.listings.run(repository.clone(), list()).await }
    }

    async fn all_pages(&self, host: &Host, repository: &Repository) -> Result<Arc<Listing>, RegistryError> {
        let incomplete = |problem: String| RegistryError::Incomplete { repository: repository.to_string(), problem };
        let kept = self.kept_listings.get(repository).await;
        let (mut answer, size) = self.first_page(host, repository, kept.as_ref().map(|kept| &*kept.etag)).await?;
        if let (304, Some(kept)) = (answer.status, kept) {
            return Ok(kept.listing);
        }
        let mut tags: BTreeSet<String> = BTreeSet::new();
        let mut pushed = BTreeMap::new();
        let mut asked: HashSet<String> = HashSet::new();
        let mut bytes = 0;
        let mut sends_links = false;
        for _ in 0..MOST_PAGES {
            let page = answer.page.take().ok_or_else(|| incomplete("a page is empty".into()))?;
            bytes += page.bytes;
            if bytes > LISTING_BYTES {
                return Err(incomplete(format!("it is longer than {LISTING_BYTES} bytes")));
            }
            let (length, last, before) = (page.tags.len(), page.tags.last().cloned(), tags.len());
            // No registry can hold other names: these are never written anywhere.
            tags.extend(page.tags.into_iter().filter(|tag| is_tag(tag)));
            pushed.extend(page.pushed);
            let linked =
                next_query(header_texts(&answer.headers, &LINK)).map_err(|problem| incomplete(problem.into()))?;
            sends_links |= linked.is_some();
            let next = match (linked, last) {
                (Some(_), Some(_)) if tags.len() == before => {
                    return Err(incomplete("a page repeats the tags of another".into()));
                }
                (Some(query), _) => query,
                // A full page without a link: either the end by chance, or a registry that sends no links.
                (None, Some(last))
                    if !sends_links && length == size as usize && tags.len() > before && is_tag(&last) =>
                {
                    format!("n={size}&last={last}")
                }
                (None, _) => {
                    pushed.retain(|tag, _| tags.contains(tag));
                    let listing = Arc::new(Listing { tags: Arc::new(tags.iter().collect()), pushed });
                    // The tag of a page says nothing about the other pages.
                    if asked.is_empty() {
                        self.kept_listings.keep(repository, &answer.headers, &listing).await;
                    }
                    return Ok(listing);
                }
            };
            if !asked.insert(next.clone()) {
                return Err(incomplete("its pages lead back to one that was read before".into()));
            }
            let request = page_request(repository, next, None);
            answer = self.send(host, &request).await?;
            if answer.status != 200 {
                return Err(incomplete(format!("page {} is refused: {}", asked.len() + 1, answer.refused(&request))));
            }
        }
        Err(incomplete(format!("it has more than {MOST_PAGES} pages")))
    }

    /// The first page, with the page size that the registry accepts; it is remembered.
    async fn first_page(
        &self,
        host: &Host,
        repository: &Repository,
        etag: Option<&str>,
    ) -> Result<(Answer, u32), RegistryError> {
        let mut size = host.page_size.load(Ordering::Relaxed);
        let mut refusal = None;
        loop {
            let request = page_request(repository, format!("n={size}"), etag);
            let answer = self.send(host, &request).await?;
            match answer.status {
                200 => {
                    host.page_size.store(size, Ordering::Relaxed);
                    return Ok((answer, size));
                }
                304 if etag.is_some() => return Ok((answer, size)),
                400 | 405 | 413 => {
                    let refused = refusal.get_or_insert_with(|| answer.refused(&request)).clone();
                    size = smaller_page(size, &answer.body).ok_or(refused)?;
                }
                _ => return Err(answer.refused(&request)),
            }
        }
    }
}

fn page_request<'a>(repository: &'a Repository, query: String, etag: Option<&str>) -> Request<'a> {
    Request {
        method: Method::GET,
        repository,
        doing: DOING,
        path: format!("{}/tags/list", repository.name),
        query: Some(query),
        accept: "application/json",
        most_bytes: PAGE_BYTES,
        counted: false,
        is_page: true,
        if_none_match: etag.map(str::to_owned),
    }
}

/// The page size to begin with: Quay refuses more than 100, so this saves it a refusal.
pub(crate) fn first_page_size(host: &str) -> u32 {
    if host == "quay.io" { 100 } else { PAGE_SIZE }
}

/// The next page size to try after `size` was refused: the one that the refusal names ("less than or equal to 500"), else a tenth.
fn smaller_page(size: u32, refusal: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(&refusal[..refusal.len().min(4096)]).to_lowercase();
    let named = ["less than or equal to ", "at most ", "maximum is ", "maximum of "].iter().find_map(|words| {
        let (_, behind) = text.split_once(words)?;
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    named.filter(|&named| named > 0 && named < size).or_else(|| (size >= 100).then_some(size / 10))
}

/// The grammar of a tag in the distribution specification.
pub(crate) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_page_size_is_lowered_to_what_is_named() {
        for (size, refusal, expected) in [
            (1000, r#"{"errors":[{"code":"TOO_MANY_TAGS_REQUESTED"}]}"#, Some(100)),
            (2000, "Member must have value less than or equal to 1000", Some(1000)),
            (1000, "Member must have value less than or equal to 1000", Some(100)),
            (1000, "the maximum is 0", Some(100)),
            (1000, "at most 99999999999999", Some(100)),
            (100, "", Some(10)),
            (10, "", None),
            (50, "at most 20 please", Some(20)),
        ] {
            assert_eq!(smaller_page(size, refusal.as_bytes()), expected, "{size} {refusal}");
        }
    }

    #[test]
    fn what_a_tag_may_look_like() {
        for (text, expected) in [
            ("1.0", true),
            ("_x", true),
            ("v1-a_B.c", true),
            ("", false),
            (".a", false),
            ("-a", false),
            ("a b", false),
            ("a\n", false),
            ("ä", false),
        ] {
            assert_eq!(is_tag(text), expected, "{text:?}");
        }
        assert!(is_tag(&"a".repeat(128)) && !is_tag(&"a".repeat(129)));
    }
}
