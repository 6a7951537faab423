//! What a run file asks for: valid by construction, every node known.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::inventory::Place;
use crate::plan::Stage;
use crate::plan::drain::Agreed;
use crate::remote::Words;

/// A run file, read for one inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    /// What has to be typed, or given as `--yes`, where it asks.
    pub name: String,
    /// At least one.
    pub items: Vec<Item>,
}

/// One thing that a run does.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where it stands in the file.
    pub place: Place,
    /// It is done however the items before it ended, once one of them has begun to change something; in a turn, once that
    /// turn has begun.
    pub always: bool,
    /// Of which turn it is a part.
    pub turn: Option<Turn>,
    pub doing: Doing,
}

/// One node's way through the items of `turns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Where the `turns` stand in the file.
    pub line: u64,
    pub node: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Doing {
    /// Stages that follow each other; what they change is checked and planned together.
    Stages(Vec<Stage>),
    Run(Run),
    Upload(Upload),
    Drain(Drain),
    /// Opens nodes that cowhand closed.
    Uncordon(Selector),
    Reboot(Reboot),
    Wait(Awaited),
    /// A verb that only looks.
    Look(Look),
    /// The text of the question.
    Confirm(String),
    Note(String),
}

/// A command on nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub on: Selector,
    pub words: Words,
    pub sudo: bool,
    /// The command's stdin: a file with a secret, 0600.
    pub stdin: Option<PathBuf>,
    /// Variables of the command's environment, each from a file with a secret.
    pub variables: Vec<Secret>,
    /// A node may be away for a while: one node at a time, and the next one only when all is well again.
    pub disrupts: bool,
}

/// A variable whose value lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    pub file: PathBuf,
}

/// A file of this machine, put on nodes in one move.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    pub on: Selector,
    pub from: PathBuf,
    /// Absolute.
    pub to: String,
    pub mode: u32,
    /// The file becomes root's.
    pub sudo: bool,
}

/// Nodes that are closed for new pods and emptied.
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// Always one after the other.
    pub on: Selector,
    pub agreed: Agreed,
    /// For each node, until its pods are gone.
    pub limit: Duration,
}

/// Nodes that are rebooted.
#[derive(Debug, Clone, PartialEq)]
pub struct Reboot {
    /// Always one after the other.
    pub on: Selector,
    /// For each node, until it is back and Ready.
    pub limit: Duration,
}

/// A verb that only looks, and shows what it shows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Plan,
    Status,
    Certs,
    Drift,
}

impl Look {
    pub fn verb(self) -> &'static str {
        match self {
            Look::Plan => "plan",
            Look::Status => "status",
            Look::Certs => "certs",
            Look::Drift => "drift",
        }
    }
}

/// Which nodes, and whether side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Names of nodes of the inventory, in its order; at least one.
    pub nodes: Vec<String>,
    /// One after the other, up to the first that fails.
    pub each: bool,
}

/// What is waited for, and for how long at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    pub what: crate::plan::Wait,
    pub limit: Duration,
}

impl Doing {
    /// The stages that it is, in order; none where it is something else.
    pub fn stages(&self) -> &[Stage] {
        match self {
            Doing::Stages(stages) => stages,
            Doing::Run(_)
            | Doing::Upload(_)
            | Doing::Drain(_)
            | Doing::Uncordon(_)
            | Doing::Reboot(_)
            | Doing::Wait(_)
            | Doing::Look(_)
            | Doing::Confirm(_)
            | Doing::Note(_) => &[],
        }
    }

    /// The nodes on which something is done.
    pub fn on(&self) -> Option<&Selector> {
        match self {
            Doing::Run(run) => Some(&run.on),
            Doing::Upload(upload) => Some(&upload.on),
            Doing::Drain(drain) => Some(&drain.on),
            Doing::Uncordon(on) => Some(on),
            Doing::Reboot(reboot) => Some(&reboot.on),
            Doing::Stages(_) | Doing::Wait(_) | Doing::Look(_) | Doing::Confirm(_) | Doing::Note(_) => None,
        }
    }

