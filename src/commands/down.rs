//! Removes what `up` made, after the cluster's name was typed, and looks afterwards that nothing is left.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::alone::Alone;
use super::look::{heading, skips};
use super::machines::{Machine, Machines};
use super::run::{Keeping, Remover, enter, guarded, untouched};
use super::site::Site;
use super::take_away::TakeAway;
use super::up::{finish, finished, start};
use super::{Answer, Connect, Context, Skip, world};
use crate::check;
use crate::execute::{Event, Outcome, Stage, Sweep, SweepError, Swept, Tell, WorkspaceError};
use crate::facts::{Observed, WorkspaceFacts};
use crate::report::{Exit, Failure, Shower, TerminalAsk};

/// What was said to `down`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Down {
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Down) -> Answer {
    let site = Site::open(context)?;
    confirm(context, &site, wanted.yes.as_deref()).await?;
    context.log_into(&site.workspace, "down");
    Shower::during(&context.console, &context.stop, async |tell, pauser| {
        let (kept, mut journal) = Keeping::new();
        let tell = tell.and(kept);
        let began = Instant::now();
        let summary = heading(&site);
        let cluster = site.inventory.name.clone();
        tell.event(Event::RunStarted { command: "down", cluster, summary, stages: vec![Stage::Remove] });
        let stage = start(&tell, Stage::Remove);
        let connected = guarded(&context.stop, async {
            Ok(Machines::connect(&site.inventory, &wanted.connect, context, Some(pauser)).await)
        });
        let answer = match connected.await.map_err(untouched) {
            Err(failure) => Err(failure),
            Ok(machines) => {
                let answer = match machines.unreached() {
                    Some(failure) => Err(failure),
                    None if site.rke().is_none() => leave(context, &site, &machines, &tell, &mut journal).await,
                    None => remove(context, &site, &machines, &tell, &mut journal).await,
                };
                machines.disconnect().await;
                answer
            }
        };
        match &answer {
            Ok(text) => finish(&tell, Stage::Remove, Outcome::Changed, text, stage),
            Err(failure) => finish(&tell, Stage::Remove, Outcome::Failed, &failure.error, stage),
        }
        let answer = answer.map(|_| Exit::Done);
        tell.event(finished(&answer, began));
        drop(tell);
        journal.finish().await;
        answer
    })
    .await
}

async fn confirm(context: &Context, site: &Site, yes: Option<&str>) -> Result<(), Failure> {
    let name = site.inventory.name.as_str();
    let refused =
        |error: String| Failure::new(Exit::Usage, error).hint(format!("`cowhand down --yes {name}` removes it"));
    match yes {
        Some(said) if said == name => Ok(()),
        Some(said) => Err(refused(format!("--yes says `{said}`, but this cluster is `{name}`; nothing was touched"))),
        None => {
            let question = match site.rke() {
                Some(_) => format!(
                    "this removes the cluster `{name}` and Rancher with all its data from {} nodes",
                    site.inventory.nodes.len()
                ),
                None => format!("this removes Rancher and what cowhand made for it from `{name}`; the cluster stays"),
            };
            let ask = TerminalAsk::new(context.console.err, None);
            let typed = guarded(&context.stop, async { Ok(ask.typed(name, &question).await) }).await;
            match typed.map_err(untouched)? {
                Some(true) => Ok(()),
                Some(false) => Err(refused(format!("that was not `{name}`; nothing was touched"))),
                None => Err(refused("removing a cluster has to be confirmed, and nobody is there to ask".into())),
            }
        }
    }
}

/// Removes from a cluster that was there before what cowhand made in it.
async fn leave(
    context: &Context,
    site: &Site,
    machines: &Machines,
    tell: &Tell,
    journal: &mut Keeping,
) -> Result<String, Failure> {
    let _lock = enter(site, "down", journal)?;
    let reached = guarded(&context.stop, world::reach(site, machines)).await?;
    let reached = reached.ok_or_else(|| super::verify::nothing_there(site))?;
    let alone = Alone::take(site, machines, "down", &context.stop, tell).await?;
    let stop = alone.stop().clone();
    let answer = async { TakeAway::new(site, &reached, &stop, tell).await?.run().await }.await;
    alone.end(machines, answer).await
}

async fn remove(
    context: &Context,
    site: &Site,
    machines: &Machines,
    tell: &Tell,
    journal: &mut Keeping,
) -> Result<String, Failure> {
    let _lock = enter(site, "down", journal)?;
    let alone = Alone::take(site, machines, "down", &context.stop, tell).await?;
    let answer = take_away(site, machines, alone.stop(), tell).await;
    alone.end(machines, answer).await
}

