//! `images set`: one container's image in a file, byte for byte or not at all.

use std::fs;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use lockstep_daemon::ExitCode;
use lockstep_image::Reference;
use lockstep_manifest::{Selector, set_image};

use crate::failure::Failure;
use crate::input::{Input, is_standard_input};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  lockstep images set deploy.yaml --object deployment/web --container web --image ghcr.io/acme/web:1.4.3
  lockstep images set apps.yaml --object sts/db --namespace shop --container db --image postgres:17.2 --write
  kubectl kustomize . | lockstep images set - --object Deployment/web --container web --image web:2 > all.yaml

A refusal is exit code 1; it names file, line and reason, and the file is as it was.";

/// `lockstep images set`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SetArguments {
    /// A file of manifests; - is standard input
    file: Utf8PathBuf,
    /// The object: deployment/web; kinds as kubectl takes them
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    object: Named,
    /// The namespace that the manifest names, where kind and name fit several objects
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The container or init container
    #[arg(short, long, value_name = "NAME")]
    container: String,
    /// The whole new reference, with tag or digest
    #[arg(long, value_name = "REFERENCE", value_parser = reference)]
    image: String,
    /// Change the file itself instead of printing the result
    #[arg(long)]
    write: bool,
}

/// An object as a person names it.
#[derive(Debug, Clone)]
struct Named {
    kind: String,
    namespace: Option<String>,
    name: String,
}

fn object(text: &str) -> Result<Named, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (kind, namespace, name) = match parts[..] {
        [kind, name] => (kind, None, name),
        [kind, namespace, name] if !namespace.is_empty() => (kind, Some(namespace.to_owned()), name),
        _ => return Err("write KIND/NAME or KIND/NAMESPACE/NAME".to_owned()),
    };
    if kind.is_empty() || name.is_empty() {
        return Err("write KIND/NAME, neither of them empty".to_owned());
    }
    Ok(Named { kind: kind.to_owned(), namespace, name: name.to_owned() })
}

/// As it was written, once it is known to be one.
fn reference(text: &str) -> Result<String, lockstep_image::ReferenceError> {
    text.parse::<Reference>().map(|_| text.to_owned())
}

impl SetArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        if self.write && is_standard_input(&self.file) {
            return Err(Failure::usage("--write cannot change standard input: name a file, or leave --write out"));
        }
        let Named { kind, namespace, name } = self.object;
        let namespace = match (namespace, self.namespace) {
            (Some(left), Some(right)) if left != right => {
                return Err(Failure::usage(format!("--object names the namespace {left} and --namespace {right}")));
            }
            (left, right) => left.or(right),
        };
        let selector = Selector { kind, name, namespace, container: self.container };
        let input = Input::read(&self.file)?;
        let text = input.text()?;
        let edited = set_image(&input.name, text, &selector, &self.image).map_err(Failure::error)?;
        if !self.write {
            output::bytes(edited.as_bytes())?;
        } else if edited == text {
            output::note(&format!("{} has this image already", self.file));
        } else {
            replace(&self.file, edited.as_bytes())
                .map_err(|error| Failure::error(format!("cannot write {}, which is as it was: {error}", self.file)))?;
            output::note(&format!("{} has the new image", self.file));
        }
        Ok(ExitCode::Done)
    }
}

/// The file has all of the new content or all of the old; a link to it stays a link.
fn replace(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let path = path.canonicalize_utf8()?;
    let permissions = fs::metadata(&path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".lockstep-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
