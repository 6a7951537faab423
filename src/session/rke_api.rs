//! The way to the API of a cluster that rke made, through the nodes; and why there is none.
//!
//! Only where nothing listens on any control plane may rke build or mend. Whatever else is in the way may be a cluster
//! that works: then rke would run over it, and so it is an error of its own, with its cause and remedy.

use std::sync::Arc;

use crate::cluster::{Access, Cluster, ClusterError, Distrust, Route, whole_kubeconfig};
use crate::facts::api::{ANSWER, API_PORT, ApiAnswer, READY, ask};
use crate::failure::{Exit, Failure};
use crate::session::cluster_api::ClusterApi;
use crate::session::machines::Machines;
use crate::session::project::Project;

/// What a look at the control planes found.
pub enum Found {
    Api(Box<ClusterApi>),
    /// No cluster yet, or nothing listens on any control plane.
    Nothing,
    /// Something listens that cannot be used. `ill`: it may be no more than a member of the cluster that stands still.
    InTheWay {
        ill: bool,
        failure: Failure,
    },
}

/// The API, when it answers; `None` when there is no cluster yet, or nothing listens on any control plane.
pub async fn reach(project: &Project, machines: &Machines) -> Result<Option<ClusterApi>, Failure> {
    match look(project, machines).await? {
        Found::Api(reached) => Ok(Some(*reached)),
        Found::Nothing => Ok(None),
        Found::InTheWay { failure, .. } => Err(failure),
    }
}

/// Looks for the API on every control plane.
pub async fn look(project: &Project, machines: &Machines) -> Result<Found, Failure> {
    let Some(text) = kubeconfig(project) else { return Ok(Found::Nothing) };
    let access = Access::from_yaml(&text).map_err(|error| unusable(project, &error))?;
    let everywhere = machines.control_planes().map(|machine| machine.node.name.as_str()).collect::<Vec<_>>();
    if let Some(reached) = through(project, &access, machines, &everywhere).await? {
        return Ok(Found::Api(Box::new(reached)));
    }
    // One that is silent may stand before others that answer: each is asked by itself.
    let asked = machines
        .control_planes()
        .map(async |machine| (machine.node.name.as_str(), ask(&machine.connection, &access, API_PORT, READY).await));
    let answers = futures::future::join_all(asked).await;
    let in_the_way = || Found::InTheWay { ill: ill(&answers), failure: refused(project, &access, &answers) };
    Ok(match judge(&answers) {
        Verdict::Ready(names) => match through(project, &access, machines, &names).await? {
            Some(reached) => Found::Api(Box::new(reached)),
            None => in_the_way(),
        },
        Verdict::NothingListens => Found::Nothing,
        Verdict::InTheWay => in_the_way(),
    })
}

/// Whether nothing speaks against it that this is our cluster, which only lacks something: nobody refused us, and nobody
/// showed a certificate of another CA.
fn ill(answers: &[(&str, ApiAnswer)]) -> bool {
    answers.iter().all(|(_, answer)| match answer {
        ApiAnswer::NothingListens | ApiAnswer::NotReady(_) | ApiAnswer::Silent(_) => true,
        ApiAnswer::Ready | ApiAnswer::Refused(_) | ApiAnswer::NotTrusted(_, _) | ApiAnswer::Unseen(_) => false,
    })
}

/// The API through these nodes, when it answers soon and serves everything.
async fn through(
    project: &Project,
    access: &Access,
    machines: &Machines,
    names: &[&str],
) -> Result<Option<ClusterApi>, Failure> {
    if names.is_empty() {
        return Ok(None);
    }
    let forward = machines.api_route(API_PORT, names).await?;
    let route = Route::Through { port: forward.address().port() };
    let failed = |error: ClusterError| Failure::with_cause(Exit::Unreachable, "the cluster cannot be reached", &error);
    let cluster = Cluster::open(access, route).await.map_err(failed)?;
    let answers = matches!(tokio::time::timeout(ANSWER, cluster.version()).await, Ok(Ok(_)));
    if !answers || cluster.ready_within(ANSWER).await.is_err() {
        return Ok(None);
    }
    Ok(Some(ClusterApi::new(project.workspace.clone(), Arc::new(cluster), (access.clone(), route), Some(forward))))
}

