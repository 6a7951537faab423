//! `rebuild`: what is seen of the old cluster's machines and of those that it is to stand on, what speaks against it, and what
//! it would do. Pure.

use std::fmt;

use serde::Serialize;

/// A machine of the old cluster, or one that the new one is to stand on; or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildMachine {
    pub name: String,
    pub address: String,
    /// It is in the inventory: the cluster is to stand on it.
    pub new: bool,
    /// A member of etcd, as the inventory has it; of one that is not in there, as the state had it.
    pub etcd: bool,
    /// The state of the backup has it, as a member of etcd or not.
    pub old: Option<OldNode>,
    pub seen: MachineSeen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OldNode {
    pub etcd: bool,
}

/// What a look at a machine found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum MachineSeen {
    /// No trace of a cluster.
    Nothing,
    /// Of this cluster, and without etcd's data; `running` are its containers that run.
    Remains { running: Vec<String> },
    /// etcd's data; `running`: its container runs on them.
    Data { running: bool },
    /// A cluster with another CA, by its fingerprint.
    AnotherCa { authority: String },
    /// Traces of a cluster, and no proof whose.
    Unproved { what: String },
    /// What is there could not be seen.
    Unseen { why: String },
    /// `gone`: it was said to be.
    Unreached { why: String, gone: bool },
}

/// Another reason not to begin: an API that answers for the old cluster, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiSeen {
    /// Address of the node.
    pub at: String,
    /// It gave the cluster's UID; else it only bears a certificate of the cluster's CA.
    pub answers: bool,
}

/// One thing against it, and what settles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    pub seen: String,
    pub fix: String,
}

/// What speaks against the rebuild; empty when nothing does. Nothing in a file and no option takes one of these away, but
/// `--gone` for a machine that cannot be asked.
pub fn against(machines: &[RebuildMachine], apis: &[ApiSeen]) -> Vec<Against> {
    let living = apis.iter().map(|api| Against {
        seen: match api.answers {
            true => format!("the cluster's API answers at {}", api.at),
            false => format!("an API server of this cluster listens at {}", api.at),
        },
        fix: "this cluster lives: `cowhand status` shows what it lacks, and `cowhand up` mends it".into(),
    });
    let quorum = quorum(machines);
    let more = machines.iter().filter_map(|machine| of_machine(machine, quorum.as_deref()));
    living.chain(more).collect()
}

/// More than half of etcd's members have their data: the sentence that says so.
fn quorum(machines: &[RebuildMachine]) -> Option<String> {
    let members: Vec<&RebuildMachine> =
        machines.iter().filter(|machine| machine.old.is_some_and(|old| old.etcd)).collect();
    let with: Vec<&str> = members
        .iter()
        .filter(|machine| matches!(machine.seen, MachineSeen::Data { .. }))
        .map(|machine| machine.name.as_str())
        .collect();
    (with.len() > members.len() / 2).then(|| {
        format!(
            "{} of {} members of etcd have their data ({}): starting them is enough, and nothing is lost; \
             `docker start etcd kube-apiserver kube-controller-manager kube-scheduler kubelet` on each, then `cowhand status`",
            with.len(),
            members.len(),
            with.join(", ")
        )
    })
}

fn of_machine(machine: &RebuildMachine, quorum: Option<&str>) -> Option<Against> {
    let RebuildMachine { name, address, .. } = machine;
    let (seen, fix) = match &machine.seen {
        MachineSeen::Nothing | MachineSeen::Unreached { gone: true, .. } => return None,
        MachineSeen::Remains { running } if machine.new || running.is_empty() => return None,
        MachineSeen::Remains { running } => (
            format!(
                "{name} ({address}) is a node of the old cluster, is not in the inventory, and {} run there: it would join",
                running.join(", ")
            ),
            format!(
                "on {name}, `docker stop {}`, and see that nothing starts them again; or put {name} into the inventory",
                running.join(" ")
            ),
        ),
        MachineSeen::Data { running } => {
            let word = if *running { "and etcd runs on them" } else { "and they may be newer than the backup" };
            let alone = || {
                format!(
                    "`docker start etcd` on {name}, if a cluster can be had back with it; if it is only an old disk, move \
                     what is in /var/lib/etcd there to another folder: cowhand removes no data of etcd"
                )
            };
            (format!("{name} ({address}) has etcd's data, {word}"), quorum.map_or_else(alone, str::to_owned))
        }
        MachineSeen::AnotherCa { authority } => (
            format!("{name} ({address}) belongs to a cluster with another CA ({authority})"),
            format!("take another machine for {name}, or `cowhand down` with that cluster's inventory"),
        ),
        MachineSeen::Unproved { what } => (
            format!("{name} ({address}) has {what}, and no CA that says whose they are"),
            format!("see with `docker ps -a` on {name} whose it is; if nobody needs it, remove it by hand"),
        ),
        MachineSeen::Unseen { why } => (
            format!("what is on {name} ({address}) cannot be seen: {why}"),
            format!("let the user on {name} use Docker, and sudo without a password"),
        ),
        MachineSeen::Unreached { why, gone: false } => (
            format!("{name} ({address}) of the old cluster cannot be asked: {why}"),
            format!(
                "start it, if it can be started: its data may be newer. If it is gone for good, say so: --gone {name}"
            ),
        ),
    };
    Some(Against { seen, fix })
}

