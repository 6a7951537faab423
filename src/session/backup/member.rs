//! Which member of etcd gives the snapshot, and how it comes.

use futures::future::join_all;

use crate::backup::{MemberStatus, Snapshot, Spool, Spooled, Tls, status};
use crate::engine::rke::state::State;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::play::Tell;
use crate::session::machines::{Machine, Machines};

/// Where etcd listens for clients on its own machine.
const ETCD: (&str, u16) = ("127.0.0.1", 2379);

/// A member that answers.
pub struct Chosen<'a> {
    pub machine: &'a Machine,
    pub status: MemberStatus,
}

/// The follower that is furthest, or the leader where no follower answers. Each is asked alone.
pub async fn choose<'a>(machines: &'a Machines, state: &State) -> Result<Chosen<'a>, Failure> {
    let members = machines.reached.iter().filter(|machine| machine.node.roles.etcd);
    let asked = members.map(async |machine| (machine, ask(machine, state).await));
    let answers = join_all(asked).await;
    let mut fit = Vec::new();
    let mut reasons = Vec::new();
    for (machine, answer) in answers {
        let unfit = |why: String| format!("{}: {why}", machine.node.name);
        match answer {
            Ok(status) if status.learner => reasons.push(unfit("it is a learner".into())),
            Ok(status) if status.leader == 0 => reasons.push(unfit("it knows no leader".into())),
            Ok(status) if !status.errors.is_empty() => reasons.push(unfit(status.errors.join(", "))),
            Ok(status) => fit.push(Chosen { machine, status }),
            Err(why) => reasons.push(unfit(why)),
        }
    }
    best(fit).ok_or_else(|| {
        Failure::new(Exit::Unreachable, "no member of etcd can give a snapshot")
            .because(reasons.join("\n"))
            .hint("`cowhand status` tells how etcd's members are")
    })
}

fn best(fit: Vec<Chosen<'_>>) -> Option<Chosen<'_>> {
    fit.into_iter().max_by_key(|one| (!one.status.leads(), one.status.term, one.status.index))
}

async fn ask(machine: &Machine, state: &State) -> Result<MemberStatus, String> {
    let tls = pair(state).ok_or("the state has no certificate for etcd")?;
    let wire = machine.connection.open_tcp(ETCD.0, ETCD.1).await.map_err(|error| error.to_string())?;
    status(wire, tls).await
}

/// The whole snapshot, as it comes.
pub async fn bring(member: &Chosen<'_>, state: &State, mut spool: Spool, tell: &Tell) -> Result<Spooled, Failure> {
    let name = &member.machine.node.name;
    let failed = |why: String| {
        Failure::new(Exit::Unreachable, format!("etcd's snapshot from {name} did not come whole"))
            .because(why)
            .hint("nothing was kept; the same command again asks anew")
    };
    let unspooled = |error: std::io::Error| Failure::with_cause(Exit::NotHere, "the snapshot cannot be kept", &error);
    let tls = pair(state).ok_or_else(|| failed("the state has no certificate for etcd".into()))?;
    let wire = member.machine.connection.open_tcp(ETCD.0, ETCD.1).await;
    let wire = wire.map_err(|error| failed(error.to_string()))?;
    let mut snapshot = Snapshot::begin(wire, tls).await.map_err(failed)?;
    let (mut here, mut told) = (0u64, 0u64);
    while let Some((bytes, left)) = snapshot.piece().await.map_err(failed)? {
        spool.write(&bytes).map_err(unspooled)?;
        here += bytes.len() as u64;
        let all = here + left;
        // A line for each hundredth is enough.
        if here * 100 / all.max(1) > told {
            told = here * 100 / all.max(1);
            let text = format!("snapshot from {name}: {} of {} MiB", here >> 20, all >> 20);
            tell.part(Stage::Backup, text, here as f64 / all as f64);
        }
    }
    spool.finish().map_err(unspooled)
}

/// The pair of the state with which rke and the API server log in to etcd.
fn pair(state: &State) -> Option<Tls<'_>> {
    let pair = state.node_pair()?;
    Some(Tls { ca: state.ca_pem()?, certificate: pair.certificate, key: pair.key })
}