/// The admin's kubeconfig: the copy in RKE's state, which is whole where the state is; else the file, when it is whole.
fn kubeconfig(project: &Project) -> Option<String> {
    let state = project.state();
    let copy = state.as_ref().and_then(|state| state.kubeconfig()).map(str::to_string);
    copy.or_else(|| {
        std::fs::read_to_string(project.workspace.kubeconfig()).ok().filter(|text| whole_kubeconfig(text).is_ok())
    })
}

/// What the answers of the control planes come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    /// These are ready.
    Ready(Vec<&'a str>),
    NothingListens,
    InTheWay,
}

fn judge<'a>(answers: &[(&'a str, ApiAnswer)]) -> Verdict<'a> {
    let ready: Vec<&str> =
        answers.iter().filter(|(_, answer)| *answer == ApiAnswer::Ready).map(|(name, _)| *name).collect();
    if !ready.is_empty() {
        return Verdict::Ready(ready);
    }
    match answers.iter().all(|(_, answer)| *answer == ApiAnswer::NothingListens) {
        true => Verdict::NothingListens,
        false => Verdict::InTheWay,
    }
}

fn refused(project: &Project, access: &Access, answers: &[(&str, ApiAnswer)]) -> Failure {
    let lines: Vec<String> = answers.iter().map(|(name, answer)| format!("{name}: {}", answer.text())).collect();
    let hints = answers.iter().filter_map(|(name, answer)| remedy(project, access, name, answer));
    let (_, hint) = hints.min_by_key(|(rank, _)| *rank).unzip();
    Failure::new(Exit::Unreachable, "the cluster's API is there, and cannot be used")
        .because(lines.join("\n"))
        .maybe_hint(hint.map(|hint: String| format!("{hint}; nothing was changed")))
}

/// What helps, and how much it says: the lowest is told.
fn remedy(project: &Project, access: &Access, name: &str, answer: &ApiAnswer) -> Option<(u8, String)> {
    const RENEW: &str =
        "`rke cert rotate --config cluster.yml` in this folder makes new certificates under the same CA";
    const FETCH: &str = "`cowhand recover-state --force` fetches the state that the cluster on the nodes keeps";
    let state = project.workspace.cluster_state();
    let state = state.display();
    Some(match answer {
        ApiAnswer::Ready | ApiAnswer::NothingListens => return None,
        ApiAnswer::Refused(_) => match ended(access) {
            Some(ended) => (0, format!("the admin's certificate in {state} ended on {ended}: {RENEW}")),
            None => (0, format!("the admin of {state} is not known there: {FETCH}")),
        },
        ApiAnswer::NotTrusted(Distrust::OtherCa | Distrust::OurCertificate, _) => (
            1,
            format!(
                "a cluster with another CA than that of {state} answers on {name}: if it is this one, {FETCH}; if it is not, see who else builds there"
            ),
        ),
        ApiAnswer::NotTrusted(Distrust::Ended, _) => (2, format!("compare the clocks; if they agree, {RENEW}")),
        ApiAnswer::NotTrusted(Distrust::NotYetValid, _) => {
            (2, format!("compare the clock of this machine with that of {name}"))
        }
        ApiAnswer::NotTrusted(Distrust::OtherName | Distrust::Other, _) => (
            3,
            format!(
                "see what serves port {API_PORT} on {name}: `docker ps` there shows kube-apiserver, when it is the cluster"
            ),
        ),
        ApiAnswer::NotReady(_) => (
            4,
            format!(
                "see `docker ps -a`, `docker logs kube-apiserver` and `docker logs etcd` on {name}; `docker start` what has stopped"
            ),
        ),
        ApiAnswer::Silent(_) => (
            5,
            format!(
                "see `docker logs kube-apiserver` on {name}; `docker restart kube-apiserver` there lets it begin anew"
            ),
        ),
        ApiAnswer::Unseen(_) => {
            (6, format!("let sshd on {name} forward TCP connections, and run the same command again"))
        }
    })
}