/// Nobody gets here without the lock of every node.
async fn take_away(site: &Site, machines: &Machines, stop: &CancellationToken, tell: &Tell) -> Result<String, Failure> {
    let Some(rke) = site.rke() else { return Err(Failure::new(Exit::Bug, "nodes are swept without an engine rke")) };
    let observed = guarded(stop, judged(site, machines)).await.map_err(untouched)?;
    let addresses = observed.reached().filter_map(|(_, reached)| reached.facts.addresses.as_ref().ok()).flatten();
    let sweep = Sweep::new(rke, addresses.map(|address| address.ip).filter(|ip| !ip.is_loopback()));
    if let Some(note) = site.workspace.mend_state().map_err(unwritten)? {
        tell.warning(note);
    }
    refuse_another(site)?;
    if !site.workspace.cluster_state().exists() {
        let found = on_all(machines, async |machine| sweep.look(&machine.connection, &machine.node.name).await);
        return nothing_there(site, &told(machines, guarded(stop, found).await?, tell));
    }
    let before = on_all(machines, async |machine| sweep.before(&machine.connection, &machine.node.name).await);
    guarded(stop, before).await?;
    Remover { site, machines, stop, tell }.rke_remove().await?;
    tell.progress(Stage::Remove, "taking away what rke leaves on the nodes");
    let swept = on_all(machines, async |machine| sweep.after(&machine.connection, &machine.node.name).await);
    let left = told(machines, guarded(stop, swept).await?, tell);
    if !left.is_empty() {
        return Err(Failure::new(Exit::StepFailed, "something of the cluster is still on the nodes")
            .because(left.join("\n"))
            .hint("a reboot of the node ends what holds it; then `cowhand down` again"));
    }
    site.workspace.forget_cluster().map_err(unwritten)?;
    Ok(format!("nothing of `{}` is left on {} nodes", site.inventory.name, machines.reached.len()))
}

fn unwritten(error: WorkspaceError) -> Failure {
    Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint())
}

/// The name that was typed is the inventory's; what goes is the cluster of the state file.
fn refuse_another(site: &Site) -> Result<(), Failure> {
    let state = world::state(site);
    match state.as_ref().and_then(|state| state.cluster_name()) {
        Some(name) if name != site.inventory.name => Err(Failure::new(
            Exit::ChecksFailed,
            format!(
                "the cluster of the cluster.rkestate here is `{name}`, and the inventory's is `{}`",
                site.inventory.name
            ),
        )
        .hint(format!("`name: {name}` in the inventory, if that cluster is to go; nothing was touched"))),
        Some(_) | None => Ok(()),
    }
}

/// Without a state file nothing proves that what lies on the nodes, under whatever name, was made by this workspace.
fn nothing_there(site: &Site, found: &[String]) -> Result<String, Failure> {
    if found.is_empty() {
        return Ok(format!("there was nothing of `{}` to remove", site.inventory.name));
    }
    Err(Failure::new(Exit::ChecksFailed, "this may not be removed: there is no cluster.rkestate here, and nothing else tells whose it is")
        .because(found.join("\n"))
        .hint("if it is yours, put that cluster's cluster.rkestate here, or fetch it with `cowhand recover-state` while its API answers; \
               if nobody needs it, remove it by hand; nothing was touched"))
}

/// What is on the machines, once all of it is seen to be this workspace's own.
async fn judged(site: &Site, machines: &Machines) -> Result<Observed, Failure> {
    let inventory = &site.inventory;
    let observed = crate::facts::gather(&inventory.nodes, &inventory.rancher.hostname, &machines.answers).await;
    // What `up` would do about a broken state file is beside the point here.
    let workspace = WorkspaceFacts { broken: None, ..site.workspace_facts()? };
    let context = check::Context {
        inventory,
        observed: Some(&observed),
        kubeconfig: None,
        cluster: None,
        now: jiff::Timestamp::now(),
        workspace: &workspace,
        certificates: &[],
        name: None,
    };
    let against = check::removal(&context, &skips(site, &Skip::default())?);
    match refusal(&against) {
        Some(failure) => Err(failure),
        None => Ok(observed),
    }
}

/// One failure for all that stands against it, each with its remedy.
fn refusal(against: &[check::Finding]) -> Option<Failure> {
    let first = against.first()?;
    let place = |one: &check::Finding| one.subject.clone().unwrap_or_default();
    let refused = Failure::new(Exit::ChecksFailed, "this may not be removed: it is not proved to be this workspace's");
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
    let failed = |error: SweepError| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint());
    all.into_iter().map(|one| one.map_err(failed)).collect()
}

/// Tells what is kept, and gives back what is left.
fn told(machines: &Machines, swept: Vec<Swept>, tell: &Tell) -> Vec<String> {
    let mut left = Vec::new();
    for (machine, swept) in machines.reached.iter().zip(swept) {
        let name = &machine.node.name;
        for kept in &swept.kept {
            tell.note(format!("{name}: kept: {kept}"));
        }
        left.extend(swept.left.iter().map(|line| format!("{name}: {line}")));
    }
    left
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
        let site = Site::of_test(folder.path());
        let write = |name: &str| {
            let config = serde_json::json!({"clusterName": name});
            let half =
                serde_json::json!({"rkeConfig": config, "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM"}}});
            let text = serde_json::json!({"desiredState": half, "currentState": half}).to_string();
            std::fs::write(site.workspace.cluster_state(), text).unwrap();
        };
        write("prod");
        assert_eq!(refuse_another(&site), Ok(()));
        write("other");
        let failure = refuse_another(&site).unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert!(failure.error.contains("`other`") && failure.hint.unwrap().contains("`name: other`"));
    }

    #[test]
    fn without_a_state_file_whatever_is_there_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::of_test(folder.path());
        assert_eq!(nothing_there(&site, &[]).unwrap(), "there was nothing of `prod` to remove");
        let failure = nothing_there(&site, &["n1: container nginx-proxy".into()]).unwrap_err();
        assert_eq!(
            (failure.exit, failure.because),
            (Exit::ChecksFailed, vec!["n1: container nginx-proxy".to_string()])
        );
    }
}
