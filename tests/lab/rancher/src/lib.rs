//! A server that answers over HTTP as Rancher's does. It manages nothing: it is there so that what is built around
//! Rancher (charts, certificates, ingress, load balancers, checks) can be tried where Rancher's image cannot be had.

pub mod ca;
pub mod config;
pub mod ending;
pub mod http;
pub mod kube;
pub mod log;
pub mod page;
pub mod serve;
pub mod ssl;
pub mod tls;
pub mod ws;

/// What the lab says it is.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));
