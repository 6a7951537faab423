//! Why a machine cannot be reached, told apart by what a person would do about it.

use std::sync::Arc;
use std::time::Duration;

use super::HostKeyProblem;
use super::output::seconds;
use crate::failure::Hint;

/// `place` is the node's name and address, e.g. `n2 (10.0.0.12:22)`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    #[error("the ssh configuration for {place} cannot be used: {problem}")]
    Settings { place: String, problem: String },
    #[error("the name of {place} does not resolve: {reason}")]
    Name { place: String, reason: String },
    #[error("{place} refuses connections: nothing listens there")]
    Refused { place: String },
    #[error("{place} does not answer within {}", seconds(*after))]
    TimedOut { place: String, after: Duration },
    #[error("there is no way to {place}: {reason}")]
    Unreachable { place: String, reason: String },
    #[error("the proxy command for {place} failed: {reason}")]
    ProxyCommand { place: String, reason: String },
    /// Something listens, but does not speak SSH, or not in time.
    #[error("{place} accepts the connection but does not greet as an SSH server: {reason}")]
    NoBanner { place: String, reason: String },
    #[error("no key exchange with {place}: {reason}")]
    KeyExchange { place: String, reason: String },
    #[error(transparent)]
    HostKey(#[from] HostKeyProblem),
    #[error("{place} refuses the login as {user}: {}; it accepts {}", list(tried), words(accepts))]
    NoIdentity { place: String, user: String, tried: Vec<String>, accepts: Vec<String> },
    #[error("{place} cannot be reached through its jump host {jump}")]
    Jump {
        place: String,
        jump: String,
        #[source]
        cause: Arc<ConnectError>,
    },
    /// The jump host is fine, but does not get further.
    #[error("the jump host {jump} cannot open a connection to {place}: {reason}")]
    BeyondJump { place: String, jump: String, reason: String, forbidden: bool },
    #[error("the connection to {place} was lost while logging in: {reason}")]
    Lost { place: String, reason: String },
}

impl ConnectError {
    /// Worth another try within the connect limit: a machine that is just booting.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            ConnectError::Refused { .. } | ConnectError::BeyondJump { forbidden: false, .. } => true,
            ConnectError::NoBanner { reason, .. } => reason == CLOSED,
            ConnectError::Settings { .. }
            | ConnectError::Name { .. }
            | ConnectError::TimedOut { .. }
            | ConnectError::Unreachable { .. }
            | ConnectError::ProxyCommand { .. }
            | ConnectError::KeyExchange { .. }
            | ConnectError::HostKey(_)
            | ConnectError::NoIdentity { .. }
            | ConnectError::Jump { .. }
            | ConnectError::BeyondJump { forbidden: true, .. }
            | ConnectError::Lost { .. } => false,
        }
    }
}

impl Hint for ConnectError {
    /// What a person could do about it.
    fn hint(&self) -> Option<String> {
        match self {
            ConnectError::Settings { .. } => None,
            ConnectError::Name { .. } => {
                Some("see the address in the inventory; a short name needs a Host entry in ~/.ssh/config or an entry in DNS".into())
            }
            ConnectError::Refused { .. } => {
                Some("see whether the machine has booted, sshd runs, and the port in the inventory is the right one".into())
            }
            ConnectError::TimedOut { .. } | ConnectError::Unreachable { .. } => {
                Some("see whether the machine is up, the address is right, and no firewall is in between; a machine behind a bastion needs `ssh: {jump: [bastion]}`".into())
            }
            ConnectError::ProxyCommand { .. } => Some("run the ProxyCommand of the ssh configuration by hand".into()),
            ConnectError::NoBanner { reason, .. } if reason.contains("Not allowed at this time") => {
                Some("sshd keeps this machine's address out for a while after failed logins (PerSourcePenalties): wait some minutes, or see its log there".into())
            }
            ConnectError::NoBanner { .. } => {
                Some("see whether the port is that of sshd, and what sshd logs on the machine (MaxStartups, DenyUsers, fail2ban)".into())
            }
            ConnectError::KeyExchange { .. } => {
                Some("the machine's sshd offers only old algorithms, or something in between is not transparent".into())
            }
            ConnectError::HostKey(problem) => problem.hint(),
            ConnectError::NoIdentity { user, accepts, tried, .. } => Some(identity_hint(user, accepts, tried)),
            ConnectError::Jump { cause, .. } => cause.hint(),
            ConnectError::BeyondJump { forbidden: true, jump, .. } => {
                Some(format!("on {jump}, AllowTcpForwarding in sshd_config must be yes"))
            }
            ConnectError::BeyondJump { forbidden: false, jump, .. } => {
                Some(format!("see whether {jump} can reach the machine: address, port, firewall"))
            }
            ConnectError::Lost { .. } => Some("see what sshd logs on the machine, then try again".into()),
        }
    }
}

