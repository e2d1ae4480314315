//! Where things stand in the notifications of each kind of sender.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_image::Reference;
use serde_json::Value;

use super::{PushHint, WebhookKind};

/// The hints of a notification, not yet checked; `None` if it is none of that kind.
pub(super) fn read(kind: WebhookKind, body: &Value) -> Option<Vec<PushHint>> {
    body.as_object()?;
    match kind {
        WebhookKind::Distribution => Some(list(body, "/events")?.iter().filter_map(distribution).collect()),
        WebhookKind::Acr => one(body.get("target").map(|_| distribution(body))),
        WebhookKind::DockerHub => one(docker_hub(body)),
        WebhookKind::Ghcr => one(github(body)),
        WebhookKind::Harbor => harbor(body),
        WebhookKind::Quay => quay(body),
        WebhookKind::Gar => one(google(body)),
        WebhookKind::Ecr => one(amazon(body)),
        WebhookKind::Gitlab => one(gitlab(body)),
        WebhookKind::Gitea => one(gitea(body)),
        WebhookKind::Artifactory => one(artifactory(body)),
        WebhookKind::Nexus => one(nexus(body)),
        WebhookKind::Generic => one(generic(body)),
    }
}

/// The inner `None`: a notification of something else.
fn one(read: Option<Option<PushHint>>) -> Option<Vec<PushHint>> {
    read.map(|hint| hint.into_iter().collect())
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

fn list<'a>(value: &'a Value, pointer: &str) -> Option<&'a Vec<Value>> {
    value.pointer(pointer)?.as_array()
}

fn hint(host: Option<&str>, repository: impl Into<String>, tag: Option<&str>, digest: Option<&str>) -> PushHint {
    PushHint {
        host: host.map(str::to_owned),
        repository: repository.into(),
        below: false,
        tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
    }
}

/// The host of an address, with or without its scheme.
fn host_of(address: &str) -> Option<&str> {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.split('/').next().filter(|host| host.contains(['.', ':']))
}

/// One event of a distribution registry; Azure sends it without the list around it.
fn distribution(event: &Value) -> Option<PushHint> {
    let is_push = text(event, "/action") == Some("push");
    let repository = text(event, "/target/repository").filter(|_| is_push)?;
    Some(hint(text(event, "/request/host"), repository, text(event, "/target/tag"), text(event, "/target/digest")))
}

/// `NAMESPACE/NAME`, or the name alone.
fn name_in(repository: &Value) -> Option<String> {
    match (text(repository, "/namespace"), text(repository, "/name")?) {
        (Some(namespace), name) => Some(format!("{namespace}/{name}")),
        (None, name) => Some(name.to_owned()),
    }
}

fn docker_hub(body: &Value) -> Option<Option<PushHint>> {
    let (repository, data) = (body.get("repository")?, body.get("push_data")?);
    let name = text(repository, "/repo_name").map(str::to_owned).or_else(|| name_in(repository));
    // Docker's own images have no namespace there, and `library` in references.
    let name = name.map(|name| if name.contains('/') { name } else { format!("library/{name}") });
    Some(name.map(|name| hint(Some("docker.io"), name, text(data, "/tag"), None)))
}

fn github(body: &Value) -> Option<Option<PushHint>> {
    let package = body.get("package").or_else(|| body.get("registry_package"));
    // Whatever else GitHub tells about is a notification too, and about no image.
    let Some(package) = package else { return body.get("repository").map(|_| None) };
    let is_container = [text(package, "/package_type"), text(package, "/ecosystem")]
        .into_iter()
        .flatten()
        .any(|kind| kind.eq_ignore_ascii_case("container"));
    let is_push = matches!(text(body, "/action"), Some("published" | "create" | "created"));
    let owner = text(package, "/namespace").or_else(|| text(package, "/owner/login"));
    let (Some(owner), Some(name), true) = (owner, text(package, "/name"), is_container && is_push) else {
        return Some(None);
    };
    let tag = ["/container_metadata/tag/name", "/version", "/name"]
        .iter()
        .find_map(|pointer| text(package.get("package_version")?, pointer))
        .filter(|tag| !tag.contains(':'));
    let digest = text(package, "/package_version/container_metadata/tag/digest");
    Some(Some(hint(Some("ghcr.io"), format!("{owner}/{name}").to_lowercase(), tag, digest)))
}

fn harbor(body: &Value) -> Option<Vec<PushHint>> {
    let data = match text(body, "/type")? {
        "PUSH_ARTIFACT" | "pushImage" => body.get("event_data")?,
        "harbor.artifact.pushed" => body.get("data")?,
        _ => return Some(Vec::new()),
    };
    let repository = data.get("repository")?;
    let Some(name) = text(repository, "/repo_full_name").map(str::to_owned).or_else(|| name_in(repository)) else {
        return Some(Vec::new());
    };
    let of = |resource: &Value| {
        let host = text(resource, "/resource_url").and_then(host_of);
        hint(host, name.clone(), text(resource, "/tag"), text(resource, "/digest"))
    };
    Some(list(data, "/resources").into_iter().flatten().map(of).collect())
}

