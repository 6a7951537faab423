//! `down`: what is asked before, and, on the machines that cowhand built on, what is there, whether it may go, the plan, and its
//! steps.

use tokio_util::sync::CancellationToken;

use crate::check;
use crate::engine::rke::{Sweep, SweepError, Swept};
use crate::facts::{Observed, WorkspaceFacts};
use crate::failure::{Exit, Failure};
use crate::inventory::Existing;
use crate::local::WorkspaceError;
use crate::plan::removal::{BuiltFound, NodeSeen, of_built};
use crate::plan::{Removal, Stage, StagePlan, Step};
use crate::play::Tell;
use crate::report::Pauser;
use crate::session::confirm::{Asking, Confirmed};
use crate::session::machines::{Machine, Machines};
use crate::session::members;
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::run::{Remover, guarded, untouched};
use crate::session::uninstall::TakeAway;
use crate::session::{Context, adoption, guards, inputs, ownership};

/// # Errors
/// When the cluster is protected, or nothing proves which one is meant.
pub fn refuse(project: &Project) -> Result<(), Failure> {
    adoption::refuse(&project.inventory, &project.workspace, "removed")?;
    refuse_unnamed(project)
}

/// # Errors
/// When nothing proves which cluster is meant: the kubeconfig's current context is whichever somebody worked on last.
pub fn refuse_unnamed(project: &Project) -> Result<(), Failure> {
    let Some(Existing { context: None, .. }) = project.inventory.engine.given_cluster() else { return Ok(()) };
    let line = project.cluster_line().unwrap_or_default();
    let error = format!(
        "nothing proves which cluster is meant: this workspace has not pinned one, and the inventory names no context; {line} could be any"
    );
    Err(Failure::new(Exit::ChecksFailed, error)
        .hint("set engine.existing.context to the context of the cluster that is meant; nothing was touched"))
}

/// What would go, and from where, by names that tell one cluster from another.
pub fn announced(project: &Project) -> String {
    let Project { inventory, .. } = project;
    let (name, hostname) = (&inventory.name, &inventory.rancher.hostname);
    match project.cluster_line() {
        Some(line) => format!(
            "this removes Rancher {hostname} and what cowhand made for it, as `{name}`, from the cluster at {line}; the cluster stays"
        ),
        None => {
            let nodes = inventory.nodes.iter().map(|node| match node.name == node.address {
                true => node.name.clone(),
                false => format!("{} ({})", node.name, node.address),
            });
            let nodes = nodes.collect::<Vec<_>>().join(", ");
            format!("this removes the cluster `{name}` and Rancher {hostname} with all its data from {nodes}")
        }
    }
}

/// What helps where nobody is there to type the cluster's name.
pub const NOBODY: &str = "without a terminal, `--yes` with the name of the cluster that is meant confirms it";

/// Asks for the cluster's name, unless it was given as `yes`.
pub async fn confirm(
    context: &Context,
    project: &Project,
    yes: &[String],
    screen: Option<Pauser>,
) -> Result<(), Failure> {
    // Whoever stands in the wrong folder is not told how to remove the cluster of this one.
    let another = format!(
        "{} is the inventory of `{}`; for another cluster go to the folder of its inventory, or name that with -i FILE",
        project.file.display(),
        project.inventory.name
    );
    let asking = Asking {
        name: &project.inventory.name,
        question: announced(project),
        what: "removing a cluster",
        another: &another,
        unasked: NOBODY,
    };
    match asking.ask(context, screen, yes).await? {
        Confirmed::Typed => Ok(()),
        Confirmed::Given => {
            context.console.talk(&asking.question);
            Ok(())
        }
    }
}

/// Removes what this workspace made, wherever that is.
pub async fn remove(session: &Session<'_>) -> Result<String, Failure> {
    let Session { project, tell, .. } = session;
    let machines = session.machines_for(Stage::Remove.needs()).await?;
    session.enter().await?;
    if project.inventory.engine.is_shared() {
        return leave(session, machines).await;
    }
    let alone = session.alone().await?;
    take_away(project, machines, alone.stop(), tell).await
}

