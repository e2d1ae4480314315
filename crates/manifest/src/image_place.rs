//! One image in a file: what it is called together, which scalars say so, and how a new tag is written into them.

use std::collections::BTreeMap;

use lockstep_image::Reference;

use crate::edit::ScalarEdit;
use crate::identity::ObjectId;

/// How an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// The `image` of a container.
    Container {
        /// It is an init container.
        init: bool,
    },
    /// An entry of `images` in a kustomization.
    Kustomization,
    /// Values of a Helm chart, in a file of their own.
    HelmValues,
    /// Values of a Helm chart, in a HelmRelease.
    HelmRelease,
    /// Parameters, values or images in an Argo CD Application.
    ArgoApplication,
    /// Any scalar with a setter of Flux v2 (`# {"$imagepolicy": …}`); [`PlaceComment`] has the name of the ImagePolicy.
    Setter,
    /// Any other scalar with a comment for Lockstep (`# lockstep: …`).
    Comment,
}

/// One scalar of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The JSON pointer in its document.
    pub pointer: String,
    /// The line, from 1.
    pub line: usize,
    /// The text as written, without quotes.
    pub text: String,
}

/// The scalars that an image is written in: one for all of it, or several for its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spots {
    /// All of it: `NAME[:TAG][@DIGEST]`.
    pub whole: Option<Spot>,
    /// The registry, where it stands apart from the name.
    pub registry: Option<Spot>,
    /// The name; with the tag behind it where no scalar is there for the tag.
    pub name: Option<Spot>,
    /// The tag, perhaps with `@DIGEST` behind it.
    pub tag: Option<Spot>,
    /// The digest.
    pub digest: Option<Spot>,
}

/// What a person wrote about one image in a comment on its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceComment {
    /// The policy; for a setter `NAMESPACE:NAME` of its ImagePolicy.
    pub policy: String,
    /// What stands in the brackets behind it.
    pub options: BTreeMap<String, String>,
    /// The line, from 1.
    pub line: usize,
}

/// One image, and where it stands.
#[derive(Debug, Clone)]
pub struct ImagePlace {
    /// The object that it belongs to; none in a kustomization or a file of values.
    pub object: Option<ObjectId>,
    /// The line on which the object begins, or else the document, from 1.
    pub object_line: usize,
    /// The annotations of the object.
    pub annotations: BTreeMap<String, String>,
    /// The name of the container; where there is none, the way to the image in its document, with dots.
    pub container: String,
    /// How it is written.
    pub form: Form,
    /// The image, put together: `NAME[:TAG][@DIGEST]`.
    pub text: String,
    /// The line of the tag, from 1; where no tag stands, of the name.
    pub line: usize,
    /// The JSON pointer of the scalar on that line.
    pub pointer: String,
    /// The document's index in the file, from 0, empty ones counted.
    pub document: usize,
    /// The scalars that it is written in.
    pub spots: Spots,
    /// The comment on one of its lines, if it is addressed to an automator.
    pub comment: Option<PlaceComment>,
}

impl ImagePlace {
    /// The edits that give the image another tag. A digest that stands beside the old tag is replaced by the new one.
    ///
    /// # Errors
    ///
    /// A sentence about what has to be written by hand first: no key is ever added.
    pub fn rewrite(&self, tag: &str, digest: Option<&str>) -> Result<Vec<ScalarEdit>, String> {
        self.write(&self.with(tag, digest)?)
    }

    /// The image with another tag, and with this digest.
    ///
    /// # Errors
    ///
    /// Where that is no reference, and where a digest that stands there would stay that of the old image.
    pub fn with(&self, tag: &str, digest: Option<&str>) -> Result<Reference, String> {
        let current = self.reference()?;
        let new = current.with_tag(tag).map_err(|error| error.to_string())?;
        match digest {
            Some(digest) => new.with_digest(digest).map_err(|error| error.to_string()),
            None if current.digest().is_some() => Err(format!(
                "the digest beside the tag at line {} would stay that of the old image; the digest of {tag} is not known",
                self.line
            )),
            None => Ok(new),
        }
    }

    /// The edits that make this the image.
    ///
    /// # Errors
    ///
    /// As [`ImagePlace::rewrite`].
    pub fn write(&self, new: &Reference) -> Result<Vec<ScalarEdit>, String> {
        let Some(whole) = &self.spots.whole else {
            return Err(format!("nothing at line {} holds the whole image", self.line));
        };
        Ok(vec![self.edit(whole, new.to_string())])
    }

    fn reference(&self) -> Result<Reference, String> {
        self.text.parse().map_err(|error: lockstep_image::ReferenceError| error.to_string())
    }

    fn edit(&self, spot: &Spot, new: String) -> ScalarEdit {
        ScalarEdit { document: self.document, pointer: spot.pointer.clone(), new }
    }
}
