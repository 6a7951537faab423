//! Histories as values: who calls what, with which inventory, and what befalls it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cowhand::local::Workspace;
use cowhand::remote::POINTS;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::laws;
use crate::run::{Ended, How, ca};
use crate::world::{Blow, Fault, World};

/// Calls that begin one after the other; each is given this time before the next one.
#[derive(Debug, Clone)]
pub struct Step(pub Vec<(Call, Duration)>);

#[derive(Debug, Clone)]
pub struct Call {
    /// Of which of the two workspaces.
    pub workspace: usize,
    pub verb: Verb,
    /// The inventory's name and nodes.
    pub name: &'static str,
    pub nodes: &'static [usize],
    pub how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Up,
    /// With the clock's checks skipped.
    UpAtAnyTime,
    Down,
    Recover,
    RecoverByForce,
}

pub const THREE: &[usize] = &[0, 1, 2];
pub const FOUR: &[usize] = &[0, 1, 2, 3];
/// One is left out, another one is somebody else's machine.
const OTHERS: [&[usize]; 3] = [&[0, 1, 3], &[0, 1, 2, 4], &[0]];
const YEAR: i64 = 31_557_600;

impl Call {
    pub fn of(workspace: usize, verb: Verb) -> Call {
        Call { workspace, verb, name: "prod", nodes: THREE, how: How::default() }
    }

    pub fn on(self, nodes: &'static [usize]) -> Call {
        Call { nodes, ..self }
    }

    pub fn with(self, how: How) -> Call {
        Call { how, ..self }
    }

    fn words(&self) -> Vec<&'static str> {
        match self.verb {
            Verb::Up => vec!["up"],
            Verb::UpAtAnyTime => vec!["up", "--skip", "clock.skew,clock.laptop"],
            Verb::Down => vec!["down", "--yes", self.name],
            Verb::Recover => vec!["recover-state"],
            Verb::RecoverByForce => vec!["recover-state", "--force"],
        }
    }
}

pub fn one(call: Call) -> Step {
    Step(vec![(call, Duration::ZERO)])
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        4 => Just(Verb::Up),
        2 => Just(Verb::UpAtAnyTime),
        3 => Just(Verb::Down),
        1 => Just(Verb::Recover),
        2 => Just(Verb::RecoverByForce),
    ]
}

fn how() -> impl Strategy<Value = How> {
    let blow = prop_oneof![3 => Just(Blow::Kill), 2 => Just(Blow::Cut)];
    let blow = (1..25_usize, blow).prop_map(|(at, blow)| How { fault: Some(Fault { at, blow }), ..How::default() });
    let asleep = (1..25_usize).prop_map(|at| How::asleep(at, Duration::from_secs(10)));
    let fault = prop_oneof![5 => blow, 1 => asleep];
    let point = (prop::sample::select(POINTS), 0..12_usize);
    let killed =
        point.prop_map(|(point, after)| How { points: format!("{point}={after}*off->panic"), ..How::default() });
    // From then on no file takes a byte more.
    let full = (0..12_usize).prop_map(|after| {
        let points = ["disk.write", "disk.written"].map(|point| format!("{point}={after}*off->return(28)"));
        How { points: points.join(";"), ..How::default() }
    });
    let disturbed = prop_oneof![4 => Just(How::default()), 3 => fault, 2 => killed, 1 => full];
    let clock = prop_oneof![4 => Just(0), 1 => Just(YEAR), 1 => Just(-YEAR)];
    (disturbed, clock).prop_map(|(how, clock)| How { clock, ..how })
}

fn call() -> impl Strategy<Value = Call> {
    let nodes = prop_oneof![5 => Just(THREE), 3 => Just(FOUR), 2 => prop::sample::select(&OTHERS[..])];
    let name = prop_oneof![6 => Just("prod"), 1 => Just("test")];
    (0..2_usize, verb(), name, nodes, how()).prop_map(|(workspace, verb, name, nodes, how)| Call {
        workspace,
        verb,
        name,
        nodes,
        how,
    })
}

