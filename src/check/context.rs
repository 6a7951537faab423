//! What checks see, and how they answer.

use crate::facts::dns::Resolved;
use crate::facts::existing::ClusterObserved;
use crate::facts::kubeconfig::KubeconfigSeen;
use crate::facts::{DockerApi, Fact, MembersSeen, Observed, Reached, Unseen, WorkspaceFacts};
use crate::inventory::{Inventory, Node, Rke};
use crate::tls::Judgement;

use super::Verdict;
use crate::facts::images::ImagesSeen;

/// Everything that a check may look at.
pub struct Context<'a> {
    pub inventory: &'a Inventory,
    /// `None` with `check --offline`: only the checks that need no machine run.
    pub observed: Option<&'a Observed>,
    /// With a cluster that is there already, its kubeconfig.
    pub kubeconfig: Option<&'a KubeconfigSeen>,
    /// That cluster; `None` with `check --offline`, and when its kubeconfig cannot be used.
    pub cluster: Option<&'a ClusterObserved>,
    /// With engine rke, what API and etcd say of the cluster's members; `None` where nobody was asked.
    pub members: Option<&'a MembersSeen>,
    /// With engine rke, what Docker on the nodes has of its images; `None` where nobody was asked.
    pub images: Option<&'a ImagesSeen>,
    /// By this machine's clock.
    pub now: jiff::Timestamp,
    pub workspace: &'a WorkspaceFacts,
    /// What [`crate::tls::judge`] said of the TLS files; it also judges by the time.
    pub certificates: &'a [Judgement],
    /// What Rancher's name means on this machine; `None` with `check --offline`.
    pub name: Option<&'a Resolved>,
}

impl<'a> Context<'a> {
    /// The settings of RKE, for checks of what only RKE has.
    pub fn rke_settings(&self) -> Option<&'a Rke> {
        self.inventory.engine.rke_settings()
    }

    /// Whether the nodes are members of the cluster that cowhand builds.
    pub fn builds_nodes(&self) -> bool {
        self.inventory.engine.builds_nodes()
    }

    /// The system images that the inventory names: RKE's helpers without a label are known by them.
    pub(super) fn system_images(&self) -> Vec<&'a str> {
        self.rke_settings().map(Rke::system_images).unwrap_or_default()
    }

    /// The nodes that answered, with what the inventory wants of them.
    pub fn reached(&self) -> impl Iterator<Item = (&'a Node, &'a Reached)> + use<'a> {
        let nodes = &self.inventory.nodes;
        let observed = self.observed.into_iter().flat_map(Observed::reached);
        // Both lists stand in the inventory's order: the node is the next one, and a thousand are not gone through each time.
        let mut next = 0;
        observed.filter_map(move |(seen, reached)| {
            let at = (next..nodes.len()).chain(0..next).find(|at| nodes[*at].name == seen.name)?;
            next = at + 1;
            Some((&nodes[at], reached))
        })
    }

    /// One answer for each node that answered; none with a cluster that is there already, whose nodes are not ours to judge.
    pub(super) fn each_node(&self, judge: impl Fn(&Node, &Reached) -> Answer) -> Vec<Answer> {
        if !self.builds_nodes() {
            return Vec::new();
        }
        self.every_node(judge)
    }

    /// The same, also with a cluster that is there already: for what is true of a machine whoever built the cluster.
    pub(super) fn every_node(&self, judge: impl Fn(&Node, &Reached) -> Answer) -> Vec<Answer> {
        self.reached().map(|(node, reached)| judge(node, reached).about(&node.name)).collect()
    }
}

/// What a check says about one subject; [`super::Check::findings`] makes a finding of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub subject: Option<String>,
    pub verdict: Verdict,
    pub seen: String,
    pub fix: String,
}

impl Answer {
    fn new(verdict: Verdict, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Answer { subject: None, verdict, seen: seen.into(), fix: fix.into() }
    }

    pub fn pass(seen: impl Into<String>) -> Self {
        Answer::new(Verdict::Pass, seen, "")
    }

    pub fn warn(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Answer::new(Verdict::Warn, seen, fix)
    }

    pub fn fail(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Answer::new(Verdict::Fail, seen, fix)
    }

    /// Could not be seen; `what` is looked for, `unseen` says why it was not found.
    pub fn unknown(what: &str, unseen: &Unseen, fix: impl Into<String>) -> Self {
        Answer::new(Verdict::Unknown, format!("{what} could not be seen: {unseen}"), fix)
    }

    /// For checks that only ever advise: not seeing it must not stop anybody, and is no pass either.
    pub fn unseen_advice(what: &str, unseen: &Unseen, fix: impl Into<String>) -> Self {
        Answer::new(Verdict::Warn, format!("{what} could not be seen: {unseen}"), fix)
    }

    pub fn about(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }
}

/// The engine's version by any way that showed it: the command, the socket through SSH, or the command as root.
pub(super) fn docker_api(reached: &Reached) -> Fact<&DockerApi> {
    match (&reached.facts.docker, &reached.docker_through_ssh, &reached.facts.docker_as_root) {
        (Ok(docker), _, _) => Ok(&docker.api),
        (Err(_), Ok(api), _) | (Err(_), Err(_), Ok(api)) => Ok(api),
        (Err(unseen), Err(_), Err(_)) => Err(unseen.clone()),
    }
}

/// Why Docker could not be asked, and what to do: where it refused the login user, another finding says how to let the
/// user in, and one cause is told once.
pub(super) fn unasked(node: &Node, reached: &Reached, unseen: &Unseen) -> (Unseen, String) {
    match refused_user(reached) {
        Some(user) => {
            (Unseen(format!("{user} is not in the group docker")), format!("see {}", refusal_told_by(reached)))
        }
        None => (unseen.clone(), format!("let Docker run on {}", node.name)),
    }
}

/// The login user, where Docker is there and refused it for want of the group.
pub(super) fn refused_user(reached: &Reached) -> Option<&str> {
    let user = reached.facts.user.as_ref().ok().filter(|user| !user.is_root() && !user.in_docker_group())?;
    let refused = |unseen: &Unseen| unseen.0.to_lowercase().contains("permission denied");
    reached.facts.docker.as_ref().is_err_and(refused).then_some(user.name.as_str())
}

/// Who may use sudo passes the check of the user, so Docker's own socket is what complains.
fn refusal_told_by(reached: &Reached) -> &'static str {
    match reached.facts.root {
        Ok(()) => "ssh.docker-socket",
        Err(_) => "node.sudo-or-docker-group",
    }
}

/// `a, b and c`.
pub(super) fn and_list<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}
