//! Whom to reach: what the inventory asks for, and the route that the user's ssh configuration makes of it.

use std::path::{Path, PathBuf};
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

/// Everything that OpenSSH would do to reach one host, one hop of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// For people: `n2 (10.0.0.12:22)`.
    pub place: String,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub identities: Vec<IdentityFile>,
    pub certificates: Vec<PathBuf>,
    /// Offer an agent's key only if it is also one of `identities`.
    pub identities_only: bool,
    pub agent: Option<PathBuf>,
    pub jumps: Vec<String>,
    pub proxy_command: Option<String>,
    pub known: KnownFiles,
    pub limit: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdentityFile {
    pub path: PathBuf,
    /// Named by somebody, so it goes before all others; not one of the names that OpenSSH looks for by itself.
    pub chosen: bool,
}

/// Where known host keys stand and how strictly they are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownFiles {
    pub user: Vec<PathBuf>,
    pub global: Vec<PathBuf>,
    pub hash: bool,
    /// HostKeyAlias: the name to look for instead of host and port.
    pub alias: Option<String>,
    pub strictness: Strictness,
}

/// StrictHostKeyChecking. A changed key is refused in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// `yes`: an unknown key is refused without asking.
    Refuse,
    Ask,
    /// `accept-new`, and `no` or `off`, as far as they are followed.
    AcceptNew,
}

pub(super) type Settings = [(String, String)];

/// What inventory and settings (lower-case keyword and value, as `ssh -G` prints them) come to.
pub(super) fn route(target: &Target, settings: &Settings) -> Result<Route, String> {
    let first = |key: &str| settings.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let all = |key: &'static str| settings.iter().filter(move |(known, _)| known == key).map(|(_, value)| value);
    let port = match (target.port, first("port")) {
        (Some(port), _) => port,
        (None, Some(text)) => text.parse().map_err(|_| format!("`{text}` is not a port"))?,
        (None, None) => 22,
    };
    let host = first("hostname").unwrap_or(&target.host).to_string();
    let user = target.user.clone().or_else(|| first("user").map(String::from)).or_else(local_user);
    let user = user.ok_or("no user is given and the name of the local one is not known")?;
    let tokens = Tokens { given: &target.host, host: &host, port, user: &user };
    let files = |key: &str| first(key).map(|list| file_list(list, &tokens)).unwrap_or_default();

    let mut identities = Vec::new();
    identities.extend(target.identity_file.iter().map(|path| IdentityFile { path: path.clone(), chosen: true }));
    for path in all("identityfile").filter(|path| *path != "none").map(|path| tokens.path(path)) {
        if !identities.iter().any(|known| known.path == path) {
            identities.push(IdentityFile { chosen: !is_usual(&path), path });
        }
    }
    Ok(Route {
        place: place(target, &host, port),
        certificates: all("certificatefile").filter(|path| *path != "none").map(|path| tokens.path(path)).collect(),
        identities_only: first("identitiesonly").is_some_and(|value| value == "yes"),
        agent: agent(first("identityagent"), &tokens),
        jumps: match &target.jump {
            Some(jumps) => jumps.clone(),
            None => first("proxyjump").map(jump_list).unwrap_or_default(),
        },
        proxy_command: match &target.jump {
            Some(_) => None,
            None => first("proxycommand").filter(|command| *command != "none").map(|command| tokens.expand(command)),
        },
        known: KnownFiles {
            user: target.known_hosts.clone().map_or_else(|| files("userknownhostsfile"), |path| vec![path]),
            global: files("globalknownhostsfile"),
            hash: first("hashknownhosts") == Some("yes"),
            alias: first("hostkeyalias").filter(|alias| *alias != "none").map(|alias| tokens.expand(alias)),
            strictness: strictness(first("stricthostkeychecking")),
        },
        limit: target
            .connect_timeout
            .or_else(|| connect_timeout(first("connecttimeout")))
            .unwrap_or(USUAL_CONNECT_TIMEOUT),
        identities,
        host,
        port,
        user,
    })
}

fn place(target: &Target, host: &str, port: u16) -> String {
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let said = [host, &address].contains(&target.name.as_str());
    if said { address } else { format!("{} ({address})", target.name) }
}

fn jump_list(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|jump| !jump.is_empty() && *jump != "none").map(String::from).collect()
}

fn connect_timeout(value: Option<&str>) -> Option<Duration> {
    value.and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn strictness(value: Option<&str>) -> Strictness {
    // Newer releases of ssh print `true` and `false` here.
    match value {
        Some("yes" | "true") => Strictness::Refuse,
        Some("no" | "off" | "false" | "accept-new") => Strictness::AcceptNew,
        Some(_) | None => Strictness::Ask,
    }
}

fn agent(value: Option<&str>, tokens: &Tokens) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    match value {
        Some("none") => None,
        None | Some("SSH_AUTH_SOCK") => variable("SSH_AUTH_SOCK"),
        Some(value) => match value.strip_prefix('$') {
            Some(name) if !name.starts_with('{') => variable(name),
            Some(_) | None => Some(tokens.path(value)),
        },
    }
}

