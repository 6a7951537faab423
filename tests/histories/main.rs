//! Histories: cowhand's real binary against a played cluster, disturbed in every way that a laptop, a network and a disk know.
//!
//! What is real: the binary, its SSH and its files, the shell that runs the lock's script on a machine.
//! What stands in for what, each as unforgiving as the real one:
//! - `ssh`: machines with russh's server in place of sshd; a wire breaks at once, as a lost network does after its time-out.
//! - `said`: what the probe, the sweep and etcd print on a machine, in place of their scripts (which tests/ssh, tests/lab and the
//!   unit tests run for real). A command that it does not know breaks a law.
//! - `rke`: a process that can be killed, and a brain that does to files and machines what rke v1.8.0 does, whatever lies there.
//! - `api`: nodes of the cluster, over TLS with the cluster's CA; it takes no writes. So `up` ends behind the stage cluster, and
//!   a run that came so far has arrived.
//! - the lock of a run that is stopped waits 6 s for a sign of life, not 60; a clock that is wrong is wrong by a library loaded before libc.
//!
//! `COWHAND_HISTORIES=200 cargo test --test histories` tells more of them than the few of a usual run.

mod api;
mod laws;
mod model;
mod pki;
mod points;
mod rke;
mod run;
mod said;
mod ssh;
mod world;

use std::time::Duration;

use model::{Call, FOUR, Step, Verb, one, tell};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use run::How;

/// How many histories a usual run tells, always the same ones.
const USUAL: u32 = 6;
/// A failing history is made shorter by so many attempts.
const ATTEMPTS: u32 = 30;

#[test]
fn histories_keep_the_laws() {
    let asked = std::env::var("COWHAND_HISTORIES").ok().map(|count| count.parse().unwrap());
    let seed = std::env::var("COWHAND_SEED").ok().map(|seed| seed.parse().unwrap());
    // More than the usual ones are new ones each time.
    let seed: u64 = seed.unwrap_or_else(|| if asked.is_some() { rand::random() } else { 1 });
    println!("COWHAND_SEED={seed}");
    let config = Config {
        cases: asked.unwrap_or(USUAL),
        max_shrink_iters: ATTEMPTS,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/histories/regressions.txt"))),
        source_file: Some(file!()),
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let kept = runner.run(&model::history(), |history| {
        let told = tell(&history, true);
        match told.broken.as_slice() {
            [] => Ok(()),
            broken => Err(TestCaseError::fail(format!("{}\n{}", broken.join("\n"), told.said))),
        }
    });
    kept.unwrap_or_else(|error| panic!("{error}"));
}

/// Two runs that have both looked, and both believe that they are alone.
fn side_by_side() -> Vec<Step> {
    let patient = || How { points: "rke.log=sleep(2500)".into(), ..How::default() };
    let call = |workspace| (Call::of(workspace, Verb::Up).with(patient()), Duration::ZERO);
    vec![Step(vec![call(0), call(1)])]
}

#[test]
fn without_its_locks_the_same_history_breaks_the_laws() {
    let told = tell(&side_by_side(), true);
    assert_eq!(told.broken, [""; 0], "{}", told.said);
    let told = tell(&side_by_side(), false);
    let broken = |law: &str| told.broken.iter().any(|one| one.starts_with(law));
    assert!(broken("changes of two runs overlap") && broken("a second CA over a cluster"), "{}", told.said);
}

/// Its locks are another's when it wakes up; what its rke had in hand must not reach a machine any more.
#[test]
fn a_run_that_slept_does_not_go_on_beside_another() {
    let asleep = How::asleep(2, Duration::from_secs(10));
    let history = [
        one(Call::of(0, Verb::Up)),
        one(Call::of(1, Verb::Recover)),
        Step(vec![
            (Call::of(0, Verb::Up).on(FOUR).with(asleep), Duration::from_millis(7_500)),
            (Call::of(1, Verb::Up).on(FOUR), Duration::ZERO),
        ]),
    ];
    let told = tell(&history, true);
    assert_eq!(told.broken, [""; 0], "{}", told.said);
}