/// What would be done, and what is lost by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildPlan {
    /// The cluster's name.
    pub cluster: String,
    /// The backup's file.
    pub file: String,
    pub uid: String,
    /// When it was taken, in UTC, and how long ago that is.
    pub taken: String,
    pub age: String,
    pub revision: u64,
    /// What etcd's revision is raised to, at least.
    pub next_revision: u64,
    pub machines: Vec<RebuildMachine>,
    /// How many of each kind go, because they are about machines and processes that are gone.
    pub taken_out: Vec<(String, u64)>,
    /// What Rancher of the backup believes in, by kind.
    pub rancher: Vec<(String, u64)>,
    /// What no backup holds.
    pub not_in_it: Vec<String>,
    /// Where the host name has to lead.
    pub follow: Vec<String>,
    /// It goes on from where an earlier `rebuild` of the same file ended.
    pub goes_on: bool,
}

impl fmt::Display for RebuildPlan {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RebuildPlan { cluster, file, uid, taken, age, revision, next_revision, .. } = self;
        writeln!(to, "rebuild of `{cluster}` from {file}")?;
        let row = |to: &mut fmt::Formatter<'_>, word: &str, text: &str| writeln!(to, "  {word:<9} {text}");
        row(to, "backup", &format!("taken {taken} UTC, {age} ago; revision {revision}; cluster {uid}"))?;
        for (number, machine) in self.machines.iter().enumerate() {
            row(to, if number == 0 { "machines" } else { "" }, &machine.to_string())?;
        }
        if self.goes_on {
            row(to, "goes on", "an earlier run has put etcd's data in place; nothing of it is done again")?;
        }
        row(
            to,
            "etcd",
            &format!(
                "revision {revision} becomes {next_revision} or more, all before it is compacted; members and cluster get new ids"
            ),
        )?;
        row(
            to,
            "goes",
            &format!(
                "{}; labels and taints that were put on nodes by hand, and pods that no controller makes anew",
                counted(&self.taken_out)
            ),
        )?;
        row(to, "lost", &format!("whatever was changed after {taken} UTC"))?;
        self.not_in_it.iter().try_for_each(|line| row(to, "", line))?;
        match self.rancher.is_empty() {
            true => row(to, "Rancher", "starts last, when all else is proved")?,
            false => row(
                to,
                "Rancher",
                &format!("starts last, when all else is proved; it will believe in {}", counted(&self.rancher)),
            )?,
        }
        for (number, line) in self.follow.iter().enumerate() {
            row(to, if number == 0 { "follows" } else { "" }, line)?;
        }
        Ok(())
    }
}

fn counted(kinds: &[(String, u64)]) -> String {
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for RebuildMachine {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} ({})", self.name, self.address)?;
        let role = match (self.new, self.old.is_some()) {
            (true, true) => "old and new",
            (true, false) => "new",
            (false, _) => "old, not in the inventory",
        };
        write!(to, ": {role}; ")?;
        match &self.seen {
            MachineSeen::Nothing => write!(to, "no trace of a cluster"),
            MachineSeen::Remains { .. } if self.new => write!(to, "what is left of the old cluster is removed first"),
            MachineSeen::Remains { .. } => write!(to, "what is left of the old cluster stands still, and stays"),
            MachineSeen::Data { .. } => write!(to, "etcd's data"),
            MachineSeen::AnotherCa { .. } => write!(to, "another cluster"),
            MachineSeen::Unproved { what } => write!(to, "{what}"),
            MachineSeen::Unseen { .. } => write!(to, "not seen"),
            MachineSeen::Unreached { gone: true, .. } => write!(to, "gone, as you say"),
            MachineSeen::Unreached { gone: false, .. } => write!(to, "not reached"),
        }
    }
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
