//! Renewing RKE's leaf certificates: what is there, whether it may be, the run of rke behind the gate, and the look at
//! what came of it.

use serde_json::{Map, Value};

use crate::cluster::Access;
use crate::engine::member_rule::{Answer, MemberChange, judge};
use crate::engine::rke::leaves::{Service, leaves};
use crate::engine::rke::rails::Looks;
use crate::engine::rke::run::Verb;
use crate::facts::api::ApiAnswer;
use crate::failure::{Exit, Failure};
use crate::plan::rotate::{Rotation, rotation};
use crate::plan::{Stage, Step};
use crate::play::Tell;
use crate::session::confirm::{Asking, Confirmed};
use crate::session::inputs::Inputs;
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::rails::{Nodes, gate};
use crate::session::rotated;
use crate::session::run::{Run, guarded};
use crate::session::run_lock::RunLock;
use crate::session::{Context, cluster_api, rke_reasons, stages};

/// What is there, and what would be done.
pub struct Found<'a> {
    pub rotation: Rotation,
    inputs: Inputs<'a>,
    /// cluster.yml as it is applied.
    config: Map<String, Value>,
    access: Access,
}

/// Looks, and plans; nothing is changed.
///
/// # Errors
/// When it may not be done now: another cluster than the inventory's stands there, something is ill, or a certificate has ended.
pub async fn find<'a>(
    project: &'a Project,
    machines: &'a Machines,
    services: &[Service],
    tell: &Tell,
) -> Result<Found<'a>, Failure> {
    if let Some(failure) = machines.unreached() {
        return Err(failure);
    }
    let state = project.state().ok_or_else(|| no_state(project))?;
    let seen = leaves(&state.certificates(), services, jiff::Timestamp::now());
    let seen = seen.map_err(|why| {
        Failure::new(Exit::ChecksFailed, "a certificate in cluster.rkestate cannot be read").because(why)
    })?;
    refuse_ended(&seen)?;
    let access = Access::from_yaml(state.kubeconfig().unwrap_or_default());
    let access = access.map_err(|error| Failure::of(Exit::ChecksFailed, &error))?;
    // First: what is ill is also slow to answer everything else.
    well(&Nodes::new(machines, access.clone()), project).await?;
    let inputs = Inputs::see(project, machines, tell).await?;
    let reached = rke_reasons::reach(&inputs).await?.ok_or_else(silent)?;
    let mut early = stages::refuse(&inputs, Some(&reached)).await?;
    let plan = stages::plan(&inputs, Stage::Cluster, Some(&reached), &mut early).await?;
    refuse_other_changes(&plan.steps)?;
    let (config, _) = inputs.cluster_yml().ok_or_else(silent)?;
    let nodes = reached.cluster.nodes().await.map_err(cluster_api::unseen)?;
    if let Some(node) = nodes.iter().find(|node| !node.ready) {
        return Err(ill(format!("{} is not Ready: {}", node.name, node.message)));
    }
    let mut rotation = rotation(seen, services, &project.inventory.nodes);
    if project.inventory.backup.recipients.is_empty() {
        rotation.notes.push("no backup is set up (`backup` in the inventory): take one first".into());
    }
    Ok(Found { rotation, inputs, config, access })
}

fn no_state(project: &Project) -> Failure {
    Failure::new(Exit::ChecksFailed, format!("there is no whole {}", project.workspace.cluster_state().display()))
        .hint("`cowhand recover-state` brings it back from the running cluster")
}

fn silent() -> Failure {
    Failure::new(Exit::Unreachable, "the Kubernetes API does not answer").hint("`cowhand status` shows what is ill")
}

fn ill(why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::ChecksFailed, "certificates are not renewed while the cluster is ill")
        .because(why)
        .hint("`cowhand status` shows what is ill; nothing was touched")
}

/// Neither etcd nor the API can be asked with certificates that have ended, so nothing could be held back.
fn refuse_ended(leaves: &[crate::engine::rke::leaves::Leaf]) -> Result<(), Failure> {
    let ended: Vec<String> = leaves
        .iter()
        .filter(|leaf| leaf.days_left < 0)
        .map(|leaf| format!("{} ended at {}", leaf.name, leaf.ends))
        .collect();
    if ended.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "certificates have ended already: etcd and the API cannot be asked, so no restart can be held back")
        .because(ended.join("\n"))
        .hint("`rke cert rotate --config cluster.yml` in this folder is what is left: it restarts every etcd and every API server at once, \
               which costs nothing more where the API is away already; it needs a CA that has not ended. Nothing was touched"))
}