    /// The same on this node alone.
    pub(super) fn on_node(mut self, node: &str) -> Doing {
        let on = match &mut self {
            Doing::Run(run) => &mut run.on,
            Doing::Upload(upload) => &mut upload.on,
            Doing::Drain(drain) => &mut drain.on,
            Doing::Uncordon(on) => on,
            Doing::Reboot(reboot) => &mut reboot.on,
            Doing::Stages(_) | Doing::Wait(_) | Doing::Look(_) | Doing::Confirm(_) | Doing::Note(_) => return self,
        };
        on.nodes = vec![node.to_owned()];
        self
    }

    /// Whether something may be changed by it, so that it is done alone and only on what was looked at.
    pub fn changes(&self) -> bool {
        match self {
            Doing::Stages(stages) => stages.iter().any(|stage| !matches!(stage, Stage::Check | Stage::Verify)),
            Doing::Run(_) | Doing::Upload(_) | Doing::Drain(_) | Doing::Uncordon(_) | Doing::Reboot(_) => true,
            Doing::Wait(_) | Doing::Look(_) | Doing::Confirm(_) | Doing::Note(_) => false,
        }
    }

    /// Whether it takes a node away for a while.
    pub fn disrupts(&self) -> bool {
        match self {
            Doing::Run(run) => run.disrupts,
            Doing::Reboot(_) => true,
            Doing::Stages(_)
            | Doing::Upload(_)
            | Doing::Drain(_)
            | Doing::Uncordon(_)
            | Doing::Wait(_)
            | Doing::Look(_)
            | Doing::Confirm(_)
            | Doing::Note(_) => false,
        }
    }

    /// Whether a run that goes on does it again: what looks first, and what asks, is never left out.
    pub fn is_repeated(&self) -> bool {
        match self {
            Doing::Stages(stages) => !stages.iter().any(|stage| matches!(stage, Stage::Remove | Stage::Recover)),
            Doing::Upload(_)
            | Doing::Drain(_)
            | Doing::Wait(_)
            | Doing::Look(_)
            | Doing::Confirm(_)
            | Doing::Note(_) => true,
            Doing::Run(_) | Doing::Uncordon(_) | Doing::Reboot(_) => false,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.each && self.nodes.len() > 1 { ", one after the other" } else { "" };
        write!(to, "{}{how}", self.nodes.join(", "))
    }
}

/// One line, exactly what is sent; secrets by the name of their file.
impl fmt::Display for Doing {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::Stages(stages) => {
                to.write_str(&stages.iter().map(|stage| stage.verb()).collect::<Vec<_>>().join(", "))
            }
            Doing::Run(run) => {
                let words = if run.sudo { run.words.clone().sudo() } else { run.words.clone() };
                write!(to, "run {words} on {}", run.on)?;
                let variables = run.variables.iter().map(|one| format!("{} from {}", one.name, one.file.display()));
                let stdin = run.stdin.iter().map(|file| format!("stdin from {}", file.display()));
                let given: Vec<String> = variables.chain(stdin).collect();
                if given.is_empty() { Ok(()) } else { write!(to, "; {}", given.join(", ")) }
            }
            Doing::Upload(upload) => {
                let Upload { from, to: path, mode, sudo, on } = upload;
                let whose = if *sudo { ", root's" } else { "" };
                write!(to, "upload {} to {path} ({mode:04o}{whose}) on {on}", from.display())
            }
            Doing::Wait(awaited) => {
                write!(to, "wait until {}, at most {}", awaited.what, crate::cluster::duration(awaited.limit))
            }
            Doing::Drain(drain) => {
                let Drain { on, agreed, limit } = drain;
                let lost =
                    [(agreed.force, "pods without a controller"), (agreed.delete_emptydir_data, "data in emptyDirs")];
                let lost: Vec<&str> = lost.into_iter().filter_map(|(lost, what)| lost.then_some(what)).collect();
                let lost =
                    if lost.is_empty() { String::new() } else { format!("; {} may be lost", lost.join(" and ")) };
                write!(to, "drain {on}, at most {} each{lost}", crate::cluster::duration(*limit))
            }
            Doing::Uncordon(on) => write!(to, "uncordon {on}"),
            Doing::Reboot(reboot) => {
                write!(to, "reboot {}, at most {} each", reboot.on, crate::cluster::duration(reboot.limit))
            }
            Doing::Look(look) => to.write_str(look.verb()),
            Doing::Confirm(text) => write!(to, "confirm: {text}"),
            Doing::Note(text) => write!(to, "note: {text}"),
        }
    }
}
