//! Repositories that stand in the registry's folder as if they had been pushed: thousands of tags in a moment.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};

use super::Registry;

/// The repository whose one image all of them share.
const PATTERN: &str = "stock/pattern";

impl Registry {
    /// Adds the repositories `names`, which must be new. Each has all tags of one of the `shelves`, in turn, and all
    /// tags are of one small image. Repositories of one shelf share its folder: nothing may be pushed to them.
    ///
    /// # Errors
    ///
    /// When the image is refused, or the folder cannot be written.
    pub async fn stock(&self, names: &[String], shelves: &[Vec<String>]) -> Result<()> {
        let digest = self.push_image(PATTERN, "one", None).await?;
        let repositories = self.folder.path().join("images/docker/registry/v2/repositories");
        let pattern = repositories.join(PATTERN);
        let begun = fs::read_dir(self.folder.path())?.count();
        let shelf = |number: usize| self.folder.path().join(format!("shelf-{begun}-{number}"));
        for (number, tags) in shelves.iter().enumerate() {
            for tag in tags {
                let current = shelf(number).join(tag).join("current");
                fs::create_dir_all(&current).with_context(|| format!("creating {}", current.display()))?;
                fs::write(current.join("link"), &digest)?;
            }
        }
        for (number, name) in names.iter().enumerate() {
            let repository = repositories.join(name);
            let manifests = repository.join("_manifests");
            fs::create_dir_all(&manifests).with_context(|| format!("creating {}", manifests.display()))?;
            symlink(pattern.join("_layers"), repository.join("_layers"))?;
            symlink(pattern.join("_manifests/revisions"), manifests.join("revisions"))?;
            symlink(shelf(number % shelves.len()), manifests.join("tags"))?;
        }
        Ok(())
    }
}
