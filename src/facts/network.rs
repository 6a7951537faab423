//! Addresses, listening ports, mounts and name servers, as `ip`, `ss`, procfs and resolv.conf put them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::sections::Sections;
use super::{Address, Fact, Listener, Mount, Protocol, Resolver, Unseen};

pub(super) fn addresses(sections: &Sections) -> Fact<Vec<Address>> {
    let found: Vec<Address> = match sections.lines("addresses") {
        Ok(lines) => lines.iter().filter_map(|line| ip_line(line)).collect(),
        Err(reason) => {
            let trie = sections.lines("fib-trie").map_err(|_| reason)?;
            let v6 = sections.lines("if-inet6").unwrap_or_default();
            local_in_trie(&trie).into_iter().chain(v6.iter().filter_map(|line| if_inet6_line(line))).collect()
        }
    };
    if found.is_empty() { Err(Unseen("no address was found".into())) } else { Ok(found) }
}

/// `2: eth0    inet 10.0.0.11/24 brd 10.0.0.255 scope global eth0\ …`
fn ip_line(line: &str) -> Option<Address> {
    let mut words = line.split_whitespace().skip(1);
    let interface = words.next()?.trim_end_matches(':').split('@').next()?.to_owned();
    let family = words.next()?;
    let ip = words.next()?.split('/').next()?;
    (family.starts_with("inet")).then(|| ip.parse().ok().map(|ip| Address { interface, ip }))?
}

/// In /proc/net/fib_trie an address of the machine is a leaf whose next line says `/32 host LOCAL`.
fn local_in_trie(lines: &[&str]) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    for pair in lines.windows(2) {
        let (Some(leaf), true) = (pair[0].trim().strip_prefix("|-- "), pair[1].trim() == "/32 host LOCAL") else {
            continue;
        };
        let Ok(ip) = leaf.parse::<IpAddr>() else { continue };
        if !found.iter().any(|address| address.ip == ip) {
            found.push(Address { interface: String::new(), ip });
        }
    }
    found
}

/// `fd000000000000000000000000000002 04 40 00 80     eth0`
fn if_inet6_line(line: &str) -> Option<Address> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [digits, .., interface] = words[..] else { return None };
    let ip = Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?);
    Some(Address { interface: interface.to_owned(), ip: ip.into() })
}

pub(super) fn listening(sections: &Sections) -> Fact<Vec<Listener>> {
    let mut found: Vec<Listener> = match sections.lines("ports") {
        Ok(lines) => lines.iter().filter_map(|line| ss_line(line)).collect(),
        Err(reason) => {
            let tcp = sections.lines("proc-tcp").map_err(|_| reason)?;
            let udp = sections.lines("proc-udp").unwrap_or_default();
            let tcp = tcp.iter().filter_map(|line| proc_line(line, Protocol::Tcp));
            tcp.chain(udp.iter().filter_map(|line| proc_line(line, Protocol::Udp))).collect()
        }
    };
    found.sort_by_key(|listener| (listener.protocol, listener.port));
    Ok(found)
}

/// `tcp LISTEN 0 4096 *:2379 *:* users:(("etcd",pid=1460,fd=6))`; the header has no port and falls out.
fn ss_line(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let protocol = match *words.first()? {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (address, port) = words.get(4)?.rsplit_once(':')?;
    let address = address.trim_matches(['[', ']']).split('%').next()?;
    let process = line.split_once("users:((\"").and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned);
    Some(Listener { protocol, address: specified(address.parse().ok()), port: port.parse().ok()?, process })
}

/// `0: 0100007F:0016 00000000:0000 0A …`: address in the order of the machine's bytes (little-endian on all that RKE runs on).
fn proc_line(line: &str, protocol: Protocol) -> Option<Listener> {
    let (address, port) = line.split_whitespace().nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<u32> = address
        .as_bytes()
        .chunks(8)
        .map(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    let ip: IpAddr = match words[..] {
        [v4] => Ipv4Addr::from(v4.to_le_bytes()).into(),
        [a, b, c, d] => {
            let bytes: Vec<u8> = [a, b, c, d].iter().flat_map(|word| word.to_le_bytes()).collect();
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
        }
        _ => return None,
    };
    Some(Listener { protocol, address: specified(Some(ip)), port, process: None })
}

fn specified(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|ip| ip.to_canonical()).filter(|ip| !ip.is_unspecified())
}

