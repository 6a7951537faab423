//! Looking before leaping: facts of every node, every check, one report.

use super::Skip;
use super::machines::Machines;
use super::site::Site;
use super::world;
use crate::check::{self, Report, Skips};
use crate::facts;
use crate::facts::existing::ClusterObserved;
use crate::inventory::Engine;
use crate::report::{Exit, Failure};

/// What was judged, and the cluster that was there, as it was seen.
pub struct Looked {
    pub report: Report,
    pub cluster: Option<ClusterObserved>,
}

/// The checks that must not block, by inventory and command line together.
pub fn skips(site: &Site, skip: &Skip) -> Result<Skips, Failure> {
    let ids = site.inventory.skip_checks.iter().chain(&skip.ids);
    Skips::new(ids).map_err(|error| Failure::of(Exit::Usage, &error).maybe_hint(error.hint()))
}

/// Gathers the facts and runs all checks; without machines only those that need none.
pub async fn look(site: &Site, machines: Option<&Machines>, skips: &Skips) -> Result<Looked, Failure> {
    let files = site.installed_files()?;
    let (observed, name) = match machines {
        None => (None, None),
        Some(machines) => {
            let inventory = &site.inventory;
            let hostname = &inventory.rancher.hostname;
            let nodes = facts::gather(&inventory.nodes, hostname, &machines.answers);
            let (nodes, name) = futures::join!(nodes, facts::dns::resolve(inventory.dns_server, hostname));
            (Some(nodes), Some(name))
        }
    };
    let (kubeconfig, cluster) = match &site.inventory.engine {
        Engine::Rke(_) => (None, None),
        Engine::Existing(existing) => {
            let seen = facts::kubeconfig::kubeconfig(&existing.kubeconfig, existing.context.as_deref());
            let asked = machines.is_some() && seen.can_ask();
            (Some(seen), if asked { Some(world::observe(existing).await) } else { None })
        }
    };
    let now = jiff::Timestamp::now();
    let clocks = observed.as_ref().map(|observed| check::node_clocks(observed, now)).unwrap_or_default();
    let judgements = site.judgements(&files, &clocks);
    // A set-up that cannot work is refused before its details are judged further.
    if let Ok(material) = site.material(&files) {
        site.fitted(cluster.as_ref()).refuse(&material)?;
    }
    let workspace = site.workspace_facts()?;
    let context = check::Context {
        inventory: &site.inventory,
        observed: observed.as_ref(),
        kubeconfig: kubeconfig.as_ref(),
        cluster: cluster.as_ref(),
        now,
        workspace: &workspace,
        certificates: &judgements,
        name: name.as_ref(),
    };
    let report = check::run_all(&context, skips);
    Ok(Looked { report, cluster })
}

/// Why the cluster that is there was not reached, if so.
pub fn unanswered(site: &Site, cluster: Option<&ClusterObserved>) -> Option<Failure> {
    let (Some(ClusterObserved::Unreachable { reason, hint }), Engine::Existing(existing)) =
        (cluster, &site.inventory.engine)
    else {
        return None;
    };
    let which = existing.context.as_ref().map(|name| format!(", context {name},")).unwrap_or_default();
    let error = format!("the cluster of {}{which} cannot be reached", existing.kubeconfig.display());
    Some(Failure::new(Exit::Unreachable, error).because(reason).maybe_hint(hint.clone()))
}

/// One line that says which cluster this is about.
pub fn heading(site: &Site) -> String {
    let inventory = &site.inventory;
    let engine = match site.rke() {
        Some(rke) => format!("{} nodes · rke {} · kubernetes {}", inventory.nodes.len(), rke.version, rke.kubernetes),
        None => "a cluster that is there".into(),
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
        let mut site = Site::of_test(folder.path());
        site.inventory.skip_checks = vec!["node.cpu".into()];
        let both = skips(&site, &Skip { ids: vec!["docker.version".into()] }).unwrap();
        assert!(both.contains("docker.version") && both.contains("node.cpu"));
    }
}
