//! What `up` would do, step by step. No machine and no cluster changes; on this disk, only what is fetched on the way.

use tokio_util::sync::CancellationToken;

use super::look::{Looked, heading, look, skips, unanswered};
use super::machines::Machines;
use super::site::Site;
use super::world::World;
use super::{Answer, Connect, Context, Skip, keepsakes, prepare, stages};
use crate::check;
use crate::execute::Tell;
use crate::plan::{StagePlan, playbook};
use crate::report::{Exit, Failure, Look, Pauser, Shower, Tone};

/// What was said to `plan`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

/// One step as scripts get it.
#[derive(serde::Serialize)]
struct Line {
    stage: &'static str,
    step: String,
    text: String,
    changes: bool,
}

pub async fn run(context: &Context, wanted: Plan) -> Answer {
    let site = Site::open(context)?;
    let skips = skips(&site, &wanted.skip)?;
    // Shows downloads. Asked to stop, the whole command is dropped: nothing is under way that would have to end.
    let plans = Shower::during(&context.console, &CancellationToken::new(), async |tell, screen| {
        plans(context, &site, &wanted, &skips, &tell, screen).await
    })
    .await?;
    show(context, &site, &plans)?;
    Ok(Exit::Done)
}

async fn plans(
    context: &Context,
    site: &Site,
    wanted: &Plan,
    skips: &check::Skips,
    tell: &Tell,
    screen: Pauser,
) -> Result<Vec<StagePlan>, Failure> {
    let machines = Machines::connect(&site.inventory, &wanted.connect, context, Some(screen)).await;
    let Looked { report, cluster } = look(site, Some(&machines), skips).await?;
    if let Some(failure) = machines.unreached().or_else(|| unanswered(site, cluster.as_ref())) {
        return Err(failure);
    }
    if let Err(blocked) = check::gate(report) {
        context.console.findings(&heading(site), &blocked.report.findings, 0.0)?;
        return Err(Failure::of(Exit::ChecksFailed, &blocked).maybe_hint(blocked.hint()));
    }
    let site = &site.fitted(cluster.as_ref());
    keepsakes::refuse_another_ca(site, &machines).await?;
    let world = World::see(site, &machines, tell).await?;
    let reached = world.reach().await?;
    let mut plans = vec![prepare::plan(site)];
    let broken = site.rke().and(site.workspace_facts()?.broken);
    plans[0].notes.extend(broken.map(|(seen, will)| format!("{seen}: {will}")));
    for stage in playbook::up() {
        plans.push(stages::plan(&world, stage, reached.as_ref()).await?);
    }
    machines.disconnect().await;
    Ok(plans)
}

fn show(context: &Context, site: &Site, plans: &[StagePlan]) -> Result<(), Failure> {
    let steps = plans.iter().flat_map(|plan| plan.steps.iter().map(move |step| (plan.stage, step)));
    let lines: Vec<Line> = steps
        .map(|(stage, step)| Line {
            stage: stage.name(),
            step: step.to_string(),
            text: step.text(),
            changes: step.changes(),
        })
        .collect();
    context.console.data("plan", &lines, |look| format!("{}\n\n{}", heading(site), text(plans, look)))
}

fn text(plans: &[StagePlan], look: &Look) -> String {
    let mut text = String::new();
    let mut changes = 0;
    for plan in plans.iter().filter(|plan| !plan.steps.is_empty() || !plan.notes.is_empty()) {
        text += &format!("{}\n", look.paint(Tone::Strong, plan.stage.name()));
        for note in &plan.notes {
            text += &format!("  note: {note}\n");
        }
        for step in &plan.steps {
            changes += usize::from(step.changes());
            text += &format!("  {step}\n");
            text += &step.text().lines().map(|line| format!("      {line}\n")).collect::<String>();
        }
        text.push('\n');
    }
    let end = match changes {
        0 => "nothing would be changed".to_string(),
        1 => "1 step would change something; `cowhand up` does it".into(),
        count => format!("{count} steps would change something; `cowhand up` does them"),
    };
    text + &end + "\n"
}
