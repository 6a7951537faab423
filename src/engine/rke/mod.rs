//! RKE: its cluster.yml and state file, the `rke` process and what its log says, what it leaves on nodes.

pub mod adopt;
pub mod causes;
mod changes;
pub mod cluster_yml;
pub mod containers;
pub mod etcd_member;
pub mod explain;
mod fields;
pub mod forget_node;
pub mod images;
pub mod leaves;
pub mod line;
pub mod log;
pub mod node_marks;
pub mod planned;
pub mod rails;
pub mod redirect;
pub mod run;
pub mod state;
mod state_copies;
mod state_file;
pub mod stopped;
mod sweep;

pub use state_file::StateFile;
pub use sweep::{Sweep, SweepError, Swept};
