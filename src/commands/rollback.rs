//! What is left of ways back from the last upgrade; the one by helm is played, where it is safe.

use super::upgrade::looked;
use crate::check::Skips;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::plan::upgrade::way_back::WayBack;
use crate::play::Outcome;
use crate::report::upgrade as shown;
use crate::session::confirm::{Asking, Confirmed};
use crate::session::open::{Opening, Session};
use crate::session::player;
use crate::session::preflight::heading;
use crate::session::project::Project;
use crate::session::upgrade::back;
use crate::session::{Answer, Connect, Context};

/// What was said to `rollback`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Rollback {
    /// Only say which ways back there are, what shows that they are, and what would be lost by name
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Rollback) -> Answer {
    let project = Project::open(context)?;
    let way =
        looked(context, &project, &wanted.connect, async |machines, _| back::look(&project, machines).await).await?;
    context
        .console
        .data("rollback", &way, |look| format!("{}\n\n{}", heading(&project), shown::way_back(&way, look)))?;
    match &way {
        _ if wanted.plan => Ok(Exit::Done),
        WayBack::Helm { .. } => {
            confirm(context, &project, wanted.yes).await?;
            play(context, &project, &wanted.connect).await
        }
        WayBack::Restore { backup, .. } => Err(Failure::new(
            Exit::ChecksFailed,
            "helm does not lead back; nothing was touched",
        )
        .hint(format!("`cowhand rebuild --from {} --plan` says what making the cluster again would do", backup.path))),
        WayBack::None { remedy, .. } => {
            Err(Failure::new(Exit::ChecksFailed, "there is no way back that is safe; nothing was touched").hint(remedy))
        }
    }
}

async fn confirm(context: &Context, project: &Project, yes: Option<String>) -> Result<(), Failure> {
    let name = &project.inventory.name;
    let asking = Asking {
        name,
        question: format!("this takes Rancher of the cluster `{name}` back by helm"),
        what: "a rollback",
        another: "for another cluster go to the folder of its inventory, or name that with -i FILE",
        unasked: "without a terminal, `--yes` with the name of the cluster confirms it",
    };
    let yes: Vec<String> = yes.into_iter().collect();
    match asking.ask(context, None, &yes).await? {
        Confirmed::Typed | Confirmed::Given => Ok(()),
    }
}

/// The rollback, and the proof from outside behind it.
async fn play(context: &Context, project: &Project, connect: &Connect) -> Answer {
    let stages = vec![Stage::Rancher, Stage::Verify];
    let opening = Opening { command: "rollback", project, connect, skips: Skips::default(), stages };
    Session::during(context, opening, async |session| {
        let work = async { Ok((Outcome::Changed, back::play(session).await?)) };
        session.stage(Stage::Rancher, work).await?;
        player::play(session, &[Stage::Verify], &player::Said::default()).await
    })
    .await
}
