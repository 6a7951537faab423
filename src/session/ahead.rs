//! What begins while rke makes a new cluster: rke mostly sleeps between its looks, and some stages need no more than a
//! cluster that runs pods. Only on a first `up`; a living cluster is changed strictly one thing after the other.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::engine::Change;
use crate::failure::Failure;
use crate::plan::{Stage, StagePlan, Step};
use crate::play::{Event, Tell};
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs::Inputs;
use crate::session::run::Run;
use crate::session::stages;

/// Between two looks at a cluster that rke is making.
const PAUSE: Duration = Duration::from_secs(2);

/// What of a stage was done ahead. The stage itself is planned anew behind it, and shows these events as its own.
pub struct Ahead {
    pub stage: Stage,
    pub events: Vec<Event>,
    pub changed: bool,
}

/// The stages of this run that begin beside the plan's rke.
pub fn stages_beside(plan: &StagePlan, list: &[Stage]) -> Vec<Stage> {
    let creates = |step: &Step| matches!(step, Step::RkeUp { because, .. } if because.contains(&Change::Create));
    let first = plan.steps.iter().any(creates);
    list.iter().copied().filter(|stage| first && stage.begins_beside_rke()).collect()
}

/// Does rke's work, and beside it what `side` does; that one ends before its next step once its token is cancelled.
///
/// # Errors
/// rke's failure, which ends the other at once.
pub async fn beside<T>(
    rke: impl Future<Output = Result<(), Failure>>,
    side: impl AsyncFnOnce(CancellationToken) -> Vec<T>,
) -> Result<Vec<T>, Failure> {
    let ended = CancellationToken::new();
    let side = side(ended.clone());
    tokio::pin!(rke, side);
    tokio::select! {
        biased;
        done = &mut rke => {
            done?;
            ended.cancel();
            Ok(side.await)
        }
        ahead = &mut side => rke.await.map(|()| ahead),
    }
}

/// Begins these stages, once every node of the new cluster is Ready. What fails here is done again, and told, by the stage itself.
pub async fn play(run: &Run<'_>, stages: Vec<Stage>, ended: CancellationToken) -> Vec<Ahead> {
    let mut ahead = Vec::new();
    if stages.is_empty() {
        return ahead;
    }
    let mut reached = tokio::select! {
        biased;
        () = ended.cancelled() => return ahead,
        reached = runs_pods(run.inputs) => Some(reached),
    };
    for stage in stages {
        let (kept, events) = unbounded_channel();
        let tell = Tell::new(kept);
        let beside = Run { tell: &tell, ..*run };
        let begun = begin(&beside, stage, &mut reached, &ended).await;
        let (changed, whole) = begun.unwrap_or_else(|failure| {
            tell.detail(format!("begun beside rke: {}; done again behind it", failure.error));
            (true, false)
        });
        ahead.push(Ahead { stage, events: drained(events), changed });
        if !whole {
            break;
        }
    }
    ahead
}

/// Whether anything was changed, and whether it came to its end.
async fn begin(
    run: &Run<'_>,
    stage: Stage,
    reached: &mut Option<ClusterApi>,
    ended: &CancellationToken,
) -> Result<(bool, bool), Failure> {
    let plan = stages::plan(run.inputs, stage, reached.as_ref(), &mut Vec::new()).await?;
    let mut changed = false;
    for step in up_to_its_waits(&plan.steps) {
        if ended.is_cancelled() {
            return Ok((changed, false));
        }
        changed |= step.changes();
        let carried_out = run.carry_out(stage, std::slice::from_ref(step), reached);
        match step.changes() {
            true => carried_out.await?,
            // A wait is the stage's own as soon as rke has ended.
            false => tokio::select! {
                biased;
                () = ended.cancelled() => return Ok((changed, false)),
                done = carried_out => done?,
            },
        }
    }
    Ok((changed, true))
}

/// Without the waits at its end, which the stage does itself.
fn up_to_its_waits(steps: &[Step]) -> &[Step] {
    let last = steps.iter().rposition(Step::changes).map_or(0, |last| last + 1);
    steps.get(..last).unwrap_or_default()
}

/// The API of the cluster that rke is making, once each node is Ready.
async fn runs_pods(inputs: &Inputs<'_>) -> ClusterApi {
    loop {
        if let Ok(Some(reached)) = inputs.reach().await
            && let Ok(nodes) = reached.cluster.nodes().await
            && nodes.len() >= inputs.project.inventory.nodes.len()
            && nodes.iter().all(|node| node.ready)
        {
            return reached;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn drained(mut events: UnboundedReceiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::change::Sign;
    use crate::failure::Exit;
    use crate::plan::Wait;

    fn rke_up(change: Change) -> StagePlan {
        let step = Step::RkeUp {
            cluster_yml: String::new(),
            config: serde_json::Map::new(),
            because: vec![change],
            guards: Vec::new(),
        };
        StagePlan { stage: Stage::Cluster, steps: vec![step], notes: Vec::new() }
    }

    #[test]
    fn only_a_first_up_begins_stages_beside_rke_and_only_those_that_it_plays() {
        let all = [Stage::Check, Stage::Cluster, Stage::Ingress, Stage::CertManager, Stage::Rancher, Stage::Verify];
        let first = rke_up(Change::Create);
        assert_eq!(stages_beside(&first, &all), [Stage::Ingress, Stage::CertManager]);
        assert_eq!(stages_beside(&first, &[Stage::Cluster, Stage::Ingress]), [Stage::Ingress]);
        let again = rke_up(Change::Unknown { sign: Sign::NothingListens });
        assert!(
            stages_beside(&again, &all).is_empty(),
            "a cluster that was begun is changed one thing after the other"
        );
    }

    #[test]
    fn waits_at_the_end_are_left_to_the_stage() {
        let wait = || Step::Wait(Wait::NodesReady { names: Vec::new() });
        let apply = || Step::Apply { what: "x".into(), manifests: Vec::new(), because: Vec::new() };
        assert_eq!(up_to_its_waits(&[wait(), apply(), wait()]), [wait(), apply()]);
        assert!(up_to_its_waits(&[wait()]).is_empty());
    }

    async fn turns(count: usize) {
        for _ in 0..count {
            tokio::task::yield_now().await;
        }
    }

    /// How many steps were begun, and how many ended, beside an rke that ends so.
    async fn beside_an_rke(ends: Result<(), Failure>) -> (Result<Vec<usize>, Failure>, usize) {
        let begun = std::cell::Cell::new(0);
        let side = async |ended: CancellationToken| {
            let mut done = Vec::new();
            while !ended.is_cancelled() {
                begun.set(begun.get() + 1);
                turns(3).await;
                done.push(begun.get());
            }
            done
        };
        let rke = async {
            turns(8).await;
            ends
        };
        let ended = beside(rke, side).await;
        (ended, begun.get())
    }

    #[tokio::test]
    async fn what_is_beside_ends_before_its_next_step_when_rke_has_ended_and_at_once_when_it_failed() {
        let (ended, begun) = beside_an_rke(Ok(())).await;
        assert_eq!(ended, Ok((1..=begun).collect()), "the step that was under way ended");
        assert!(begun > 1);
        let (failed, cut) = beside_an_rke(Err(Failure::new(Exit::StepFailed, "rke failed"))).await;
        assert_eq!((failed.unwrap_err().error.as_str(), cut), ("rke failed", begun));
    }
}
