//! Brings a lost `cluster.rkestate` back from a backup, where the cluster cannot give its own: proved to be this cluster's by
//! the CA that its machines bear.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::backup::OpenBackup;
use crate::engine::rke::state::State;
use crate::facts::{self, CaFingerprint, Fact, Outcome, StateFile, Unseen};
use crate::failure::{Exit, Failure};
use crate::play::Tell;
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::rebuild::{lay_out, refuse_another_ca};
use crate::session::recover::{self, Needs, fetch, refuse_strangers};
use crate::session::run::{guarded, untouched};

/// # Errors
/// Before any machine is asked: when there is nothing to recover, or the backup is another cluster's.
pub fn refuse(project: &Project, open: &OpenBackup) -> Result<(), Failure> {
    if recover::refuse(project, false)? == Needs::Rest {
        return Err(Failure::new(Exit::ChecksFailed, "cluster.rkestate is there and whole; nothing was changed")
            .hint("`cowhand recover-state` without --from brings the other files back from the cluster"));
    }
    refuse_another_ca(project, open)?;
    refuse_strangers(&project.inventory, &parsed(open)?)
}

fn parsed(open: &OpenBackup) -> Result<State, Failure> {
    State::parse(open.state())
        .map_err(|error| Failure::with_cause(Exit::ChecksFailed, "the state in the backup cannot be used", &error))
}

/// The state of the backup, and what else of it this folder lacks. Files that are here stay.
pub async fn recover_from(session: &Session<'_>, file: &Path, open: &OpenBackup) -> Result<String, Failure> {
    let Session { context, project, tell, .. } = session;
    let machines = session.machines().await?;
    let proved = guarded(&context.stop, prove((project, tell), machines, file, open)).await.map_err(untouched)?;
    session.enter().await?;
    let text = Zeroizing::new(open.state().to_owned());
    let mut written = recover::write(project, &parsed(open)?, &text)?;
    written.extend(lay_out(project, open)?);
    let taken = open.manifest.taken;
    tell.warning(format!(
        "the state is as it was at {taken}: what rke changed since is not in it; `cowhand plan` shows what `up` would do before it does it"
    ));
    let names = written.iter().map(|path: &PathBuf| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok(format!("{names} recovered from the backup of {taken}; its CA is on {}", proved.join(", ")))
}

/// The machines that bear the backup's CA.
async fn prove(
    (project, tell): (&Project, &Tell),
    machines: &Machines,
    file: &Path,
    open: &OpenBackup,
) -> Result<Vec<String>, Failure> {
    if let Ok((_, node)) = fetch(machines).await {
        return Err(Failure::new(Exit::ChecksFailed, format!("the cluster itself gives its state, through {node}"))
            .because("it is newer than any backup")
            .hint("`cowhand recover-state` without --from takes it; nothing was changed"));
    }
    if machines.reached.is_empty()
        && let Some(unreached) = machines.unreached()
    {
        return Err(unreached);
    }
    let inventory = &project.inventory;
    let seen = facts::gather(&inventory.nodes, &inventory.rancher.hostname, &machines.answers).await;
    let bears = seen.nodes.iter().map(|observed| match &observed.outcome {
        Outcome::Reached(reached) => (observed.name.clone(), reached.facts.authority.clone()),
        Outcome::Unreachable { reason, .. } => (observed.name.clone(), Err(Unseen(reason.clone()))),
    });
    let bears: Vec<_> = bears.collect();
    for (name, why) in bears.iter().filter_map(|(name, authority)| Some((name, authority.as_ref().err()?))) {
        tell.warning(format!("which CA {name} bears was not seen: {}", why.0));
    }
    judge(&bears, &StateFile::read(file.to_owned(), open.state()))
}

/// # Errors
/// When a machine bears another CA, or none bears this one.
fn judge(bears: &[(String, Fact<Option<CaFingerprint>>)], state: &StateFile) -> Result<Vec<String>, Failure> {
    let of = |name: &String, authority: &CaFingerprint| format!("{name} bears the CA {}", authority.short());
    let others: Vec<String> = bears
        .iter()
        .filter_map(|(name, authority)| Some((name, authority.as_ref().ok()?.as_ref()?)))
        .filter(|(_, authority)| !state.knows(authority))
        .map(|(name, authority)| of(name, authority))
        .collect();
    if !others.is_empty() {
        return Err(Failure::new(
            Exit::ChecksFailed,
            "the backup is of another cluster than the one on these machines",
        )
        .because(others.join("\n"))
        .hint("name the backup of that cluster: `cowhand backup show FILE` tells whose one is; nothing was changed"));
    }
    let ours = bears.iter().filter(|(_, authority)| matches!(authority, Ok(Some(_))));
    let ours: Vec<String> = ours.map(|(name, _)| name.clone()).collect();
    if ours.is_empty() {
        return Err(Failure::new(Exit::ChecksFailed, "no machine bears a CA, so nothing proves whose state it is").hint(
            "where all machines are empty, `cowhand rebuild --from FILE` makes the cluster again; nothing was changed",
        ));
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::StateNodes;

    fn authority(pem: &str) -> CaFingerprint {
        CaFingerprint::from_pem(pem).unwrap_or_else(|why| panic!("{}", why.0))
    }

    fn ours() -> CaFingerprint {
        authority(include_str!("../../tests/data/tls/root.pem"))
    }

    fn theirs() -> CaFingerprint {
        authority(include_str!("../../tests/data/facts/kube-ca.pem"))
    }

    fn judged(bears: &[Fact<Option<CaFingerprint>>]) -> Result<Vec<String>, Failure> {
        let state = StateFile::Present { path: "s".into(), authorities: vec![ours()], nodes: StateNodes::default() };
        let named = bears.iter().enumerate().map(|(at, one)| (format!("n{}", at + 1), one.clone()));
        judge(&named.collect::<Vec<_>>(), &state)
    }

    #[test]
    fn one_machine_that_bears_the_ca_proves_it() {
        let unseen = || Err(Unseen("no answer".into()));
        assert_eq!(judged(&[Ok(Some(ours())), Ok(None), unseen()]).unwrap(), ["n1"]);
        for none in [vec![], vec![Ok(None)], vec![unseen(), Ok(None)]] {
            assert!(judged(&none).unwrap_err().error.contains("no machine bears a CA"));
        }
    }

    #[test]
    fn one_machine_of_another_cluster_is_enough_against_it() {
        let refused = judged(&[Ok(Some(ours())), Ok(Some(theirs()))]).unwrap_err();
        assert_eq!(refused.exit, Exit::ChecksFailed);
        assert!(refused.because[0].starts_with("n2 bears the CA "), "{refused:?}");
    }
}
