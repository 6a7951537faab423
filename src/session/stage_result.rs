//! What stands after a stage of `up`: seen, not assumed.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};

use crate::check::EtcdMember;
use crate::cluster::{ClusterError, Condition, Seen, cert_manager_ready};
use crate::facts::cluster::{RancherSeen, ingress_classes, rancher};
use crate::failure::{Exit, Failure};
use crate::inventory::{IngressProvider, Inventory};
use crate::plan::Stage;
use crate::plan::Wait;
use crate::plan::cert_manager::CERT_MANAGER;
use crate::plan::ingress::controller;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::run::Run;
use crate::session::{away, members};

/// How often a member that was just started is asked again, a second later each time.
const SETTLING: usize = 20;

pub async fn settle(run: &Run<'_>, stage: Stage, reached: Option<&ClusterApi>) -> Result<String, Failure> {
    if matches!(
        stage,
        Stage::Check
            | Stage::Verify
            | Stage::Remove
            | Stage::Recover
            | Stage::Backup
            | Stage::Rotate
            | Stage::Restore
            | Stage::Compare
    ) {
        return Ok(String::new());
    }
    let Some(reached) = reached else {
        return Err(Failure::new(Exit::StepFailed, "the Kubernetes API does not answer")
            .hint("look at the newest log in .cowhand/logs; `cowhand up` again goes on from here"));
    };
    match stage {
        Stage::Cluster => cluster_stands(run, reached).await,
        Stage::Ingress => {
            let stands = ingress(&run.inputs.project.inventory, reached, away::names(run.inputs)).await;
            stands.map(|ingress| ingress.text).map_err(unseen)
        }
        Stage::CertManager if run.inputs.picture.needs_cert_manager => Ok(cert_manager(reached).await),
        Stage::CertManager => Ok("not needed".into()),
        Stage::Rancher => Ok(replicas(rancher(&reached.cluster).await.map_err(unseen)?)),
        Stage::Check
        | Stage::Verify
        | Stage::Remove
        | Stage::Recover
        | Stage::Backup
        | Stage::Rotate
        | Stage::Restore
        | Stage::Compare => Ok(String::new()),
    }
}

pub const ACCEPTS: &str = "accepts issuers";

/// The first thing that cert-manager lacks, or that it lacks nothing.
pub(crate) async fn cert_manager(reached: &ClusterApi) -> String {
    let there = crate::facts::inhabitants::cert_manager(&reached.cluster).await.ok().and_then(|seen| seen.controller);
    let place = there.map_or((CERT_MANAGER.into(), CERT_MANAGER.into()), |place| (place.namespace, place.name));
    for condition in cert_manager_ready(&place.0, &place.1) {
        match (reached.cluster.look(&condition).await, &condition) {
            (Ok(Seen::Met(_)), _) => {}
            (Ok(Seen::NotYet(_) | Seen::Never(_)), Condition::CrdEstablished { .. }) => return "not installed".into(),
            (Ok(Seen::NotYet(seen) | Seen::Never(seen)), what) => return format!("{what}: {seen}"),
            (Err(error), _) => return error.to_string(),
        }
    }
    ACCEPTS.into()
}

fn replicas(seen: Option<RancherSeen>) -> String {
    let Some(seen) = seen else { return "there is no deployment rancher".into() };
    let agents = seen.agents.map(|mode| format!(", agentTLSMode {mode}")).unwrap_or_default();
    format!("{} of {} replicas ready{agents}", seen.ready, seen.wanted)
}

/// What lets people in, and whether it does.
pub struct IngressStands {
    pub text: String,
    pub well: bool,
}

/// Who serves the class, and on how many nodes where it is one that cowhand or RKE brought.
///
/// `without` are the names of the nodes that are not reached and so not waited for.
pub async fn ingress(
    inventory: &Inventory,
    reached: &ClusterApi,
    without: Vec<String>,
) -> Result<IngressStands, ClusterError> {
    let wanted = &inventory.ingress;
    let classes = ingress_classes(&reached.cluster).await?;
    let found = classes.iter().find(|class| class.name == wanted.class);
    let text = match found {
        Some(class) => format!("class {} is served by {}", class.name, class.controller),
        None if wanted.class.is_empty() => "no ingress class is the default one".to_owned(),
        None => format!("there is no class {}", wanted.class),
    };
    if wanted.provider == IngressProvider::Existing {
        return Ok(IngressStands { text: format!("{text}, left as it is"), well: found.is_some() });
    }
    let Some(Wait::DaemonSet { namespace, name, .. }) = controller(wanted.provider) else {
        return Ok(IngressStands { text, well: found.is_some() });
    };
    let seen = reached.cluster.look(&Condition::DaemonSetReady { namespace, name, without }).await?;
    let well = found.is_some() && matches!(seen, Seen::Met(_));
    Ok(IngressStands { text: format!("{text}, {}", seen.text()), well })
}

