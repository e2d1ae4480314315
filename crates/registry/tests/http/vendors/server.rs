//! A registry with the quirks of a vendor.

use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::contract::{Shelf, digest};
use super::quirks::{Auth, Link, Order, Vendor};
use crate::scripted::{Asked, Reply, Scripted};

/// A running server; it ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Server {
    vendor: Vendor,
    state: Arc<Mutex<State>>,
    scripted: Arc<OnceLock<Scripted>>,
    address: Arc<OnceLock<String>>,
}

struct State {
    shelf: Shelf,
    /// Grows when everything expires.
    era: usize,
}

impl Server {
    pub(super) async fn start(vendor: Vendor, shelf: Shelf) -> Self {
        let state = Arc::new(Mutex::new(State { shelf, era: 0 }));
        let server = Self { vendor, state, scripted: Arc::default(), address: Arc::default() };
        let answering = Self { scripted: Arc::default(), ..server.clone() };
        let scripted = Scripted::start(move |asked, _| answering.answer(asked)).await;
        server.address.set(scripted.address.clone()).unwrap();
        assert!(server.scripted.set(scripted).is_ok());
        server
    }

    pub(super) fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    pub(super) fn address(&self) -> String {
        self.address.get().unwrap().clone()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.scripted.get().unwrap().asked()
    }

    pub(super) fn expire(&self) {
        self.state.lock().unwrap().era += 1;
    }

    pub(super) fn point(&self, tag: &str, digest: &str) {
        let mut state = self.state.lock().unwrap();
        let entry = state.shelf.tags.iter_mut().find(|(name, _)| name == tag).unwrap();
        entry.1 = digest.to_owned();
    }

    /// Who may read; it changes when everything expires.
    pub(super) fn login(&self) -> Option<(String, String)> {
        let era = self.state.lock().unwrap().era;
        (self.vendor.auth != Auth::Anonymous).then(|| ("robot$team+bot".to_owned(), format!("canary-{era}")))
    }

