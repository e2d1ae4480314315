//! One image in a file: what it is called together, which scalars say so, and how a new tag is written into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_image::{Reference, ReferenceError};

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

impl Spots {
    /// Those that are there.
    pub fn each(&self) -> impl Iterator<Item = &Spot> {
        [&self.whole, &self.registry, &self.name, &self.tag, &self.digest].into_iter().flatten()
    }

    pub(crate) fn each_mut(&mut self) -> impl Iterator<Item = &mut Spot> {
        let Spots { whole, registry, name, tag, digest } = self;
        [whole, registry, name, tag, digest].into_iter().flatten()
    }

    /// Drops the scalar at that pointer.
    pub(crate) fn without(&mut self, pointer: &str) {
        for spot in [&mut self.whole, &mut self.registry, &mut self.name, &mut self.tag, &mut self.digest] {
            spot.take_if(|spot| spot.pointer == pointer);
        }
    }
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
    pub annotations: Arc<BTreeMap<String, String>>,
    /// The line of each of them, from 1, but for those that a merge key brings.
    pub annotation_lines: Arc<BTreeMap<String, usize>>,
    /// The labels of the object.
    pub labels: Arc<BTreeMap<String, String>>,
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
    /// The image, where it is certain which repository is meant: a part of a name that stands by itself may be completed
    /// elsewhere, in a chart's defaults or by a kustomization, unless a registry is in it.
    ///
    /// # Errors
    ///
    /// A sentence that says what to write.
    pub fn reference(&self) -> Result<Reference, String> {
        let reference = self.parsed()?;
        let named = self.comment.as_ref().is_some_and(|comment| comment.options.contains_key("image"));
        let name = self.spots.name.as_ref();
        let is_new_name = name.is_some_and(|name| name.pointer.ends_with("/newName"));
        let apart = name.is_some() && self.spots.registry.is_none() && !named && !is_new_name;
        if apart && !has_registry(reference.name()) {
            return Err(format!(
                "{} has no registry in its name; write it there, or say image=REGISTRY/NAME in a comment of the line",
                self.text
            ));
        }
        Ok(reference)
    }

    /// The image as Docker reads it, whatever may complete it elsewhere.
    ///
    /// # Errors
    ///
    /// A sentence about what is no reference.
    pub fn docker_reference(&self) -> Result<Reference, String> {
        self.parsed()
    }

    /// The same place, its name known from elsewhere.
    #[must_use]
    pub fn with_name(&self, name: &str) -> ImagePlace {
        ImagePlace { text: self.composed(Some(name)), ..self.clone() }
    }

    /// The edits that give the image another tag. A digest that stands beside the old tag is replaced by the new one.
    ///
    /// # Errors
    ///
    /// A sentence about what has to be written by hand first: no key is ever added.
    pub fn rewrite(&self, tag: &str, digest: Option<&str>) -> Result<Vec<ScalarEdit>, String> {
        self.write(&self.with(tag, digest)?)
    }

    /// The image as it would read with another tag, and with this digest.
    ///
    /// # Errors
    ///
    /// Where that is no reference, and where a digest that stands there would stay that of the old image.
    pub fn with(&self, tag: &str, digest: Option<&str>) -> Result<Reference, String> {
        let current = self.parsed()?;
        let Spots { whole: None, tag: None, .. } = &self.spots else { return self.tagged(&current, tag, digest) };
        match (current.tag(), current.digest(), digest) {
            // The digest alone says which image it is.
            (None, Some(_), Some(digest)) => current.with_digest(digest).map_err(|error| error.to_string()),
            _ => self.tagged(&current, tag, digest),
        }
    }

    fn tagged(&self, current: &Reference, tag: &str, digest: Option<&str>) -> Result<Reference, String> {
        let new = current.with_tag(tag).map_err(|error| error.to_string())?;
        match digest {
            Some(digest) => new.with_digest(digest).map_err(|error| error.to_string()),
            None if current.digest().is_some() => Err(self.digest_would_stay()),
            None => Ok(new),
        }
    }

    /// The edits that make this the image.
    ///
    /// # Errors
    ///
    /// As [`ImagePlace::rewrite`].
    pub fn write(&self, new: &Reference) -> Result<Vec<ScalarEdit>, String> {
        let renamed = new.name() != self.name()?;
        let all = new.to_string();
        let behind_name = &all[new.name().len()..];
        let Spots { whole, registry, name, tag, digest } = &self.spots;
        let mut edits = Vec::new();
        if let Some(spot) = whole {
            let (before, own) = self.split_whole(&spot.text);
            let own: Reference = own.parse().map_err(|error: ReferenceError| error.to_string())?;
            let name = if renamed { new.name() } else { own.name() };
            self.edit(&mut edits, spot, format!("{before}{name}{behind_name}"));
            return Ok(edits);
        }
        // Where no scalar is there for the tag, it may stand behind the name.
        let in_name = name.as_ref().filter(|_| tag.is_none()).and_then(|spot| {
            let own: Reference = spot.text.parse().ok()?;
            own.tag().map(|_| own.name().to_owned())
        });
        if renamed || in_name.is_some() {
            let Some(spot) = name else {
                return Err(format!(
                    "no name stands beside line {} that could be changed to {}",
                    self.line,
                    new.name()
                ));
            };
            let mut text = in_name.clone().unwrap_or_else(|| spot.text.clone());
            if renamed {
                text = self.rename(&mut edits, registry.as_ref(), spot, new.name())?;
            }
            self.edit(&mut edits, spot, if in_name.is_some() { format!("{text}{behind_name}") } else { text });
        }
        let mut digest_is_written = in_name.is_some();
        match (tag, new.tag()) {
            (Some(spot), Some(tag)) => {
                let with_digest = spot.text.contains('@');
                digest_is_written |= with_digest;
                let text = if with_digest { behind_name.trim_start_matches(':') } else { tag };
                self.edit(&mut edits, spot, text.to_owned());
            }
            (Some(spot), None) => return Err(format!("a tag stands at line {}, and {new} has none", spot.line)),
            // A setter says which part of the image it is for.
            (None, Some(_)) if self.form == Form::Setter && digest.is_some() => {}
            (None, Some(tag)) if in_name.is_none() => return Err(self.line_to_add(self.tag_key(), tag)),
            (None, _) => {}
        }
        match (digest, new.digest()) {
            (Some(spot), Some(digest)) => self.edit(&mut edits, spot, digest.to_owned()),
            (None, Some(digest)) if !digest_is_written => return Err(self.line_to_add("digest", digest)),
            (Some(spot), None) if !spot.text.is_empty() => return Err(self.digest_would_stay()),
            (None, None) if tag.as_ref().is_some_and(|spot| spot.text.contains('@')) => {
                return Err(self.digest_would_stay());
            }
            _ => {}
        }
        Ok(edits)
    }

