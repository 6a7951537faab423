//! Takes a backup of a running cluster: looks, brings the snapshot, proves it, seals it, puts it in its places.

mod far;
pub(in crate::session) mod member;
mod parts;
mod place;
mod sealing;
mod words;

use jiff::Timestamp;

use crate::backup::{Contents, Level, Manifest, Part, Proved, Questions, SNAPSHOT, Source, Spooled, Versions, prove};
use crate::backup::{Entry, FORMAT, Recipients, STATE, Spool};
use crate::facts::cluster::rancher;
use crate::facts::owner::cluster_uid;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::{self, nothing_there};
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::project::Project;
use crate::session::run::guarded;

pub use place::{elsewhere, folders};
pub use sealing::{keys, recipients};
pub use words::Wanted;

/// A backup as the inventory alone asks for it.
pub async fn take_usual(session: &Session<'_>) -> Result<String, Failure> {
    refuse(session.project)?;
    take(session, &Wanted::default().filled(session.project)).await
}

/// Nothing on the cluster is changed, and nothing is written but the backup.
///
/// # Errors
/// When there is no backup afterwards; or, as not verified, when there is one that did not reach level 3.
pub async fn take(session: &Session<'_>, wanted: &Wanted) -> Result<String, Failure> {
    let recipients = sealing::recipients(session.project, wanted)?;
    if let Some(warning) = sealing::warning(&recipients) {
        session.tell.warning(warning);
    }
    let stop = &session.context.stop;
    let places = guarded(stop, place::open(session, wanted)).await.map_err(nothing_kept)?;
    let mut taken = guarded(stop, gather(session, &places)).await.map_err(nothing_kept)?;
    let kept = taken.keep(session, &places, &recipients);
    let kept = guarded(stop, kept).await?;
    let removed = places.prune(&taken.manifest.uid, wanted.keep).await?;
    removed.iter().for_each(|path| session.tell.note(format!("{path} is removed: --keep counts it out")));
    places.close().await;
    let line = format!("{}: {}", kept.join(", "), taken.manifest.level);
    match taken.proved.flaw {
        None => Ok(line),
        Some(flaw) => Err(Failure::new(Exit::NotVerified, format!("{line}, and no further"))
            .because(&flaw)
            .hint("the file is kept; --keep does not count it as a good one. See to the reason, then take another")),
    }
}

fn nothing_kept(failure: Failure) -> Failure {
    match failure.exit {
        Exit::Interrupted => Failure::interrupted("there is no backup; the cluster was not touched"),
        _ => failure,
    }
}

struct Gathered {
    manifest: Manifest,
    snapshot: Spooled,
    parts: Vec<Part>,
    proved: Proved,
}

impl Gathered {
    async fn keep(
        &mut self,
        session: &Session<'_>,
        places: &place::Places,
        recipients: &Recipients,
    ) -> Result<Vec<String>, Failure> {
        let Gathered { manifest, snapshot, parts, .. } = self;
        places.keep(session, &mut place::Taken { manifest, snapshot, parts }, recipients).await
    }
}

async fn gather(session: &Session<'_>, places: &place::Places) -> Result<Gathered, Failure> {
    let project = session.project;
    let machines = session.machines_for(Stage::Backup.needs()).await?;
    let reached = inputs::reach(project, machines).await?.ok_or_else(|| nothing_there(project))?;
    let uid = cluster_uid(&reached.cluster).await.map_err(unseen)?;
    places.refuse_strangers(&uid)?;
    let versions = versions(project, &reached).await?;
    let mut parts = parts::of_workspace(project)?;
    parts.extend(parts::releases(&reached).await?);
    let not_in_it = parts::not_in_it(project, &reached).await?;
    let taken = Timestamp::now();
    let (source, etcd, mut snapshot) = snapshot(session, machines, places).await?;
    let state = parts.iter().find(|part| part.name == STATE).map(|part| part.bytes.as_slice());
    let questions =
        Questions { state, uid: &uid, kubernetes: &versions.kubernetes, last_revision: places.last_revision(&uid) };
    let mut proved = proved(session, &mut snapshot, &questions)?;
    let contents = proved.contents.take().unwrap_or_default();
    let versions = Versions { etcd, ..versions };
    let claims = Claims { uid, taken, versions, source, not_in_it };
    let manifest = manifest(project, claims, &contents, &parts, &snapshot, &proved);
    Ok(Gathered { manifest, snapshot, parts, proved })
}

