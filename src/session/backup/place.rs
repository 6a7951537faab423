//! The folders that backups lie in: opened, refused, written to, thinned out.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::far::{self, Far};
use crate::backup::{self, Aged, Found, Keep, Label, Manifest, Part, Recipients, Spooled, file_name};
use crate::failure::{Exit, Failure};
use crate::inventory::{BackupPlace, SshFolder};
use crate::local::WRITING;
use crate::plan::Stage;
use crate::session::open::Session;
use crate::session::project::Project;

use super::words::Wanted;

/// Beside the inventory.
const USUAL: &str = "backups";

/// The folders of this machine that backups of this inventory lie in, whether or not they are there.
pub fn folders(project: &Project, wanted: &Wanted) -> Vec<PathBuf> {
    if wanted.to.is_empty() {
        return vec![project.workspace.folder().join(USUAL)];
    }
    let here = wanted.to.iter().filter_map(|place| match place {
        BackupPlace::Folder(folder) => Some(folder.clone()),
        BackupPlace::Ssh(_) => None,
    });
    here.collect()
}

/// Those on other machines.
pub fn elsewhere(wanted: &Wanted) -> Vec<SshFolder> {
    let far = wanted.to.iter().filter_map(|place| match place {
        BackupPlace::Folder(_) => None,
        BackupPlace::Ssh(folder) => Some(folder.clone()),
    });
    far.collect()
}

/// Folders that are there, with what lies in them.
pub struct Places {
    folders: Vec<(PathBuf, Vec<Found>)>,
    far: Vec<Far>,
    /// Where it is sealed when all places are elsewhere; what is written there goes again.
    passing: PathBuf,
}

/// # Errors
/// When one is not there: a disk that is not mounted must not become a folder on another one. The usual one is made.
pub async fn open(session: &Session<'_>, wanted: &Wanted) -> Result<Places, Failure> {
    let project = session.project;
    let mut opened = Vec::new();
    for folder in folders(project, wanted) {
        if wanted.to.is_empty() {
            make(&folder)?;
        }
        let found = backup::list(&folder).map_err(|error| {
            Failure::with_cause(Exit::NotHere, format!("{} cannot take backups", folder.display()), &error)
                .hint("make the folder, or mount its disk; nothing was touched")
        })?;
        opened.push((folder, found));
    }
    let passing = project.workspace.open_inside().map_err(|error| Failure::of(Exit::NotHere, &error))?;
    let far = far::open(session, &elsewhere(wanted), wanted.accept_new_host_keys).await?;
    Ok(Places { folders: opened, far, passing })
}

fn make(folder: &Path) -> Result<(), Failure> {
    let made = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))
    };
    made().map_err(|error| Failure::with_cause(Exit::NotHere, format!("{} cannot be made", folder.display()), &error))
}

impl Places {
    /// Where it is sealed.
    pub fn first(&self) -> &Path {
        self.folders.first().map_or(&self.passing, |(folder, _)| folder)
    }

    fn labels(&self) -> impl Iterator<Item = (String, &Label)> {
        let here = self.folders.iter().flat_map(|(_, found)| found);
        let here = here.filter_map(|one| Some((one.path.display().to_string(), one.label.as_ref().ok()?)));
        here.chain(self.far.iter().flat_map(Far::labels))
    }

    /// # Errors
    /// When backups of another cluster lie there: thinning out would count them, and somebody would restore the wrong one.
    pub fn refuse_strangers(&self, uid: &str) -> Result<(), Failure> {
        let Some((path, label)) = self.labels().find(|(_, label)| label.uid != uid) else { return Ok(()) };
        let error = format!("{path} is a backup of another cluster");
        Err(Failure::new(Exit::ChecksFailed, error)
            .because(format!("it is of `{}` with UID {}; this cluster's is {uid}", label.name, label.uid))
            .hint(
                "a folder belongs to one cluster: give this one a folder of its own with -o, or move the others away",
            ))
    }

    /// The highest revision in any backup of this cluster.
    pub fn last_revision(&self, uid: &str) -> Option<u64> {
        self.labels().filter(|(_, label)| label.uid == uid).map(|(_, label)| label.revision).max()
    }

    /// Seals it in the first folder and copies it to the other places; one that fails is said, and the rest stand.
    ///
    /// # Errors
    /// When it is nowhere afterwards.
    pub async fn keep(
        &self,
        session: &Session<'_>,
        taken: &mut Taken<'_>,
        recipients: &Recipients,
    ) -> Result<Vec<String>, Failure> {
        let name = file_name(&taken.manifest.name, taken.manifest.taken);
        let first = self.first().join(&name);
        tokio::task::block_in_place(|| seal(session, &first, taken, recipients))?;
        // With no folder here it is on its way only.
        let _passing = self.folders.is_empty().then(|| Passing(first.clone()));
        let (mut kept, mut failed) = (Vec::new(), Vec::new());
        kept.extend((!self.folders.is_empty()).then(|| first.display().to_string()));
        for (folder, _) in self.folders.iter().skip(1) {
            let to = folder.join(&name);
            match tokio::task::block_in_place(|| copy(&first, &to)) {
                Ok(()) => kept.push(to.display().to_string()),
                Err(failure) => failed.push(failure),
            }
        }
        let (sent, unsent) = self.send(&first, &name).await;
        kept.extend(sent);
        failed.extend(unsent);
        match (kept.is_empty(), failed.pop()) {
            (true, Some(failure)) => Err(failure),
            (true, None) => Err(Failure::new(Exit::Bug, "a backup has no place")),
            (false, last) => {
                for failure in failed.into_iter().chain(last) {
                    let why = failure.because.join(": ");
                    session.tell.warning(format!("{}: {why}; {} stands", failure.error, kept.join(", ")));
                }
                Ok(kept)
            }
        }
    }

