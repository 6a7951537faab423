//! Items of a run file that are done on nodes: commands and files.

use std::fs::File;
use std::sync::Arc;

use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};

use crate::failure::{Exit, Failure};
use crate::plan::playbook::{Run, Selector, Upload};
use crate::play::Tell;
use crate::remote::{Remote, RemoteError, Stdin, Words, upload};
use crate::session::machines::{Machine, Machines};
use crate::session::run_file::{one_line, secret};

/// The machines that are meant, in the inventory's order.
///
/// # Errors
/// When one of them is not reached.
pub fn chosen<'m>(machines: &'m Machines, on: &Selector) -> Result<Vec<&'m Machine>, Failure> {
    let of = |name: &String| machines.reached.iter().find(|machine| machine.node.name == *name);
    let found: Option<Vec<&Machine>> = on.nodes.iter().map(of).collect();
    let unreached = || Failure::new(Exit::Unreachable, format!("not all of {} are reached", on.nodes.join(", ")));
    found.ok_or_else(|| machines.unreached().unwrap_or_else(unreached))
}

/// The same on each of them: side by side, or one after the other up to the first that fails. Every failure is told.
pub async fn on_each<M>(
    machines: &[M],
    each: bool,
    work: impl AsyncFn(&M) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if each {
        for machine in machines {
            work(machine).await?;
        }
        return Ok(());
    }
    let ended = join_all(machines.iter().map(|machine| work(machine))).await;
    let mut failed = ended.into_iter().filter_map(Result::err);
    let Some(mut first) = failed.next() else { return Ok(()) };
    for other in failed {
        first.because.push(other.error);
        first.because.extend(other.because);
    }
    Err(first)
}

/// What a command is given to read; taken from the disk once, for all nodes.
pub struct Given {
    text: Option<SecretString>,
}

impl Given {
    pub fn read(run: &Run) -> Result<Given, Failure> {
        let wrong =
            |why: String| Failure::new(Exit::StepFailed, "a secret of the run file is not at hand").because(why);
        if run.variables.is_empty() && run.stdin.is_none() {
            return Ok(Given { text: None });
        }
        let mut text = String::new();
        for variable in &run.variables {
            text += one_line(&variable.file).map_err(wrong)?.expose_secret();
            text.push('\n');
        }
        if let Some(file) = &run.stdin {
            text += secret(file).map_err(wrong)?.expose_secret();
        }
        Ok(Given { text: Some(SecretString::from(text)) })
    }
}

/// Runs the command on one machine, and tells what it printed.
pub async fn run(machine: &impl Remote, run: &Run, given: &Given, tell: &Tell) -> Result<(), Failure> {
    let mut words = run.words.clone();
    if !run.variables.is_empty() {
        words = words.with_variables(run.variables.iter().map(|one| one.name.as_str()));
    }
    if run.sudo {
        words = words.sudo();
    }
    let stdin = given.text.clone().map_or(Stdin::Empty, Stdin::Secret);
    let secret = given.text.is_some();
    let printed = machine.run(&words, stdin).await.map_err(failed)?;
    match printed.success(&run.words, machine.name()) {
        Ok(text) if !secret => {
            let (node, text) = (machine.name().to_owned(), text.trim_end().to_owned());
            if !text.is_empty() {
                tell.event(crate::play::Event::Said { node, text });
            }
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(mut error) if secret => {
            error.last_words.clear();
            Err(failed(error.into()).because("what it printed is kept back, since it was given a secret"))
        }
        Err(error) => Err(failed(error.into())),
    }
}

/// Puts the file on one machine, in pieces.
pub async fn put(machine: &impl Remote, wanted: &Upload) -> Result<(), Failure> {
    let unread = |error: std::io::Error| {
        Failure::with_cause(Exit::StepFailed, format!("{} cannot be read", wanted.from.display()), &error)
    };
    let file = File::open(&wanted.from).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    let mut words: Words = upload(&wanted.to, wanted.mode, length);
    if wanted.sudo {
        words = words.sudo();
    }
    machine.text(&words, Stdin::File(Arc::new(file))).await.map(drop).map_err(failed)
}

fn failed(error: RemoteError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Event;
    use crate::remote::scripted::Machine as Scripted;
    use crate::remote::{Ended, Output};

    fn wanted() -> Run {
        Run {
            on: Selector { nodes: vec!["n1".into()], each: false },
            words: Words::new("login").arg("me"),
            sudo: true,
            stdin: None,
            variables: Vec::new(),
            disrupts: false,
        }
    }

    async fn told(machine: &Scripted, run: &Run) -> (Result<(), Failure>, Vec<String>) {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let ended = super::run(machine, run, &Given::read(run).unwrap(), &Tell::new(sender)).await;
        let mut said = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let Event::Said { node, text } = event {
                said.push(format!("{node}: {text}"));
            }
        }
        (ended, said)
    }

    #[tokio::test]
    async fn words_are_sent_as_they_stand_and_what_is_printed_is_told() {
        let machine = Scripted::new("n1").says("sudo -n -- login me", "hello\nthere\n");
        assert_eq!(told(&machine, &wanted()).await, (Ok(()), vec!["n1: hello\nthere".to_owned()]));
        let failing = Scripted::new("n1").on("sudo -n -- login me", Output::new(Ended::Code(3), "", "no such user\n"));
        let failure = told(&failing, &wanted()).await.0.unwrap_err();
        let text = format!("{} {}", failure.error, failure.because.join(" "));
        assert!(
            failure.exit == Exit::StepFailed && text.contains("no such user") && text.contains("n1"),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn a_secret_goes_by_stdin_alone_and_nothing_of_it_comes_back() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "CANARY\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let variables = vec![crate::plan::playbook::Secret { name: "TOKEN".into(), file: file.clone() }];
        let run = Run { variables, stdin: Some(file), ..wanted() };
        for code in [0, 1] {
            let machine =
                Scripted::new("n1").answer(move |_, stdin| Some(Output::new(Ended::Code(code), stdin, stdin)));
            let (ended, said) = told(&machine, &run).await;
            assert_eq!((ended.is_ok(), said.len()), (code == 0, 0));
            assert_eq!(
                machine.sent()[0].stdin,
                b"CANARY\nCANARY\n",
                "the variable's line, then the command's own input"
            );
            let line = &machine.lines()[0];
            assert!(line.starts_with("sudo -n -- sh -c 'IFS= read -r TOKEN; export TOKEN; exec"), "{line}");
            assert!(!line.contains("CANARY") && !format!("{ended:?}").contains("CANARY"), "{line} {ended:?}");
        }
    }

    #[tokio::test]
    async fn one_after_the_other_stops_at_the_first_that_fails_and_side_by_side_tells_all() {
        let done = std::cell::RefCell::new(Vec::new());
        let work = async |name: &&str| {
            done.borrow_mut().push((*name).to_owned());
            if *name == "n1" { Ok(()) } else { Err(Failure::new(Exit::StepFailed, format!("{name} is full"))) }
        };
        let failure = on_each(&["n1", "n2", "n3"], true, work).await.unwrap_err();
        assert_eq!((failure.error.as_str(), done.take()), ("n2 is full", vec!["n1".to_owned(), "n2".to_owned()]));
        let failure = on_each(&["n1", "n2", "n3"], false, work).await.unwrap_err();
        assert_eq!((failure.error.as_str(), failure.because), ("n2 is full", vec!["n3 is full".to_owned()]));
        assert_eq!(done.take().len(), 3);
    }
}
