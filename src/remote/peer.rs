//! Whose program is at the other end of a connection on loopback, where the system tells it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The user of the socket that connected from `theirs` to `ours`; `None` where the system does not tell (it is no Linux,
/// or the connection has ended already). Linux keeps it in /proc/net/tcp and tcp6 (proc(5)).
pub(super) async fn uid(ours: SocketAddr, theirs: SocketAddr) -> Option<u32> {
    for (file, six) in [("/proc/net/tcp", false), ("/proc/net/tcp6", true)] {
        let Ok(table) = tokio::fs::read_to_string(file).await else { continue };
        if let Some(uid) = user_of(&table, &hex(ours, six), &hex(theirs, six)) {
            return Some(uid);
        }
    }
    None
}

/// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid …`; only an established connection (01) has its true user.
fn user_of(table: &str, ours: &str, theirs: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, "01", _, _, _, uid, ..] = words[..] else { return None };
        (local == theirs && remote == ours).then(|| uid.parse().ok()).flatten()
    })
}

/// As the kernel prints it: each four bytes as one number in the machine's own order. `six`: as tcp6 has it, where an
/// IPv4 address is a mapped one.
fn hex(address: SocketAddr, six: bool) -> String {
    let bytes = match (address.ip(), six) {
        (IpAddr::V4(ip), false) => ip.octets().to_vec(),
        (IpAddr::V4(ip), true) => ip.to_ipv6_mapped().octets().to_vec(),
        (IpAddr::V6(ip), _) => Ipv6Addr::octets(&ip).to_vec(),
    };
    let words = bytes.chunks_exact(4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    let words: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", address.port())
}

#[cfg(all(test, target_os = "linux"))]
#[path = "peer_tests.rs"]
mod tests;
