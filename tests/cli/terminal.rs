//! What only a terminal shows: questions, echo, the living list. The test calls itself in a pseudo-terminal and plays
//! the person; the part of cowhand is played by the library, called as commands call it.

use std::time::{Duration, Instant};

use cowhand::plan::Stage;
use cowhand::play::{Event, Outcome};
use cowhand::report::{Console, Shower, TerminalAsk, Verbosity};
use rexpect::session::{PtySession, spawn_command};
use rustix::termios::{LocalModes, tcgetattr};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

const PART: &str = "COWHAND_TEST_PART";

/// Whether this process was started by [`person`] to play cowhand's part.
fn is_cowhand() -> bool {
    std::env::var_os(PART).is_some()
}

/// Starts the test of this name anew, in a terminal.
fn person(test: &str) -> PtySession {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(PART, "cowhand");
    command.env("TERM", "xterm").env("LANG", "C.UTF-8").env("NO_COLOR", "1");
    spawn_command(command, Some(20_000)).unwrap()
}

/// Echo is switched off after the question stands; what is typed earlier would be shown by the terminal itself.
fn wait_for_no_echo(terminal: &PtySession) {
    let start = Instant::now();
    let terminal = terminal.process().get_file_handle().unwrap();
    let echoes = || tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO);
    while echoes() {
        assert!(start.elapsed() < Duration::from_secs(20), "echo stays on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn block_on(part: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(part);
}

#[test]
fn questions_are_asked_and_a_passphrase_is_not_shown() {
    if is_cowhand() {
        return block_on(async {
            let ask = TerminalAsk::new(Console::detect(None, Verbosity::Normal).err, None);
            println!("typed: {:?}", ask.typed("prod", "this cannot be undone").await);
            println!("trusted: {:?}", ask.accept_host_key("n2 (10.0.0.12)", "ED25519 SHA256:Jx0k").await);
            let passphrase = ask.passphrase("passphrase of id_ed25519").await.unwrap();
            println!("length: {}", passphrase.expose_secret().len());
            println!("at the end: {:?}", ask.line("more? ").await);
        });
    }
    let mut terminal = person("terminal::questions_are_asked_and_a_passphrase_is_not_shown");
    terminal.exp_string("type `prod` to go on: ").unwrap();
    terminal.send_line("production").unwrap();
    terminal.exp_string("typed: Some(false)").unwrap();
    terminal.exp_string("SHA256:Jx0k").unwrap();
    terminal.exp_string("(yes/no) ").unwrap();
    terminal.send_line("y").unwrap();
    terminal.exp_string("trusted: Some(false)").unwrap();
    terminal.exp_string("passphrase of id_ed25519: ").unwrap();
    wait_for_no_echo(&terminal);
    terminal.send_line("canary-canary").unwrap();
    let shown = terminal.exp_string("length: 13").unwrap();
    assert!(!shown.contains("canary"), "{shown}");
    terminal.exp_string("more? ").unwrap();
    terminal.send_control('d').unwrap();
    terminal.exp_string("at the end: None").unwrap();
}

#[test]
fn a_question_in_the_middle_of_a_run_stands_alone() {
    if is_cowhand() {
        return block_on(async {
            let console = Console::detect(None, Verbosity::Normal);
            let stop = CancellationToken::new();
            Shower::during(&console, &stop, async |tell, screen| {
                let stages = vec![Stage::Check, Stage::Cluster];
                tell.event(Event::RunStarted {
                    command: "up",
                    cluster: "prod".into(),
                    summary: String::new(),
                    stages,
                    usual: Vec::new(),
                });
                tell.event(Event::StageStarted { stage: Stage::Check });
                tell.progress(Stage::Check, "0 of 3 nodes answered");
                // The person has seen the list and presses Return.
                let seen = || std::io::stdin().read_line(&mut String::new());
                tokio::task::spawn_blocking(seen).await.unwrap().unwrap();
                let ask = TerminalAsk::new(console.err, Some(screen));
                let trusted = ask.accept_host_key("n2", "ED25519 SHA256:Jx0k").await;
                let (stage, text) = (Stage::Check, format!("trusted {trusted:?}"));
                tell.event(Event::StageFinished { stage, outcome: Outcome::Unchanged, text, seconds: 1.0 });
                tell.event(Event::Result { text: "the result".into() });
            })
            .await;
        });
    }
    let mut terminal = person("terminal::a_question_in_the_middle_of_a_run_stands_alone");
    terminal.exp_string("0 of 3 nodes answered").unwrap();
    terminal.send_line("").unwrap();
    let before = terminal.exp_string("n2 is not in known_hosts").unwrap();
    // indicatif goes up to the list's first line and clears each line of it.
    assert!(before.ends_with("\r\u{1b}[2K\u{1b}[2A"), "the list must be gone before the question: {before:?}");
    terminal.exp_string("(yes/no) ").unwrap();
    std::thread::sleep(Duration::from_millis(400));
    terminal.send_line("yes").unwrap();
    let typed = terminal.exp_string("check").unwrap();
    assert_eq!(typed.matches('\u{1b}').count(), 0, "nothing may be drawn while the question stands: {typed:?}");
    terminal.exp_string("trusted Some(true)").unwrap();
    terminal.exp_string("the result").unwrap();
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    if is_cowhand() {
        return block_on(async {
            let ask = TerminalAsk::new(Console::detect(None, Verbosity::Normal).err, None);
            assert_eq!(ask.typed("prod", "this removes it").await, None);
            assert!(ask.passphrase("passphrase").await.is_none());
        });
    }
    let myself = std::env::current_exe().unwrap();
    let output = assert_cmd::Command::new(myself)
        .args(["--exact", "terminal::without_a_terminal_nobody_is_asked", "--nocapture"])
        .env(PART, "cowhand")
        .write_stdin("y\n")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("this removes it"), "{said}");
}

