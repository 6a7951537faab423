//! Takes Rancher, Kubernetes and cert-manager to newer versions, step by step; or says what could be taken.

use crate::failure::{Exit, Failure};
use crate::plan::upgrade::{Before, UpgradePlan};
use crate::play::Tell;
use crate::report::{Shower, upgrade as shown};
use crate::session::confirm::{Asking, Confirmed};
use crate::session::machines::Machines;
use crate::session::preflight::{heading, skips};
use crate::session::project::Project;
use crate::session::run::{guarded, untouched};
use crate::session::upgrade::{self, Said};
use crate::session::{Answer, Connect, Context, Skip};

/// What was said to `upgrade`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Upgrade {
    /// Only say what this cluster could take, in which order, and why no more; changes nothing
    #[arg(long, conflicts_with_all = ["to", "plan", "yes", "no_backup"])]
    pub what: bool,
    /// The versions to go to, e.g. `rancher=2.11.5,kubernetes=v1.32.2-rancher1-1`; also cert-manager
    #[arg(long, value_name = "NAME=VERSION", value_delimiter = ',', required_unless_present = "what")]
    pub to: Vec<String>,
    /// Only show the path: each step, what restarts for it, what is written
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    /// Go without a backup before it: once the new version runs, there is no way back then
    #[arg(long)]
    pub no_backup: bool,
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

impl Upgrade {
    /// Whether it only looks.
    pub fn looks(&self) -> bool {
        self.what || self.plan
    }
}

pub async fn run(context: &Context, wanted: Upgrade) -> Answer {
    let project = Project::open(context)?;
    let skips = skips(&project, &wanted.skip)?;
    if wanted.what {
        let connect = &wanted.connect;
        let what =
            looked(context, &project, connect, async |machines, _| upgrade::what(&project, machines).await).await?;
        context
            .console
            .data("upgrade", &what, |look| format!("{}\n\n{}", heading(&project), shown::what(&what, look)))?;
        return Ok(Exit::Done);
    }
    let said = (wanted.to.as_slice(), wanted.no_backup);
    let planned = async |machines: &Machines, tell: &Tell| upgrade::plan(&project, machines, said, tell).await;
    let (plan, _) = looked(context, &project, &wanted.connect, planned).await?;
    context.console.data("upgrade", &plan, |look| format!("{}\n\n{}", heading(&project), shown::plan(&plan, look)))?;
    if wanted.plan || plan.is_empty() {
        return Ok(Exit::Done);
    }
    refuse_without_backup(&plan)?;
    confirm(context, &project, &plan, wanted.yes).await?;
    upgrade::play(context, project, &plan, Said { asked: &wanted.to, skips, connect: &wanted.connect }).await
}

/// Before anybody is asked.
fn refuse_without_backup(plan: &UpgradePlan) -> Result<(), Failure> {
    match &plan.before {
        Before::Missing { why, remedy } if !plan.path.is_empty() => {
            Err(Failure::new(Exit::ChecksFailed, format!("{why}, and an upgrade begins with one; nothing was touched"))
                .hint(remedy))
        }
        Before::Missing { .. } | Before::Backup { .. } | Before::NoBackup => Ok(()),
    }
}

async fn confirm(context: &Context, project: &Project, plan: &UpgradePlan, yes: Option<String>) -> Result<(), Failure> {
    let steps: Vec<String> = plan.path.iter().map(ToString::to_string).collect();
    let what = if steps.is_empty() { "its inventory is written".to_owned() } else { steps.join(", ") };
    let name = &project.inventory.name;
    let asking = Asking {
        name,
        question: format!("this upgrades the cluster `{name}`: {what}"),
        what: "an upgrade",
        another: "for another cluster go to the folder of its inventory, or name that with -i FILE",
        unasked: "without a terminal, `--yes` with the name of the cluster confirms it",
    };
    let yes: Vec<String> = yes.into_iter().collect();
    match asking.ask(context, None, &yes).await? {
        Confirmed::Typed | Confirmed::Given => Ok(()),
    }
}

/// Looks with the machines connected.
pub(super) async fn looked<T>(
    context: &Context,
    project: &Project,
    connect: &Connect,
    look: impl AsyncFnOnce(&Machines, &Tell) -> Result<T, Failure>,
) -> Result<T, Failure> {
    Shower::during(&context.console, &context.stop, async |tell, screen| {
        let connected = async { Ok(Machines::connect(&project.inventory, connect, context, Some(screen)).await) };
        let machines = guarded(&context.stop, connected).await.map_err(untouched)?;
        let found = guarded(&context.stop, look(&machines, &tell)).await.map_err(untouched);
        machines.disconnect().await;
        found
    })
    .await
}