/// A server that closes at once: it is starting up, or has too many guests.
pub(super) const CLOSED: &str = "it closes the connection at once";

fn list(tried: &[String]) -> String {
    if tried.is_empty() { "there is no key to offer".into() } else { tried.join("; ") }
}

fn words(accepts: &[String]) -> String {
    if accepts.is_empty() { "nothing that it would tell".into() } else { accepts.join(", ") }
}

fn identity_hint(user: &str, accepts: &[String], tried: &[String]) -> String {
    if tried.iter().any(|line| line.contains("no passphrase was given")) {
        return "run on a terminal to be asked for the passphrase, or add the key to an agent with ssh-add".into();
    }
    if !accepts.is_empty() && !accepts.iter().any(|method| method == "publickey") {
        return format!("this server wants {}; cowhand logs in with keys only", accepts.join(" or "));
    }
    if tried.is_empty() {
        return format!(
            "name a key with `ssh: {{identity_file: …}}` in the inventory, and put its public half into authorized_keys of {user}"
        );
    }
    format!(
        "see that {user} is the right user, and that one of these keys is in its ~/.ssh/authorized_keys; `ssh: {{identity_file: …}}` names the right key"
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn no_identity(tried: &[&str], accepts: &[&str]) -> ConnectError {
        let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        ConnectError::NoIdentity {
            place: "n1".into(),
            user: "anna".into(),
            tried: strings(tried),
            accepts: strings(accepts),
        }
    }

    #[test]
    fn a_jump_hosts_error_is_the_cause_and_gives_the_hint() {
        let cause = Arc::new(ConnectError::Refused { place: "bastion:22".into() });
        let error = ConnectError::Jump { place: "n1".into(), jump: "bastion".into(), cause };
        assert_eq!(error.source().unwrap().to_string(), "bastion:22 refuses connections: nothing listens there");
        assert!(error.hint().unwrap().contains("sshd runs"));
    }

    #[test]
    fn the_remedy_for_no_identity_fits_the_cause() {
        let hint = |tried: &[&str], accepts: &[&str]| no_identity(tried, accepts).hint().unwrap();
        assert!(hint(&[], &["publickey"]).contains("identity_file"));
        assert!(hint(&["~/k: refused"], &["password"]).contains("wants password"));
        assert!(hint(&["~/k: refused"], &["publickey", "password"]).contains("authorized_keys"));
        assert!(hint(&["~/k: it is encrypted, and no passphrase was given"], &["publickey"]).contains("ssh-add"));
        let said = no_identity(&[], &["publickey", "password"]).to_string();
        assert_eq!(said, "n1 refuses the login as anna: there is no key to offer; it accepts publickey, password");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(ConnectError::Refused { place: "n1".into() }.may_pass());
        assert!(!no_identity(&[], &[]).may_pass());
        assert!(ConnectError::NoBanner { place: "n1".into(), reason: CLOSED.into() }.may_pass());
        assert!(!ConnectError::NoBanner { place: "n1".into(), reason: "nothing came within 15 s".into() }.may_pass());
    }
}