#[test]
fn a_panic_says_where_and_nothing_of_what_it_held() {
    if is_cowhand() {
        cowhand::report::install_panic_hook();
        panic!("canary-canary");
    }
    let myself = std::env::current_exe().unwrap();
    let output = assert_cmd::Command::new(myself)
        .args(["--exact", "terminal::a_panic_says_where_and_nothing_of_what_it_held", "--nocapture"])
        .env(PART, "cowhand")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("error: this is a bug in cowhand") && said.contains("terminal.rs:"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

/// What `cowhand explain exit-codes` shows on a terminal with these variables.
fn shown_with(variables: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("cowhand"));
    command.args(["explain", "exit-codes"]).env_clear().envs(variables.iter().copied());
    spawn_command(command, Some(20_000)).unwrap().exp_eof().unwrap()
}

#[test]
fn a_terminal_gets_colours_unless_it_says_no() {
    assert!(shown_with(&[("TERM", "xterm")]).contains("\u{1b}["));
    for refused in [[("TERM", "xterm"), ("NO_COLOR", "1")], [("TERM", "dumb"), ("LANG", "C.UTF-8")]] {
        let shown = shown_with(&refused);
        assert!(shown.contains("interrupted") && !shown.contains('\u{1b}'), "{refused:?}: {shown:?}");
    }
}

#[test]
fn lines_are_broken_at_the_edge_of_the_terminal() {
    // A pseudo-terminal has no size until somebody gives it one.
    let cowhand = assert_cmd::cargo::cargo_bin("cowhand");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "stty cols 50 && exec \"$0\" explain exit-codes"]).arg(cowhand);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let shown = spawn_command(command, Some(20_000)).unwrap().exp_eof().unwrap();
    let longest = shown.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(longest.is_some_and(|longest| (30..=50).contains(&longest)), "{longest:?}\n{shown}");
}
