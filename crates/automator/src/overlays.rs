//! Kustomizations that set an image anew: an update of the file below would change nothing that is applied.

use std::collections::HashMap;

use lockstep_manifest::{Overlay, text_of};
use lockstep_repository::{BlobId, CommitId};

use crate::board::Problem;
use crate::places::is_kustomization;
use crate::ports::{Branch, PortError};
use crate::survey::Place;

/// The kustomizations of a tree. Losing them costs time only.
#[derive(Debug, Default)]
pub(crate) struct Overlays {
    /// What they were read from.
    from: Vec<(String, Option<BlobId>)>,
    overlays: lockstep_manifest::Overlays,
    problems: Vec<Problem>,
}

impl Overlays {
    /// Takes those places out that a kustomization overrides, with a word to each.
    pub(crate) async fn refuse(
        &mut self,
        branch: &dyn Branch,
        head: CommitId,
        places: &mut Vec<Place>,
    ) -> Result<Vec<Problem>, PortError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        self.read(branch, head).await?;
        let mut problems = self.problems.clone();
        places.retain(|place| {
            if place.policy.listed_only {
                return true;
            }
            let Some((file, line)) = self.overlays.overridden(&place.id.file, &place.image) else { return true };
            let message = format!(
                "{}:{}: {}: overridden at {file}:{line}; put the policy there, in a comment `# lockstep:`",
                place.id.file, place.line, place.id.container
            );
            problems.push(Problem { category: "overridden", message });
            false
        });
        Ok(problems)
    }

    async fn read(&mut self, branch: &dyn Branch, head: CommitId) -> Result<(), PortError> {
        let files: HashMap<String, BlobId> =
            branch.files(head).await?.into_iter().map(|file| (file.path, file.blob)).collect();
        let unchanged = |(path, blob): &(String, Option<BlobId>)| files.get(path).copied() == *blob;
        let count = files.keys().filter(|path| is_kustomization(path)).count();
        let known = self.from.iter().filter(|(path, _)| is_kustomization(path)).count();
        if count == known && self.from.iter().all(unchanged) {
            return Ok(());
        }
        // Only what was read whole is kept: what is missing would override nothing.
        let mut read = Self::default();
        read.read_all(branch, &files).await?;
        *self = read;
        Ok(())
    }

    async fn read_all(&mut self, branch: &dyn Branch, files: &HashMap<String, BlobId>) -> Result<(), PortError> {
        let mut paths: Vec<&String> = files.keys().filter(|path| is_kustomization(path)).collect();
        paths.sort();
        let mut overlays = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = self.bytes(branch, path, files).await?.unwrap_or_default();
            let read = text_of(path, &bytes).map_err(|error| vec![error]).and_then(|text| Overlay::read(path, text));
            let mut overlay = match read {
                Ok(overlay) => overlay,
                Err(errors) => {
                    let problem = |error: lockstep_manifest::ManifestError| Problem {
                        category: "manifest",
                        message: format!("{error}; which images it sets anew is not known"),
                    };
                    self.problems.extend(errors.into_iter().take(1).map(problem));
                    continue;
                }
            };
            let patches: Vec<String> = overlay.patch_files().map(str::to_owned).collect();
            for patch in patches {
                if let Some(bytes) = self.bytes(branch, &patch, files).await?
                    && let Ok(text) = text_of(&patch, &bytes)
                {
                    overlay.read_patch(&patch, text);
                }
            }
            overlays.push((path.clone(), overlay));
        }
        self.overlays = overlays.into_iter().collect();
        Ok(())
    }

    async fn bytes(
        &mut self,
        branch: &dyn Branch,
        path: &str,
        files: &HashMap<String, BlobId>,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let blob = files.get(path).copied();
        self.from.push((path.to_owned(), blob));
        let Some(blob) = blob else { return Ok(None) };
        branch.blob(blob).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use crate::fakes::FakeBranch;
    use crate::memory::Memory;
    use crate::settings::PlaceSettings;
    use crate::survey::survey;

    use super::*;

    const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations: {lockstep.dev/policy: 'semver:*'}\nspec:\n  containers:\n  - {name: a, image: ghcr.io/a/a:1.0.0}\n  - {name: b, image: ghcr.io/a/b:1.0.0}\n";

    async fn shown(branch: &FakeBranch, memory: &mut Memory) -> (Vec<String>, Vec<String>) {
        let head = branch.head().await.unwrap();
        let Memory { files, history, .. } = memory;
        let survey = survey(branch, head, files, history, &PlaceSettings::default()).await.unwrap();
        let places = survey.places.into_iter().map(|place| place.id.to_string()).collect();
        (places, survey.problems.into_iter().map(|problem| problem.message).collect())
    }

    #[tokio::test]
    async fn a_place_that_a_kustomization_overrides_is_refused_until_it_does_not() {
        let overlay = "resources: [../base]\nimages:\n- name: ghcr.io/a/a\n  newTag: 1.0.0 # lockstep: semver:~1\n";
        let branch = FakeBranch::with(&[
            ("base/web.yaml", WEB),
            ("base/kustomization.yaml", "resources: [web.yaml]\n"),
            ("prod/kustomization.yaml", overlay),
        ]);
        let mut memory = Memory::default();
        let (places, problems) = shown(&branch, &mut memory).await;
        let (b, ours) =
            ("base/web.yaml#Pod//web/b".to_owned(), "prod/kustomization.yaml#///images.ghcr.io/a/a".to_owned());
        assert_eq!(places, [b.clone(), ours]);
        assert_eq!(
            problems,
            [
                "base/web.yaml:8: a: overridden at prod/kustomization.yaml:3; put the policy there, in a comment `# lockstep:`"
            ]
        );
        branch.human(
            "Patch b instead",
            &[
                ("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: b.yaml}]\n"),
                (
                    "prod/b.yaml",
                    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: b, image: x}]}\n",
                ),
            ],
        );
        let (places, problems) = shown(&branch, &mut memory).await;
        assert_eq!(places, ["base/web.yaml#Pod//web/a"]);
        assert!(problems[0].contains("b: overridden at prod/b.yaml:4"), "{problems:?}");
        branch.human("Patch something else", &[("prod/b.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n")]);
        let (places, problems) = shown(&branch, &mut memory).await;
        assert_eq!((places.len(), problems.len()), (2, 0), "{problems:?}");
        branch.human("Break it", &[("prod/kustomization.yaml", "resources: [\n")]);
        let (places, problems) = shown(&branch, &mut memory).await;
        assert_eq!((places, problems.len()), (vec!["base/web.yaml#Pod//web/a".to_owned(), b], 1));
        assert!(problems[0].ends_with("which images it sets anew is not known"), "{problems:?}");
    }
}
