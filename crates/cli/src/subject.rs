//! An object in Git, as a person names it to the automator.

use clap::Args;
use lockstep_api::v1;

/// What is meant, and where, if several repositories have it.
#[derive(Debug, Args)]
pub(crate) struct SubjectArguments {
    /// The object: shop/deployment/web, or a place as commits name it: FILE#KIND/NAMESPACE/NAME/CONTAINER
    #[arg(value_name = "NAMESPACE/KIND/NAME", value_parser = name)]
    object: String,
    #[command(flatten)]
    within: WithinArguments,
}

/// Which part, and which branch.
#[derive(Debug, Args)]
pub(crate) struct WithinArguments {
    /// Only this container [default: all]
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// The config repository [default: the one that has it]
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// Its branch
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
}

impl SubjectArguments {
    pub(crate) fn subject(&self) -> v1::Subject {
        self.within.subject(&self.object)
    }

    /// As it was meant, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.object
    }
}

impl WithinArguments {
    /// The object of this name; all for an empty one.
    pub(crate) fn subject(&self, name: &str) -> v1::Subject {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        v1::Subject {
            name: name.to_owned(),
            container: text(&self.container),
            repository: text(&self.repository),
            branch: text(&self.branch),
        }
    }
}

/// The API's order, in which listings and commits name objects. Both are understood: no namespace begins with a capital.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.contains('#') {
        return Ok(text.to_owned());
    }
    let parts: Vec<&str> = text.split('/').collect();
    let named = match parts[..] {
        [kind, name] => format!("{kind}/{name}"),
        [kind, namespace, name] if kind.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
            format!("{kind}/{namespace}/{name}")
        }
        [namespace, kind, name] => format!("{kind}/{namespace}/{name}"),
        _ => String::new(),
    };
    if named.is_empty() || parts.iter().any(|part| part.is_empty()) {
        return Err("write NAMESPACE/KIND/NAME, such as shop/deployment/web".to_owned());
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn both_orders_are_understood() {
        for (text, wanted) in [
            ("shop/deployment/web", Some("deployment/shop/web")),
            ("shop/deploy/web", Some("deploy/shop/web")),
            ("Deployment/shop/web", Some("Deployment/shop/web")),
            ("deploy/web", Some("deploy/web")),
            ("a.yaml#Deployment/shop/web/web", Some("a.yaml#Deployment/shop/web/web")),
            ("web", None),
            ("shop//web", None),
            ("a/b/c/d", None),
        ] {
            assert_eq!(name(text).ok().as_deref(), wanted, "{text}");
        }
    }
}
