//! Members and health of etcd, and RKE's containers beside it, asked on each node.

use serde::Deserialize;

use super::{Container, ContainerState, Fact, Unseen, engine};
use crate::remote::{Remote, Stdin, Words};

/// For the whole question on one node. etcdctl gives a member that is silent 5 s.
pub const LIMIT: std::time::Duration = std::time::Duration::from_secs(15);

/// RKE's containers that outlive an `rke up` and run all the time (rancher/rke v1.8.0: services).
pub const LASTING: &[&str] = &[
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "nginx-proxy",
    "etcd-rolling-snapshots",
];

/// What one node said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdAsked {
    /// The node's name in the inventory.
    pub node: String,
    /// RKE's lasting containers on it.
    pub containers: Fact<Vec<Container>>,
    /// etcd's own answer through its container here; not asked where none runs.
    pub answer: Fact<EtcdAnswer>,
}

impl EtcdAsked {
    /// The container of this name, when it is there.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.as_ref().ok()?.iter().find(|one| one.name == name)
    }

    /// Containers that are there and do not run.
    pub fn stopped(&self) -> impl Iterator<Item = &Container> {
        self.containers.as_deref().unwrap_or_default().iter().filter(|one| one.state != ContainerState::Running)
    }
}

/// etcd's list of its members, and who of them answered the member that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdAnswer {
    pub members: Vec<Member>,
    pub health: Vec<Health>,
}

/// One member in etcd's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    /// `etcd-` and the node's name; empty until the member has started once.
    pub name: String,
    /// The hosts of its peer and client URLs.
    pub addresses: Vec<String>,
    /// It gets everything and votes on nothing.
    pub learner: bool,
}

impl Member {
    /// The name of its node: RKE calls the member `etcd-` and that. One that never started has only its address.
    pub fn node(&self) -> String {
        let name = self.name.strip_prefix("etcd-").unwrap_or(&self.name);
        let first = || self.addresses.first().cloned().unwrap_or_default();
        if name.is_empty() { first() } else { name.to_owned() }
    }
}

/// One client URL as etcd's health check saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// e.g. `https://10.0.0.11:2379`.
    pub endpoint: String,
    pub healthy: bool,
    /// etcd's own words when it is not.
    pub error: String,
}

/// Asks one node. RKE's container carries the ETCDCTL_* settings itself.
///
/// Never fails: a node that cannot be asked is an answer too.
pub async fn ask(node: &impl Remote, docker_socket: &str) -> EtcdAsked {
    let words = Words::shell(script(docker_socket)).within(LIMIT);
    let said = match node.text(&words, Stdin::Empty).await {
        Ok(text) => read(&text),
        Err(error) => Err(Unseen(super::gather::chain(&error))),
    };
    let unseen = |unseen: &Unseen| unseen.clone();
    EtcdAsked {
        node: node.name().to_owned(),
        containers: said.as_ref().map(|(containers, _)| containers.clone()).map_err(unseen),
        answer: said.and_then(|(_, answer)| answer),
    }
}

/// Lines as the probe has them, then etcd's list and its health check; what etcdctl complains of stands among them.
fn script(docker_socket: &str) -> String {
    let docker = Words::new("docker").args(["-H", &format!("unix://{docker_socket}")]);
    let names = format!("name=^/?({})$", LASTING.join("|"));
    let list = docker.clone().args([
        "ps",
        "-a",
        "--filter",
        &names,
        "--format",
        "{{.Names}}|{{.Status}}|{{.Label \"io.rancher.rke.container.name\"}}|{{.Image}}",
    ]);
    let etcdctl = |words: &[&str]| {
        let asked = docker.clone().args(["exec", "etcd", "etcdctl"]).args(words.iter().copied());
        // It ends with 1 when a member is not healthy, and says which on stdout all the same.
        format!("{} 2>&1", asked.args(["-w", "json"]).line())
    };
    let (members, health) = (etcdctl(&["member", "list"]), etcdctl(&["endpoint", "health", "--cluster"]));
    format!(
        "list=$({} 2>&1) || {{ printf '!%s\\n' \"$list\"; exit 0; }}; printf '%s\\n' \"$list\"; \
         if printf '%s\n' \"$list\" | grep -q '^etcd|Up[^|]*|etcd|'; then echo ==members; {members}; echo ==health; {health}; fi; exit 0",
        list.line()
    )
}

type Said = (Vec<Container>, Fact<EtcdAnswer>);

