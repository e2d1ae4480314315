//! Fetches the programs as an archive whose checksum is known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Fetches `url` (a tar archive, compressed or not, with `plane` and `kwok` at its top), proves its
/// checksum and unpacks it under `work`; answers with the folder of the programs.
pub(super) async fn fetch(url: &str, work: &Path) -> Result<PathBuf> {
    let wanted = super::setting("LOCKSTEP_PLANE_ARCHIVE_SHA256")
        .context("LOCKSTEP_PLANE_ARCHIVE_SHA256 is not set: nothing unchecked is run")?;
    let response = reqwest::get(url).await?.error_for_status()?;
    let bytes = response.bytes().await.context("reading the archive")?;
    let found = hex::encode(Sha256::digest(&bytes));
    if !found.eq_ignore_ascii_case(wanted.trim()) {
        bail!("its SHA-256 is {found}, not {wanted}");
    }
    let file = work.join("archive");
    let made = work.join("unpacked");
    fs::create_dir_all(&made)?;
    fs::write(&file, &bytes).with_context(|| format!("writing {}", file.display()))?;
    let output = Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&made).output().context("starting tar")?;
    if !output.status.success() {
        bail!("tar: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(made)
}
