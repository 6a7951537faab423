//! A machine for tests of other rooms: it answers from a script and remembers what it was sent.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Ended, Output, Remote, RemoteError, Stdin, Words};

type Answer = dyn Fn(&str, &[u8]) -> Option<Output> + Send + Sync;

/// Answers the first rule that fits a command's line; a command without a rule ends with code 127.
#[derive(Clone)]
pub struct Machine {
    name: String,
    answers: Vec<Arc<Answer>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// One command that a [`Machine`] was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub line: String,
    pub stdin: Vec<u8>,
}

impl Machine {
    pub fn new(name: impl Into<String>) -> Self {
        Machine { name: name.into(), answers: Vec::new(), sent: Arc::default() }
    }

    /// Exactly this line gets this stdout and code 0.
    pub fn says(self, line: impl Into<String>, stdout: impl Into<Vec<u8>>) -> Self {
        self.on(line, Output::new(Ended::Code(0), stdout, ""))
    }

    /// Exactly this line gets this output.
    pub fn on(self, line: impl Into<String>, output: Output) -> Self {
        let line = line.into();
        self.answer(move |asked, _| (asked == line).then(|| output.clone()))
    }

    /// Every line that this closure answers (line and stdin are given).
    pub fn answer(mut self, answer: impl Fn(&str, &[u8]) -> Option<Output> + Send + Sync + 'static) -> Self {
        self.answers.push(Arc::new(answer));
        self
    }

    /// All that was sent so far, in order, clones of this machine included.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of [`Machine::sent`].
    pub fn lines(&self) -> Vec<String> {
        self.sent().into_iter().map(|sent| sent.line).collect()
    }
}

impl Remote for Machine {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, words: &Words, stdin: Stdin) -> Result<Output, RemoteError> {
        if words.has_nul() {
            return Err(RemoteError::Nul { node: self.name.clone() });
        }
        let sent = Sent { line: words.line(), stdin: stdin.into_bytes() };
        let answer = self.answers.iter().find_map(|answer| answer(&sent.line, &sent.stdin));
        let unknown = || Output::new(Ended::Code(127), "", format!("no answer is scripted for: {}", sent.line));
        let output = answer.unwrap_or_else(unknown);
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_by_line_then_by_closure_and_remembers() {
        let machine = Machine::new("n1")
            .says("hostname", "n1\n")
            .answer(|line, stdin| line.starts_with("cat").then(|| Output::new(Ended::Code(0), stdin, "")));
        assert_eq!(machine.text(&Words::new("hostname"), Stdin::Empty).await.unwrap(), "n1\n");
        assert_eq!(machine.text(&Words::new("cat"), Stdin::Text("x".into())).await.unwrap(), "x");
        let error = machine.text(&Words::new("reboot"), Stdin::Empty).await.unwrap_err();
        assert!(error.to_string().contains("no answer is scripted"), "{error}");
        assert_eq!(machine.lines(), ["hostname", "cat", "reboot"]);
        assert_eq!(machine.sent()[1].stdin, b"x");
    }

    #[tokio::test]
    async fn upload_is_one_command_with_the_bytes_as_stdin() {
        let machine = Machine::new("n1").answer(|_, _| Some(Output::new(Ended::Code(0), "", "")));
        machine.upload("/etc/x", b"abc", 0o600).await.unwrap();
        assert_eq!(machine.sent()[0].stdin, b"abc");
        assert!(machine.lines()[0].ends_with(" upload /etc/x 0600 3"), "{:?}", machine.lines());
    }
}
