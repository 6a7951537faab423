//! Taking over a cluster that plain rke built: from files or from its nodes, with a look at what runs, into a workspace.

pub mod look;
pub mod nodes;
pub mod place;
pub mod sources;

use crate::engine::rke::adopt::{Adopted, RancherPart};
use crate::failure::Failure;
use crate::report::Pauser;
use crate::session::inputs;
use crate::session::machines::Machines;
use crate::session::{Connect, Context};

pub use place::Place;
pub use sources::Sources;

/// What runs in the cluster, seen through its nodes; `addon` is what its cluster.yml has of Rancher. A state that nobody
/// has is brought from there, and written.
pub async fn running(
    (context, connect, screen): (&Context, &Connect, Pauser),
    place: &Place,
    (first, sources): (&Adopted, &mut Sources),
    addon: Option<RancherPart>,
) -> Result<look::Found, Failure> {
    let project = place.project(&first.filled)?;
    let machines = Machines::connect(&project.inventory, connect, context, Some(screen)).await;
    let found = async {
        let written = match sources.state {
            Some(_) => Vec::new(),
            None => {
                sources.bring(&machines, first).await?;
                place.write(first, sources)?
            }
        };
        if let (true, Some(failure)) = (machines.reached.is_empty(), machines.unreached()) {
            return Err(failure);
        }
        let reached = inputs::reach(&project, &machines).await?.ok_or_else(|| inputs::nothing_there(&project))?;
        Ok(look::Found { written, ..look::rancher(&reached.cluster, addon).await? })
    };
    let found = found.await;
    machines.disconnect().await;
    found
}
