//! Which kustomization sets an image anew that stands elsewhere: an edit there would change nothing that is applied.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::ManifestError;
use crate::image_place::{Form, ImagePlace};
use crate::images::{images, scalar_text};
use crate::object::parsed;
use crate::place::Place;
use crate::tree::Tree;

/// What a kustomization takes in, and which images it sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The files and folders that it takes in, from the root of the repository.
    reaches: BTreeSet<String>,
    sets: Vec<Set>,
    /// Files with patches in them, and what they are for.
    patches: Vec<(String, Target)>,
}

/// One image that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    file: String,
    line: usize,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    /// All images of that name.
    Named(String),
    /// The container of the object.
    Container { target: Target, container: String },
    /// What stands at that JSON pointer of the object.
    Pointer { target: Target, pointer: String },
}

/// Objects by kind and name; empty is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Target {
    kind: String,
    name: String,
}

impl Overlay {
    /// Reads a kustomization.
    ///
    /// # Errors
    ///
    /// All that is wrong in the file. What is in its patches is left to others.
    pub fn read(file: &str, text: &str) -> Result<Overlay, Vec<ManifestError>> {
        let tree = parsed(file, text)?;
        let mut overlay = Overlay::default();
        for document in 0..tree.documents.len() {
            if let Some(root) = Place::root(&tree, document) {
                overlay.add(file, &tree, root);
            }
        }
        Ok(overlay)
    }

    /// The files with patches that it names, to be read with [`Overlay::read_patch`].
    pub fn patch_files(&self) -> impl Iterator<Item = &str> {
        self.patches.iter().map(|(file, _)| file.as_str())
    }

    /// Takes in what a patch file sets. One that cannot be read sets nothing: kustomize would refuse it.
    pub fn read_patch(&mut self, file: &str, text: &str) {
        let targets: Vec<Target> =
            self.patches.iter().filter(|(path, _)| path == file).map(|(_, target)| target.clone()).collect();
        for target in targets {
            self.sets.extend(sets_of(file, text, &target, None));
        }
    }

    fn add(&mut self, file: &str, tree: &Tree<'_>, root: Place) {
        let folder = folder_of(file);
        let each = |name: &str| -> Vec<Place> {
            root.get(tree, name).map(|list| list.items(tree).collect()).unwrap_or_default()
        };
        let text = |place: Place| scalar_text(tree, place).unwrap_or_default();
        let field = |place: Place, name: &str| place.get(tree, name).map(text).unwrap_or_default();
        for resource in ["resources", "bases", "components"].into_iter().flat_map(each) {
            self.reaches.extend(joined(folder, &text(resource)));
        }
        for image in each("images") {
            let sets =
                ["newName", "newTag", "digest", "tagSuffix"].into_iter().any(|name| !field(image, name).is_empty());
            if sets {
                let which = Which::Named(field(image, "name"));
                self.sets.push(Set { file: file.to_owned(), line: tree.node(image.node).line(), which });
            }
        }
        for patch in ["patches", "patchesStrategicMerge", "patchesJson6902"].into_iter().flat_map(each) {
            let target = patch
                .get(tree, "target")
                .map(|target| Target { kind: field(target, "kind"), name: field(target, "name") });
            let target = target.unwrap_or_default();
            let said = |place: Place| (text(place), tree.node(place.node).line());
            let inline = patch.get(tree, "patch").map(said);
            let plain = Some(said(patch)).filter(|(text, _)| !text.is_empty());
            match inline.or(plain) {
                Some((text, line)) if text.contains('\n') => {
                    self.sets.extend(sets_of(file, &text, &target, Some(line)))
                }
                Some((path, _)) => self.patches.extend(joined(folder, &path).map(|path| (path, target))),
                None => self.patches.extend(joined(folder, &field(patch, "path")).map(|path| (path, target))),
            }
        }
    }
}

