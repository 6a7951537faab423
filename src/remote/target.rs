//! Whom to reach, as the inventory asks for it.

use std::path::PathBuf;
use std::time::Duration;

/// TCP, key exchange and authentication together, unless the inventory or the ssh configuration says otherwise.
pub const USUAL_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A machine as the inventory names it; what is `None` comes from the user's ssh configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// What people call it.
    pub name: String,
    /// A host name, an address, or an alias from the ssh configuration.
    pub host: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub identity_file: Option<PathBuf>,
    /// Jump hosts in order, each `[user@]host[:port]` or `ssh://…`; `Some(empty)` means none at all.
    pub jump: Option<Vec<String>>,
    /// The user's known_hosts file, for the jump hosts as well.
    pub known_hosts: Option<PathBuf>,
    /// An ssh configuration file instead of `~/.ssh/config`, for the jump hosts as well.
    pub config: Option<PathBuf>,
    pub connect_timeout: Option<Duration>,
}

impl Target {
    pub fn new(name: impl Into<String>, host: impl Into<String>) -> Self {
        Target { name: name.into(), host: host.into(), ..Target::default() }
    }

    /// The jump host `spec` on the way to this target. `before` are the jump hosts in front of it; when there are
    /// none, its own ssh configuration decides, as with OpenSSH.
    pub(super) fn jump_host(&self, spec: &str, before: &[String]) -> Result<Target, String> {
        let rest = spec.strip_prefix("ssh://").unwrap_or(spec);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_string()), place),
            None => (None, rest),
        };
        let (host, port) = split_port(place.trim_end_matches('/'));
        let port = port.map(|port| port.parse::<u16>().map_err(|_| bad_jump(spec))).transpose()?;
        if host.is_empty() || user.as_deref() == Some("") {
            return Err(bad_jump(spec));
        }
        Ok(Target {
            name: spec.to_string(),
            host: host.to_string(),
            port,
            user,
            jump: if before.is_empty() { None } else { Some(before.to_vec()) },
            ..self.clone()
        })
    }
}

fn bad_jump(spec: &str) -> String {
    format!("`{spec}` is not a jump host; it is written [user@]host[:port]")
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, or a bare IPv6 address.
fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        Some(_) | None => (place, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts_are_read_as_ssh_reads_them() {
        let target = Target::new("n1", "h");
        let parts = |spec: &str| target.jump_host(spec, &[]).map(|jump| (jump.user, jump.host, jump.port));
        let some = |text: &str| Some(text.to_string());
        assert_eq!(parts("bastion"), Ok((None, "bastion".into(), None)));
        assert_eq!(parts("a@b:22"), Ok((some("a"), "b".into(), Some(22))));
        assert_eq!(parts("a@x@b"), Ok((some("a@x"), "b".into(), None)));
        assert_eq!(parts("[fe80::1]:22"), Ok((None, "fe80::1".into(), Some(22))));
        assert_eq!(parts("fe80::1"), Ok((None, "fe80::1".into(), None)));
        assert_eq!(parts("ssh://a@b:99/"), Ok((some("a"), "b".into(), Some(99))));
        for wrong in ["", "a@", "@b", "b:port"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }
}
