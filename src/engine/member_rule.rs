//! The member rule: whether etcd's members may change now, so that no change of ours takes its majority away. Pure.
//!
//! `after = members - leaving + joining`; voters are those of `after` that are no learners. *Down* is who does not answer a
//! read asked of it alone, who has an alarm, who has no name yet, who is being restarted (by this change or already), and
//! the one that joins, where there are two voters or more. What is unknown is down.
//!
//! The members have a majority *now*, or this is recovery and no change. Then: allowed when there is no learner and
//! `voters - down >= voters / 2 + 1`. Ask when planning, ask again at the step's door with a fresh look, and after it.
//!
//! Starting a container that stands still takes nobody away: it is no change, and nobody needs to ask.

use std::fmt;

use serde::Serialize;

use crate::facts::{EtcdAsked, Fact, etcd};

/// One member of etcd, as it was seen just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its node's name, lower case; where it has no name yet, the host of its peer URL.
    pub node: String,
    /// It has a name in etcd's list: it has started at least once.
    pub named: bool,
    pub learner: bool,
    /// To a quorum read asked of it alone. Not asked, or not known: `false`.
    pub answers: bool,
    /// It says that there is an alarm (no space, corrupt).
    pub alarm: bool,
    /// Somebody restarts it at this moment.
    pub restarting: bool,
}

impl Member {
    /// A voter that has started and answers.
    pub fn well(node: &str) -> Member {
        Member { node: node.into(), named: true, learner: false, answers: true, alarm: false, restarting: false }
    }

    fn down(&self) -> bool {
        !self.answers || self.alarm || !self.named || self.restarting
    }
}

/// What is about to happen to a member. `node` is [`Member::node`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum MemberChange {
    /// It comes as a voter. One that is listed already and never started is started.
    Join { node: String },
    /// It is taken out of etcd's list.
    Leave { node: String },
    /// `leaves` first, then `joins`. The other order is a join and then a leave.
    Replace { leaves: String, joins: String },
    /// Its process ends and starts again.
    Restart { node: String },
    /// The same, for other certificates.
    Rotate { node: String },
    /// The same, for another version or other settings.
    Upgrade { node: String },
}

impl MemberChange {
    /// Which node it is about; of a replacement the one that leaves.
    pub fn node(&self) -> &str {
        match self {
            MemberChange::Join { node }
            | MemberChange::Leave { node }
            | MemberChange::Replace { leaves: node, .. }
            | MemberChange::Restart { node }
            | MemberChange::Rotate { node }
            | MemberChange::Upgrade { node } => node,
        }
    }
}

impl fmt::Display for MemberChange {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberChange::Join { node } => write!(to, "{node} joins etcd"),
            MemberChange::Leave { node } => write!(to, "{node} leaves etcd"),
            MemberChange::Replace { leaves, joins } => write!(to, "{joins} takes the place of {leaves} in etcd"),
            MemberChange::Restart { node } => write!(to, "etcd on {node} restarts"),
            MemberChange::Rotate { node } => write!(to, "etcd on {node} restarts with other certificates"),
            MemberChange::Upgrade { node } => write!(to, "etcd on {node} is replaced by another version"),
        }
    }
}

/// What the rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    Go,
    /// It goes once these are well; how long that is waited for is the caller's affair.
    WaitFor {
        nodes: Vec<String>,
        why: Wait,
    },
    /// It does not become allowed by itself.
    Person {
        why: Person,
    },
}

impl Answer {
    pub fn is_go(&self) -> bool {
        *self == Answer::Go
    }

    /// [`Answer::is_go`], or that etcd is away for the moment of a restart: one or two members restart in no other way.
    pub fn lets_up_go(&self) -> bool {
        matches!(self, Answer::Go | Answer::Person { why: Person::Away { .. } })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// They are down, and without them too few are left.
    Down,
    /// They do not vote yet.
    Learner,
}

/// Why a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Person {
    /// etcd has no majority now: it is recovered, not changed.
    NoQuorum { answer: usize, voters: usize },
    /// All that etcd knows would go with it.
    LastMember { node: String },
    /// Too few would be left even with all others well: etcd, and the API with it, are away until it is back.
    Away { node: String, voters: usize },
    /// These have an alarm, which does not go by itself.
    Alarm { nodes: Vec<String> },
}

impl fmt::Display for Answer {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Go => write!(to, "etcd keeps its majority"),
            Answer::WaitFor { nodes, why: Wait::Down } => {
                write!(to, "etcd would have no majority while {} is down", nodes.join(", "))
            }
            Answer::WaitFor { nodes, why: Wait::Learner } => {
                write!(to, "{} is a learner of etcd and does not vote yet", nodes.join(", "))
            }
            Answer::Person { why } => why.fmt(to),
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Person::NoQuorum { answer, voters } => {
                write!(to, "{answer} of {voters} etcd members are well: etcd has no majority, and has to be recovered")
            }
            Person::LastMember { node } => write!(to, "{node} is the only etcd member: all that etcd knows is on it"),
            Person::Away { node, voters } => {
                write!(to, "with {voters} etcd members there is no etcd and no API while {node} restarts")
            }
            Person::Alarm { nodes } => write!(to, "etcd has an alarm on {}", nodes.join(", ")),
        }
    }
}

