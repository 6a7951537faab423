//! What is on the machines already: this cluster, another one, or what one left behind.

use crate::facts::etcd::LASTING;
use crate::facts::{CaFingerprint, ContainerState, Fact, FolderState, Leftover, Reached, StateFile};
use crate::inventory::Node;

use super::context::{and_list, refused_user, unasked};
use super::{Answer, Check, Context, Verdict};

pub const FOREIGN_CLUSTER: Check = Check {
    id: "cluster.foreign",
    what: "a cluster that runs on the node is the one whose state lies in the workspace",
    why: "rke without the right cluster.rkestate makes a new CA over the running cluster and destroys it",
    fix: "put the cluster.rkestate of that cluster into the workspace (`cowhand recover-state` fetches it from the nodes), or take other machines",
    run: foreign_cluster,
    offline: false,
};

fn foreign_cluster(context: &Context) -> Vec<Answer> {
    let state = &context.workspace.state;
    let broken = context.workspace.broken.iter().filter(|_| context.inventory.engine.keeps_state());
    let broken = broken.map(|(seen, will)| Answer::warn(seen, will));
    let nodes = context.each_node(|node, reached| {
        let facts = &reached.facts;
        match (&facts.containers, &facts.authority) {
            (Ok(_), _) if !facts.runs_cluster() => Answer::pass("no cluster runs here"),
            (Ok(_), Ok(Some(authority))) if state.knows(authority) => {
                Answer::pass(format!("the cluster of this workspace (CA {})", authority.short()))
            }
            (Ok(_), Ok(Some(authority))) => foreign(node, authority, state),
            (Ok(_), Ok(None)) => Answer::fail(
                "containers of a cluster run here, but its CA is not in /etc/kubernetes/ssl",
                format!("find out what `docker ps` on {} shows; take another machine if somebody needs it", node.name),
            ),
            (Ok(_), Err(unseen)) => Answer::unknown(
                "whose cluster runs here",
                unseen,
                format!("let the user on {} use sudo without a password", node.name),
            ),
            // without Docker's answer, no trace of a CA still says that there is none
            (Err(_), Ok(None)) => Answer::pass("no trace of a cluster"),
            (Err(_), Ok(Some(authority))) if state.knows(authority) => {
                Answer::pass(format!("only traces of this workspace's cluster (CA {})", authority.short()))
            }
            (Err(unseen), Ok(Some(_)) | Err(_)) if refused_user(reached).is_some() => {
                let (why, fix) = unasked(node, reached, unseen);
                Answer::unknown("whether a cluster runs here", &why, fix)
            }
            (Err(unseen), Ok(Some(_)) | Err(_)) => Answer::unknown(
                "whether a cluster runs here",
                unseen,
                format!("let Docker on {} be seen: see docker.present and ssh.docker-socket", node.name),
            ),
        }
    });
    nodes.into_iter().chain(broken).collect()
}

fn foreign(node: &Node, authority: &CaFingerprint, state: &StateFile) -> Answer {
    let running = format!("a cluster with the CA {} runs here", authority.short());
    let take_another = format!("if it is not yours, take another machine for {}", node.name);
    match state {
        StateFile::Absent => Answer::fail(
            format!("{running}, and there is no cluster.rkestate in the workspace"),
            format!("if it is yours, `cowhand recover-state` brings the file back from the node; {take_another}"),
        ),
        StateFile::Unreadable { path, reason } => Answer::fail(
            format!("{running}, and {} cannot be read: {reason}", path.display()),
            format!("move the file aside, then `cowhand recover-state`; {take_another}"),
        ),
        StateFile::Present { path, authorities, .. } => Answer::fail(
            format!(
                "{running}, but {} is of a cluster with the CA {}",
                path.display(),
                and_list(authorities.iter().map(CaFingerprint::short))
            ),
            format!("use the inventory and workspace of the cluster that runs there; {take_another}"),
        ),
    }
}

pub const LEFTOVERS: Check = Check {
    id: "leftover.cluster",
    what: "no remains of a former cluster",
    why: "old etcd data and certificates keep the new members from joining (`etcd unhealthy`, `x509: unknown authority`)",
    fix: "`cowhand down` with the old cluster's inventory, or remove the folders and containers by hand",
    run: leftovers,
    offline: false,
};

/// Folders whose content breaks a new cluster; the others are only untidy, and some come with packages such as podman.
const HARMFUL: &[&str] = &["/etc/kubernetes", "/var/lib/etcd"];

fn leftovers(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let facts = &reached.facts;
        let ours = matches!(&facts.authority, Ok(Some(authority)) if context.workspace.state.knows(authority));
        if ours {
            return Answer::pass("what is there belongs to this workspace's cluster");
        }
        // whose it is, cluster.foreign says
        if facts.runs_cluster() {
            return Answer::pass("a cluster runs here");
        }
        let folders = match &facts.leftovers {
            Ok(folders) => folders,
            Err(unseen) => return Answer::unknown("what a former cluster left", unseen, "look again"),
        };
        let full: Vec<&str> = folders
            .iter()
            .filter(|folder| folder.state == FolderState::Full || hidden(folder.path.as_str(), folder.state))
            .map(|folder| folder.path.as_str())
            .collect();
        let answer = judge(node, &full, &stopped(context, reached));
        match (answer.verdict, &facts.traces) {
            (Verdict::Pass, _) => answer,
            // by hand these commands would destroy what that distribution runs
            (_, Ok(traces)) if !traces.is_empty() => {
                let fix = format!("see node.other-distribution first: that one's own removal cleans {}", node.name);
                Answer { fix, ..answer }
            }
            (_, Ok(_) | Err(_)) => whose(answer, reached),
        }
    })
}

