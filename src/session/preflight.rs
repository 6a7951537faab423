//! Looking before leaping: facts of every node, every check, one report.

use crate::check::{self, Report, Skips};
use crate::engine::ApiRoute;
use crate::facts;
use crate::facts::existing::ClusterObserved;
use crate::failure::{Exit, Failure};
use crate::session::Skip;
use crate::session::machines::Machines;
use crate::session::members;
use crate::session::project::Project;
use crate::session::{images, inputs};

/// What was judged, and the cluster that was there, as it was seen.
pub struct Preflight {
    pub report: Report,
    pub cluster: Option<ClusterObserved>,
}

/// The checks that must not block, by inventory and command line together.
pub fn skips(project: &Project, skip: &Skip) -> Result<Skips, Failure> {
    let ids = project.inventory.skip_checks.iter().chain(&skip.ids);
    Skips::new(ids).map_err(|error| Failure::of(Exit::Usage, &error))
}

/// Gathers the facts and runs all checks; without machines only those that need none.
pub async fn look(project: &Project, machines: Option<&Machines>, skips: &Skips) -> Result<Preflight, Failure> {
    let files = project.installed_files()?;
    let (observed, name, members, images) = match machines {
        None => (None, None, None, None),
        Some(machines) => {
            let inventory = &project.inventory;
            let hostname = &inventory.rancher.hostname;
            let nodes = facts::gather(&inventory.nodes, hostname, &machines.answers);
            let name = facts::dns::resolve(inventory.dns_server, hostname);
            let (nodes, name, members, images) =
                futures::join!(nodes, name, members::see(project, machines), images::see(project, machines));
            (Some(nodes), Some(name), members, images)
        }
    };
    let (kubeconfig, cluster) = match project.inventory.engine.api_route() {
        ApiRoute::ThroughNodes => (None, None),
        ApiRoute::Kubeconfig(existing) => {
            let seen = facts::kubeconfig::kubeconfig(&existing.kubeconfig, existing.context.as_deref());
            let asked = machines.is_some() && seen.can_ask();
            (Some(seen), if asked { Some(inputs::observe(project, existing).await) } else { None })
        }
    };
    let now = jiff::Timestamp::now();
    let clocks = observed.as_ref().map(|observed| check::node_clocks(observed, now)).unwrap_or_default();
    let judgements = project.judgements(&files, &clocks);
    // A set-up that cannot work is refused before its details are judged further.
    if let Ok(material) = project.material(&files) {
        project.fitted(cluster.as_ref()).refuse(&material)?;
    }
    let workspace = project.workspace_facts()?;
    let context = check::Context {
        inventory: &project.inventory,
        observed: observed.as_ref(),
        kubeconfig: kubeconfig.as_ref(),
        cluster: cluster.as_ref(),
        members: members.as_ref(),
        images: images.as_ref(),
        now,
        workspace: &workspace,
        certificates: &judgements,
        name: name.as_ref(),
    };
    let report = check::run_all(&context, skips);
    Ok(Preflight { report, cluster })
}

/// Why the cluster that is there was not reached, if so.
pub fn unanswered(project: &Project, cluster: Option<&ClusterObserved>) -> Option<Failure> {
    let (Some(ClusterObserved::Unreachable { reason, hint }), Some(existing)) =
        (cluster, project.inventory.engine.given_cluster())
    else {
        return None;
    };
    let which = existing.context.as_ref().map(|name| format!(", context {name},")).unwrap_or_default();
    let error = format!("the cluster of {}{which} cannot be reached", existing.kubeconfig.display());
    Some(Failure::new(Exit::Unreachable, error).because(reason).maybe_hint(hint.clone()))
}

/// One line that says which cluster this is about.
pub fn heading(project: &Project) -> String {
    let inventory = &project.inventory;
    let engine = match project.inventory.engine.rke_settings() {
        Some(rke) => format!("{} nodes · rke {} · kubernetes {}", inventory.nodes.len(), rke.version, rke.kubernetes),
        None => format!("the cluster at {}", project.cluster_line().unwrap_or_default()),
    };
    let rancher = &inventory.rancher;
    let (mode, issuer) = (rancher.tls.mode.word(), rancher.tls.issuer.word());
    format!(
        "{} · {engine} · rancher {} at {} (tls: {mode}, issuer: {issuer})",
        inventory.name, rancher.version, rancher.hostname
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_in_either_place_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::of_test(folder.path());
        project.inventory.skip_checks = vec!["node.cpu".into()];
        let both = skips(&project, &Skip { ids: vec!["docker.version".into()] }).unwrap();
        assert!(both.contains("docker.version") && both.contains("node.cpu"));
    }
}