/// What is known beside what was brought.
struct Claims {
    uid: String,
    taken: Timestamp,
    versions: Versions,
    source: Source,
    not_in_it: Vec<String>,
}

fn manifest(
    project: &Project,
    claims: Claims,
    contents: &Contents,
    parts: &[Part],
    snapshot: &Spooled,
    proved: &Proved,
) -> Manifest {
    let first = Entry {
        name: SNAPSHOT.into(),
        what: "etcd's snapshot".into(),
        path: None,
        length: snapshot.length,
        sha256: snapshot.sha256.clone(),
    };
    let Claims { uid, taken, versions, source, not_in_it } = claims;
    Manifest {
        format: FORMAT,
        name: project.inventory.name.clone(),
        uid,
        // A name and a label tell seconds.
        taken: Timestamp::from_second(taken.as_second()).unwrap_or(taken),
        versions,
        source: Source { revision: contents.revision, ..source },
        keys: contents.keys,
        objects: contents.objects.clone(),
        entries: std::iter::once(first).chain(parts.iter().map(Part::entry)).collect(),
        not_in_it,
        level: proved.level,
        proofs: proved.proofs.clone(),
    }
}

async fn versions(project: &Project, reached: &ClusterApi) -> Result<Versions, Failure> {
    let rancher = rancher(&reached.cluster).await.map_err(unseen)?;
    Ok(Versions {
        cowhand: env!("CARGO_PKG_VERSION").into(),
        rke: project.inventory.engine.rke_settings().map(|rke| rke.version.clone()),
        kubernetes: reached.cluster.version().await.map_err(unseen)?,
        etcd: String::new(),
        rancher: rancher.map(|seen| seen.image),
    })
}

/// Brings the snapshot from one member, a follower where there is one, without a copy on its disk.
async fn snapshot(
    session: &Session<'_>,
    machines: &Machines,
    places: &place::Places,
) -> Result<(Source, String, Spooled), Failure> {
    let state = session.project.state().ok_or_else(|| no_state(session.project))?;
    let member = member::choose(machines, &state).await?;
    let spool = Spool::in_folder(places.first()).map_err(|error| {
        Failure::with_cause(Exit::NotHere, format!("{} takes no file", places.first().display()), &error)
    })?;
    let spooled = member::bring(&member, &state, spool, &session.tell).await?;
    let status = member.status;
    let source = Source {
        node: member.machine.node.name.clone(),
        follower: !status.leads(),
        revision: status.revision,
        term: status.term,
        index: status.index,
    };
    Ok((source, status.version, spooled))
}

fn no_state(project: &Project) -> Failure {
    let path = project.workspace.cluster_state();
    Failure::new(Exit::ChecksFailed, format!("there is no whole {}", path.display()))
        .hint("a backup without it is none: `cowhand recover-state` brings it back from the cluster")
}

/// A snapshot that is not even readable is no backup.
fn proved(session: &Session<'_>, snapshot: &mut Spooled, questions: &Questions<'_>) -> Result<Proved, Failure> {
    session.tell.progress(Stage::Backup, "reading every page of the snapshot");
    let length = snapshot.length;
    let failed = |flaw: &crate::backup::Flaw| {
        Failure::with_cause(Exit::ChecksFailed, "the snapshot that etcd gave cannot be used", flaw)
            .hint("nothing was kept; `cowhand status` tells how etcd's members are")
    };
    let reader = snapshot.open().map_err(|error| failed(&crate::backup::Flaw::new(Level::There, error)))?;
    let proved = tokio::task::block_in_place(|| prove(reader, length, questions));
    for proof in &proved.proofs {
        session.tell.detail(format!("{}: {}", proof.what, proof.seen));
    }
    match (&proved.flaw, proved.level >= Level::Readable) {
        (Some(flaw), false) => Err(failed(flaw)),
        (Some(_), true) | (None, _) => Ok(proved),
    }
}

/// # Errors
/// Where there is no state file, there is nothing to bind a snapshot to.
pub fn refuse(project: &Project) -> Result<(), Failure> {
    if project.inventory.engine.keeps_state() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "backups are of clusters that rke made; this inventory's cluster was there before")
        .hint("whoever made that cluster has its own way to save etcd"))
}
