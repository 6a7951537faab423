//! The room `remote` against a real sshd on loopback, started by whoever runs the tests: no root needed.

mod world;

mod authentication;
mod binary;
mod commands;
mod facts;
mod front;
mod host_keys;
mod lock;
mod log;
mod reach;
mod streams;