/// A cluster that was built in peace, for most; then what comes.
pub fn history() -> impl Strategy<Value = Vec<Step>> {
    let together = (call(), 0..1500_u64, call())
        .prop_map(|(first, pause, second)| Step(vec![(first, Duration::from_millis(pause)), (second, Duration::ZERO)]));
    let steps = prop::collection::vec(prop_oneof![3 => call().prop_map(one), 1 => together], 2..6);
    let begun = prop_oneof![1 => Just(vec![]), 3 => Just(vec![one(Call::of(0, Verb::Up))])];
    (begun, steps).prop_map(|(begun, steps)| [begun, steps].concat())
}

/// A world with two workspaces, for as long as a history is told.
pub struct Stage {
    runtime: Option<Runtime>,
    pub world: Arc<World>,
    pub workspaces: [Workspace; 2],
}

impl Stage {
    pub fn new() -> Stage {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = runtime.block_on(World::new());
        let workspaces = ["a", "b"].map(|name| world.workspace(name));
        Stage { runtime: Some(runtime), world, workspaces }
    }

    /// One call, to its end.
    pub fn call(&self, call: &Call) -> Ended {
        let ended = self.begin(call).join().unwrap();
        is_true(&self.world, &self.workspaces[call.workspace], call, &ended);
        ended
    }

    fn begin(&self, call: &Call) -> JoinHandle<Ended> {
        let workspace = &self.workspaces[call.workspace];
        let run = self.world.start(workspace, &call.words(), (call.name, call.nodes), &call.how);
        let world = self.world.clone();
        std::thread::spawn(move || run.end(&world))
    }

    /// One step, to the end of each of its calls; what was said.
    fn play(&self, step: &Step) -> String {
        let said = |call: &Call, ended: &Ended| format!("--- {call:?}: {:?}\n{}", ended.code, ended.said);
        if let [(call, _)] = step.0.as_slice() {
            return said(call, &self.call(call));
        }
        let mut runs = Vec::new();
        for (call, pause) in &step.0 {
            runs.push((call, self.begin(call)));
            std::thread::sleep(*pause);
        }
        runs.into_iter().map(|(call, run)| said(call, &run.join().unwrap())).collect()
    }

    /// The laws that are broken by now.
    pub fn broken(&self) -> Vec<String> {
        laws::broken(&self.world, &self.workspaces.each_ref())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is still under way belongs to runs that are gone.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// What came of a history: the laws that it broke, and all that was said until then.
pub struct Told {
    pub broken: Vec<String>,
    pub said: String,
}

/// Plays it in a new world, up to the first law that it breaks.
pub fn tell(history: &[Step], locks: bool) -> Told {
    let stage = Stage::new();
    stage.world.book().locks_lie = !locks;
    let mut told = Told { broken: Vec::new(), said: String::new() };
    for step in history {
        told.said += &stage.play(step);
        told.broken = stage.broken();
        if !told.broken.is_empty() {
            break;
        }
    }
    told
}

/// What a run says of its end is so.
fn is_true(world: &World, workspace: &Workspace, call: &Call, ended: &Ended) {
    let state = workspace.state_bytes().ok().flatten();
    let ours = state.and_then(|bytes| ca(&serde_json::from_slice::<Value>(&bytes).ok()?));
    let mut untrue = Vec::new();
    match call.verb {
        Verb::Up | Verb::UpAtAnyTime if ended.has_built() => {
            let of_ours = call.nodes.iter().all(|node| ours.is_some() && world.machine(*node).ca == ours);
            if !of_ours {
                untrue.push("the stage cluster ended well, and not all machines have the CA of the state");
            }
        }
        Verb::Down if ended.code == Some(0) => {
            let known = world.book().runs.last().map(|run| run.knows.clone()).unwrap_or_default();
            if known.iter().any(|ca| world.book().lives(ca)) {
                untrue.push("down ended well, and something of the cluster is left");
            }
            if ours.is_some() {
                untrue.push("down ended well, and the state is still there");
            }
        }
        Verb::Recover | Verb::RecoverByForce if ended.code == Some(0) => {
            if !ours.is_some_and(|ours| world.book().lives(&ours)) {
                untrue.push("recover-state ended well, and the state is of no cluster that lives");
            }
        }
        Verb::Up | Verb::UpAtAnyTime | Verb::Down | Verb::Recover | Verb::RecoverByForce => {}
    }
    untrue.into_iter().for_each(|what| world.broken(format!("{what}: {call:?}")));
}