/// The mount below which a path lies, from /proc/self/mountinfo (man 5 proc): the longest mount point wins, of equal ones the last.
pub(super) fn mount_of(sections: &Sections, path: &str) -> Fact<Mount> {
    let mut best: Option<Mount> = None;
    for line in sections.lines("mounts")? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(point) = words.get(4) else { continue };
        let inside = *point == "/" || path == *point || path.starts_with(&format!("{point}/"));
        if inside && best.as_ref().is_none_or(|best| point.len() >= best.point.len()) {
            let shared = words.iter().skip(6).take_while(|word| **word != "-").any(|word| word.starts_with("shared:"));
            best = Some(Mount { point: (*point).to_owned(), shared });
        }
    }
    best.ok_or_else(|| Unseen(format!("no mount holds {path}")))
}

pub(super) fn resolver(sections: &Sections) -> Fact<Resolver> {
    Ok(Resolver {
        nameservers: nameservers(&sections.lines("resolv")?),
        behind_systemd: sections.lines("resolv-systemd").ok().map(|lines| nameservers(&lines)),
    })
}

fn nameservers(lines: &[&str]) -> Vec<IpAddr> {
    let named = lines.iter().filter_map(|line| line.trim().strip_prefix("nameserver"));
    named.filter_map(|rest| rest.trim().split(['%', ' ', '\t']).next()?.parse().ok()).collect()
}

/// What a name means: the addresses in the answer of getent or nslookup, each once.
pub(super) fn resolved(sections: &Sections) -> Fact<Vec<IpAddr>> {
    Ok(named_addresses(sections.lines("dns")?))
}

/// The first address of each line, each once.
pub(super) fn named_addresses<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for line in lines {
        if let Some(ip) = line.split_whitespace().find_map(|word| word.parse().ok())
            && !found.contains(&ip)
        {
            found.push(ip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Sections<'_> {
        Sections::cut(text)
    }

    #[test]
    fn ss_in_all_its_notations() {
        let text = "==ports\nNetid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n\
            udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:((\"systemd-resolve\",pid=1,fd=2))\n\
            tcp LISTEN 0 128 [::ffff:10.0.0.1]:80 *:*\ntcp LISTEN 0 128 [::]:22 [::]:*\ntcp LISTEN 0 9 *:443 *:*\n==end\n";
        let found = listening(&cut(text)).unwrap();
        let short: Vec<_> = found.iter().map(|one| (one.port, one.address.map(|ip| ip.to_string()))).collect();
        assert_eq!(short, [(22, None), (80, Some("10.0.0.1".into())), (443, None), (53, Some("127.0.0.53".into()))]);
        assert_eq!(found[3].process.as_deref(), Some("systemd-resolve"));
    }

    #[test]
    fn procfs_in_hexadecimal() {
        let text = "==ports\n!ss is not installed\n==proc-tcp\n 0: 0100007F:0016 00000000:0000 0A 0\n \
            1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0\n \
            2: 0000000000000000FFFF00000B00000A:0050 00000000000000000000000000000000:0000 0A 0\n==proc-udp\n \
            9: 00000000:2118 00000000:0000 07 0\n==end\n";
        let found = listening(&cut(text)).unwrap();
        let short: Vec<_> = found.iter().map(|one| (one.protocol, one.port, one.address)).collect();
        let ip = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            short,
            [
                (Protocol::Tcp, 22, ip("127.0.0.1")),
                (Protocol::Tcp, 80, ip("10.0.0.11")),
                (Protocol::Tcp, 443, None),
                (Protocol::Udp, 8472, None)
            ]
        );
    }

    #[test]
    fn the_nearest_mount_decides_about_propagation() {
        let text =
            "==mounts\n1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n2 1 8:2 / /var/lib rw - ext4 /dev/sda2 rw\n==end\n";
        assert_eq!(
            mount_of(&cut(text), "/var/lib/kubelet").unwrap(),
            Mount { point: "/var/lib".into(), shared: false }
        );
        assert_eq!(mount_of(&cut(text), "/srv").unwrap(), Mount { point: "/".into(), shared: true });
        assert_eq!(mount_of(&cut(text), "/var/library").unwrap().point, "/");
    }

    #[test]
    fn a_name_that_means_nothing_is_an_empty_answer() {
        assert_eq!(resolved(&cut("==dns\n==end\n")), Ok(vec![]));
        let busybox = cut("==dns\n1: 10.0.0.11 rancher.example.com\n10.0.0.12\n==end\n");
        assert_eq!(resolved(&busybox).unwrap().len(), 2);
    }
}
