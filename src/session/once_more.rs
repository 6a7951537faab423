//! A stage that is planned once more, when something shows only after its own waits.

use crate::failure::Failure;
use crate::plan::{Stage, StagePlan, Step};
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs::Inputs;
use crate::session::spread::crowded;
use crate::session::stages;

/// A stage that has to be planned once more after its own waits: RKE brings Rancher's pods while only one node may take
/// them yet, and that shows only when they are ready. Pods that were restarted just now are where the scheduler wants
/// them, whatever its reasons: that is for the proof to tell, and nothing is gained by asking again.
pub async fn again(
    inputs: &Inputs<'_>,
    done: &StagePlan,
    reached: Option<&ClusterApi>,
) -> Result<Option<StagePlan>, Failure> {
    let (true, Some(reached)) = (may_be_crowded(done), reached) else { return Ok(None) };
    match crowded(inputs, reached).await? {
        Some(_) => stages::plan(inputs, done.stage, Some(reached), &mut Vec::new()).await.map(Some),
        None => Ok(None),
    }
}

fn may_be_crowded(done: &StagePlan) -> bool {
    let restarts = |step: &Step| matches!(step, Step::Restart { .. });
    done.stage == Stage::Rancher && !done.steps.iter().any(restarts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Wait;
    use crate::plan::rancher::{NAMESPACE, RANCHER};

    #[test]
    fn only_rancher_is_looked_at_again_and_not_when_its_pods_were_just_restarted() {
        let wait = Step::Wait(Wait::Deployment { namespace: NAMESPACE.into(), name: RANCHER.into() });
        let restart = Step::Restart {
            namespace: NAMESPACE.into(),
            deployment: RANCHER.into(),
            because: "its files changed".into(),
        };
        let done = |stage, steps: &[&Step]| {
            let steps = steps.iter().map(|step| (*step).clone()).collect();
            may_be_crowded(&StagePlan { stage, steps, notes: Vec::new() })
        };
        assert!(done(Stage::Rancher, &[&wait]));
        assert!(!done(Stage::Rancher, &[&restart, &wait]), "once is enough");
        assert!(!done(Stage::Ingress, &[&wait]));
    }
}
