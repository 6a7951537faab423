//! What is: one probe script per machine, pure parsers, one gather.

pub mod cluster;
pub mod etcd;
pub mod outside;
