//! KnownHostsCommand: a program that is asked for lines of known_hosts (ssh_config(5)).

use std::process::Stdio;
use std::time::Duration;

use russh::keys::PublicKey;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::known_hosts;
use super::tokens::Tokens;

/// Looking a key up may ask a directory service.
const LIMIT: Duration = Duration::from_secs(10);

/// What one answer may have; OpenSSH reads all of it.
const LARGEST: u64 = 1024 * 1024;

/// The command, and what its tokens stand for on this route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCommand {
    pub(super) words: Vec<String>,
    pub(super) given: String,
    pub(super) alias: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
}

/// What the lines are wanted for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason<'a> {
    /// Which kinds of keys to ask the server for.
    Order,
    /// Whether the key is known under the host's name.
    HostName(&'a PublicKey),
    /// Whether it is known under the address.
    Address(&'a PublicKey),
}

impl KnownCommand {
    /// The lines it gives for `name`, as known_hosts has names. Fails, as in OpenSSH, when the command does.
    pub(super) async fn ask(&self, name: &str, reason: Reason<'_>) -> Result<String, String> {
        let failed = |why: String| format!("KnownHostsCommand `{}`: {why}", self.words.join(" "));
        let words: Vec<String> = self.expanded(name, reason).map_err(failed)?;
        let Some((program, rest)) = words.split_first().filter(|(program, _)| program.starts_with('/')) else {
            return Err(failed("it has to begin with an absolute path".into()));
        };
        let mut child = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut text = Vec::new();
        let stdout = child.stdout.take();
        let ended = async {
            if let Some(stdout) = stdout {
                stdout.take(LARGEST).read_to_end(&mut text).await?;
            }
            child.wait().await
        };
        match tokio::time::timeout(LIMIT, ended).await {
            Err(_) => Err(failed(format!("it did not end within {} s", LIMIT.as_secs()))),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Ok(Ok(status)) if !status.success() => Err(failed(format!("it failed ({status})"))),
            Ok(Ok(_)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        }
    }

    fn expanded(&self, name: &str, reason: Reason<'_>) -> Result<Vec<String>, String> {
        let alias = self.alias.as_deref();
        let tokens = Tokens { given: &self.given, alias, host: &self.host, port: self.port, user: &self.user };
        let (why, key) = match reason {
            Reason::Order => ("ORDER", None),
            Reason::HostName(key) => ("HOSTNAME", Some(key)),
            Reason::Address(key) => ("ADDRESS", Some(key)),
        };
        let of_key = |said: &dyn Fn(&PublicKey) -> String| Some(key.map_or_else(|| "NONE".to_string(), said));
        let base64 = |key: &PublicKey| {
            let line = key.to_openssh().unwrap_or_default();
            line.split(' ').nth(1).unwrap_or_default().to_string()
        };
        let also = |letter: char| match letter {
            'H' => Some(name.to_string()),
            'I' => Some(why.to_string()),
            't' => of_key(&|key| key.algorithm().to_string()),
            'f' => of_key(&known_hosts::fingerprint),
            'K' => of_key(&base64),
            _ => None,
        };
        let expand = |word: &String| {
            tokens.expand_also(word, &also).map_err(|letter| format!("%{letter} is a token that cowhand does not know"))
        };
        self.words.iter().map(expand).collect()
    }
}
