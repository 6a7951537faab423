//! Whatever a node answers to the sweep, reading it must not panic, and an answer without its marker is never taken for "nothing left".
#![no_main]

use cowhand::engine::rke::{Sweep, SweepError, Swept};
use cowhand::inventory::Engine;
use cowhand::remote::scripted::Machine;
use cowhand::remote::{Ended, Output};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

mod shown;

fuzz_target!(|input: &[u8]| {
    let Some((&code, said)) = input.split_first() else { return };
    let (out, err) = said.split_at(said.iter().position(|byte| *byte == 0).unwrap_or(said.len()));
    let output = Output::new(Ended::Code(i32::from(code % 3)), out, err);
    let machine = Machine::new("n1").answer(move |_, _| Some(output.clone()));
    let inventory = shown::inventory();
    let Engine::Rke(rke) = &inventory.engine else { return };
    let sweep = Sweep::new(rke, []);
    let marked = out.windows(8).any(|window| window == b"== left\n");
    for swept in [block_on(sweep.look(&machine, "n1")), block_on(sweep.after(&machine, "n1"))] {
        assert!(swept.is_err() || (marked && code % 3 == 0));
        tell(swept);
    }
    for done in [block_on(sweep.judge(&machine, "n1")), block_on(sweep.before(&machine, "n1"))] {
        tell(done.map(|()| Swept::default()));
    }
});

fn tell(swept: Result<Swept, SweepError>) {
    match swept {
        Ok(swept) => swept.left.iter().chain(&swept.kept).for_each(|line| shown::told(line)),
        Err(error) => shown::failed(&error),
    }
}
