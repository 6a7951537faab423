//! Questions to the person at the terminal. Where there is none, the answer is `None`, and the caller says what to do instead.

use std::io::{self, IsTerminal, Write};

use secrecy::SecretString;

use super::{Look, Pauser, printable};

/// Asks on stderr and reads from stdin; holds the screen of a run still meanwhile.
#[derive(Clone)]
pub struct TerminalAsk {
    look: Look,
    screen: Option<Pauser>,
}

impl TerminalAsk {
    /// `look` is that of stderr; `screen` is the one of the run under way, if any.
    pub fn new(look: Look, screen: Option<Pauser>) -> Self {
        TerminalAsk { look, screen }
    }

    /// Whether somebody is there to answer.
    pub fn possible() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// The answer without spaces around it; `None` without a terminal or at its end (Ctrl-D).
    pub async fn line(&self, question: &str) -> Option<String> {
        let question = self.question(question);
        let answer = self.blocking(move || {
            let mut answer = String::new();
            io::stderr().write_all(question.as_bytes()).ok()?;
            let read = io::stdin().read_line(&mut answer).ok()?;
            (read > 0).then(|| answer.trim().to_owned())
        });
        answer.await
    }

    /// Whether exactly this was typed: for what cannot be undone.
    pub async fn typed(&self, expected: &str, question: &str) -> Option<bool> {
        Some(self.line(&format!("{question}\ntype `{expected}` to go on: ")).await? == expected)
    }

    /// A passphrase, not shown while it is typed; `None` also when nothing was typed or it was interrupted.
    pub async fn passphrase(&self, question: &str) -> Option<SecretString> {
        let question = self.question(&format!("{question}: "));
        let answer = self.blocking(move || rpassword::prompt_password(question).ok());
        answer.await.filter(|passphrase| !passphrase.is_empty()).map(SecretString::from)
    }

    /// A host key nobody has seen before. Only a whole `yes` is one, as with ssh.
    ///
    /// `host` as people call it and where it is, `key` its type and fingerprint, e.g. `ED25519 SHA256:3im5…`.
    pub async fn accept_host_key(&self, host: &str, key: &str) -> Option<bool> {
        let question = format!(
            "{host} is not in known_hosts; it shows the key {key}\n\
             compare it with the machine's own: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n\
             trust it and remember it? (yes/no) "
        );
        Some(self.line(&question).await? == "yes")
    }

    pub(super) fn question(&self, text: &str) -> String {
        self.look.letters(&printable(text))
    }

    /// Runs the question on a thread of its own, with the screen held still. On Ctrl-C the thread is left behind;
    /// the process ends without waiting for it.
    async fn blocking<T: Send + 'static>(&self, ask: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
        if !TerminalAsk::possible() {
            return None;
        }
        let _still = match &self.screen {
            Some(screen) => Some(screen.pause().await),
            None => None,
        };
        tokio::task::spawn_blocking(ask).await.ok().flatten()
    }
}
