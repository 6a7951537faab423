//! Renews the certificates that RKE made for the cluster's own parts, one member after the other.

use crate::engine::rke::leaves::Service;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::plan::rotate::Rotation;
use crate::play::Event;
use crate::play::Outcome;
use crate::report::{Shower, rotate as shown};
use crate::session::machines::Machines;
use crate::session::open::{Opening, Session};
use crate::session::preflight::{heading, skips};
use crate::session::project::Project;
use crate::session::run::{guarded, untouched};
use crate::session::{Answer, Connect, Context, Skip, rotate};

/// What was said to `rotate`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Rotate {
    /// Renew the certificates of this service only; may be given again
    #[arg(long, value_name = "NAME")]
    pub service: Vec<Service>,
    /// Name of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub yes: Option<String>,
    /// Only show what would be renewed, and what restarts for it
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: Rotate) -> Answer {
    let project = Project::open(context)?;
    if project.inventory.engine.rke_settings().is_none() {
        return Err(Failure::new(Exit::Usage, "only a cluster that RKE made has certificates to rotate")
            .hint("this inventory names one that was there before: whoever built it renews its certificates"));
    }
    let rotation = planned(context, &project, &wanted).await?;
    context
        .console
        .data("rotation", &rotation, |look| format!("{}\n\n{}", heading(&project), shown::text(&rotation, look)))?;
    if wanted.plan {
        return Ok(Exit::Done);
    }
    let yes: Vec<String> = wanted.yes.into_iter().collect();
    rotate::confirm(context, &project, &rotation, &yes).await?;
    let skips = skips(&project, &Skip::default())?;
    let (connect, stages) = (&wanted.connect, vec![Stage::Rotate]);
    let opening = Opening { command: "rotate", project: &project, connect, skips, stages };
    Session::during(context, opening, async |session| {
        let mut said = String::new();
        let work = async {
            said = rotate::rotate(session, &wanted.service).await?;
            Ok((Outcome::Changed, said.clone()))
        };
        session.stage(Stage::Rotate, work).await?;
        session.tell.event(Event::Result { text: said });
        Ok(Exit::Done)
    })
    .await
}

async fn planned(context: &Context, project: &Project, wanted: &Rotate) -> Result<Rotation, Failure> {
    Shower::during(&context.console, &context.stop, async |tell, screen| {
        let connected =
            async { Ok(Machines::connect(&project.inventory, &wanted.connect, context, Some(screen)).await) };
        let machines = guarded(&context.stop, connected).await.map_err(untouched)?;
        let found = guarded(&context.stop, rotate::find(project, &machines, &wanted.service, &tell)).await;
        let rotation = found.map(|found| found.rotation).map_err(untouched);
        machines.disconnect().await;
        rotation
    })
    .await
}
