//! Addresses that no repository has: there a cloud keeps the secrets of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const METADATA: [&str; 2] = ["metadata.google.internal", "metadata.goog"];

/// Whether a host is such an address, however it is written, or a name of one.
pub(crate) fn is_reserved(host: &str) -> bool {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let Ok(url) = Url::parse(&format!("https://{host}/")) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    METADATA.contains(&host) || host.parse().is_ok_and(is_reserved_address)
}

/// Link-local addresses (where clouds serve the metadata of a machine), unspecified and multicast ones.
fn is_reserved_address(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip == Ipv4Addr::new(100, 100, 100, 200)
        }
        IpAddr::V6(ip) => {
            ip.is_unicast_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.segments()[..3] == [0xfd00, 0xec2, 0]
        }
    }
}

/// The resolver of the system, without reserved addresses: whoever owns a name could point it there.
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(allowed(name.as_str(), found)?.into_iter()) as Addrs)
        })
    }
}

fn allowed(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let fine: Vec<SocketAddr> = found.into_iter().filter(|address| !is_reserved_address(address.ip())).collect();
    if fine.is_empty() {
        return Err(format!("{name} stands for no address but those reserved for this machine or its cloud"));
    }
    Ok(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_the_metadata_of_this_machine() {
        for (found, expected) in [
            ("10.0.0.1:0 169.254.169.254:0", Some("10.0.0.1:0")),
            ("127.0.0.1:0 [::1]:0", Some("127.0.0.1:0 [::1]:0")),
            ("169.254.169.254:0 [fd00:ec2::254]:0 [fe80::1]:0", None),
        ] {
            let found = found.split_ascii_whitespace().map(|address| address.parse().unwrap()).collect();
            let left = allowed("git.example", found);
            let left = left.map(|left| left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(left.ok().as_deref(), expected);
        }
    }
}
