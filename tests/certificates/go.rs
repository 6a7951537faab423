//! The judge that is Go: built once per test run, asked about many set-ups at once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::setups::{NOW, SetUp};

#[derive(Debug, serde::Deserialize)]
pub struct Verdict {
    pub accepts: bool,
    pub why: String,
}

pub fn ask(set_ups: &[SetUp]) -> Vec<Verdict> {
    let line = |one: &SetUp| {
        let SetUp { host, chain, key, ca, .. } = one;
        serde_json::json!({"host": host, "now": NOW, "chain": chain, "key": key, "ca": ca}).to_string() + "\n"
    };
    let questions: String = set_ups.iter().map(line).collect();
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the judge in Go does not start");
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the judge in Go ended with {}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<Verdict> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), set_ups.len());
    verdicts
}

/// Standard library only, so that nothing is fetched. A missing Go fails the test: README names it among what the tests need.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificates-go");
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/go/bin";
        let build = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates/go"))
            .env("PATH", path)
            .env("GOFLAGS", "")
            .env("GOTOOLCHAIN", "local")
            .status()
            .expect("this test needs Go 1.24 or newer: put `go` into PATH");
        assert!(build.success(), "the judge in Go does not build");
        program
    })
}