/// Removes from a cluster that was there before what cowhand made in it.
async fn leave(session: &Session<'_>, machines: &Machines) -> Result<String, Failure> {
    let Session { context, project, tell, .. } = session;
    let reached = guarded(&context.stop, inputs::reach(project, machines)).await?;
    let reached = reached.ok_or_else(|| inputs::nothing_there(project))?;
    // Not even the lock is written into a cluster of another inventory; behind the lock it is looked at again.
    guarded(&context.stop, ownership::refuse(project, &reached)).await?;
    let alone = session.alone().await?;
    TakeAway::new(project, &reached, alone, tell).await?.run().await
}

/// What may go, and how.
pub struct Found {
    pub plan: StagePlan,
    sweep: Sweep,
}

/// Looks, and plans; nothing is changed.
///
/// # Errors
/// When anything stands against it: it is not all proved to be this workspace's cluster, and nothing else.
pub async fn find(project: &Project, machines: &Machines, stop: &CancellationToken) -> Result<Found, Failure> {
    let Some(rke) = project.inventory.engine.rke_settings() else {
        return Err(Failure::new(Exit::Bug, "nodes are swept without an engine rke"));
    };
    let observed = guarded(stop, judged(project, machines)).await.map_err(untouched)?;
    let addresses = observed.reached().filter_map(|(_, reached)| reached.facts.addresses.as_ref().ok()).flatten();
    let sweep = Sweep::new(rke, addresses.map(|address| address.ip).filter(|ip| !ip.is_loopback()));
    let state = proving_state(project)?;
    let looked = on_all(machines, async |machine| sweep.look(&machine.connection, &machine.node.name).await);
    let looked = guarded(stop, looked).await?;
    let seen = |(machine, swept): (&Machine, Swept)| NodeSeen {
        name: machine.node.name.clone(),
        goes: swept.left,
        stays: swept.kept,
    };
    let nodes: Vec<NodeSeen> = machines.reached.iter().zip(looked).map(seen).collect();
    match state {
        None => refuse_unproved(&nodes)?,
        Some(_) => {
            let judged = on_all(machines, async |machine| sweep.judge(&machine.connection, &machine.node.name).await);
            guarded(stop, judged).await?;
        }
    }
    let folder = project.workspace.folder().display().to_string();
    let plan = of_built(&BuiltFound { cluster: project.inventory.name.clone(), nodes, state, folder });
    Ok(Found { plan, sweep })
}

/// Plans, and plays exactly that. Nobody gets here without the lock of every node.
async fn take_away(
    project: &Project,
    machines: &Machines,
    stop: &CancellationToken,
    tell: &Tell,
) -> Result<String, Failure> {
    let Found { plan, sweep } = find(project, machines, stop).await?;
    for note in &plan.notes {
        tell.note(note);
    }
    if plan.steps.is_empty() {
        return Ok(format!("there was nothing of `{}` to remove", project.inventory.name));
    }
    // A broken state is mended only now: whatever refuses says that nothing was touched.
    if let Some(note) = project.workspace.mend_state().map_err(unwritten)? {
        tell.warning(note);
    }
    for step in &plan.steps {
        guarded(stop, guards::hold(project, machines, None, step)).await?;
        let Step::TakeAway(one) = step else {
            return Err(Failure::new(Exit::Bug, "this step is not one of `down`").because(step));
        };
        tell.progress(Stage::Remove, step.to_string());
        match one.act {
            Removal::PutAside { .. } => {
                let before =
                    on_all(machines, async |machine| sweep.before(&machine.connection, &machine.node.name).await);
                guarded(stop, before).await?;
            }
            Removal::RkeRemove { .. } => Remover { project, machines, stop, tell }.rke_remove().await?,
            Removal::Sweep { .. } => {
                let kept = swept(&sweep, machines, stop).await?;
                // What was put aside on the way was not there when it was planned.
                kept.into_iter().filter(|note| !plan.notes.contains(note)).for_each(|note| tell.note(note));
            }
            Removal::ForgetState => project.workspace.forget_cluster().map_err(unwritten)?,
        }
    }
    Ok(format!("nothing of `{}` is left on {} nodes", project.inventory.name, machines.reached.len()))
}