/// The members as etcd lists them, each with its own answer to a quorum read (etcd 3.5: etcdctl/ctlv3/command/ep_command.go).
///
/// # Errors
/// When no node gave a list: then nothing may change.
pub fn seen(asked: &[EtcdAsked]) -> Fact<Vec<Member>> {
    let votes = || asked.iter().filter_map(|one| one.answer.as_ref().ok()).flat_map(|answer| &answer.health);
    let member = |one: &etcd::Member| {
        let own = |endpoint: &str| etcd::host(endpoint).is_some_and(|host| one.addresses.contains(&host));
        let alarm = votes().any(|vote| own(&vote.endpoint) && vote.error.starts_with(ALARM));
        Member {
            node: one.node(),
            named: !one.name.is_empty(),
            learner: one.learner,
            answers: alarm || votes().any(|vote| own(&vote.endpoint) && vote.healthy),
            alarm,
            restarting: false,
        }
    };
    Ok(etcd::members(asked)?.into_iter().map(member).collect())
}

/// How etcdctl begins when a member answers and there is an alarm.
const ALARM: &str = "Active Alarm";

/// Whether `change` may happen to etcd with these members.
pub fn judge(members: &[Member], change: &MemberChange) -> Answer {
    if !members.is_empty() && !enough(members) {
        let voters = || members.iter().filter(|one| !one.learner);
        let coming: Vec<&Member> = voters().filter(|one| one.restarting).collect();
        let back = |one: &Member| Member { restarting: false, ..one.clone() };
        if !coming.is_empty() && enough(&members.iter().map(back).collect::<Vec<_>>()) {
            return wait(coming, Wait::Down);
        }
        let calm: Vec<Member> = members.iter().map(|one| Member { alarm: false, ..one.clone() }).collect();
        if enough(&calm) {
            let nodes = voters().filter(|one| one.alarm).map(|one| one.node.clone()).collect();
            return Answer::Person { why: Person::Alarm { nodes } };
        }
        let answer = voters().filter(|one| !one.down()).count();
        return Answer::Person { why: Person::NoQuorum { answer, voters: voters().count() } };
    }
    match change {
        MemberChange::Join { node } => join(members, node),
        MemberChange::Leave { node } => leave(members, node),
        MemberChange::Replace { leaves, joins } => match leave(members, leaves) {
            Answer::Go => join(&without(members, leaves), joins),
            other @ (Answer::WaitFor { .. } | Answer::Person { .. }) => other,
        },
        MemberChange::Restart { node } | MemberChange::Rotate { node } | MemberChange::Upgrade { node } => {
            settled(members.to_vec(), Some(node))
        }
    }
}

/// More than half of the voters are well.
fn enough(members: &[Member]) -> bool {
    let voters = members.iter().filter(|one| !one.learner);
    voters.clone().filter(|one| !one.down()).count() > voters.count() / 2
}

fn without(members: &[Member], node: &str) -> Vec<Member> {
    members.iter().filter(|one| one.node != node).cloned().collect()
}

fn leave(members: &[Member], node: &str) -> Answer {
    let after = without(members, node);
    if after.iter().all(|one| one.learner) {
        return Answer::Person { why: Person::LastMember { node: node.into() } };
    }
    settled(after, None)
}

/// The one that comes is a voter that is down. Only a single member may get a second one: it is gone with it for a moment,
/// and otherwise could never grow (etcd: server/etcdserver/server.go, mayAddMember).
fn join(members: &[Member], node: &str) -> Answer {
    let mut after = members.to_vec();
    if !members.iter().any(|one| one.node == node) {
        after.push(Member::well(node));
    }
    let grows = members.iter().filter(|one| !one.learner).count() < 2;
    settled(after, (!grows).then_some(node))
}

/// Whether `after` is allowed, with `busy` down for a while.
fn settled(mut after: Vec<Member>, busy: Option<&str>) -> Answer {
    let learners: Vec<&Member> = after.iter().filter(|one| one.learner).collect();
    if !learners.is_empty() {
        return wait(learners, Wait::Learner);
    }
    after.iter_mut().filter(|one| Some(one.node.as_str()) == busy).for_each(|one| one.restarting = true);
    if enough(&after) {
        return Answer::Go;
    }
    let is_busy = |one: &Member| Some(one.node.as_str()) == busy;
    let ill = |alarm: bool| after.iter().filter(move |one| one.down() && !is_busy(one) && one.alarm == alarm);
    let mended = |also_alarms: bool| {
        let stays = |one: &Member| is_busy(one) || (one.alarm && !also_alarms);
        let mend = |one: &Member| if stays(one) { one.clone() } else { Member::well(&one.node) };
        enough(&after.iter().map(mend).collect::<Vec<_>>())
    };
    if mended(false) {
        return wait(ill(false).collect(), Wait::Down);
    }
    Answer::Person {
        why: match mended(true) {
            true => Person::Alarm { nodes: ill(true).map(|one| one.node.clone()).collect() },
            false => Person::Away { node: busy.unwrap_or_default().to_owned(), voters: after.len() },
        },
    }
}

fn wait(members: Vec<&Member>, why: Wait) -> Answer {
    Answer::WaitFor { nodes: members.into_iter().map(|one| one.node.clone()).collect(), why }
}

#[cfg(test)]
#[path = "member_rule_tests.rs"]
mod tests;