/// Names that OpenSSH looks for when nobody names a key (ssh_config(5), IdentityFile).
pub(super) const USUAL_IDENTITIES: [&str; 7] = [
    "~/.ssh/id_rsa",
    "~/.ssh/id_ecdsa",
    "~/.ssh/id_ecdsa_sk",
    "~/.ssh/id_ed25519",
    "~/.ssh/id_ed25519_sk",
    "~/.ssh/id_xmss",
    "~/.ssh/id_dsa",
];

fn is_usual(path: &Path) -> bool {
    USUAL_IDENTITIES.iter().any(|usual| home(usual) == path)
}

fn file_list(list: &str, tokens: &Tokens) -> Vec<PathBuf> {
    // A path with spaces is printed by `ssh -G` without quotes: one that is there as a whole is taken as a whole.
    let whole = tokens.path(list);
    if whole.is_file() {
        return vec![whole];
    }
    list.split_whitespace().filter(|path| *path != "none").map(|path| tokens.path(path)).collect()
}

/// `~` at the beginning stands for the home folder.
pub(super) fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) | (None, _) => PathBuf::from(path),
    }
}

fn local_user() -> Option<String> {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|user| !user.is_empty())
}

/// The `%` tokens of ssh_config(5) that make sense without a local process, and `${VARIABLE}`.
struct Tokens<'a> {
    given: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
}

impl Tokens<'_> {
    fn path(&self, text: &str) -> PathBuf {
        home(&self.variables(&self.expand(text.trim_matches('"'))))
    }

    fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('h') => out.push_str(self.host),
                Some('n' | 'k') => out.push_str(self.given),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(self.user),
                Some('u') => out.push_str(&local_user().unwrap_or_default()),
                Some('d') => out.push_str(&home("~/").to_string_lossy()),
                Some('%') => out.push('%'),
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            }
        }
        out
    }

    fn variables(&self, text: &str) -> String {
        match text
            .split_once("${")
            .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
        {
            Some((before, name, after)) => {
                format!("{before}{}{}", std::env::var(name).unwrap_or_default(), self.variables(after))
            }
            None => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Vec<(String, String)> {
        text.lines().filter_map(|line| line.split_once(' ')).map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn what_ssh_says_becomes_a_route() {
        let text = include_str!("../../tests/data/remote/ssh-g-9.2.txt");
        let route = route(&Target::new("n1", "example.com"), &settings(text)).unwrap();
        assert_eq!(route.place, "n1 (example.com:2222)");
        assert_eq!((route.user.as_str(), route.port), ("bob", 2222));
        assert_eq!(route.jumps, ["a", "b"]);
        assert!(route.identities.iter().all(|identity| !identity.chosen));
        assert_eq!(route.identities.len(), 7);
        assert_eq!(route.known.strictness, Strictness::Ask);
        assert_eq!(route.known.global.len(), 2);
        assert_eq!(route.limit, USUAL_CONNECT_TIMEOUT);
    }

    #[test]
    fn the_inventory_wins() {
        let target = Target {
            user: Some("anna".into()),
            port: Some(22),
            identity_file: Some("/k".into()),
            jump: Some(vec![]),
            known_hosts: Some("/known".into()),
            connect_timeout: Some(Duration::from_secs(3)),
            ..Target::new("n1", "h")
        };
        let said = settings(
            "user bob\nport 2222\nproxyjump a\nidentityfile /other\nuserknownhostsfile /x /y\nconnecttimeout 7",
        );
        let route = route(&target, &said).unwrap();
        assert_eq!((route.user.as_str(), route.port, route.limit.as_secs()), ("anna", 22, 3));
        assert!(route.jumps.is_empty());
        assert_eq!(route.known.user, [PathBuf::from("/known")]);
        assert_eq!(route.identities.iter().map(|i| i.path.to_str().unwrap()).collect::<Vec<_>>(), ["/k", "/other"]);
    }

    #[test]
    fn tokens_are_expanded() {
        let said =
            settings("hostname 10.0.0.9\nport 2222\nuser bob\nidentityfile /keys/%r@%h-%p%%\nproxycommand nc %h %p");
        let route = route(&Target::new("n1", "alias"), &said).unwrap();
        assert_eq!(route.identities[0].path, PathBuf::from("/keys/bob@10.0.0.9-2222%"));
        assert_eq!(route.proxy_command.as_deref(), Some("nc 10.0.0.9 2222"));
    }

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
