//! One file per verb.

pub mod adopt;
pub mod backup;
pub mod certs;
pub mod check;
pub mod completions;
pub mod down;
pub mod drift;
pub mod explain;
pub mod history;
pub mod init;
pub mod inventory;
pub mod kubeconfig;
pub mod lb;
pub mod man;
pub mod node;
pub mod plan;
pub mod play;
pub mod rebuild;
pub mod recover_state;
pub mod rotate;
pub mod schema;
pub mod status;
pub mod unprotect;
pub mod up;
pub mod verify;
