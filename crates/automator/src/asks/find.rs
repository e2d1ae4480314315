//! Objects in Git by their names, whether or not anything governs them.

use lockstep_daemon::Identity;
use lockstep_manifest::{ImagePlace, ObjectId};
use lockstep_repository::CommitId;

use super::Refusal;
use crate::places::{self, PlaceId};
use crate::ports::Branch;
use crate::subject::Subject;

/// What was found in one file: an object with its images, or one image of none.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: String,
    pub(super) id: ObjectId,
    /// Those that are meant; at least one.
    pub(super) images: Vec<ImagePlace>,
    /// How many it has altogether.
    pub(super) of: usize,
    bytes: Vec<u8>,
}

impl Found {
    pub(super) fn place(&self, image: &ImagePlace) -> PlaceId {
        places::place_id(&self.file, image)
    }

    /// The file as it is.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Everything of that name in the tree of `head`, and what cannot be read in files that mention it. There are no files for
/// `who` but those of its folders. A link is none: what is written there would be written elsewhere.
pub(super) async fn find(
    branch: &dyn Branch,
    head: CommitId,
    subject: &Subject,
    who: &Identity,
) -> Result<(Vec<Found>, Vec<String>), Refusal> {
    let mut found: Vec<Found> = Vec::new();
    let mut problems = Vec::new();
    for file in branch.files(head).await? {
        let is_named = subject.file().is_none_or(|path| path == file.path);
        if !is_named || !places::is_manifest(&file.path) || !who.may_touch(&file.path) {
            continue;
        }
        let bytes = branch.blob(file.blob).await?;
        let mark = subject.mark().as_bytes();
        if !mark.is_empty() && !bytes.windows(mark.len()).any(|window| window == mark) {
            continue;
        }
        let images = match places::parse(&file.path, bytes.clone()).await {
            Ok(images) => images,
            Err(errors) => {
                problems.extend(errors.iter().map(ToString::to_string));
                continue;
            }
        };
        let mut here: Vec<Found> = Vec::new();
        for image in images {
            let (id, document) = (places::owner(&image), image.document);
            let meant = subject.means(&places::place_id(&file.path, &image));
            let same = |found: &&mut Found| {
                image.object.is_some()
                    && found.id == id
                    && found.images.first().is_none_or(|first| first.document == document)
            };
            let owner = match here.iter_mut().rev().find(same) {
                Some(owner) => owner,
                None => {
                    let (file, bytes) = (file.path.clone(), bytes.clone());
                    here.push(Found { file, id, images: Vec::new(), of: 0, bytes });
                    match here.last_mut() {
                        Some(owner) => owner,
                        None => continue,
                    }
                }
            };
            owner.of += 1;
            if meant {
                owner.images.push(image);
            }
        }
        here.retain(|found| !found.images.is_empty());
        if file.linked && !here.is_empty() {
            problems.push(format!("{}: it is reached through a link; name the file itself", file.path));
            continue;
        }
        found.extend(here);
    }
    Ok((found, problems))
}
