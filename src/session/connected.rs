//! The machines of a run: connected once, and a node that was rebooted once more.

use std::sync::OnceLock;

use crate::session::machines::{Machine, Machines};

/// What was reached first, and what took its place. Whoever still holds the former goes on with it.
pub struct Connected {
    machines: Machines,
    then: OnceLock<Box<Connected>>,
}

impl Connected {
    pub fn new(machines: Machines) -> Connected {
        Connected { machines, then: OnceLock::new() }
    }

    /// The machines as they are reached now.
    pub fn newest(&self) -> &Machines {
        self.last().machines()
    }

    /// This machine is reached by another connection from here on.
    pub fn replace(&self, machine: &Machine) {
        let last = self.last();
        // One item of a run is played at a time: nobody else can have put something there meanwhile.
        let _ = last.then.set(Box::new(Connected::new(last.machines.with(machine))));
    }

    fn machines(&self) -> &Machines {
        &self.machines
    }

    fn last(&self) -> &Connected {
        let mut last = self;
        while let Some(next) = last.then.get() {
            last = next;
        }
        last
    }
}