/// Takes away what rke left; gives back what is kept, a line each with its node.
///
/// # Errors
/// With what is still there.
async fn swept(sweep: &Sweep, machines: &Machines, stop: &CancellationToken) -> Result<Vec<String>, Failure> {
    let swept = on_all(machines, async |machine| sweep.after(&machine.connection, &machine.node.name).await);
    let (mut left, mut kept) = (Vec::new(), Vec::new());
    for (machine, swept) in machines.reached.iter().zip(guarded(stop, swept).await?) {
        let name = &machine.node.name;
        left.extend(swept.left.iter().map(|line| format!("{name}: {line}")));
        kept.extend(swept.kept.iter().map(|line| format!("{name}: kept: {line}")));
    }
    match left.is_empty() {
        true => Ok(kept),
        false => Err(Failure::new(Exit::StepFailed, "something of the cluster is still on the nodes")
            .because(left.join("\n"))
            .hint("a reboot of the node ends what holds it; then `cowhand down` again")),
    }
}

/// SHA-256 of the state to go by, if there is one. A broken file counts for the copy that will be put back; nothing is written.
fn proving_state(project: &Project) -> Result<Option<String>, Failure> {
    refuse_another(project)?;
    Ok(project.workspace.state_bytes().map_err(unwritten)?.map(|bytes| guards::digest(&bytes)))
}

fn unwritten(error: WorkspaceError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}

/// The name that was typed is the inventory's; what goes is the cluster of the state file.
fn refuse_another(project: &Project) -> Result<(), Failure> {
    let state = project.state();
    match state.as_ref().and_then(|state| state.cluster_name()) {
        Some(name) if name != project.inventory.name => Err(Failure::new(
            Exit::ChecksFailed,
            format!(
                "the cluster of the cluster.rkestate here is `{name}`, and the inventory's is `{}`",
                project.inventory.name
            ),
        )
        .hint(format!("`name: {name}` in the inventory, if that cluster is to go; nothing was touched"))),
        Some(_) | None => Ok(()),
    }
}

/// Without a state file nothing proves that what lies on the nodes, under whatever name, was made by this workspace.
fn refuse_unproved(nodes: &[NodeSeen]) -> Result<(), Failure> {
    let found: Vec<String> =
        nodes.iter().flat_map(|node| node.goes.iter().map(move |what| format!("{}: {what}", node.name))).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::ChecksFailed, "this may not be removed: there is no whole cluster.rkestate here, and nothing else proves whose it is")
        .because(found.join("\n"))
        .hint("if it is yours, put that cluster's cluster.rkestate here, or fetch it with `cowhand recover-state` while its API answers; \
               if nobody needs it, remove it by hand; nothing was touched"))
}

/// What is on the machines, once all of it is seen to be this workspace's own.
async fn judged(project: &Project, machines: &Machines) -> Result<Observed, Failure> {
    let inventory = &project.inventory;
    let observed = crate::facts::gather(&inventory.nodes, &inventory.rancher.hostname, &machines.answers);
    let (observed, members) = futures::join!(observed, members::see(project, machines));
    // What `up` would do about a broken state file is beside the point here.
    let workspace = WorkspaceFacts { broken: None, ..project.workspace_facts()? };
    let context = check::Context {
        inventory,
        observed: Some(&observed),
        kubeconfig: None,
        cluster: None,
        members: members.as_ref(),
        images: None,
        now: jiff::Timestamp::now(),
        workspace: &workspace,
        certificates: &[],
        name: None,
    };
    let against = check::removal(&context);
    match refusal(&against) {
        Some(failure) => Err(failure),
        None => Ok(observed),
    }
}

/// One failure for all that stands against it, each with its remedy.
pub fn refusal(against: &[check::Finding]) -> Option<Failure> {
    let first = against.first()?;
    let place = |one: &check::Finding| one.subject.clone().unwrap_or_default();
    let refused = Failure::new(
        Exit::ChecksFailed,
        "this may not be removed: it is not proved that all of it belongs to this workspace's cluster",
    );
    let mut remedies: Vec<String> = Vec::new();
    for one in against {
        if !remedies.contains(&one.fix) {
            remedies.push(one.fix.clone());
        }
    }
    let seen = against.iter().map(|one| format!("{}: {}", place(one), one.seen)).collect::<Vec<_>>();
    let more = format!("`cowhand check` looks at {} again; nothing was touched", place(first));
    Some(refused.because(seen.join("\n")).hint(remedies.into_iter().chain([more]).collect::<Vec<_>>().join("\n")))
}

