//! The road to the machines: what cowhand and, through it, rke need of sshd and of the login user.

use crate::facts::{Outcome, Reached};
use crate::inventory::Node;

use super::context::{refused_user, unasked};
use super::{Answer, Check, Context};

/// What the user's own words are on the node, or a stand-in.
fn user_of(reached: &Reached) -> &str {
    reached.facts.user.as_ref().map_or("USER", |user| user.name.as_str())
}

pub const REACHABLE: Check = Check {
    id: "ssh.reachable",
    what: "every node answers over SSH, with the right host key and a key that it accepts",
    why: "a node that was not seen cannot be judged; rke would go on without it and leave a cluster half built",
    fix: "see the reason in the finding: address, port, key, user, host key or jump host",
    run: reachable,
    offline: false,
};

fn reachable(context: &Context) -> Vec<Answer> {
    let Some(observed) = context.observed else { return Vec::new() };
    let answer = |node: &Node| match observed.node(&node.name).map(|seen| &seen.outcome) {
        Some(Outcome::Reached(reached)) => Answer::pass(format!("answers as {}", user_of(reached))),
        Some(Outcome::Unreachable { reason, hint }) => {
            let fix = hint.clone().unwrap_or_else(|| format!("try `ssh {}` by hand", node.address));
            Answer::fail(reason.clone(), fix)
        }
        None => Answer::fail("it was not looked at", "run the same again"),
    };
    context.inventory.nodes.iter().map(|node| answer(node).about(&node.name)).collect()
}

/// The lines of sshd_config that a finding asks for.
fn forwarding_fix(node: &Node, reached: &Reached) -> String {
    let mut wrong = Vec::new();
    if let Ok(sshd) = &reached.facts.sshd {
        let settings = [
            ("AllowTcpForwarding", &sshd.allow_tcp_forwarding),
            ("AllowStreamLocalForwarding", &sshd.allow_stream_local_forwarding),
        ];
        let bad = settings.iter().filter(|(_, value)| value.as_deref().is_some_and(|value| value != "yes"));
        wrong.extend(bad.map(|(key, _)| format!("{key} yes")));
        if permitted(reached).is_some() {
            wrong.push("PermitOpen any".to_owned());
        }
        if sshd.disable_forwarding.as_deref() == Some("yes") {
            wrong.push("DisableForwarding no".to_owned());
        }
    }
    if wrong.is_empty() {
        wrong = vec!["AllowTcpForwarding yes".to_owned(), "AllowStreamLocalForwarding yes".to_owned()];
    }
    format!("in /etc/ssh/sshd_config of {} set `{}`, then `sudo systemctl reload sshd`", node.name, wrong.join("`, `"))
}

/// Where sshd lets TCP channels lead to, when that is not everywhere.
fn permitted(reached: &Reached) -> Option<&str> {
    reached.facts.sshd.as_ref().ok()?.permit_open.as_deref().filter(|places| *places != "any")
}

pub const TCP_FORWARDING: Check = Check {
    id: "ssh.tcp-forwarding",
    what: "sshd opens TCP channels, and to every port; one is really opened",
    why: "rke asks the health of each component through such channels and reports a failed health check otherwise",
    fix: "set `AllowTcpForwarding yes` and `PermitOpen any` in /etc/ssh/sshd_config and reload sshd",
    run: tcp_forwarding,
    offline: false,
};

fn tcp_forwarding(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match (&reached.tcp_forwarding, permitted(reached)) {
        (Ok(()), Some(places)) => Answer::fail(
            format!("sshd opens TCP channels to {places} only (PermitOpen)"),
            forwarding_fix(node, reached),
        ),
        (Ok(()), None) => Answer::pass("a channel to port 22 of the node itself opens"),
        (Err(unseen), _) => Answer::fail(unseen.to_string(), forwarding_fix(node, reached)),
    })
}

pub const DOCKER_SOCKET: Check = Check {
    id: "ssh.docker-socket",
    what: "Docker answers through the SSH connection, at its socket; it is really asked",
    why: "this is the way by which rke does everything; it fails with `Failed to set up SSH tunneling` otherwise",
    fix: "put the user into the group docker, and set `AllowStreamLocalForwarding yes` in sshd_config",
    run: docker_socket,
    offline: false,
};

