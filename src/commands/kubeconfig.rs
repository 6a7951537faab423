//! The admin's kube config.

use std::path::{Path, PathBuf};

use crate::cluster::Access;

use crate::failure::{Exit, Failure};
use crate::inventory::Existing;
use crate::local::WorkspaceError;
use crate::session::project::Project;
use crate::session::{Answer, Context, inputs};

/// What was said to `kubeconfig`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Kubeconfig {
    /// Print the path of the file only
    #[arg(long, conflicts_with = "print")]
    pub path: bool,
    /// Print the kubeconfig itself; it holds a key. With engine existing, the inventory's context alone
    #[arg(long)]
    pub print: bool,
}

pub async fn run(context: &Context, wanted: Kubeconfig) -> Answer {
    let project = Project::open(context)?;
    match project.inventory.engine.given_cluster() {
        None => built(context, &project, &wanted),
        Some(existing) => given(context, &project, existing, &wanted),
    }
}

fn built(context: &Context, project: &Project, wanted: &Kubeconfig) -> Answer {
    let path = project.inventory.engine.kubeconfig(&project.workspace);
    if !path.exists() {
        let hint = match project.state().is_some_and(|state| state.kubeconfig().is_some()) {
            true => "`cowhand up` writes it again from cluster.rkestate",
            false => {
                "if the cluster was built already, `cowhand recover-state` brings it back; else `cowhand up` builds the cluster and writes it"
            }
        };
        return Err(absent(&path, hint));
    }
    if !wanted.print {
        return tell(context, &path, wanted);
    }
    if let Some(cut) = crate::session::generated::cut_off_kubeconfig(project) {
        return Err(Failure::new(Exit::ChecksFailed, cut));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::with_cause(Exit::ChecksFailed, format!("{} cannot be read", path.display()), &error)
    })?;
    context.console.raw(&text)?;
    Ok(Exit::Done)
}

/// Somebody's kubeconfig may have contexts of many clusters, each with its keys: only the one that this inventory works
/// on is given away, and no path that leads to another.
fn given(context: &Context, project: &Project, existing: &Existing, wanted: &Kubeconfig) -> Answer {
    if !existing.kubeconfig.exists() {
        let hint = "engine.existing.kubeconfig names it: correct the path, or fetch the file from the cluster";
        return Err(absent(&existing.kubeconfig, hint));
    }
    let access = inputs::access(existing).map_err(|failure| Failure { exit: Exit::ChecksFailed, ..failure })?;
    if wanted.print {
        context.console.raw(&alone(&access)?)?;
        return Ok(Exit::Done);
    }
    if access.is_current() {
        return tell(context, &existing.kubeconfig, wanted);
    }
    let copy = copy(project, &access)?;
    let (file, name) = (existing.kubeconfig.display(), access.context());
    context
        .console
        .talk(&format!("the current context of {file} is another one; this is a copy with context {name} alone"));
    tell(context, &copy, wanted)
}

fn alone(access: &Access) -> Result<secrecy::zeroize::Zeroizing<String>, Failure> {
    access.alone().map_err(|error| Failure::of(Exit::ChecksFailed, &error))
}

/// Beside what tells this inventory from others; written anew each time, since keys and tokens are.
fn copy(project: &Project, access: &Access) -> Result<PathBuf, Failure> {
    let unwritten = |error: WorkspaceError| Failure::of(Exit::NotHere, &error);
    let text = alone(access)?;
    project.workspace.keep_context(&project.inventory.name, text.as_bytes()).map_err(unwritten)
}

fn tell(context: &Context, path: &Path, wanted: &Kubeconfig) -> Answer {
    let shown = path.display().to_string();
    match wanted.path {
        true => context.console.raw(&format!("{shown}\n"))?,
        false => context.console.raw(&format!("export KUBECONFIG={}\n", crate::remote::Words::new(shown).line()))?,
    }
    Ok(Exit::Done)
}

fn absent(path: &Path, hint: &str) -> Failure {
    Failure::new(Exit::ChecksFailed, format!("there is no {}", path.display())).hint(hint)
}
