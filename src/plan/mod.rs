//! What to do: steps, one file per subject. Pure: wanted and found in, steps out.

pub mod agents;
pub mod cert_manager;
pub mod drain;
pub mod drift;
pub mod guard;
pub mod ingress;
pub mod leave;
pub mod leftovers;
pub mod locked_out;
mod needs;
pub mod playbook;
pub mod rancher;
mod rancher_held;
mod rancher_values;
mod rancher_wanted;
pub mod rebuild;
pub mod release;
pub mod removal;
pub mod rotate;
mod stage;
mod step;
mod step_facts;
pub mod upgrade;

pub use guard::Guard;
pub use needs::{Cluster, Needs, Nodes, Program};
pub use stage::Stage;
pub use step::*;
pub use step_facts::Effect;