fn read(text: &str) -> Fact<Said> {
    if let Some(why) = text.strip_prefix('!') {
        return Err(Unseen(why.lines().map(str::trim).collect::<Vec<_>>().join(" ")));
    }
    let (list, rest) = text.split_once("==members\n").map_or((text, None), |(list, rest)| (list, Some(rest)));
    let containers: Vec<Container> = list.lines().filter_map(engine::container).filter(is_lasting).collect();
    let etcd = containers.iter().find(|one| one.name == "etcd");
    let answer = match (rest, etcd) {
        (Some(rest), _) => answer(rest),
        (None, Some(etcd)) => Err(Unseen(format!("its container etcd does not run: {}", etcd.status))),
        (None, None) => Err(Unseen("there is no container etcd".into())),
    };
    Ok((containers, answer))
}

/// By RKE's label; the one lasting container without it is told by its name (rancher/rke v1.8.0: services/etcd.go).
fn is_lasting(one: &Container) -> bool {
    one.label.as_deref() == Some(one.name.as_str()) || (one.label.is_none() && one.name == "etcd-rolling-snapshots")
}

fn answer(text: &str) -> Fact<EtcdAnswer> {
    let (members, health) = text.split_once("==health\n").unwrap_or((text, ""));
    let list = members.lines().find_map(|line| serde_json::from_str::<MemberList>(line).ok());
    let Some(list) = list else {
        let words = members.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(Unseen(format!("etcd gives no list of its members: {}", last_words(words))));
    };
    let checked = health.lines().find(|line| line.starts_with('['));
    let checked: Vec<HealthLine> = checked.and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let health =
        checked.into_iter().map(|one| Health { endpoint: one.endpoint, healthy: one.health, error: one.error });
    Ok(EtcdAnswer { members: list.members.into_iter().map(Member::from).collect(), health: health.collect() })
}

/// etcdctl logs in JSON, and ends with a plain `Error: …`.
fn last_words(line: &str) -> String {
    let logged = serde_json::from_str::<serde_json::Value>(line).ok();
    let said = logged.as_ref().and_then(|logged| logged["error"].as_str().or(logged["msg"].as_str()));
    said.unwrap_or(line).trim().to_owned()
}

#[derive(Deserialize)]
struct MemberList {
    members: Vec<MemberLine>,
}

/// etcdctl's JSON (etcd 3.5: etcdctl/ctlv3/command/printer_json.go).
#[derive(Deserialize)]
struct MemberLine {
    #[serde(rename = "ID")]
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
    #[serde(rename = "clientURLs", default)]
    client_urls: Vec<String>,
    #[serde(rename = "isLearner", default)]
    learner: bool,
}

#[derive(Deserialize)]
struct HealthLine {
    endpoint: String,
    health: bool,
    #[serde(default)]
    error: String,
}

impl From<MemberLine> for Member {
    fn from(line: MemberLine) -> Member {
        let mut addresses: Vec<String> = Vec::new();
        for host in line.peer_urls.iter().chain(&line.client_urls).filter_map(|url| host(url)) {
            if !addresses.contains(&host) {
                addresses.push(host);
            }
        }
        Member { id: line.id, name: line.name, addresses, learner: line.learner }
    }
}

/// The host of `https://10.0.0.11:2379` or `https://[fd00::1]:2379`.
pub fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (host, _) = rest.rsplit_once(':').unwrap_or((rest, ""));
    Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// etcd's list, from whichever nodes gave one; each member once.
///
/// # Errors
/// When no node gave one: the reason of each.
pub fn members(asked: &[EtcdAsked]) -> Fact<Vec<&Member>> {
    let mut all: Vec<&Member> = Vec::new();
    let mut seen = false;
    for answer in asked.iter().filter_map(|one| one.answer.as_ref().ok()) {
        seen = true;
        for member in &answer.members {
            if !all.iter().any(|known| known.id == member.id) {
                all.push(member);
            }
        }
    }
    if seen {
        return Ok(all);
    }
    let reason = |one: &EtcdAsked| format!("{}: {}", one.node, one.answer.as_ref().err().map_or("", |why| &why.0));
    let reasons: Vec<String> = asked.iter().map(reason).collect();
    Err(Unseen(if reasons.is_empty() { "no node was asked".into() } else { reasons.join("; ") }))
}

#[cfg(test)]
#[path = "etcd_tests.rs"]
mod tests;