    /// To the folders on other machines: where it is now, and where it is not.
    async fn send(&self, file: &Path, name: &str) -> (Vec<String>, Vec<Failure>) {
        let (mut sent, mut failed) = (Vec::new(), Vec::new());
        let hash = tokio::task::block_in_place(|| backup::hash_of(file));
        for far in &self.far {
            let put = match &hash {
                Ok(hash) => far.put(file, name, hash).await,
                Err(error) => {
                    Err(Failure::with_cause(Exit::NotHere, format!("{} cannot be read", file.display()), error))
                }
            };
            match put {
                Ok(()) => sent.push(format!("{}/{name}", far.folder)),
                Err(failure) => failed.push(failure),
            }
        }
        (sent, failed)
    }

    /// Removes what the rule counts out, in every place; what was removed.
    pub async fn prune(&self, uid: &str, keep: Option<Keep>) -> Result<Vec<String>, Failure> {
        let Some(keep) = keep else { return Ok(Vec::new()) };
        let mut removed = Vec::new();
        for (folder, _) in &self.folders {
            for path in pruned(folder, uid, keep).unwrap_or_default() {
                std::fs::remove_file(&path).map_err(|error| {
                    Failure::with_cause(Exit::NotVerified, format!("{} cannot be removed", path.display()), &error)
                        .hint("the new backup is there; without --keep nothing is removed")
                })?;
                removed.push(path.display().to_string());
            }
        }
        for far in &self.far {
            removed.extend(far.prune(uid, keep).await?);
        }
        Ok(removed)
    }

    /// Says goodbye to the other machines.
    pub async fn close(self) {
        futures::future::join_all(self.far.iter().map(Far::close)).await;
    }
}

/// A file that goes when this does, however a run ends.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // It is sealed; one that cannot be removed harms nobody.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What goes into the file.
pub struct Taken<'a> {
    pub manifest: &'a Manifest,
    pub snapshot: &'a mut Spooled,
    pub parts: &'a [Part],
}

fn seal(session: &Session<'_>, path: &Path, taken: &mut Taken<'_>, recipients: &Recipients) -> Result<(), Failure> {
    let length = taken.snapshot.length.max(1);
    let mut told = 0;
    let tell = |done: u64| {
        if done * 20 / length > told {
            told = done * 20 / length;
            let text = format!("sealing: {} of {} MiB", done >> 20, length >> 20);
            session.tell.part(Stage::Backup, text, done as f64 / length as f64);
        }
    };
    let Taken { manifest, snapshot, parts } = taken;
    write(path, |file| Ok(backup::write(file, manifest, snapshot, parts, recipients, tell).map(drop)))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    write(to, |file| {
        std::io::copy(&mut std::fs::File::open(from)?, file)?;
        file.sync_all().map(Ok)
    })
}

/// What the rule counts out in this folder. A label may say anything: one whose file does not have the hash that it says is
/// not counted as good.
pub fn pruned(folder: &Path, uid: &str, keep: Keep) -> std::io::Result<Vec<PathBuf>> {
    let found = backup::list(folder)?;
    let mut known: Vec<(PathBuf, Aged)> = Vec::new();
    for one in found {
        let Ok(label) = &one.label else { continue };
        if label.uid != uid {
            continue;
        }
        let there = backup::verify(&one.path, None).level.is_some();
        let level = if there { label.level } else { backup::Level::There };
        known.push((one.path.clone(), Aged { taken: label.taken, level }));
    }
    let aged: Vec<Aged> = known.iter().map(|(_, aged)| *aged).collect();
    Ok(backup::may_go(&aged, keep).into_iter().map(|at| known[at].0.clone()).collect())
}

type Written = std::io::Result<Result<(), backup::Flaw>>;

/// Under another name first, then renamed; never over one that is there.
fn write(path: &Path, fill: impl FnOnce(&mut std::fs::File) -> Written) -> Result<(), Failure> {
    let unwritten = |error: &std::io::Error| {
        Failure::with_cause(Exit::NotHere, format!("{} cannot be written", path.display()), error)
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new()
        .prefix(WRITING)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|error| unwritten(&error))?;
    let filled = fill(beside.as_file_mut()).map_err(|error| unwritten(&error))?;
    filled
        .map_err(|flaw| Failure::with_cause(Exit::NotHere, format!("{} cannot be written", path.display()), &flaw))?;
    beside.persist_noclobber(path).map_err(|error| unwritten(&error.error))?;
    let sync = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(|error| unwritten(&error))
}