fn quay(body: &Value) -> Option<Vec<PushHint>> {
    let tags = list(body, "/updated_tags")?;
    let (host, name) = match text(body, "/docker_url") {
        Some(url) => {
            let url = url.split_once("://").map_or(url, |(_, rest)| rest);
            let (host, name) = url.split_once('/')?;
            (host, name)
        }
        None => ("quay.io", text(body, "/repository")?),
    };
    Some(tags.iter().map(|tag| hint(Some(host), name, tag.as_str(), None)).collect())
}

/// What stands at `HOST/NAME:TAG` or `HOST/NAME@DIGEST`.
fn reference(text: &str) -> Option<PushHint> {
    let reference: Reference = text.parse().ok()?;
    Some(hint(Some(reference.host()), reference.repository(), reference.tag(), reference.digest()))
}

/// A Pub/Sub push: the message is JSON in base64.
fn google(body: &Value) -> Option<Option<PushHint>> {
    let data = STANDARD.decode(text(body, "/message/data")?).ok()?;
    let message: Value = serde_json::from_slice(&data).ok()?;
    let is_push = text(&message, "/action")? == "INSERT";
    let pushed = text(&message, "/tag").and_then(reference).filter(|_| is_push);
    let digest =
        text(&message, "/digest").and_then(|digest| digest.rsplit_once('@')).map(|(_, digest)| digest.to_owned());
    Some(pushed.map(|pushed| PushHint { digest, ..pushed }))
}

fn amazon(body: &Value) -> Option<Option<PushHint>> {
    let (kind, detail) = (text(body, "/detail-type")?, body.get("detail")?);
    let is_push = kind == "ECR Image Action"
        && text(detail, "/action-type") == Some("PUSH")
        && text(detail, "/result") == Some("SUCCESS");
    let Some(name) = text(detail, "/repository-name").filter(|_| is_push) else { return Some(None) };
    let (account, region) = (text(body, "/account")?, text(body, "/region")?);
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let host = format!("{account}.dkr.ecr.{region}.amazonaws.com{suffix}");
    Some(Some(hint(Some(&host), name, text(detail, "/image-tag"), text(detail, "/image-digest"))))
}

/// GitLab tells no push of an image, but what may have pushed one. Its images lie below the path of the project.
fn gitlab(body: &Value) -> Option<Option<PushHint>> {
    let status = match text(body, "/object_kind")? {
        "pipeline" => text(body, "/object_attributes/status"),
        "build" => text(body, "/build_status"),
        _ => return Some(None),
    };
    // The events of jobs have the path only in the address of the project.
    let path = text(body, "/project/path_with_namespace").map(str::to_owned).or_else(|| {
        let (_, address) = text(body, "/repository/homepage")?.split_once("://")?;
        address.split_once('/').map(|(_, path)| path.to_owned())
    });
    let path = path.filter(|_| status == Some("success"));
    Some(path.map(|path| PushHint { below: true, ..hint(None, path.to_lowercase(), None, None) }))
}

fn gitea(body: &Value) -> Option<Option<PushHint>> {
    let package = body.get("package")?;
    let is_push = text(body, "/action") == Some("created") && text(package, "/type") == Some("container");
    let (Some(owner), Some(name), true) = (text(package, "/owner/login"), text(package, "/name"), is_push) else {
        return Some(None);
    };
    let host = text(package, "/html_url").and_then(host_of);
    Some(Some(hint(host, format!("{owner}/{name}").to_lowercase(), text(package, "/version"), None)))
}

/// Which host serves a repository of Artifactory is not told: `REPOSITORY/IMAGE` by path, `IMAGE` by port or host.
fn artifactory(body: &Value) -> Option<Option<PushHint>> {
    let (domain, event, data) = (text(body, "/domain")?, text(body, "/event_type")?, body.get("data")?);
    let Some(name) = text(data, "/image_name").filter(|_| domain == "docker" && event == "pushed") else {
        return Some(None);
    };
    let digest = text(data, "/sha256").map(|hex| format!("sha256:{hex}"));
    Some(Some(hint(None, name, text(data, "/tag"), digest.as_deref())))
}

fn nexus(body: &Value) -> Option<Option<PushHint>> {
    let component = body.get("component")?;
    let is_push = matches!(text(body, "/action"), Some("CREATED" | "UPDATED"));
    let is_image = text(component, "/format") == Some("docker");
    let name = text(component, "/name").filter(|_| is_push && is_image);
    Some(name.map(|name| hint(None, name, text(component, "/version"), None)))
}

fn generic(body: &Value) -> Option<Option<PushHint>> {
    if let Some(image) = text(body, "/image") {
        return reference(image).map(Some);
    }
    let pushed = reference(text(body, "/name")?)?;
    let tag = text(body, "/tag").map(str::to_owned).or(pushed.tag.clone());
    Some(Some(PushHint { tag, ..pushed }))
}
