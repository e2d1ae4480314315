//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// Below the ports that systems give to connections and to whoever asks for any port (Linux 32768 and up, IANA 49152 and up):
/// there, one that was found free is soon taken by somebody's connection.
const CHOICE: std::ops::Range<u16> = 10_000..32_768;
const MOST_TRIES: usize = 1000;

/// `N` different ports that nobody listens on now. Another program can take one before it is used,
/// so whoever starts a server with it looks at how the start went.
///
/// # Errors
/// If a thousand ports of 127.0.0.1 are taken.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listen = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(CHOICE))).ok();
        let listener = (0..MOST_TRIES).find_map(listen).context("finding a free port of 127.0.0.1")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
