//! How names, addresses and versions are spelt. Each function says what is wrong, to be put behind the value seen.

use std::net::IpAddr;
use std::time::Duration;

use super::model::Tool;

/// A DNS label (RFC 1123): what a cluster and a node can be called.
pub(super) fn dns_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("is empty")
    } else if text.len() > 63 {
        Err("is longer than 63 characters")
    } else if !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        Err("holds something else than small letters, digits and dashes")
    } else if text.starts_with('-') || text.ends_with('-') {
        Err("begins or ends with a dash")
    } else {
        Ok(())
    }
}

/// What an adopted cluster is called: whatever rke took, as long as it can be a part of a file's name.
pub(super) fn cluster_name(text: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() {
        Err("is empty")
    } else if text.len() > 253 {
        Err("is longer than 253 characters")
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(fits) {
        Err(
            "holds something else than letters, digits, dashes, dots and underscores, or does not begin with a letter or digit",
        )
    } else {
        Ok(())
    }
}

/// A name of one or more DNS labels.
pub(super) fn dns_name(text: &str) -> Result<(), &'static str> {
    if text.len() > 253 {
        return Err("is longer than 253 characters");
    }
    if !text.is_ascii() {
        return Err("has letters outside ASCII; give the form that DNS has of it, which begins with xn--");
    }
    if text.split('.').any(str::is_empty) {
        return Err("has an empty part between, before or after its dots");
    }
    text.split('.').try_for_each(dns_label)
}

/// A host that something can connect to: an IP address or a name, in small letters.
pub(super) fn host(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if let Ok(address) = text.parse::<IpAddr>() {
        return reachable(address).map(|()| text);
    }
    if text.contains("://") {
        return Err("has a scheme; give only the host".into());
    }
    if text.contains('@') {
        return Err("has a user; that goes into ssh.user".into());
    }
    if text.contains('/') {
        return Err("is a network or a path; give one host".into());
    }
    if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        return Err("has a port; that goes into ssh.port".into());
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err("is not an IP address".into());
    }
    if text == "localhost" || text.ends_with(".localhost") {
        return Err("is this machine; a node needs an address that the other nodes reach".into());
    }
    dns_name(&text).map(|()| text).map_err(|reason| format!("is neither an IP address nor a host name: it {reason}"))
}

/// An IP address that another machine can reach.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().map_err(|_| "is not an IP address".to_owned())?;
    reachable(address).map(|()| address)
}

fn reachable(address: IpAddr) -> Result<(), String> {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() {
        Err("is a loopback address; no other machine reaches it, give the address in the common network".into())
    } else if address.is_unspecified() || address.is_multicast() || link_local {
        Err("is not the address of one machine in a network".into())
    } else {
        Ok(())
    }
}

/// The name users reach Rancher by: fully qualified, in small letters.
pub(super) fn public_name(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if name.contains("://") {
        return Err("has a scheme; give only the name, such as rancher.example.com".into());
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err("is an IP address; Rancher needs a name (certificates and ingress go by it); for a trial, \
            rancher.<address>.sslip.io is one"
            .into());
    }
    if name.contains('/') {
        return Err("has a path; give only the name".into());
    }
    if name.contains(':') {
        return Err("has a port; Rancher is reached at 443, give only the name".into());
    }
    if name.contains('*') {
        return Err("is a wildcard; give the one name that Rancher is reached by".into());
    }
    dns_name(&name).map_err(|reason| format!("is not a host name: it {reason}"))?;
    match name.rsplit_once('.') {
        None => Err("is not fully qualified; give a name with a domain, such as rancher.example.com".into()),
        Some((_, top)) if top.chars().all(|c| c.is_ascii_digit()) => {
            Err("ends in a number, which no domain does".into())
        }
        Some(_) => Ok(name),
    }
}

/// A jump host: `[user@]host[:port]`.
pub(super) fn jump_host(text: &str) -> Result<(), String> {
    const SHAPE: &str = "is not [user@]host[:port]";
    let host = match text.rsplit_once('@') {
        Some(("", _)) => return Err(SHAPE.into()),
        Some((user, _)) if user.contains(char::is_whitespace) => return Err(SHAPE.into()),
        Some((_, host)) => host,
        None => text,
    };
    let host = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().map_or(true, |port| port == 0) => {
            return Err(format!("{SHAPE}: {port:?} is not a port"));
        }
        Some((host, _)) => host,
        None => host,
    };
    ssh_host(host.trim_matches(['[', ']'])).map_err(|_| SHAPE.to_owned())
}

/// What ssh takes as a destination: a host, or an alias of its configuration.
pub(super) fn ssh_host(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if text.is_empty() || text.starts_with('-') || !text.chars().all(fits) {
        return Err("is neither a host nor an alias of the ssh configuration".into());
    }
    Ok(())
}

/// The key of a Kubernetes label or taint: `[prefix/]name`.
pub(super) fn label_key(text: &str) -> Result<(), String> {
    let name = match text.split_once('/') {
        None => text,
        Some((prefix, name)) => {
            dns_name(prefix).map_err(|reason| format!("has a prefix that is not a DNS name: it {reason}"))?;
            name
        }
    };
    if name.is_empty() {
        return Err("has no name".into());
    }
    label_value(name)
}

