//! The proof: what was built is walked to from outside, as browsers and agents do.

use std::time::Duration;

use crate::check::{self, Finding};
use crate::facts::cluster::ingress_classes;
use crate::failure::{Exit, Failure};
use crate::inventory::Node;
use crate::plan::Stage;
use crate::play::Outcome;
use crate::session::begin::Begun;
use crate::session::cluster_api::ClusterApi;
use crate::session::inputs;
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::outside;
use crate::session::project::Project;
use crate::session::run::guarded;
use crate::session::telling;
use crate::tls::Picture;

/// Seconds before each try of the proof.
const PAUSES: [u64; 6] = [0, 1, 2, 4, 8, 15];

/// The end of `up`.
///
/// # Errors
/// With what is not reached as it should be.
pub async fn prove(session: &Session<'_>, begun: &Begun<'_>) -> Result<(Outcome, String), Failure> {
    let Some(reached) = &begun.reached else {
        return Err(Failure::new(Exit::NotVerified, "the Kubernetes API does not answer"));
    };
    let inputs = &begun.inputs;
    let (project, machines, picture) = (inputs.project, inputs.machines, &inputs.picture);
    let proof = Proof { session, project, machines, picture, reached, away: machines.away(&project.inventory) };
    proof.told(begun.changed).await
}

/// The same by itself, on the cluster that is there.
pub async fn verify(session: &Session<'_>) -> Result<(Outcome, String), Failure> {
    let project = session.project;
    let material = project.material(&project.tls_files()?)?;
    project.refuse(&material)?;
    let machines = session.machines_for(Stage::Verify.needs()).await?;
    let reached = guarded(session.stop(), inputs::reach(project, machines)).await?;
    let reached = &reached.ok_or_else(|| machines.unreached().unwrap_or_else(|| inputs::nothing_there(project)))?;
    let project = &fitted(project, reached).await;
    let picture = &project.picture(&material)?;
    // Items of a run file before it may have changed something a moment ago.
    Proof { session, project, machines, picture, reached, away: Vec::new() }.told(true).await
}

/// With the ingress class of the cluster that is there, as `plan` and `up` have it. Whoever may not read the classes can
/// still walk the ways to Rancher.
pub async fn fitted(project: &Project, reached: &ClusterApi) -> Project {
    let classes = match project.inventory.engine.is_shared() {
        false => Vec::new(),
        true => ingress_classes(&reached.cluster).await.unwrap_or_default(),
    };
    project.with_classes(&classes)
}

/// What is proved, and with what.
struct Proof<'a> {
    session: &'a Session<'a>,
    project: &'a Project,
    machines: &'a Machines,
    picture: &'a Picture,
    reached: &'a ClusterApi,
    /// The nodes that the run goes on without.
    away: Vec<&'a Node>,
}

impl Proof<'_> {
    /// Tells every finding. `changed`: pods may have come up a moment ago.
    async fn told(&self, changed: bool) -> Result<(Outcome, String), Failure> {
        let findings = self.found(changed).await?;
        telling::tell(&telling::last(self.project), Stage::Verify, &findings, &self.session.tell);
        telling::keep(self.project, Stage::Verify, &findings);
        if findings.iter().any(Finding::blocks) {
            return Err(Failure::new(Exit::NotVerified, "Rancher is installed, but it is not reached as it should be")
                .because(failing(&findings))
                .hint("`cowhand verify` looks again; the findings above say where to look"));
        }
        Ok((Outcome::Passed, crate::report::Counts::of(&findings).text()))
    }

    async fn found(&self, changed: bool) -> Result<Vec<Finding>, Failure> {
        let Proof { session, project, machines, picture, reached, away } = self;
        let stop = session.stop();
        // The proof gets further tries before it counts. It is the usual one each time; what takes a minute of silence is
        // for `verify --thorough`.
        let mut findings = Vec::new();
        for pause in PAUSES {
            guarded(stop, async {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Ok(())
            })
            .await?;
            let seen = guarded(stop, outside::verify(project, machines, picture, reached)).await?;
            findings =
                seen.into_iter().map(|finding| session.skips.mark(check::without(finding, away))).collect::<Vec<_>>();
            if !findings.iter().any(Finding::blocks) || !changed {
                break;
            }
        }
        Ok(findings)
    }
}

fn failing(findings: &[Finding]) -> String {
    let failing = findings.iter().filter(|finding| finding.blocks());
    let lines: Vec<String> = failing
        .map(|one| format!("{} {}: {}", one.check, one.subject.as_deref().unwrap_or_default(), one.seen))
        .collect();
    lines.join("\n")
}
