//! The Unix socket's file.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, PermissionsExt},
};

use camino::Utf8Path;
use tokio::net::{UnixListener, UnixStream};

/// Binds a socket that only the daemon's account may use. One that a dead process left is replaced.
pub(super) async fn bind_unix(path: &Utf8Path) -> io::Result<UnixListener> {
    let left_behind = match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file of that name"));
        }
        Ok(_) => UnixStream::connect(path).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused),
        Err(_) => false,
    };
    if left_behind {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