/// The kustomizations of a repository, by their files.
#[derive(Debug, Clone, Default)]
pub struct Overlays {
    overlays: BTreeMap<String, Overlay>,
    /// Which of them take a file or folder in, by its path.
    takers: HashMap<String, Vec<String>>,
}

impl FromIterator<(String, Overlay)> for Overlays {
    fn from_iter<I: IntoIterator<Item = (String, Overlay)>>(overlays: I) -> Self {
        let overlays: BTreeMap<String, Overlay> = overlays.into_iter().collect();
        let mut takers: HashMap<String, Vec<String>> = HashMap::new();
        for (file, overlay) in &overlays {
            for path in overlay.reaches.iter().map(String::as_str).chain(overlay.patch_files()) {
                takers.entry(path.to_owned()).or_default().push(file.clone());
            }
        }
        Self { overlays, takers }
    }
}

impl Overlays {
    /// The kustomization that sets the image of a container, or of another kustomization's entry, anew, by file and line.
    pub fn overridden(&self, file: &str, place: &ImagePlace) -> Option<(&str, usize)> {
        let is_entry = place.form == Form::Kustomization && place.object.is_none();
        if !is_entry && (place.object.is_none() || place.spots.whole.is_none()) {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut waiting = vec![file];
        if is_entry {
            waiting.push(folder_of(file));
        }
        while let Some(path) = waiting.pop() {
            for taker in self.takers.get(path).into_iter().flatten() {
                let Some(overlay) = self.overlays.get(taker).filter(|_| seen.insert(taker)) else { continue };
                if let Some(set) = overlay.sets.iter().find(|set| set.which.is(place) && set.file != file) {
                    return Some((&set.file, set.line));
                }
                waiting.extend([taker, folder_of(taker)]);
            }
        }
        None
    }
}

impl Which {
    fn is(&self, place: &ImagePlace) -> bool {
        match self {
            Which::Named(name) => place.name().is_ok_and(|own| own == name),
            Which::Container { target, container } => target.is(place) && place.container == *container,
            Which::Pointer { target, pointer } => target.is(place) && place.pointer.ends_with(pointer.as_str()),
        }
    }
}

impl Target {
    fn is(&self, place: &ImagePlace) -> bool {
        place.object.as_ref().is_some_and(|object| {
            (self.kind.is_empty() || self.kind == object.kind) && (self.name.is_empty() || self.name == object.name)
        })
    }
}

/// What a patch sets: a strategic merge patch is a part of an object, a JSON patch (RFC 6902) a list of operations.
fn sets_of(file: &str, text: &str, target: &Target, line: Option<usize>) -> Vec<Set> {
    let set = |own: usize, which: Which| Set { file: file.to_owned(), line: line.unwrap_or(own), which };
    let mut sets = Vec::new();
    for place in images(file, text).unwrap_or_default() {
        if let (Some(object), Some(_)) = (&place.object, &place.spots.whole) {
            let own = Target { kind: object.kind.clone(), name: object.name.clone() };
            let target = if *target == Target::default() { own } else { target.clone() };
            sets.push(set(place.line, Which::Container { target, container: place.container.clone() }));
        }
    }
    let Ok(tree) = parsed(file, text) else { return sets };
    for root in (0..tree.documents.len()).filter_map(|document| Place::root(&tree, document)) {
        for operation in root.items(&tree) {
            let field = |name: &str| operation.get(&tree, name).and_then(|place| scalar_text(&tree, place));
            let (Some(op), Some(pointer)) = (field("op"), field("path")) else { continue };
            if matches!(op.as_str(), "add" | "replace") && pointer.ends_with("/image") {
                let which = Which::Pointer { target: target.clone(), pointer };
                sets.push(set(tree.node(operation.node).line(), which));
            }
        }
    }
    sets
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path of a kustomization, from the root of the repository; none if it leads out of it.
fn joined(folder: &str, path: &str) -> Option<String> {
    if path.is_empty() || path.starts_with('/') || path.contains("://") {
        return None;
    }
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop()?;
            }
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}