/// The value of a Kubernetes label or taint; may be empty.
pub(super) fn label_value(text: &str) -> Result<(), String> {
    let ends = |c: char| c.is_ascii_alphanumeric();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() > 63 {
        Err("is longer than 63 characters".into())
    } else if !text.chars().all(fits) {
        Err("holds something else than letters, digits, dashes, dots and underscores".into())
    } else if text.chars().next().is_some_and(|c| !ends(c)) || text.chars().next_back().is_some_and(|c| !ends(c)) {
        Err("does not begin and end with a letter or digit".into())
    } else {
        Ok(())
    }
}

/// A length of time from one second to ten minutes, such as `15s` or `1m 30s`.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const SHAPE: &str = "is not a length of time from 1s to 10m, such as 15s";
    let duration: jiff::SignedDuration = text.parse().map_err(|_| SHAPE)?;
    let duration = Duration::try_from(duration).map_err(|_| SHAPE)?;
    (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&duration).then_some(duration).ok_or(SHAPE)
}

/// What `search` and `download` mean; any other text is a path.
pub(super) fn tool_word(text: &str) -> Option<Tool> {
    match text {
        "search" => Some(Tool::Search),
        "download" => Some(Tool::Download),
        _ => None,
    }
}

/// An address for mail, as far as ACME servers look at it.
pub(super) fn email(text: &str) -> Result<(), &'static str> {
    match text.split_once('@') {
        Some((name, domain))
            if !name.is_empty()
                && !text.contains(|c: char| c.is_whitespace() || c == ',')
                && domain.contains('.')
                && dns_name(&domain.to_ascii_lowercase()).is_ok() =>
        {
            Ok(())
        }
        _ => Err("is not an email address"),
    }
}

/// The minor of `v1.32.2-rancher1-1`.
pub(super) fn rke_kubernetes(text: &str) -> Result<u64, &'static str> {
    if text.contains("+rke2") || text.contains("+k3s") {
        return Err("is a version of RKE2 or K3s; RKE's end in -rancherN-M, such as v1.32.2-rancher1-1");
    }
    let parts = text.strip_prefix('v').and_then(|rest| rest.split_once("-rancher")).and_then(|(version, build)| {
        let version: Vec<u64> = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        let build: Vec<u64> = build.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
        Some((version, build))
    });
    match parts {
        Some((version, build)) if version.len() == 3 && version[0] == 1 && build.len() == 2 => Ok(version[1]),
        _ => Err("is not a version in RKE's spelling, vX.Y.Z-rancherN-M, such as v1.32.2-rancher1-1; `rke config \
                --list-version --all` shows those of an rke"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["10.0.0.11", "n1", "n1.example.com", "2001:db8::1", "N1.Example.com"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.256",
            "10.0.0",
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "224.0.0.1",
            "localhost",
            "n_1",
            "a..b",
            "u@n1",
            "n1:22",
            "ssh://n1",
            "10.0.0.0/24",
            "-n1",
            "n1.",
            "n 1",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn public_names() {
        assert_eq!(public_name("Rancher.Example.COM").unwrap(), "rancher.example.com");
        for bad in [
            "rancher",
            "https://r.example.com",
            "10.0.0.1",
            "r.example.com:8443",
            "r.example.com/x",
            "*.example.com",
            "r.example.com.",
            "r.example.1",
            "r_x.example.com",
            "",
        ] {
            assert!(public_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels() {
        assert!(label_key("example.com/disk").is_ok() && label_key("disk_1.x").is_ok() && label_value("").is_ok());
        for bad in ["", "/x", "x/", "a/b/c", "-x", "x y", "UP/x"] {
            assert!(label_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn jump_hosts() {
        for good in ["bastion", "me@bastion:2222", "10.0.0.1", "me@[2001:db8::1]:22", "a_b"] {
            assert!(jump_host(good).is_ok(), "{good}");
        }
        for bad in ["", "@x", "x:0", "x:ssh", "a b@c", "-oProxyCommand=x", "x y"] {
            assert!(jump_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(duration("15s").unwrap(), Duration::from_secs(15));
        assert_eq!(duration("1m 30s").unwrap(), Duration::from_secs(90));
        for bad in ["15", "0s", "11m", "-3s", "soon", ""] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn kubernetes_versions() {
        assert_eq!(rke_kubernetes("v1.32.2-rancher1-1"), Ok(32));
        for bad in [
            "1.32.2-rancher1-1",
            "v1.32.2",
            "v1.32-rancher1-1",
            "v1.32.2-rancher1",
            "v1.32.2+rke2r1",
            "v2.0.0-rancher1-1",
        ] {
            assert!(rke_kubernetes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn email_addresses() {
        assert!(email("ops@example.com").is_ok());
        for bad in [
            "ops",
            "@example.com",
            "ops@localhost",
            "a b@example.com",
            "a@b@example.com",
            "a@example.com,b@example.com",
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
