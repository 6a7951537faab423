//! Newer versions on a running cluster: what runs, the path from there, the inventory's lines, and the steps, each as a run
//! of `up` of its own; and what is left of ways back.

pub mod back;
mod chart;
mod play;
mod record;
mod see;
mod write;

use crate::failure::{Exit, Failure};
use crate::inventory::says;
use crate::plan::upgrade::{
    Before, NoTarget, Product, Refusal, Targets, UpgradePlan, What, Written, offer, path, targets,
};
use crate::play::Tell;
use crate::session::backup;
use crate::session::inputs::{self, nothing_there};
use crate::session::machines::Machines;
use crate::session::project::Project;

pub use play::{Said, play};
pub(crate) use see::Seen;

/// What this cluster could take; nothing is changed.
pub async fn what(project: &Project, machines: &Machines) -> Result<What, Failure> {
    let seen = look(project, machines).await?;
    let offer = offer(&seen.running, &seen.bounds);
    let mut notes = seen.notes.clone();
    if let Before::Missing { why, .. } = before(project, false) {
        notes.push(why);
    }
    Ok(What { runs: seen.runs, offer, notes })
}

/// The plan for these words of `--to`; nothing is changed.
///
/// # Errors
/// What cannot be had, and why; before anything is touched.
pub async fn plan(
    project: &Project,
    machines: &Machines,
    (said, no_backup): (&[String], bool),
    tell: &Tell,
) -> Result<(UpgradePlan, Targets), Failure> {
    let seen = look(project, machines).await?;
    let list = seen.bounds.rke_list.clone().unwrap_or_default();
    let wanted = targets(said.iter().map(String::as_str), &list).map_err(no_target)?;
    let path = path(&seen.running, &wanted, &seen.bounds).map_err(refused)?;
    let path = play::with_unfinished(path, &seen, &wanted);
    let text = write::text(project)?;
    let inventory = lines(project, &text, &wanted);
    let mut judged = text;
    for line in &inventory {
        judged = write::line(project, &judged, line.key, &line.to)?;
    }
    let mut notes = seen.notes.clone();
    if !path.is_empty() {
        let future = write::project(project, &judged)?;
        notes.extend(chart::judged(project, &future, &seen, (&path, &wanted), tell).await?);
    }
    Ok((UpgradePlan { runs: seen.runs, before: before(project, no_backup), path, inventory, notes }, wanted))
}

async fn look(project: &Project, machines: &Machines) -> Result<Seen, Failure> {
    let reached = inputs::reach(project, machines).await?;
    let reached = reached.ok_or_else(|| machines.unreached().unwrap_or_else(|| nothing_there(project)))?;
    see::see(project, &reached).await
}

fn no_target(error: NoTarget) -> Failure {
    Failure::new(Exit::Usage, error.why).hint(error.remedy)
}

fn refused(refusal: Refusal) -> Failure {
    Failure::new(Exit::ChecksFailed, format!("{} is not upgraded so; nothing was touched", refusal.product))
        .because(refusal.why)
        .hint(refusal.remedy)
}

/// The lines of the inventory that say something else than what is asked for.
fn lines(project: &Project, text: &str, wanted: &Targets) -> Vec<Written> {
    let line = |product: Product| {
        let to = wanted.of(product)?;
        let key = product.key();
        let there = value(project, product);
        let from = if says(text, key) { there.clone() } else { String::new() };
        (there != to).then_some(Written { key, from, to })
    };
    Product::ALL.into_iter().filter_map(line).collect()
}

/// What the inventory asks for, by its own word or by default.
fn value(project: &Project, product: Product) -> String {
    let inventory = &project.inventory;
    match product {
        Product::Rancher => inventory.rancher.version.to_string(),
        Product::CertManager => inventory.cert_manager.chart.version.clone(),
        Product::Kubernetes => inventory.engine.rke_settings().map(|rke| rke.kubernetes.clone()).unwrap_or_default(),
    }
}

/// Whether there is a backup to be had before.
fn before(project: &Project, no_backup: bool) -> Before {
    if no_backup {
        return Before::NoBackup;
    }
    let remedy = "or say --no-backup by hand: then no way leads back once the new version runs".to_owned();
    if !project.inventory.engine.keeps_state() {
        let why = "cowhand takes no backup of a cluster that was there before".to_owned();
        return Before::Missing {
            why,
            remedy: format!("take one by the way of whoever built it, and {}", &remedy[3..]),
        };
    }
    let wanted = backup::Wanted::default().filled(project);
    if wanted.recipients.is_empty() && wanted.passphrase.is_none() {
        let why = "no backup is set up (`backup` in the inventory)".to_owned();
        return Before::Missing { why, remedy: format!("set it up (`cowhand backup new-key` begins), {remedy}") };
    }
    let here = backup::folders(project, &wanted).into_iter().map(|folder| folder.display().to_string());
    let there = backup::elsewhere(&wanted).into_iter().map(|folder| folder.to_string());
    Before::Backup { to: here.chain(there).collect() }
}