/// When the client certificate of this kubeconfig ended, if it has.
fn ended(access: &Access) -> Option<jiff::Timestamp> {
    let now = jiff::Timestamp::now();
    let facts = crate::tls::describe(&access.client_certificate()?, now).ok()?;
    facts.first().map(|leaf| leaf.not_after).filter(|end| *end < now)
}

fn unusable(project: &Project, error: &ClusterError) -> Failure {
    let state = project.workspace.cluster_state();
    Failure::with_cause(Exit::Unreachable, format!("the kubeconfig in {} cannot be used", state.display()), error)
        .hint("`cowhand recover-state --force` fetches the state from the cluster; nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<ApiAnswer> {
        vec![
            ApiAnswer::NotReady("not ready: etcd".into()),
            ApiAnswer::Silent("timed out".into()),
            ApiAnswer::NotTrusted(Distrust::OtherCa, "foreign".into()),
            ApiAnswer::NotTrusted(Distrust::Ended, "ended".into()),
            ApiAnswer::NotTrusted(Distrust::NotYetValid, "not yet".into()),
            ApiAnswer::NotTrusted(Distrust::OtherName, "name".into()),
            ApiAnswer::Refused("401".into()),
            ApiAnswer::Unseen("no forwarding".into()),
        ]
    }

    #[test]
    fn only_where_nothing_listens_anywhere_may_rke_build() {
        let nothing = ApiAnswer::NothingListens;
        assert_eq!(judge(&[("n1", nothing.clone()), ("n2", nothing.clone())]), Verdict::NothingListens);
        for other in all() {
            assert_eq!(judge(&[("n1", nothing.clone()), ("n2", other.clone())]), Verdict::InTheWay, "{other:?}");
            let one = [("n1", other.clone()), ("n2", ApiAnswer::Ready), ("n3", nothing.clone())];
            assert_eq!(judge(&one), Verdict::Ready(vec!["n2"]), "{other:?}");
        }
    }

    #[test]
    fn only_an_api_that_lacks_something_may_be_started_again() {
        for other in all() {
            let ours = matches!(other, ApiAnswer::NotReady(_) | ApiAnswer::Silent(_));
            assert_eq!(ill(&[("n1", ApiAnswer::NothingListens), ("n2", other.clone())]), ours, "{other:?}");
        }
    }

    #[test]
    fn each_has_its_cause_and_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let access = Access::from_yaml(&crate::cluster::kubeconfig_of_test()).unwrap();
        let mut hints = Vec::new();
        for answer in all() {
            let failure = refused(&project, &access, &[("n1", ApiAnswer::NothingListens), ("n2", answer.clone())]);
            assert_eq!(failure.exit, Exit::Unreachable);
            assert!(failure.because[0].contains(&format!("n2: {}", answer.text())), "{failure:?}");
            let hint = failure.hint.unwrap();
            assert!(hint.ends_with("; nothing was changed") && !hints.contains(&hint), "{hint}");
            hints.push(hint);
        }
    }

    #[test]
    fn the_states_copy_is_used_whatever_became_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let text = crate::cluster::kubeconfig_of_test();
        let file = project.workspace.kubeconfig();
        std::fs::write(&file, &text[..text.len() - 9]).unwrap();
        assert_eq!(kubeconfig(&project), None, "there is no other copy");
        std::fs::write(&file, &text).unwrap();
        assert_eq!(kubeconfig(&project).as_ref(), Some(&text));
        std::fs::write(project.workspace.cluster_state(), Project::state_of_test(&text)).unwrap();
        for length in 0..text.len() {
            std::fs::write(&file, &text[..length]).unwrap();
            assert_eq!(kubeconfig(&project).as_ref(), Some(&text));
        }
    }
}
