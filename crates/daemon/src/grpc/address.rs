//! Where the gRPC port listens.

use std::{fmt, net::SocketAddr, str::FromStr};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// `IP:PORT` or `unix:/PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// An address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A socket in the file system, for the account of the daemon alone.
    Unix(Utf8PathBuf),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(format!("{text:?} is not an address: the path after unix: must be absolute")),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| format!("{text:?} is not an address: write IP:PORT as in 0.0.0.0:9443, or unix:/PATH")),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_and_others_say_what_to_write() {
        for text in ["127.0.0.1:9443", "[::1]:0", "0.0.0.0:1", "unix:/run/lockstep.sock"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in ["localhost:1", "127.0.0.1", "unix:run/x", "unix:", "", "http://127.0.0.1:1"] {
            assert!(text.parse::<ListenAddress>().unwrap_err().contains("is not an address"), "{text}");
        }
    }
}
