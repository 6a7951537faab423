//! What the screen of `status` tells: nodes, etcd, ingress, cert-manager, Rancher, certificates and their days left.

use secrecy::ExposeSecret;

use crate::backup::age_of;
use crate::check::{EtcdMember, Finding, Verdict, etcd_members};
use crate::cluster::ClusterError;
use crate::facts::certificates::{Renewer, rke_renewer};
use crate::facts::cluster::{NAMESPACE, ingress_classes, rancher};
use crate::failure::{Exit, Failure};
use crate::report::status::{ETCD, Lines, Status, Unreached};
use crate::session::backup::Wanted;
use crate::session::certificates::renewers;
use crate::session::cluster_api::ClusterApi;
use crate::session::machines::Machines;
use crate::session::project::Project;
use crate::session::stage_result::{ACCEPTS, IngressStands, cert_manager, ingress};
use crate::session::{members, ownership};
use crate::tls;

/// Looks at everything that the screen of `status` tells.
pub async fn see(project: &Project, machines: &Machines, reached: &ClusterApi) -> Result<Status, Failure> {
    let cluster = &reached.cluster;
    let unseen =
        |error: ClusterError| Failure::with_cause(Exit::Unreachable, "the cluster cannot be looked at", &error);
    let mut seen = Lines::default();
    let (etcd, members) = match project.inventory.engine.builds_nodes() {
        true => membership(project, machines, reached, &mut seen).await?,
        false => (Vec::new(), Vec::new()),
    };
    certificates(project, reached, &mut seen).await;
    let mark = ownership::foreign(project, reached).await.map_err(|failure| failure.error);
    let classes = ingress_classes(cluster).await.map_err(unseen)?;
    let fitted = project.with_classes(&classes);
    let IngressStands { text, well } = ingress(&fitted.inventory, reached, Vec::new()).await.map_err(unseen)?;
    let cert_manager = cert_manager(reached).await;
    let status = Status {
        cluster: project.inventory.name.clone(),
        kubernetes: cluster.version().await.map_err(unseen)?,
        nodes: cluster.nodes().await.map_err(unseen)?,
        unreached: unreached(machines),
        mark: seen.or_unseen("the mark of the cluster", mark).flatten(),
        etcd,
        members,
        etcd_is_ours: project.inventory.engine.builds_nodes(),
        ingress: classes,
        ingress_stands: text,
        ingress_is_well: well,
        cert_manager_is_well: cert_manager == ACCEPTS || !needs_cert_manager(&fitted),
        cert_manager,
        rancher: rancher(cluster).await.map_err(unseen)?,
        backup: backup(project),
        certificates: seen.lines,
        unseen: seen.unseen,
        problems: Vec::new(),
    };
    Ok(status.judged())
}

/// The newest backup in the inventory's folders; `None` where none can be taken.
fn backup(project: &Project) -> Option<String> {
    if !project.inventory.engine.keeps_state() {
        return None;
    }
    let folders = crate::session::backup::folders(project, &Wanted::default().filled(project));
    let found = folders.iter().flat_map(|folder| crate::backup::list(folder).unwrap_or_default()).collect();
    let newest = crate::backup::newest(found).and_then(|one| Some((one.path, one.label.ok()?)));
    let told = newest.map(|(path, label)| {
        let age = age_of(label.taken, jiff::Timestamp::now());
        format!("{age} old, {} when it was taken: {}", label.level, path.display())
    });
    Some(told.unwrap_or_else(|| "there is none; `cowhand backup` takes one".to_owned()))
}

/// Nodes that ssh does not reach, each with the reason.
fn unreached(machines: &Machines) -> Vec<Unreached> {
    let failed = machines.answers.iter().filter_map(|(node, answer)| Some((node, answer.as_ref().err()?)));
    failed.map(|(node, why)| Unreached { node: node.clone(), why: why.to_string() }).collect()
}

/// What cannot be told, for want of the files that the inventory names, is told with the certificates.
fn needs_cert_manager(project: &Project) -> bool {
    let picture =
        project.tls_files().and_then(|files| project.material(&files)).and_then(|material| project.picture(&material));
    picture.is_ok_and(|picture| picture.needs_cert_manager)
}

/// etcd's members, and what is wrong with the cluster's.
async fn membership(
    project: &Project,
    machines: &Machines,
    reached: &ClusterApi,
    lines: &mut Lines,
) -> Result<(Vec<EtcdMember>, Vec<Finding>), Failure> {
    let seen = members::see_through(machines, reached).await;
    let etcd = match machines.reached.is_empty() {
        true => lines.or_unseen(ETCD, Err("no node is reached by ssh")).unwrap_or_default(),
        false => etcd_members(&project.inventory.nodes, &project.workspace_facts()?.state, &seen.etcd),
    };
    // A member of etcd that is down has its own line.
    let shown = |one: &Finding| one.check != "etcd.healthy" && one.verdict != Verdict::Pass;
    Ok((etcd, members::judged(project, &seen)?.into_iter().filter(shown).collect()))
}

async fn certificates(project: &Project, reached: &ClusterApi, seen: &mut Lines) {
    let (rancher, ca) = ("Rancher's certificate", "the CA clients trust");
    let secret = seen.or_unseen(rancher, reached.cluster.read_secret(NAMESPACE, tls::INGRESS_SECRET).await).flatten();
    if let Some(pem) = secret.as_ref().and_then(|data| data.get("tls.crt")) {
        seen.add(rancher, pem.expose_secret(), renewers(project).leaf);
    }
    let material = project.tls_files().and_then(|files| project.material(&files)).map_err(|failure| failure.error);
    if let Some(pem) = seen.or_unseen(ca, material).as_ref().and_then(|material| material.ca()) {
        seen.add(ca, pem.as_bytes(), Renewer::Ca);
    }
    if !project.inventory.engine.keeps_state() {
        return;
    }
    let state =
        project.state().ok_or_else(|| format!("there is no whole {}", project.workspace.cluster_state().display()));
    for (name, pem) in seen.or_unseen("RKE's own certificates", state).iter().flat_map(|state| state.certificates()) {
        if !pem.is_empty() {
            seen.add(&format!("rke {name}"), pem.as_bytes(), rke_renewer(name));
        }
    }
}
