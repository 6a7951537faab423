//! What OpenSSH would do to reach one host: the target together with the user's ssh configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::algorithms::Algorithms;
use super::known_command::KnownCommand;
use super::ssh_config::split_words;
use super::ssh_settings::Settings;
use super::target::{Target, USUAL_CONNECT_TIMEOUT};
use super::tokens::{Tokens, home, local_user};

/// Everything that OpenSSH would do to reach one host, one hop of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
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
    pub algorithms: Algorithms,
    pub limit: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFile {
    pub path: PathBuf,
    /// Named by somebody, so it goes before all others; not one of the names that OpenSSH looks for by itself.
    pub chosen: bool,
}

/// Where known host keys stand and how strictly they are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFiles {
    pub user: Vec<PathBuf>,
    pub global: Vec<PathBuf>,
    pub hash: bool,
    /// HostKeyAlias: the name to look for instead of host and port.
    pub alias: Option<String>,
    pub strictness: Strictness,
    /// RevokedHostKeys.
    pub revoked: Vec<PathBuf>,
    /// KnownHostsCommand.
    pub command: Option<KnownCommand>,
    /// CheckHostIP: the key also has to be the one that is known for the address.
    pub check_address: bool,
}

/// StrictHostKeyChecking. A changed key is refused in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// `yes`: an unknown key is refused without asking.
    Refuse,
    Ask,
    /// `accept-new`, and `no` or `off`, as far as they are followed.
    AcceptNew,
}

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
    let tokens = Tokens { given: &target.host, alias: None, host: &host, port, user: &user };
    let alias = first("hostkeyalias").filter(|alias| *alias != "none").map(|alias| tokens.expand(alias));
    let tokens = Tokens { alias: alias.as_deref(), ..tokens };
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
            None => proxy_command(first("proxycommand"), first("proxyusefdpass"), &tokens)?,
        },
        known: KnownFiles {
            user: target.known_hosts.clone().map_or_else(|| files("userknownhostsfile"), |path| vec![path]),
            global: files("globalknownhostsfile"),
            hash: first("hashknownhosts") == Some("yes"),
            strictness: strictness(first("stricthostkeychecking")),
            revoked: files("revokedhostkeys"),
            command: known_command(first("knownhostscommand"), &tokens),
            check_address: first("checkhostip") == Some("yes"),
            alias: alias.clone(),
        },
        algorithms: Algorithms::read(settings)?,
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

fn proxy_command(value: Option<&str>, passes: Option<&str>, tokens: &Tokens) -> Result<Option<String>, String> {
    match (value.filter(|command| *command != "none"), passes) {
        (Some(command), Some("yes")) => Err(format!(
            "`ProxyUseFdpass yes` is nothing that cowhand can do with `{command}`; let it carry the bytes, as `ssh -W %h:%p` does"
        )),
        (command, _) => Ok(command.map(|command| tokens.expand(command))),
    }
}

fn known_command(value: Option<&str>, tokens: &Tokens) -> Option<KnownCommand> {
    let command = value.filter(|command| *command != "none")?;
    let Tokens { given, alias, host, port, user } = *tokens;
    Some(KnownCommand {
        words: split_words(command, false),
        given: given.into(),
        alias: alias.map(str::to_owned),
        host: host.into(),
        port,
        user: user.into(),
    })
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
    fn a_proxy_command_that_hands_over_its_socket_is_refused() {
        let said = |passes: &str| settings(&format!("user bob\nproxycommand nc -F %h %p\nproxyusefdpass {passes}"));
        let error = route(&Target::new("n1", "h"), &said("yes")).unwrap_err();
        assert!(error.contains("ProxyUseFdpass") && error.contains("nc -F"), "{error}");
        assert!(route(&Target::new("n1", "h"), &said("no")).is_ok());
    }
}
