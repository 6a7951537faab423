//! The gate on rke's way to the nodes, with fresh looks at etcd and at the API servers through our own connections.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

use crate::cluster::Access;
use crate::engine::member_rule::Member;
use crate::engine::rke::rails::{Held, Looks, Rails, Told};
use crate::facts::api::{API_PORT, ApiAnswer, ask};
use crate::facts::etcd_alone::{self, EtcdAlone};
use crate::facts::{Fact, etcd};
use crate::plan::Stage;
use crate::play::Tell;
use crate::session::machines::{Machine, Machines};

/// For one API server: it has to say that it serves everything.
const ANSWER: Duration = Duration::from_secs(2);

/// What the rule goes by, asked on each node.
pub struct Nodes {
    machines: Vec<Machine>,
    access: Access,
}

impl Nodes {
    pub fn new(machines: &Machines, access: Access) -> Nodes {
        Nodes { machines: machines.reached.clone(), access }
    }

    /// Every control plane, and what its API server says.
    pub async fn api_answers(&self) -> Vec<(String, ApiAnswer)> {
        let planes = self.machines.iter().filter(|machine| machine.node.roles.controlplane);
        let asked = planes.map(async |machine| {
            let answer =
                tokio::time::timeout(ANSWER * 2, ask(&machine.connection, &self.access, API_PORT, ANSWER)).await;
            let late = |_| ApiAnswer::Silent(format!("no answer within {} s", (ANSWER * 2).as_secs()));
            (machine.node.name.clone(), answer.unwrap_or_else(late))
        });
        join_all(asked).await
    }
}

impl Looks for Nodes {
    fn etcd(&self) -> BoxFuture<'_, Vec<Member>> {
        Box::pin(async {
            let members = self.machines.iter().filter(|machine| machine.node.roles.etcd);
            let asked = members.map(async |machine| {
                (
                    machine.node.name.to_lowercase(),
                    etcd_alone::ask(&machine.connection, &machine.node.docker_socket).await,
                )
            });
            members_of(&join_all(asked).await)
        })
    }

    fn apis(&self) -> BoxFuture<'_, Vec<(String, bool)>> {
        Box::pin(async {
            let answers = self.api_answers().await.into_iter();
            answers.map(|(name, answer)| (name, answer == ApiAnswer::Ready)).collect()
        })
    }
}

/// Every member that any of them lists; one that was not asked, or gave no answer, does not answer.
fn members_of(asked: &[(String, Fact<EtcdAlone>)]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for listed in asked.iter().filter_map(|(_, said)| said.as_ref().ok()).flat_map(|said| &said.members) {
        let host = || listed.peers.first().and_then(|url| etcd::host(url)).unwrap_or_default();
        let named = listed.name.strip_prefix("etcd-").map(str::to_lowercase);
        let node = named.clone().unwrap_or_else(host);
        if members.iter().any(|member| member.node == node) {
            continue;
        }
        let answers = asked.iter().any(|(name, said)| *name == node && said.as_ref().is_ok_and(|said| said.answers));
        members.push(Member { named: named.is_some(), learner: listed.learner, answers, ..Member::well(&node) });
    }
    members
}

/// The gate for one run of rke over a cluster that lives, or is not known to; what it holds and lets go is told under this stage.
pub fn gate(machines: &Machines, (access, lives): (Access, bool), stage: Stage, tell: &Tell) -> Arc<Rails> {
    let nodes = machines.reached.iter().map(|machine| (machine.node.address.clone(), machine.node.name.clone()));
    let tell = tell.clone();
    let told = Box::new(move |told| say(&tell, stage, &told));
    Arc::new(Rails::new(nodes.collect(), Box::new(Nodes::new(machines, access)), told, lives))
}

fn say(tell: &Tell, stage: Stage, told: &Told) {
    let named = |what: &Held, node: &str| format!("{what} on {node}");
    match told {
        Told::Ends { what, node, waited } if *waited >= 1.0 => {
            tell.progress(stage, format!("{} restarts, after {waited:.1} s for its turn", named(what, node)));
        }
        Told::Ends { what, node, .. } => tell.progress(stage, format!("{} restarts", named(what, node))),
        Told::Back { what, node, after } => tell.note(format!("{} is back after {after:.1} s", named(what, node))),
        Told::Refused { why } => tell.note(format!("held back from rke, which asks again: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Unseen;
    use crate::facts::etcd_alone::Listed;

    #[test]
    fn who_is_not_heard_does_not_answer_and_who_is_listed_is_a_member() {
        let listed = |name: &str, host: &str| Listed {
            name: name.into(),
            learner: false,
            peers: vec![format!("https://{host}:2380")],
        };
        let list = vec![listed("etcd-N1", "10.0.0.1"), listed("etcd-n2", "10.0.0.2"), listed("", "10.0.0.3")];
        let said = |answers| Ok(EtcdAlone { answers, members: list.clone() });
        let members = members_of(&[("n1".into(), said(true)), ("n2".into(), Err(Unseen("no answer".into())))]);
        let told: Vec<(&str, bool, bool)> =
            members.iter().map(|one| (one.node.as_str(), one.named, one.answers)).collect();
        assert_eq!(told, [("n1", true, true), ("n2", true, false), ("10.0.0.3", false, false)]);
        assert_eq!(members_of(&[("n1".into(), Err(Unseen("away".into())))]), []);
    }
}
