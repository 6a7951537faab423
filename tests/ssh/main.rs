//! The room `remote` against a real sshd on loopback, started by whoever runs the tests: no root needed.

mod world;

mod api;
mod authentication;
mod binary;
mod commands;
mod facts;
mod flood;
mod front;
mod host_keys;
mod lock;
mod log;
mod many;
mod reach;
mod streams;
mod verdicts;