    fn basic(&self) -> Option<String> {
        self.login().map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn answer(&self, asked: &Asked) -> Reply {
        if asked.target.starts_with("/storage/") {
            assert_eq!(asked.authorization, None, "{}: no credentials to the storage", self.vendor.name);
            return self.content(asked.target.rsplit('/').next().unwrap());
        }
        if asked.target.starts_with("/auth/token") {
            return self.token(asked);
        }
        let path = asked.target.strip_prefix("/v2/").unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let end = ["/tags/", "/manifests/", "/blobs/"].iter().find_map(|part| path.find(part)).unwrap();
        let (name, what) = path.split_at(end);
        if let Some(refusal) = self.refusal(name, asked) {
            return refusal;
        }
        if name != "team/app" {
            return Reply::new(self.vendor.missing.0, self.vendor.missing.1);
        }
        match what.trim_start_matches('/').split_once('/').unwrap() {
            ("tags", _) => self.listing(name, query, asked),
            ("manifests", reference) => self.manifest(reference, &asked.method),
            (_, digest) if self.vendor.redirects_blobs => {
                // The same server by another name is another origin.
                let storage = self.address().replace("127.0.0.1", "localhost");
                Reply::new(307, "").header("location", format!("http://{storage}/storage/{digest}"))
            }
            (_, digest) => self.content(digest),
        }
    }

    /// Why this request is not let in.
    fn refusal(&self, name: &str, asked: &Asked) -> Option<Reply> {
        let realm = format!("http://{}/auth/token", self.address());
        let challenge = self.vendor.challenge.replace("REALM", &realm).replace("NAME", name);
        let challenged = || Reply::new(401, "").header("www-authenticate", challenge.clone());
        let Some(sent) = &asked.authorization else { return Some(challenged()) };
        let (expired, text) = self.vendor.expired;
        let expired = || if expired == 401 { challenged() } else { Reply::new(expired, text) };
        if self.vendor.auth == Auth::Basic {
            return (Some(sent) != self.basic().as_ref()).then(expired);
        }
        let era = format!("Bearer {}:", self.state.lock().unwrap().era);
        match sent.strip_prefix(&era) {
            None => Some(expired()),
            Some(scopes) if scopes.split('+').any(|scope| scope == name || scope == "*") => None,
            // A token that does not open this: GitHub says 403, the others challenge.
            Some(_) if self.vendor.auth == Auth::AllScopes => Some(Reply::new(403, "")),
            Some(_) => Some(challenged()),
        }
    }

    fn token(&self, asked: &Asked) -> Reply {
        let form = if asked.method == "POST" { asked.body.clone() } else { asked.target.clone() };
        let form =
            form.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace("%24", "$").replace("%2B", "+");
        let form = form.split_once('?').map_or(form.as_str(), |(_, query)| query);
        let values = |name: &str| -> Vec<&str> { form.split('&').filter_map(|pair| pair.strip_prefix(name)).collect() };
        let login = self.login();
        let admitted = match self.vendor.auth {
            Auth::Anonymous => true,
            Auth::Exchange => {
                asked.method == "POST"
                    && values("refresh_token=").first().copied() == login.as_ref().map(|(_, token)| token.as_str())
            }
            _ => asked.authorization == self.basic(),
        };
        if !admitted {
            return Reply::new(401, r#"{"details":"canary"}"#);
        }
        let scopes: Vec<&str> = values("scope=").into_iter().flat_map(|scope| scope.split(['+', ' '])).collect();
        let mut names: Vec<&str> =
            scopes.iter().map(|scope| if *scope == "*" { "*" } else { scope.split(':').nth(1).unwrap() }).collect();
        match self.vendor.auth {
            Auth::AllScopes if names.iter().any(|name| *name != "team/app") => return Reply::new(403, ""),
            Auth::FirstScope => names.truncate(1),
            _ => {}
        }
        let token = format!("{}:{}", self.state.lock().unwrap().era, names.join("+"));
        // Both names of the token are in use, and some services name no lifetime.
        match self.vendor.auth {
            Auth::Exchange => Reply::new(200, json!({ "access_token": token }).to_string()),
            _ => Reply::new(
                200,
                json!({ "token": token, "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z" }).to_string(),
            ),
        }
    }

    fn listing(&self, name: &str, query: &str, asked: &Asked) -> Reply {
        let vendor = &self.vendor;
        let number = |wanted: &str| query.split('&').find_map(|pair| pair.strip_prefix(wanted));
        let shelf = self.state.lock().unwrap().shelf.clone();
        let mut tags: Vec<&str> = shelf.tags.iter().map(|(tag, _)| tag.as_str()).collect();
        match vendor.order {
            Order::Bytes => tags.sort_unstable(),
            Order::Letters => tags.sort_by_key(|tag| (tag.to_lowercase(), *tag)),
            Order::Pushed => {}
            Order::Hash => tags.sort_by_key(|tag| digest(tag)),
        }
        let asked_for = number("n=").map(|n| n.parse::<usize>().unwrap());
        if let (Some((most, status, text)), Some(n)) = (vendor.most, asked_for)
            && n > most
        {
            return Reply::new(status, text);
        }
        let start = match number("last=") {
            Some(cursor) if vendor.link == Link::Opaque => cursor.trim_start_matches('~').parse().unwrap(),
            Some(last) => tags.iter().position(|tag| *tag == last).unwrap() + 1,
            None => 0,
        };
        let all = tags.len();
        let size = match (vendor.ignores_numbers, asked_for, vendor.page) {
            (true, ..) | (false, None, 0) => all,
            (false, Some(n), _) => n,
            (false, None, page) => page,
        };
        let (start, end) = if vendor.ignores_numbers { (0, all) } else { (start, (start + size).min(all)) };
        let page = &tags[start..end];
        let mut body = json!({ "name": name, "tags": page });
        if vendor.says_times {
            let entries = shelf.contents.keys().map(|digest| {
                let of_digest: Vec<&String> =
                    shelf.tags.iter().filter(|(_, d)| d == digest).map(|(tag, _)| tag).collect();
                (digest.clone(), json!({ "tag": of_digest, "timeUploadedMs": "1700000000000", "imageSizeBytes": "1" }))
            });
            body["manifest"] = entries.collect::<serde_json::Map<_, _>>().into();
        }
        let body = body.to_string();
        if vendor.has_etag && end - start == all {
            let etag = format!("\"{}\"", digest(&body));
            if asked.if_none_match.as_ref() == Some(&etag) {
                return Reply::new(304, "");
            }
            return Reply::new(200, body).header("etag", etag);
        }
        let reply = Reply::new(200, body);
        let next = match vendor.link {
            Link::Opaque => format!("last=~{end}&n={size}"),
            _ => format!("last={}&n={size}", page.last().unwrap()),
        };
        let host = self.address();
        match vendor.link {
            _ if end == all => reply,
            Link::None => reply,
            Link::Relative | Link::Opaque => {
                reply.header("link", format!("</v2/{name}/tags/list?{next}>; rel=\"next\""))
            }
            Link::Absolute => reply.header("link", format!("<http://{host}/v2/{name}/tags/list?{next}>; rel=\"next\"")),
            Link::WithoutPort => {
                reply.header("link", format!("<http://127.0.0.1/v2/{name}/tags/list?{next}>; rel=\"next\""))
            }
            Link::WithoutPrefix => reply.header("link", format!("</v2/app/tags/list?{next}>; rel=\"next\"")),
        }
    }

    fn manifest(&self, reference: &str, method: &str) -> Reply {
        let shelf = self.state.lock().unwrap().shelf.clone();
        let digest = shelf.tags.iter().find(|(tag, _)| tag == reference).map_or(reference, |(_, digest)| digest);
        let Some(content) = shelf.contents.get(digest).filter(|content| Shelf::is_manifest(content)) else {
            return Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#);
        };
        let body = if method == "HEAD" { String::new() } else { content.clone() };
        let mut reply = Reply::new(200, body).header("content-type", Shelf::media_type(content));
        if self.vendor.names_digest {
            reply = reply.header("docker-content-digest", digest);
        }
        if self.vendor.says_quota {
            reply = reply.header("ratelimit-limit", "100;w=21600").header("ratelimit-remaining", "76;w=21600");
        }
        reply
    }

    fn content(&self, digest: &str) -> Reply {
        let state = self.state.lock().unwrap();
        state.shelf.contents.get(digest).map_or_else(|| Reply::new(404, ""), |content| Reply::new(200, content.clone()))
    }
}
