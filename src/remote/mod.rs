//! A machine, reached: command words, SSH, host keys, the front through which rke reaches it.
//!
//! The usual way: [`connect_all`] makes a [`Connection`] to each [`Target`], a command is [`Words`], and
//! [`Remote::text`] runs it. Rooms that only run commands take any [`Remote`], which in tests is a
//! [`scripted::Machine`].

mod algorithms;
mod ask;
mod auth;
mod connect;
mod connect_error;
mod connection;
mod docker_call;
mod docker_way;
mod file;
mod fence;
mod forward;
mod front;
mod guard;
mod guests;
mod host_key;
mod keyring;
mod known_command;
mod known_hosts;
mod known_store;
mod lock;
mod open_files;
mod output;
mod peer;
mod points;
mod resolve;
mod revoked;
mod route;
pub mod scripted;
mod session;
mod ssh_config;
mod ssh_settings;
mod target;
mod through;
mod tokens;
mod trust;
mod wire;
mod words;

pub use algorithms::Algorithms;
pub use ask::{Ask, Nobody};
pub use connect::{ConnectOptions, connect_all};
pub use connect_error::ConnectError;
pub use connection::Connection;
pub use docker_call::DockerCall;
pub use docker_way::{Gate, Open};
pub use fence::since_boot;
pub use file::{read_regular, refuse_irregular};
pub use forward::{Door, Forward};
pub use front::{Front, FrontNode};
pub use guests::Warn;
pub use host_key::{HostKeyProblem, Offered, Unknown, shown};
pub use known_command::KnownCommand;
pub use known_hosts::{KnownKey, Place};
/// What fuzzing reaches that is nobody else's business.
pub mod fuzzed {
    pub use crate::remote::known_hosts::fuzzed as known_hosts;
}
pub use lock::{LockError, Loss, NODE_LOCK, NodeLock};
pub use open_files::raise_open_files;
pub use output::{CommandError, Ended, Output, RemoteError};
pub use points::{POINTS, SETTINGS, disturb, fault};
pub use resolve::{Refused, refused_lines, routes};
pub use route::{IdentityFile, KnownFiles, Route, Strictness};
pub use session::{Line, Running};
pub use ssh_config::split_words;
pub use target::{Target, USUAL_CONNECT_TIMEOUT};
pub use wire::Wire;
pub use words::{Stdin, USUAL_LIMIT, Words, upload};

/// A machine that runs commands.
pub trait Remote: Send + Sync {
    /// What people call it.
    fn name(&self) -> &str;

    /// Runs a command to its end, or until its time limit. An error means that it was not run, or that nobody waited
    /// for its end; a command that failed is an [`Output`].
    fn run(&self, words: &Words, stdin: Stdin) -> impl Future<Output = Result<Output, RemoteError>> + Send;

    /// Runs a command that has to succeed; what it says on stdout.
    fn text(&self, words: &Words, stdin: Stdin) -> impl Future<Output = Result<String, RemoteError>> + Send {
        async move { Ok(self.run(words, stdin).await?.success(words, self.name())?) }
    }

    /// Puts these bytes at `path`, with these permissions, in one move (see [`upload`]).
    fn upload(&self, path: &str, bytes: &[u8], mode: u32) -> impl Future<Output = Result<(), RemoteError>> + Send {
        async move {
            let words = upload(path, mode, bytes.len() as u64);
            self.text(&words, Stdin::Bytes(bytes.to_vec())).await.map(|_| ())
        }
    }
}
