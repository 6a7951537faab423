//! Brings a lost `cluster.rkestate` back from the cluster itself, with nothing but SSH; or from a backup.

use std::path::{Path, PathBuf};

use super::backup::Opens;
use crate::check::Skips;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::play::Event;
use crate::session::open::{Opening, Session};
use crate::session::player::{Said, play};
use crate::session::project::Project;
use crate::session::{Answer, Connect, Context, recover, recover_from};

/// What was said to `recover-state`.
#[derive(Debug, Default, clap::Args)]
pub struct RecoverState {
    /// Replace a state file that is there; it is kept aside first
    #[arg(long, conflicts_with = "from")]
    pub force: bool,
    /// Take the state of this backup, where the cluster cannot give its own
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub opens: Opens,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: RecoverState) -> Answer {
    let project = Project::open(context)?;
    if let Some(file) = &wanted.from {
        return from(context, &project, file, &wanted).await;
    }
    if wanted.opens.keys()?.is_some() {
        return Err(
            Failure::new(Exit::Usage, "a key opens a backup, and no backup is named").hint("name it with --from FILE")
        );
    }
    recover::refuse(&project, wanted.force)?;
    let stages = vec![Stage::Recover];
    let opening = opening(&project, &wanted, stages.clone());
    let said = Said { force: wanted.force, ..Said::default() };
    Session::during(context, opening, async |session| play(session, &stages, &said).await).await
}

fn opening<'a>(project: &'a Project, wanted: &'a RecoverState, stages: Vec<Stage>) -> Opening<'a> {
    Opening { command: "recover-state", project, connect: &wanted.connect, skips: Skips::default(), stages }
}

async fn from(context: &Context, project: &Project, file: &Path, wanted: &RecoverState) -> Answer {
    let open = wanted.opens.open(file, "recovered")?;
    recover_from::refuse(project, &open)?;
    Session::during(context, opening(project, wanted, Vec::new()), async |session| {
        let text = recover_from::recover_from(session, file, &open).await?;
        session.tell.event(Event::Result { text });
        Ok(Exit::Done)
    })
    .await
}