fn docker_socket(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let unseen = match &reached.docker_through_ssh {
            Ok(api) => return Answer::pass(format!("{} answers as Docker {}", node.docker_socket, api.version)),
            Err(unseen) => unseen,
        };
        let facts = &reached.facts;
        if refused_user(reached).is_some() && facts.root.is_err() {
            let (why, fix) = unasked(node, reached, unseen);
            return Answer::unknown("Docker through SSH", &why, fix);
        }
        let fix = if facts.docker_command.is_err() && facts.docker_as_root.is_err() {
            format!("install Docker on {}, then look again", node.name)
        } else if facts.user.as_ref().is_ok_and(|user| !user.is_root() && !user.in_docker_group()) {
            group_fix(node, reached)
        } else if facts.docker.is_ok() {
            forwarding_fix(node, reached)
        } else {
            format!("on {}, `sudo systemctl enable --now docker`, then look again", node.name)
        };
        // sshd gives the same answer for a socket that is not there and for one that it may not forward
        let seen = match &facts.docker {
            Ok(docker) => format!("Docker {} answers on the node, but not through SSH: {unseen}", docker.api.version),
            // and for one that the user may not open, of which Docker's command tells more
            Err(refused) if refused_user(reached).is_some() => refused.to_string(),
            Err(_) => unseen.to_string(),
        };
        Answer::fail(seen, fix)
    })
}

fn group_fix(node: &Node, reached: &Reached) -> String {
    format!("on {}, `sudo usermod -aG docker {}`; it counts from the next login on", node.name, user_of(reached))
}

pub const SUDO_OR_DOCKER_GROUP: Check = Check {
    id: "node.sudo-or-docker-group",
    what: "the login user is in the group docker, or root, or may use sudo without a password",
    why: "RKE works on a node by nothing but its Docker engine, and what only root sees needs sudo",
    fix: "sudo usermod -aG docker USER",
    run: sudo_or_docker_group,
    offline: false,
};

fn sudo_or_docker_group(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match (&reached.facts.user, &reached.facts.root) {
        (Ok(user), _) if user.is_root() => Answer::pass("the user is root"),
        (Ok(user), _) if user.in_docker_group() => Answer::pass(format!("{} is in the group docker", user.name)),
        (Ok(user), Ok(())) => Answer::pass(format!("{} may use sudo without a password", user.name)),
        (Ok(user), Err(unseen)) => Answer::fail(
            format!("{} is neither in the group docker nor allowed to use sudo: {unseen}", user.name),
            group_fix(node, reached),
        ),
        (Err(unseen), _) => Answer::unknown("the login user", unseen, group_fix(node, reached)),
    })
}

pub const ROOT_ON_RHEL: Check = Check {
    id: "ssh.root-on-rhel",
    what: "on RHEL and its relatives the login user is not root, unless Docker's socket opens for root",
    why: "sshd there may refuse to forward sockets for root (bugzilla.redhat.com 1527565), and rke then cannot work",
    fix: "make a user in the group docker and name it as `ssh: {user: …}`",
    run: root_on_rhel,
    offline: false,
};

fn root_on_rhel(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match (&reached.facts.os, &reached.facts.user) {
        (Ok(os), Ok(user)) if os.is_rhel() && user.is_root() => match &reached.docker_through_ssh {
            Ok(_) => Answer::pass(format!("root on {}, but Docker's socket opens for it", os.name)),
            Err(unseen) => Answer::fail(
                format!("root on {}, and Docker's socket does not open: {unseen}", os.name),
                format!(
                    "on {}, `sudo useradd -m -G docker rancher`, give it your key, and set `ssh: {{user: rancher}}`",
                    node.name
                ),
            ),
        },
        (Ok(os), Ok(user)) => Answer::pass(format!("{} on {}", user.name, os.name)),
        (Err(unseen), _) | (_, Err(unseen)) => {
            Answer::unseen_advice("the system and its login user", unseen, "see why the probe could not tell")
        }
    })
}

pub const MAX_SESSIONS: Check = Check {
    id: "ssh.max-sessions",
    what: "sshd lets several commands run at the same time in one connection",
    why: "cowhand has one connection to a node and runs commands side by side in it; OpenSSH allows 10 of itself",
    fix: "set `MaxSessions 10` in /etc/ssh/sshd_config and reload sshd",
    run: max_sessions,
    offline: false,
};

/// The probe, the lock, a command, and one more.
const SESSIONS: u32 = 4;

fn max_sessions(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix =
            format!("in /etc/ssh/sshd_config of {} set `MaxSessions 10`, then `sudo systemctl reload sshd`", node.name);
        match &reached.facts.sshd {
            Ok(sshd) => match sshd.max_sessions {
                Some(sessions) if sessions < SESSIONS => {
                    Answer::warn(format!("sshd allows {sessions} sessions in one connection"), fix)
                }
                Some(sessions) => Answer::pass(format!("{sessions} sessions in one connection")),
                None => Answer::pass("sshd has its own default of 10"),
            },
            // it just took a session, and only root may ask sshd for its settings
            Err(unseen) => Answer::pass(format!("one session was opened; sshd's limit was not seen: {unseen}")),
        }
    })
}
