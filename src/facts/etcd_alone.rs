//! One member of etcd, asked alone through its own container: whether it answers a read that needs the majority, and whom it
//! lists. Such a read is answered only once the member has all that was committed before it.

use std::time::Duration;

use serde::Deserialize;

use super::{Fact, Unseen, gather::chain};
use crate::remote::{Remote, Stdin, Words};

/// For both questions on one node.
const LIMIT: Duration = Duration::from_secs(8);

/// What one member said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdAlone {
    /// It answered the read, and has no alarm (etcd 3.5: etcdctl/ctlv3/command/ep_command.go).
    pub answers: bool,
    /// Whom it lists; empty when it gives no list.
    pub members: Vec<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `etcd-` and the node's name; empty until the member has started once.
    pub name: String,
    pub learner: bool,
    /// e.g. `https://10.0.0.11:2380`.
    pub peers: Vec<String>,
}

/// # Errors
/// When the node could not be asked. A member that stands still is an answer: nothing is well there.
pub async fn ask(node: &impl Remote, docker_socket: &str) -> Fact<EtcdAlone> {
    let etcdctl = Words::new("docker").args(["-H", &format!("unix://{docker_socket}"), "exec", "etcd", "etcdctl"]);
    let asked = |words: &[&str]| {
        let limits = ["--command-timeout=3s", "--dial-timeout=2s", "-w", "json"];
        format!("{} 2>/dev/null", etcdctl.clone().args(words.iter().copied()).args(limits).line())
    };
    let script = format!("{}; echo; {}; exit 0", asked(&["endpoint", "health"]), asked(&["member", "list"]));
    let said = node.text(&Words::shell(script).within(LIMIT), Stdin::Empty).await;
    said.map(|text| read(&text)).map_err(|error| Unseen(chain(&error)))
}

#[derive(Deserialize)]
struct Health {
    health: bool,
}

#[derive(Deserialize)]
struct List {
    members: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "isLearner")]
    learner: bool,
    #[serde(default, rename = "peerURLs")]
    peers: Vec<String>,
}

fn read(text: &str) -> EtcdAlone {
    let health = text.lines().find_map(|line| serde_json::from_str::<Vec<Health>>(line).ok());
    let list = text.lines().find_map(|line| serde_json::from_str::<List>(line).ok());
    let listed = |Line { name, learner, peers }| Listed { name, learner, peers };
    EtcdAlone {
        answers: health.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.health)),
        members: list.map(|list| list.members.into_iter().map(listed).collect()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of etcdctl 3.5 (etcdctl/ctlv3/command/printer_json.go).
    #[test]
    fn a_member_that_answers_and_one_that_does_not() {
        let list = r#"{"header":{"cluster_id":1},"members":[{"ID":2,"name":"etcd-n1","peerURLs":["https://10.0.0.1:2380"],"clientURLs":[]},{"ID":3,"name":"etcd-n2","peerURLs":["https://10.0.0.2:2380"],"isLearner":true}]}"#;
        let health = r#"[{"endpoint":"https://10.0.0.1:2379","health":true,"took":"9.4ms"}]"#;
        let seen = read(&format!("{health}\n\n{list}\n"));
        assert!(seen.answers);
        let named: Vec<(&str, bool)> = seen.members.iter().map(|one| (one.name.as_str(), one.learner)).collect();
        assert_eq!(named, [("etcd-n1", false), ("etcd-n2", true)]);
        let ill = health.replace("true", "false");
        assert!(!read(&format!("{ill}\n\n{list}\n")).answers);
        for nothing in ["", "\n", "[]\n", "Error: no such container\n"] {
            assert_eq!(read(nothing), EtcdAlone::default(), "{nothing}");
        }
    }
}