    /// The new text of the name; the registry, where it stands apart, gets its own edit.
    fn rename(
        &self,
        edits: &mut Vec<ScalarEdit>,
        registry: Option<&Spot>,
        spot: &Spot,
        name: &str,
    ) -> Result<String, String> {
        let Some(registry) = registry else {
            if self.form == Form::Kustomization && spot.pointer.ends_with("/name") {
                return Err(self.line_to_add("newName", name));
            }
            return Ok(name.to_owned());
        };
        match name.split_once('/').filter(|_| has_registry(name)) {
            Some((host, path)) => {
                self.edit(edits, registry, host.to_owned());
                Ok(path.to_owned())
            }
            None => Err(format!("a registry stands at line {}, and {name} has none", registry.line)),
        }
    }

    fn edit(&self, edits: &mut Vec<ScalarEdit>, spot: &Spot, new: String) {
        if new != spot.text {
            edits.push(ScalarEdit { document: self.document, pointer: spot.pointer.clone(), new });
        }
    }

    /// The text as a reference.
    fn parsed(&self) -> Result<Reference, String> {
        self.name()?;
        self.text.parse().map_err(|error: ReferenceError| error.to_string())
    }

    /// The name, whatever stands behind it.
    pub(crate) fn name(&self) -> Result<&str, String> {
        const UNNAMED: &str = "no name stands beside the tag; say image=REGISTRY/NAME in a comment of the line";
        let tagged = self.text.split_once('@').map_or(self.text.as_str(), |(tagged, _)| tagged);
        let path = tagged.rfind('/').map_or(0, |slash| slash + 1);
        let name = tagged[path..].find(':').map_or(tagged, |colon| &tagged[..path + colon]);
        if name.is_empty() { Err(UNNAMED.to_owned()) } else { Ok(name) }
    }

    /// Says anew what the image is and where its tag stands, after its scalars have changed; `name` if it is known from
    /// elsewhere.
    pub(crate) fn settle(&mut self, name: Option<&str>) {
        self.text = self.composed(name);
        let Spots { whole, registry, name, tag, digest } = &self.spots;
        let told = tag.as_ref().filter(|tag| !tag.text.is_empty());
        let at = [told, whole.as_ref(), name.as_ref(), tag.as_ref(), digest.as_ref(), registry.as_ref()];
        if let Some(spot) = at.into_iter().flatten().next() {
            (self.line, self.pointer) = (spot.line, spot.pointer.clone());
        }
    }

    /// Puts the image together from its scalars.
    fn composed(&self, name: Option<&str>) -> String {
        let Spots { whole, registry, name: own_name, tag, digest } = &self.spots;
        let said = |spot: &Option<Spot>, before: &str| match spot {
            Some(spot) if !spot.text.is_empty() => format!("{before}{}", spot.text),
            _ => String::new(),
        };
        if let Some(whole) = whole {
            let own = self.split_whole(&whole.text).1;
            return match (name, own.parse::<Reference>()) {
                (Some(name), Ok(own_reference)) => format!("{name}{}", &own[own_reference.name().len()..]),
                _ => own.to_owned(),
            };
        }
        let own_name = match registry {
            Some(registry) if !registry.text.is_empty() => format!("{}{}", registry.text, said(own_name, "/")),
            _ => said(own_name, ""),
        };
        format!("{}{}{}", name.unwrap_or(&own_name), said(tag, ":"), said(digest, "@"))
    }

    /// Argo CD writes `NAME=IMAGE` for what a kustomization calls `newName`.
    fn split_whole<'w>(&self, text: &'w str) -> (&'w str, &'w str) {
        let at = if self.form == Form::ArgoApplication { text.find('=').map_or(0, |at| at + 1) } else { 0 };
        text.split_at(at)
    }

    fn tag_key(&self) -> &'static str {
        if self.form == Form::Kustomization { "newTag" } else { "tag" }
    }

    fn line_to_add(&self, key: &str, value: &str) -> String {
        format!("no key is ever added: write `{key}: {value}` below line {} yourself", self.line)
    }

    fn digest_would_stay(&self) -> String {
        format!("the digest beside line {} would stay that of the old image, and no new one is known", self.line)
    }
}

/// Whether the first part of a name is a registry, by the rule of Docker.
pub(crate) fn has_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
}
