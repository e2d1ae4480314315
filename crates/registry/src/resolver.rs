//! Names of hosts: none stands for an address where a cloud keeps the secrets of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Link-local addresses (where clouds serve the metadata of a machine), unspecified and multicast ones.
pub(crate) fn is_reserved(ip: IpAddr) -> bool {
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
    let fine: Vec<SocketAddr> = found.into_iter().filter(|address| !is_reserved(address.ip())).collect();
    if fine.is_empty() {
        return Err(format!("{name} stands for no address but those reserved for this machine or its cloud"));
    }
    Ok(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_stands_for_the_metadata_of_this_machine() {
        for (found, expected) in [
            ("10.0.0.1:0 169.254.169.254:0 192.0.2.1:0", Some("10.0.0.1:0 192.0.2.1:0")),
            ("127.0.0.1:0 [::1]:0", Some("127.0.0.1:0 [::1]:0")),
            ("169.254.169.254:0", None),
            ("[::ffff:169.254.169.254]:0", None),
            ("[fd00:ec2::254]:0 [fe80::1]:0 100.100.100.200:0 0.0.0.0:0", None),
            ("", None),
        ] {
            let found = found.split_ascii_whitespace().map(|address| address.parse().unwrap()).collect();
            let left = allowed("registry.example", found);
            let left = left.map(|left| left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(left.ok().as_deref(), expected);
        }
    }
}