/// The same on every node side by side.
async fn on_all<T>(
    machines: &Machines,
    work: impl AsyncFn(&Machine) -> Result<T, SweepError>,
) -> Result<Vec<T>, Failure> {
    let all = futures::future::join_all(machines.reached.iter().map(|machine| work(machine))).await;
    let exit = |error: &SweepError| match error {
        SweepError::Against { .. } => Exit::ChecksFailed,
        SweepError::Remote { .. } | SweepError::CutOff { .. } => Exit::StepFailed,
    };
    let failed = |error: SweepError| Failure::of(exit(&error), &error);
    all.into_iter().map(|one| one.map_err(failed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_every_node_and_each_remedy_once() {
        let finding = |node: &str, seen: &str, fix: &str| check::Finding {
            check: "cluster.ours",
            subject: Some(node.into()),
            verdict: check::Verdict::Fail,
            seen: seen.into(),
            fix: fix.into(),
            skipped: false,
        };
        assert_eq!(refusal(&[]), None);
        let all = [finding("n1", "docker hangs", "restart it"), finding("n2", "docker hangs", "restart it")];
        let failure = refusal(&all).unwrap();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert_eq!(failure.because, ["n1: docker hangs\nn2: docker hangs"]);
        assert_eq!(failure.hint.unwrap(), "restart it\n`cowhand check` looks at n1 again; nothing was touched");
    }

    #[test]
    fn a_cluster_of_another_name_stays() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let write = |name: &str| {
            let config = serde_json::json!({"clusterName": name});
            let half = serde_json::json!({"rkeConfig": config, "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}}});
            let text = serde_json::json!({"desiredState": half, "currentState": half}).to_string();
            std::fs::write(project.workspace.cluster_state(), text).unwrap();
        };
        write("prod");
        assert_eq!(refuse_another(&project), Ok(()));
        write("other");
        let failure = refuse_another(&project).unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert!(failure.error.contains("`other`") && failure.hint.unwrap().contains("`name: other`"));
    }

    #[test]
    fn whatever_refuses_leaves_a_broken_state_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        project.workspace.prepare().unwrap();
        let state = project.workspace.cluster_state();
        std::fs::write(&state, "{").unwrap();
        assert_eq!(proving_state(&project), Ok(None));
        assert_eq!(std::fs::read_to_string(&state).unwrap(), "{", "no copy is whole");
        let copy = |number: u32, name: &str| {
            let half = serde_json::json!({
                "rkeConfig": {"clusterName": name}, "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}},
            });
            let text = serde_json::json!({"desiredState": half, "currentState": half}).to_string();
            let file = format!("cluster.rkestate.{number:06}-20261130T000000.000000Z");
            std::fs::write(project.workspace.states().join(file), &text).unwrap();
            text
        };
        copy(1, "other");
        assert_eq!(proving_state(&project).unwrap_err().exit, Exit::ChecksFailed);
        assert_eq!(std::fs::read_to_string(&state).unwrap(), "{", "a cluster of another name");
        let text = copy(2, "prod");
        assert_eq!(proving_state(&project), Ok(Some(guards::digest(text.as_bytes()))));
        assert_eq!(std::fs::read_to_string(&state).unwrap(), "{", "a look writes nothing");
        // What is put back is what was judged.
        project.workspace.mend_state().unwrap();
        assert_eq!(std::fs::read_to_string(&state).unwrap(), text);
    }

    #[test]
    fn without_a_state_file_whatever_is_there_refuses() {
        let node = |goes: &[&str]| NodeSeen {
            name: "n1".into(),
            goes: goes.iter().map(|line| (*line).to_owned()).collect(),
            stays: Vec::new(),
        };
        assert_eq!(refuse_unproved(&[node(&[])]), Ok(()));
        let failure = refuse_unproved(&[node(&["container nginx-proxy"])]).unwrap_err();
        assert_eq!(
            (failure.exit, failure.because),
            (Exit::ChecksFailed, vec!["n1: container nginx-proxy".to_string()])
        );
    }
}
