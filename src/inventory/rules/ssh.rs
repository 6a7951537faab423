//! How nodes are reached.

use crate::inventory::judge::Judge;
use crate::inventory::model::Ssh;
use crate::inventory::path::KeyPath;
use crate::inventory::raw::RawSsh;
use crate::inventory::syntax;
use crate::inventory::wrong::quoted;

use super::items;

/// What holds for all nodes.
pub(super) fn common(raw: RawSsh, judge: &mut Judge) -> Ssh {
    let path = KeyPath::from("ssh");
    if raw.host.is_some() {
        judge.mistake(&path.key("host"), "is one machine's; it belongs into the ssh of a node");
    }
    read(raw, &path, judge)
}

/// What holds for one node: its own settings, then the common ones.
pub(super) fn of_node(raw: RawSsh, path: &KeyPath, common: &Ssh, judge: &mut Judge) -> Ssh {
    let own = read(raw, path, judge);
    let common = common.clone();
    Ssh {
        host: own.host,
        user: own.user.or(common.user),
        port: own.port.or(common.port),
        identity_file: own.identity_file.or(common.identity_file),
        jump: own.jump.or(common.jump),
        known_hosts: own.known_hosts.or(common.known_hosts),
        config: own.config.or(common.config),
        connect_timeout: own.connect_timeout.or(common.connect_timeout),
    }
}

fn read(raw: RawSsh, path: &KeyPath, judge: &mut Judge) -> Ssh {
    if let Some(host) = &raw.host
        && let Err(reason) = syntax::ssh_host(host)
    {
        judge.mistake(&path.key("host"), format!("{} {reason}", quoted(host)));
    }
    if let Some(user) = &raw.user
        && (user.is_empty()
            || user.starts_with('-')
            || user.contains(|c: char| c.is_whitespace() || matches!(c, '@' | ':')))
    {
        judge.mistake(&path.key("user"), format!("{} is not a user's name", quoted(user)));
    }
    let jump = raw.jump.map(|jump| {
        for (index, host) in items(&jump.0) {
            if let Err(reason) = syntax::jump_host(host) {
                judge.mistake(&path.key("jump").index(index), format!("{} {reason}", quoted(host)));
            }
        }
        jump.0.into_iter().flatten().collect()
    });
    let connect_timeout = raw.connect_timeout.and_then(|text| match syntax::duration(&text) {
        Ok(duration) => Some(duration),
        Err(reason) => {
            judge.mistake(&path.key("connect_timeout"), format!("{} {reason}", quoted(&text)));
            None
        }
    });
    Ssh {
        host: raw.host,
        user: raw.user,
        port: raw.port,
        identity_file: judge.file(&path.key("identity_file"), raw.identity_file.as_deref()),
        jump,
        known_hosts: judge.file(&path.key("known_hosts"), raw.known_hosts.as_deref()),
        config: judge.file(&path.key("config"), raw.config.as_deref()),
        connect_timeout,
    }
}
