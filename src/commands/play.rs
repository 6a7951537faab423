//! Plays a run file: a list of stages, commands and questions, in its order.

use std::path::PathBuf;

use crate::failure::Exit;
use crate::plan::Stage;
use crate::plan::playbook::Doing;
use crate::report::run_file::{lines, text};
use crate::session::list::{Words, play_list, refuse_unasked};
use crate::session::open::{Opening, Session};
use crate::session::preflight::skips;
use crate::session::project::Project;
use crate::session::run_file::RunFile;
use crate::session::{Answer, Connect, Context, Skip, TakeOver};

/// What was said to `play`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Play {
    /// The run file, e.g. playbooks/maintenance.yml
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Show every item, and what its stages would change now; do nothing
    #[arg(long)]
    pub plan: bool,
    /// What a question asks to type: the run file's name, or the cluster's where it is removed; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub yes: Vec<String>,
    /// Begin with the first item, whatever a run that was cut off has done
    #[arg(long)]
    pub anew: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Play) -> Answer {
    let project = Project::open(context)?.taking_over(&TakeOver::default())?;
    let run_file = RunFile::read(&wanted.file, &project)?;
    if wanted.plan {
        return plan(context, &run_file, wanted).await;
    }
    let words = Words { yes: wanted.yes, anew: wanted.anew };
    refuse_unasked(&run_file, &words, &project)?;
    let skips = skips(&project, &wanted.skip)?;
    let opening =
        Opening { command: "play", project: &project, connect: &wanted.connect, skips, stages: stages(&run_file) };
    Session::during(context, opening, async |session| play_list(session, &run_file, &words).await).await
}

/// Every stage of it, once.
fn stages(run_file: &RunFile) -> Vec<Stage> {
    let mut all = Vec::new();
    for item in &run_file.playbook.items {
        if let Doing::Stages(stages) = &item.doing {
            all.extend(stages.iter().copied().filter(|stage| !all.contains(stage)).collect::<Vec<_>>());
        }
    }
    all
}

/// The items; then, where there are stages that build, what they would change on the cluster as it is now.
async fn plan(context: &Context, run_file: &RunFile, wanted: Play) -> Answer {
    let lines = lines(&run_file.playbook);
    context.console.data("run-file", &lines, |look| text(&run_file.playbook.name, &lines, look))?;
    if !stages(run_file).iter().any(|stage| stage.builds()) {
        return Ok(Exit::Done);
    }
    super::plan::run(context, super::plan::Plan { skip: wanted.skip, connect: wanted.connect, ..Default::default() })
        .await
}
