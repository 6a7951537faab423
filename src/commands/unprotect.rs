//! Lifts the protection of a cluster that was taken over.

use crate::failure::{Exit, Failure};
use crate::session::project::Project;
use crate::session::{Answer, Context, adoption};

/// What was said to `unprotect`.
#[derive(Debug, Clone, clap::Args)]
pub struct Unprotect {
    /// Name of the cluster
    #[arg(value_name = "NAME")]
    pub name: String,
}

pub fn run(context: &Context, wanted: &Unprotect) -> Answer {
    let project = Project::open(context)?;
    let name = &project.inventory.name;
    if *name != wanted.name {
        let error = format!("`{}` was said, but this cluster is `{name}`; nothing was changed", wanted.name);
        return Err(Failure::new(Exit::Usage, error).hint(format!("`cowhand unprotect {name}` is meant for it")));
    }
    if !project.inventory.is_adopted() {
        return Err(Failure::new(Exit::Usage, format!("`{name}` was not taken over: nothing protects it"))
            .hint("only an inventory with `engine.rke.adopted: true` is protected"));
    }
    adoption::unprotect(&project.inventory, &project.workspace)?;
    context
        .console
        .talk(&format!("`{name}` is not protected any more: `cowhand down` removes it, after its name was typed"));
    Ok(Exit::Done)
}
