//! What to do: steps, one file per subject. Pure: wanted and found in, steps out.

pub mod agents;
pub mod applied;
pub mod cert_manager;
pub mod ingress;
pub mod leftovers;
pub mod locked_out;
pub mod playbook;
pub mod rancher;
pub mod release;
pub mod rke;
mod step;

pub use playbook::Stage;
pub use step::*;
