//! The machines are judged before the lock is held. What another run did in between, perhaps a whole cluster, must not be
//! built over: so what decides is looked at before the judgement and again behind the lock.

use sha2::{Digest, Sha256};

use crate::facts::node_fingerprint::{NodeFingerprint, node_fingerprint};
use crate::failure::{Exit, Failure};
use crate::local::WorkspaceError;
use crate::session::machines::Machines;
use crate::session::project::Project;

/// What decides: each node's CA and members' containers, and the state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisive {
    nodes: Vec<(String, NodeFingerprint)>,
    /// SHA-256 of the state file.
    state: Option<[u8; 32]>,
}

impl Decisive {
    pub async fn see(project: &Project, machines: &Machines) -> Result<Decisive, Failure> {
        let unread = |error: WorkspaceError| Failure::of(Exit::ChecksFailed, &error);
        let state = project.workspace.state_bytes().map_err(unread)?.map(|bytes| Sha256::digest(&*bytes).into());
        // On a cluster that is there no node is built on.
        let builds = project.inventory.engine.builds_nodes();
        let looks = machines
            .reached
            .iter()
            .filter(|_| builds)
            .map(async |machine| (machine.node.name.clone(), node_fingerprint(&machine.connection).await));
        Ok(Decisive { nodes: futures::future::join_all(looks).await, state })
    }

    /// What changed since then, in lines: the state file, then nodes.
    pub fn changed(&self, project: &Project, now: &Decisive) -> Vec<String> {
        let state = (self.state != now.state)
            .then(|| format!("{} is another one now", project.workspace.cluster_state().display()));
        let pairs = self.nodes.iter().zip(&now.nodes).filter(|(before, now)| before != now);
        let nodes = pairs.map(|((name, _), _)| {
            format!("{name}: another CA, or other containers of a cluster, than before the checks")
        });
        state.into_iter().chain(nodes).collect()
    }

    fn same_state(&self, now: &Decisive) -> bool {
        self.state == now.state
    }
}

/// How often the machines are judged again while they change.
const AGAIN: usize = 2;

/// What was judged before the lock was held, as long as it holds behind it. Nodes that changed are judged again: Docker goes
/// on with what a killed run had asked it for.
///
/// # Errors
/// When the state file is another one, which only another run can have written, or the nodes do not stop changing.
pub async fn behind_the_lock<J>(
    project: &Project,
    mut judged: (Decisive, J),
    see: impl AsyncFn() -> Result<Decisive, Failure>,
    judge_again: impl AsyncFn(&[String]) -> Result<(Decisive, J), Failure>,
) -> Result<J, Failure> {
    for round in 0.. {
        let now = see().await?;
        let changed = judged.0.changed(project, &now);
        if changed.is_empty() {
            break;
        }
        if round == AGAIN || !judged.0.same_state(&now) {
            return Err(refused(&changed));
        }
        judged = judge_again(&changed).await?;
    }
    Ok(judged.1)
}

fn refused(changed: &[String]) -> Failure {
    Failure::new(Exit::ChecksFailed, "another run was at work while this one looked")
        .because(changed.join("\n"))
        .hint("run the same command again: it looks at what is there now; this run changed nothing")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn nodes(seen: &str) -> Decisive {
        Decisive { nodes: vec![("n1".into(), NodeFingerprint::of_test(seen))], state: None }
    }

    /// What comes of it when the looks behind the lock show these, one after the other; and how often it was judged again.
    async fn behind(project: &Project, before: Decisive, looks: Vec<Decisive>) -> (Result<usize, Failure>, usize) {
        let (looks, judged) = (RefCell::new(looks.into_iter()), RefCell::new(0));
        let last = RefCell::new(before.clone());
        let see = async || {
            let now = looks.borrow_mut().next().unwrap();
            *last.borrow_mut() = now.clone();
            Ok(now)
        };
        let again = async |_: &[String]| {
            *judged.borrow_mut() += 1;
            Ok((last.borrow().clone(), *judged.borrow()))
        };
        let ended = behind_the_lock(project, (before, 0), see, again).await;
        let judged = *judged.borrow();
        (ended, judged)
    }

    #[tokio::test]
    async fn nodes_that_changed_are_judged_again_and_never_built_over_unjudged() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        assert_eq!(behind(&project, nodes("a"), vec![nodes("a")]).await, (Ok(0), 0));
        assert_eq!(
            behind(&project, nodes("a"), vec![nodes("b"), nodes("b")]).await,
            (Ok(1), 1),
            "the second judgement counts"
        );
        let (ended, judged) = behind(&project, nodes("a"), vec![nodes("b"), nodes("c"), nodes("d")]).await;
        let refused = ended.unwrap_err();
        assert_eq!((refused.exit, judged, refused.because.len()), (Exit::ChecksFailed, AGAIN, 1), "{refused:?}");
    }

    #[tokio::test]
    async fn a_cluster_that_was_built_before_the_lock_was_held_is_not_built_over() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let machines = Machines { reached: Vec::new(), answers: Vec::new() };
        let before = Decisive::see(&project, &machines).await.unwrap();
        assert!(before.changed(&project, &Decisive::see(&project, &machines).await.unwrap()).is_empty());
        std::fs::write(project.workspace.cluster_state(), Project::state_of_test("")).unwrap();
        let now = Decisive::see(&project, &machines).await.unwrap();
        let (ended, judged) = behind(&project, before, vec![now]).await;
        assert_eq!((ended.unwrap_err().exit, judged), (Exit::ChecksFailed, 0));
    }
}
