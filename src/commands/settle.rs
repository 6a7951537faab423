//! What stands after a stage of `up`: seen, not assumed.

use super::run::Run;
use super::stages::unseen;
use super::status;
use super::world::Reached;
use crate::cluster::{ClusterError, Condition};
use crate::execute::Stage;
use crate::facts::cluster::{RancherSeen, ingress_classes, rancher};
use crate::facts::etcd;
use crate::inventory::IngressProvider;
use crate::plan::Wait;
use crate::plan::ingress::controller;
use crate::report::{Exit, Failure};

pub async fn settle(run: &Run<'_>, stage: Stage, reached: Option<&Reached>) -> Result<String, Failure> {
    if matches!(stage, Stage::Check | Stage::Verify | Stage::Remove) {
        return Ok(String::new());
    }
    let Some(reached) = reached else {
        return Err(Failure::new(Exit::StepFailed, "the Kubernetes API does not answer")
            .hint("look at the newest log in .cowhand/logs; `cowhand up` again goes on from here"));
    };
    match stage {
        Stage::Cluster => cluster_stands(run, reached).await,
        Stage::Ingress => ingress(run, reached).await.map_err(unseen),
        Stage::CertManager if run.world.picture.needs_cert_manager => Ok(status::cert_manager(reached).await),
        Stage::CertManager => Ok("not needed".into()),
        Stage::Rancher => Ok(replicas(rancher(&reached.cluster).await.map_err(unseen)?)),
        Stage::Check | Stage::Verify | Stage::Remove => Ok(String::new()),
    }
}

fn replicas(seen: Option<RancherSeen>) -> String {
    let Some(seen) = seen else { return "there is no deployment rancher".into() };
    let agents = seen.agents.map(|mode| format!(", agents {mode}")).unwrap_or_default();
    format!("{} of {} replicas ready{agents}", seen.ready, seen.wanted)
}

/// Who serves the class, and on how many nodes where it is one that cowhand or RKE brought.
async fn ingress(run: &Run<'_>, reached: &Reached) -> Result<String, ClusterError> {
    let wanted = &run.world.site.inventory.ingress;
    let classes = ingress_classes(&reached.cluster).await?;
    let class = match classes.iter().find(|class| class.name == wanted.class) {
        Some(class) => format!("class {} is served by {}", class.name, class.controller),
        None => format!("there is no class {}", wanted.class),
    };
    if wanted.provider == IngressProvider::Existing {
        return Ok(format!("{class}, left as it is"));
    }
    let Some(Wait::DaemonSet { namespace, name }) = controller(wanted.provider) else { return Ok(class) };
    let seen = reached.cluster.look(&Condition::DaemonSetReady { namespace, name }).await?;
    Ok(format!("{class}, {}", seen.text()))
}

async fn cluster_stands(run: &Run<'_>, reached: &Reached) -> Result<String, Failure> {
    let nodes = reached.cluster.nodes().await.map_err(unseen)?;
    let ready = nodes.iter().filter(|node| node.ready).count();
    let rke = run.world.site.rke().is_some();
    let members = match run.world.machines.reached.iter().find(|machine| rke && machine.node.roles.etcd) {
        None => return Ok(format!("{ready} of {} nodes Ready, left as it is", nodes.len())),
        Some(machine) => etcd::gather(&machine.connection).await.map_err(|error| {
            let said = format!("etcd's members cannot be looked at on {}", machine.node.name);
            Failure::with_cause(Exit::StepFailed, said, &error)
        })?,
    };
    let ill: Vec<String> =
        members.iter().filter(|one| !one.healthy).map(|one| format!("{}: {}", one.endpoint, one.error)).collect();
    let wanted = run.world.site.inventory.nodes.iter().filter(|node| node.roles.etcd).count();
    if !ill.is_empty() || members.len() < wanted {
        return Err(Failure::new(
            Exit::StepFailed,
            format!("etcd has {} of {wanted} healthy members", members.len() - ill.len()),
        )
        .because(if ill.is_empty() { "a member has not joined".to_string() } else { ill.join("\n") })
        .hint("look at `docker logs etcd` on that node"));
    }
    let ca = super::world::state(run.world.site)
        .and_then(|state| crate::facts::CaFingerprint::from_pem(state.ca_pem()?).ok())
        .map(|ca| format!(", CA {}", ca.short()))
        .unwrap_or_default();
    Ok(format!("{ready} nodes Ready, etcd {}/{}{ca}", members.len(), members.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_those_that_were_seen() {
        let seen = |ready, agents: Option<&str>| {
            let agents = agents.map(str::to_string);
            Some(RancherSeen { image: String::new(), wanted: 3, ready, nodes: vec![], agents })
        };
        assert_eq!(replicas(seen(2, Some("strict"))), "2 of 3 replicas ready, agents strict");
        assert_eq!(replicas(seen(3, None)), "3 of 3 replicas ready");
        assert_eq!(replicas(None), "there is no deployment rancher");
    }
}
