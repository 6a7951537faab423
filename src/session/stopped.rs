//! Containers of RKE that stand still on nodes: nobody but `rke up` starts them again.

use crate::engine::change::Sign;
use crate::engine::rke::stopped;
use crate::facts::EtcdAsked;
use crate::session::inputs::Inputs;
use crate::session::members;

/// Asks every node that is reached, whichever it is.
pub async fn signs(inputs: &Inputs<'_>) -> Vec<Sign> {
    on_nodes(inputs, &members::asked(inputs.machines).await)
}

/// Whether an API that is ill, or whose port is taken by something else, is no reason to stop: a container of RKE stands
/// still, or there is no API server at all.
pub async fn may_be_mended(inputs: &Inputs<'_>) -> bool {
    let asked = members::asked(inputs.machines).await;
    let roles = inputs.machines.reached.iter().map(|machine| machine.node.roles);
    !on_nodes(inputs, &asked).is_empty() || stopped::has_no_api_server(roles.zip(&asked))
}

fn on_nodes(inputs: &Inputs<'_>, asked: &[EtcdAsked]) -> Vec<Sign> {
    let all = inputs.machines.reached.iter().zip(asked);
    all.flat_map(|(machine, asked)| stopped::stopped(machine.node.roles, asked)).collect()
}