async fn cluster_stands(run: &Run<'_>, reached: &ClusterApi) -> Result<String, Failure> {
    let nodes = reached.cluster.nodes().await.map_err(unseen)?;
    let ready = nodes.iter().filter(|node| node.ready).count();
    let project = run.inputs.project;
    if !project.inventory.engine.builds_nodes() {
        return Ok(format!("{ready} of {} nodes Ready, left as it is", nodes.len()));
    }
    let members = settled(run).await?;
    let away = away::names(run.inputs);
    let etcd = project.inventory.nodes.iter().filter(|node| node.roles.etcd);
    let missing = etcd.clone().filter(|node| away.contains(&node.name.to_lowercase())).count();
    refuse_ill(&members, etcd.count() - missing)?;
    let ca = project
        .state()
        .and_then(|state| crate::facts::CaFingerprint::from_pem(state.ca_pem()?).ok())
        .map(|ca| format!(", CA {}", ca.short()))
        .unwrap_or_default();
    Ok(format!("{ready} nodes Ready, etcd {}/{}{ca}", members.len(), members.len() + missing))
}

/// etcd's members on the nodes that are reached, asked again for a while where one has only just been started.
async fn settled(run: &Run<'_>) -> Result<Vec<EtcdMember>, Failure> {
    let away = away::names(run.inputs);
    let look = || async {
        let members = members::etcd(run.inputs.project, run.inputs.machines).await;
        let mut members = members.map_err(Unsettled::Failed)?;
        members.retain(|one| !away.contains(&one.name));
        if members.iter().all(|one| one.healthy) { Ok(members) } else { Err(Unsettled::Ill(members)) }
    };
    let pauses = ConstantBuilder::new().with_delay(Duration::from_secs(1)).with_max_times(SETTLING);
    match look.retry(pauses).when(|why| matches!(why, Unsettled::Ill(_))).await {
        Ok(members) | Err(Unsettled::Ill(members)) => Ok(members),
        Err(Unsettled::Failed(failure)) => Err(failure),
    }
}

enum Unsettled {
    Ill(Vec<EtcdMember>),
    Failed(Failure),
}

/// # Errors
/// With the name of each member that is down; `wanted` is how many the inventory has.
fn refuse_ill(members: &[EtcdMember], wanted: usize) -> Result<(), Failure> {
    let ill: Vec<&EtcdMember> = members.iter().filter(|one| !one.healthy).collect();
    let all = members.len().max(wanted);
    let healthy = members.len() - ill.len();
    let Some(first) = ill.first() else {
        return match healthy < all {
            true => Err(Failure::new(Exit::StepFailed, format!("etcd has {healthy} of {all} healthy members"))
                .because("a member has not joined")),
            false => Ok(()),
        };
    };
    let reasons: Vec<String> = ill.iter().map(|one| format!("{}: {}", one.name, one.error)).collect();
    Err(Failure::new(Exit::StepFailed, format!("etcd has {healthy} of {all} healthy members"))
        .because(reasons.join("\n"))
        .hint(format!("look at `docker logs etcd` on {}", first.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_those_that_were_seen() {
        let seen = |ready, agents: Option<&str>| {
            let agents = agents.map(str::to_string);
            Some(RancherSeen { image: String::new(), wanted: 3, ready, nodes: vec![], old_ready: 0, agents })
        };
        assert_eq!(replicas(seen(2, Some("strict"))), "2 of 3 replicas ready, agentTLSMode strict");
        assert_eq!(replicas(seen(3, None)), "3 of 3 replicas ready");
        assert_eq!(replicas(None), "there is no deployment rancher");
    }

    #[test]
    fn members_that_are_down_are_counted_and_named() {
        let member = |name: &str, error: &str| EtcdMember {
            name: name.into(),
            endpoint: String::new(),
            healthy: error.is_empty(),
            error: error.into(),
            stopped: false,
        };
        assert_eq!(refuse_ill(&[member("n1", ""), member("n2", ""), member("n3", "")], 3), Ok(()));
        let failure = refuse_ill(&[member("n1", "it is stopped"), member("n2", ""), member("n3", "")], 3).unwrap_err();
        assert_eq!(failure.error, "etcd has 2 of 3 healthy members");
        assert_eq!(failure.because, ["n1: it is stopped"]);
        assert!(failure.hint.unwrap().ends_with("on n1"));
        assert_eq!(refuse_ill(&[member("n1", "")], 3).unwrap_err().error, "etcd has 1 of 3 healthy members");
    }
}
