//! What is particular about each registry, as their documents, sources and users tell.

use crate::scripted::Asked;

/// In which order tags are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Bytes,
    Letters,
    Pushed,
    Hash,
}

/// What the `Link` of a page says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// There is none; a page may be full all the same.
    None,
    Relative,
    Absolute,
    /// `http://HOST/…` of `http://HOST:PORT/…` (Nexus).
    WithoutPort,
    /// The path lacks the repository of the repository (Artifactory).
    WithoutPrefix,
    /// `last` is a cursor and no tag.
    Opaque,
}

/// How one logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// With user name and password at each request.
    Basic,
    /// With a token that anybody gets.
    Anonymous,
    /// With a token for user name and password.
    Token,
    /// The same, but the service grants the first scope only.
    FirstScope,
    /// The same, but a scope that is denied denies all of them.
    AllScopes,
    /// With a token for a token.
    Exchange,
}

/// One registry.
#[derive(Clone, Copy)]
pub(super) struct Vendor {
    pub(super) name: &'static str,
    pub(super) order: Order,
    /// Tags on a page when nobody asks for a number; 0: all.
    pub(super) page: usize,
    /// The most that may be asked for, and the refusal of more: status and text.
    pub(super) most: Option<(usize, u16, &'static str)>,
    /// Answers everything at once, whatever is asked.
    pub(super) ignores_numbers: bool,
    pub(super) link: Link,
    pub(super) auth: Auth,
    /// `REALM` stands for the address of the token service, `NAME` for the repository.
    pub(super) challenge: &'static str,
    /// How it says that a token or password has expired.
    pub(super) expired: (u16, &'static str),
    /// Whether HEAD names the digest.
    pub(super) names_digest: bool,
    pub(super) says_times: bool,
    /// The answer for a repository that is not there, to whom may see that.
    pub(super) missing: (u16, &'static str),
    pub(super) redirects_blobs: bool,
    pub(super) has_etag: bool,
    pub(super) says_quota: bool,
}

const UNKNOWN: (u16, &str) = (404, r#"{"errors":[{"code":"NAME_UNKNOWN","message":"canary"}]}"#);
const BEARER: &str = r#"Bearer realm="REALM",service="s",scope="repository:NAME:pull""#;

const PLAIN: Vendor = Vendor {
    name: "",
    order: Order::Bytes,
    page: 100,
    most: None,
    ignores_numbers: false,
    link: Link::Relative,
    auth: Auth::Token,
    challenge: BEARER,
    expired: (401, ""),
    names_digest: true,
    says_times: false,
    missing: UNKNOWN,
    redirects_blobs: false,
    has_etag: false,
    says_quota: false,
};

pub(super) fn vendors() -> Vec<Vendor> {
    vec![
        Vendor {
            name: "Docker Hub",
            page: 0,
            auth: Auth::Anonymous,
            missing: (401, ""),
            redirects_blobs: true,
            says_quota: true,
            ..PLAIN
        },
        Vendor {
            name: "GHCR",
            order: Order::Pushed,
            auth: Auth::AllScopes,
            missing: (403, r#"{"errors":[{"code":"DENIED"}]}"#),
            ..PLAIN
        },
        Vendor {
            name: "ECR",
            order: Order::Hash,
            page: 1000,
            most: Some((
                500,
                405,
                "1 validation error detected: Value at 'maxResults' failed: Member must have value less than or equal to 500",
            )),
            link: Link::Opaque,
            auth: Auth::Basic,
            challenge: r#"Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com""#,
            expired: (403, "Your authorization token has expired. Reauthenticate and try again."),
            redirects_blobs: true,
            ..PLAIN
        },
        Vendor {
            name: "ECR Public",
            order: Order::Hash,
            link: Link::Opaque,
            expired: (400, r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}"#),
            ..PLAIN
        },
        Vendor {
            name: "Artifact Registry",
            ignores_numbers: true,
            link: Link::None,
            says_times: true,
            redirects_blobs: true,
            ..PLAIN
        },
        Vendor {
            name: "ACR",
            auth: Auth::Exchange,
            challenge: r#"Bearer realm="REALM",service="x.azurecr.io",scope="repository:NAME:metadata_read,pull""#,
            ..PLAIN
        },
        Vendor {
            name: "Quay",
            most: Some((100, 413, r#"{"errors":[{"code":"TOO_MANY_TAGS_REQUESTED","detail":{},"message":"canary"}]}"#)),
            page: 50,
            ..PLAIN
        },
        Vendor {
            name: "GitLab",
            order: Order::Letters,
            link: Link::Absolute,
            challenge: r#"Bearer realm="REALM",service="container_registry",scope="repository:NAME:pull",error="invalid_token""#,
            auth: Auth::FirstScope,
            ..PLAIN
        },
        Vendor { name: "Harbor", page: 0, has_etag: true, ..PLAIN },
        Vendor {
            name: "Artifactory",
            link: Link::WithoutPrefix,
            auth: Auth::Basic,
            challenge: r#"Bearer realm="Artifactory Realm", Basic realm="Artifactory Realm""#,
            ..PLAIN
        },
        Vendor {
            name: "Nexus",
            link: Link::WithoutPort,
            auth: Auth::Basic,
            challenge: r#"BASIC realm="Sonatype Nexus Repository Manager""#,
            names_digest: false,
            ..PLAIN
        },
        Vendor {
            name: "Codeberg",
            challenge: r#"Bearer realm="REALM",service="container_registry",scope="*",Basic realm="Gitea Container Registry""#,
            ..PLAIN
        },
        Vendor {
            name: "distribution 2.8",
            order: Order::Hash,
            ignores_numbers: true,
            link: Link::None,
            auth: Auth::Basic,
            challenge: r#"Basic realm="r""#,
            ..PLAIN
        },
        Vendor { name: "one without links", link: Link::None, page: 0, ..PLAIN },
    ]
}

impl Vendor {
    /// What this registry must not be asked.
    pub(super) fn check(&self, asked: &[Asked]) {
        let name = self.name;
        assert!(!asked.iter().any(|asked| asked.target == "/v2/"), "{name}: nothing pings");
        let pulls = asked.iter().filter(|asked| asked.method == "GET" && asked.target.contains("/manifests/")).count();
        // The index, its image, and the image by itself: once each. Where HEAD names no digest each look-up costs one more.
        let most = if self.names_digest { 2 } else { 6 };
        assert!(pulls <= most, "{name}: {pulls} requests that are counted as pulls");
        if let Some((most, ..)) = self.most {
            let too_many = asked.iter().filter(|asked| asked.target.contains("n=1000")).count();
            assert!(too_many <= 2, "{name}: its page size of {most} is learnt once, before and after the login");
        }
        let accepts = asked.iter().filter(|asked| asked.target.contains("/manifests/"));
        for asked in accepts {
            assert!(asked.accept.contains("oci.image.index") && asked.accept.contains("manifest.list.v2"), "{name}");
        }
    }
}
