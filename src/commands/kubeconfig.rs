//! The admin's kube config.

use super::site::Site;
use super::{Answer, Context, world};
use crate::inventory::{Engine, Existing};
use crate::report::{Exit, Failure};

/// What was said to `kubeconfig`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Kubeconfig {
    /// Print the path of the file only
    #[arg(long, conflicts_with = "print")]
    pub path: bool,
    /// Print the file itself; it holds a key
    #[arg(long)]
    pub print: bool,
}

pub async fn run(context: &Context, wanted: Kubeconfig) -> Answer {
    let site = Site::open(context)?;
    let path = match &site.inventory.engine {
        Engine::Rke(_) => site.workspace.kubeconfig(),
        Engine::Existing(existing) => existing.kubeconfig.clone(),
    };
    if !path.exists() {
        let in_state = world::state(&site).is_some_and(|state| state.kubeconfig().is_some());
        let hint = match (site.rke().is_some(), in_state) {
            (false, _) => "engine.existing.kubeconfig names it: correct the path, or fetch the file from the cluster",
            (true, true) => "`cowhand up` writes it again from cluster.rkestate",
            (true, false) => "`cowhand up` makes the cluster and writes it",
        };
        return Err(Failure::new(Exit::ChecksFailed, format!("there is no {}", path.display())).hint(hint));
    }
    if wanted.print {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::with_cause(Exit::ChecksFailed, format!("{} cannot be read", path.display()), &error)
        })?;
        context.console.raw(&text)?;
    } else if wanted.path {
        context.console.raw(&format!("{}\n", path.display()))?;
    } else {
        context
            .console
            .raw(&format!("export KUBECONFIG={}\n", crate::remote::Words::new(path.display().to_string()).line()))?;
        if let Engine::Existing(Existing { context: Some(name), .. }) = &site.inventory.engine {
            context.console.talk(&format!("its context is {name}: `kubectl --context {name} …`"));
        }
    }
    Ok(Exit::Done)
}