/// rke writes the cluster.yml that it is given into its state as applied, and would apply nothing of it but certificates.
fn refuse_other_changes(steps: &[Step]) -> Result<(), Failure> {
    let changes: Vec<String> = steps.iter().filter(|step| step.changes()).map(ToString::to_string).collect();
    match changes.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(Exit::ChecksFailed, "the cluster is not as the inventory wants it")
            .because(changes.join("\n"))
            .hint("`cowhand plan` shows what differs; `cowhand up` first, then rotate. Nothing was touched")),
    }
}

/// The member rule for each restart that comes, and each API server.
async fn well(nodes: &Nodes, project: &Project) -> Result<(), Failure> {
    let members = nodes.etcd().await;
    if members.is_empty() {
        return Err(ill("no member of etcd says who the members are"));
    }
    for node in project.inventory.nodes.iter().filter(|node| node.roles.etcd) {
        let answer = judge(&members, &MemberChange::Rotate { node: node.name.to_lowercase() });
        if answer != Answer::Go {
            return Err(ill(answer));
        }
    }
    match nodes.api_answers().await.into_iter().find(|(_, answer)| *answer != ApiAnswer::Ready) {
        Some((name, answer)) => Err(ill(format!("the API server on {name}: {}", answer.text()))),
        None => Ok(()),
    }
}

/// Asks for the cluster's name, unless it was given as `yes`.
pub async fn confirm(context: &Context, project: &Project, rotation: &Rotation, yes: &[String]) -> Result<(), Failure> {
    let count = rotation.leaves.iter().filter(|leaf| leaf.renewed).count();
    let asking = Asking {
        name: &project.inventory.name,
        question: format!(
            "this renews {count} certificates of the cluster `{}` and restarts its parts",
            project.inventory.name
        ),
        what: "renewing certificates",
        another: "for another cluster go to the folder of its inventory, or name that with -i FILE",
        unasked: "without a terminal, `--yes` with the name of the cluster confirms it",
    };
    match asking.ask(context, None, yes).await? {
        Confirmed::Typed | Confirmed::Given => Ok(()),
    }
}

/// Renews them, behind the lock and after a fresh look.
pub async fn rotate(session: &Session<'_>, services: &[Service]) -> Result<String, Failure> {
    let Session { project, tell, .. } = session;
    let machines = session.machines_for(Stage::Rotate.needs()).await?;
    let alone = session.alone().await?;
    let found = guarded(alone.stop(), find(project, machines, services, tell)).await?;
    let before = guarded(alone.stop(), rotated::see(machines)).await?;
    play(session, &found, services, alone).await?;
    guarded(alone.stop(), rotated::confirmed(project, machines, (&found.rotation, &before), &found.access)).await
}

async fn play(session: &Session<'_>, found: &Found<'_>, services: &[Service], alone: &RunLock) -> Result<(), Failure> {
    let Session { tell, skips, .. } = session;
    let run = Run { inputs: &found.inputs, alone, stop: alone.stop(), tell, skips };
    let gate = gate(found.inputs.machines, (found.access.clone(), true), Stage::Rotate, tell);
    let done = run.rke(Stage::Rotate, Verb::Rotate(services.to_vec()), &found.config, gate).await;
    done.map_err(|failure| match failure.hint {
        Some(_) => failure,
        None => failure.hint(
            "some parts may run with their former certificates, which stay valid; `cowhand rotate` again renews all",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rke::leaves::Leaf;

    #[test]
    fn what_has_ended_is_refused_with_what_is_left() {
        let leaf = |days_left| Leaf {
            name: "kube-apiserver".into(),
            ends: jiff::Timestamp::UNIX_EPOCH,
            days_left,
            renewed: true,
            fingerprint: String::new(),
        };
        assert_eq!(refuse_ended(&[leaf(0), leaf(3)]), Ok(()));
        let refused = refuse_ended(&[leaf(-1), leaf(3)]).unwrap_err();
        assert_eq!(
            (refused.exit, refused.because),
            (Exit::ChecksFailed, vec!["kube-apiserver ended at 1970-01-01T00:00:00Z".into()])
        );
        assert!(refused.hint.unwrap().contains("rke cert rotate --config cluster.yml"));
    }
}
