//! A fresh look at a step's door: whether what it was planned from is still so.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cluster::{ObjectRef, SecretDigest};
use crate::engine::member_rule;
use crate::facts;
use crate::failure::{Exit, Failure};
use crate::local::WorkspaceError;
use crate::plan::Step;
use crate::plan::guard::{Fresh, Guard, ReleaseShape, SecretShape};
use crate::plan::rancher::NAMESPACE;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::machines::Machines;
use crate::session::members;
use crate::session::ownership;
use crate::session::project::Project;

/// # Errors
/// When a guard of the step does not hold, or cannot be asked. Nothing else is done instead: the plan is stale.
pub async fn hold(
    project: &Project,
    machines: &Machines,
    reached: Option<&ClusterApi>,
    step: &Step,
) -> Result<(), Failure> {
    for guard in step.guards() {
        if !guard.holds(&look(project, machines, reached, guard).await?) {
            return Err(stale(step, guard));
        }
    }
    Ok(())
}

fn stale(step: &Step, guard: &Guard) -> Failure {
    Failure::new(Exit::ChecksFailed, "the plan is stale: what it was made from has changed since")
        .because(format!("before `{step}` it has to be so: {guard}"))
        .hint("run the same command again: it plans from what is there now")
}

async fn look(
    project: &Project,
    machines: &Machines,
    reached: Option<&ClusterApi>,
    guard: &Guard,
) -> Result<Fresh, Failure> {
    let there = || reached.ok_or_else(|| Failure::new(Exit::Unreachable, "the Kubernetes API does not answer"));
    Ok(match guard {
        Guard::StateIs { .. } => {
            let unread = |error: WorkspaceError| Failure::of(Exit::ChecksFailed, &error);
            Fresh::State(project.workspace.state_bytes().map_err(unread)?.map(|bytes| digest(&bytes)))
        }
        Guard::MembersAre { .. } => Fresh::Members(members(there()?).await?),
        Guard::NeverNetworked => {
            Fresh::NeverNetworked(facts::cluster::never_networked(&there()?.cluster).await.map_err(unseen)?)
        }
        Guard::SecretIs { namespace, name, .. } => {
            Fresh::Secret(there()?.cluster.secret_digest(namespace, name).await.map_err(unseen)?.map(shape))
        }
        Guard::ReleaseIs { namespace, release, .. } => {
            let seen = facts::inhabitants::release(&there()?.cluster, namespace, release).await.map_err(unseen)?;
            Fresh::Release(seen.map(|seen| ReleaseShape { status: seen.status, revision: seen.revision }))
        }
        Guard::MemberRule { changes } => {
            let members = members::for_rule(machines).await?;
            Fresh::MemberRule(changes.iter().map(|change| member_rule::judge(&members, change)).collect())
        }
        Guard::Ours => Fresh::Ours(ownership::claim(project, there()?).await?.is_ours()),
    })
}

/// SHA-256 in lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Names of the API's Nodes, sorted.
pub async fn members(reached: &ClusterApi) -> Result<Vec<String>, Failure> {
    let nodes = reached.cluster.nodes().await.map_err(unseen)?;
    let mut names: Vec<String> = nodes.into_iter().map(|node| node.name).collect();
    names.sort();
    Ok(names)
}

pub fn shape(there: SecretDigest) -> SecretShape {
    SecretShape { kind: there.kind, keys: there.keys.into_keys().collect() }
}

/// Whether a Secret of Rancher's bears annotations that cert-manager makes when it writes one.
pub async fn noted_by_cert_manager(reached: &ClusterApi, name: &str) -> Result<bool, Failure> {
    let object = ObjectRef::new("v1", "Secret", Some(NAMESPACE), name);
    let metadata = reached.cluster.metadata(&object).await.map_err(unseen)?;
    let annotations = metadata.as_ref().and_then(|metadata| metadata["annotations"].as_object());
    Ok(annotations.is_some_and(|all| all.keys().any(|key| key.starts_with("cert-manager.io/"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_that_is_another_one_at_the_door_stops_the_step() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let nobody = Machines { reached: Vec::new(), answers: Vec::new() };
        let write =
            |text: &str| std::fs::write(project.workspace.cluster_state(), Project::state_of_test(text)).unwrap();
        write("one");
        let bytes = std::fs::read(project.workspace.cluster_state()).unwrap();
        let guards = vec![Guard::StateIs { digest: Some(digest(&bytes)) }];
        let step = Step::ForgetApplied { guards };
        assert_eq!(hold(&project, &nobody, None, &step).await, Ok(()));
        write("another");
        let refused = hold(&project, &nobody, None, &step).await.unwrap_err();
        assert!(refused.error.starts_with("the plan is stale"), "{refused:?}");
        std::fs::remove_file(project.workspace.cluster_state()).unwrap();
        assert!(hold(&project, &nobody, None, &step).await.is_err());
        // What cannot be asked holds nobody back from saying so.
        let step = Step::ForgetApplied { guards: vec![Guard::NeverNetworked] };
        assert_eq!(hold(&project, &nobody, None, &step).await.unwrap_err().exit, Exit::Unreachable);
    }
}