/// Names the CA of what is there: it may be somebody's cluster that is only stopped.
fn whose(answer: Answer, reached: &Reached) -> Answer {
    match &reached.facts.authority {
        Ok(Some(authority)) => {
            let whose = format!("of a cluster with the CA {}, which this workspace does not know", authority.short());
            Answer { seen: format!("{}; {whose}", answer.seen), ..answer }
        }
        Ok(None) | Err(_) => answer,
    }
}

/// What a cluster left on a machine that cannot be had back: full folders, and containers that outlive an `rke up` and
/// stopped. The short ones may be left by any interrupted run and do no harm.
pub(super) fn harmful_remains(context: &Context, reached: &Reached) -> Fact<Vec<String>> {
    let folders = reached.facts.leftovers.as_ref().map_err(Clone::clone)?;
    let full = |folder: &&Leftover| folder.state == FolderState::Full || folder.state == FolderState::Unreadable;
    let full = folders.iter().filter(|folder| HARMFUL.contains(&folder.path.as_str())).filter(full);
    let stopped = stopped(context, reached).into_iter().map(|name| format!("container {name}"));
    Ok(full.map(|folder| folder.path.clone()).chain(stopped).collect())
}

/// Not to be looked into, where content would be harmful: taken for full.
fn hidden(path: &str, state: FolderState) -> bool {
    state == FolderState::Unreadable && HARMFUL.contains(&path)
}

fn stopped<'a>(context: &Context, reached: &'a Reached) -> Vec<&'a str> {
    let containers = reached.facts.containers.as_deref().unwrap_or_default();
    let images = context.system_images();
    let remains = containers.iter().filter(|one| one.state == ContainerState::Stopped && one.is_of_rke(&images));
    remains.map(|one| one.name.as_str()).filter(|name| LASTING.contains(name)).collect()
}

fn judge(node: &Node, full: &[&str], stopped: &[&str]) -> Answer {
    let harmful: Vec<&str> = full.iter().copied().filter(|path| HARMFUL.contains(path)).collect();
    let mut commands = Vec::new();
    if !stopped.is_empty() {
        commands.push(format!("docker rm -fv {}", stopped.join(" ")));
    }
    if !full.is_empty() {
        commands.push(format!("sudo rm -rf --one-file-system {}", full.join(" ")));
    }
    // Nothing that may be a cluster's is called rubbish first.
    let living = match (stopped.is_empty(), harmful.is_empty()) {
        (false, _) => format!(
            "a cluster that only stands still is started by `docker start {}`, and its files come back by `cowhand recover-state` \
             or `cowhand adopt`; ",
            stopped.join(" ")
        ),
        (true, false) => {
            "it may be all that is left of a cluster: look whose it is, or take another machine; ".to_owned()
        }
        (true, true) => String::new(),
    };
    let fix = format!(
        "{living}if nothing of it is needed any more and nobody is building a cluster there, on {}: `{}`",
        node.name,
        commands.join(" && ")
    );
    let seen = match (full.is_empty(), stopped.is_empty()) {
        (true, true) => return Answer::pass("none"),
        (false, true) => format!("not empty: {}", and_list(full)),
        (true, false) => format!("stopped containers {}", and_list(stopped)),
        (false, false) => format!("not empty: {}; stopped containers {}", and_list(full), and_list(stopped)),
    };
    if harmful.is_empty() && stopped.is_empty() { Answer::warn(seen, fix) } else { Answer::fail(seen, fix) }
}

pub const OTHER_DISTRIBUTION: Check = Check {
    id: "node.other-distribution",
    what: "no rke2, k3s, kubeadm, k0s or microk8s",
    why: "two Kubernetes on one machine fight for the same ports, interfaces and packet filter rules",
    fix: "run the other one's uninstall script, or take another machine",
    run: other_distribution,
    offline: false,
};

fn other_distribution(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let traces = match &reached.facts.traces {
            Ok(traces) => traces,
            Err(unseen) => return Answer::unknown("traces of other distributions", unseen, "look again"),
        };
        let paths: Vec<&str> = traces.iter().map(|trace| trace.path.as_str()).collect();
        if paths.is_empty() {
            return Answer::pass("none");
        }
        let runs = if traces.iter().any(|trace| trace.running) { "it runs: " } else { "" };
        Answer::fail(
            format!("{runs}{}", and_list(&paths)),
            format!("on {}, run {}; or take another machine", node.name, uninstall(&paths)),
        )
    })
}

/// What each distribution brings for its own removal, by a part of its paths.
const UNINSTALL: &[(&str, &str)] = &[
    ("rke2", "`sudo rke2-uninstall.sh`"),
    ("k3s", "`sudo k3s-uninstall.sh`"),
    ("k0s", "`sudo k0s stop && sudo k0s reset`"),
    ("microk8s", "`sudo snap remove --purge microk8s`"),
];

fn uninstall(paths: &[&str]) -> &'static str {
    let found = UNINSTALL.iter().find(|(part, _)| paths.iter().any(|path| path.contains(part)));
    found.map_or("`sudo kubeadm reset`", |(_, command)| command)
}
