//! Whether agents of other clusters would still know Rancher: asked before anything is changed.

use crate::cluster::{ClusterError, parse_documents};
use crate::facts::cluster::{HandedOut, downstream, given};
use crate::failure::{Exit, Failure, Hint};
use crate::plan::agents::{AgentsFound, AgentsSee, AgentsWanted, Signer, see};
use crate::plan::locked_out::LockedOut;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::former_tls::public_part;
use crate::session::inputs::Inputs;
use crate::tls::{Cacerts, Material, Origin, Recipe, Sense};

/// What is known before the first step.
pub struct Agents {
    /// Where Rancher's Deployment, as RKE applied it, has its CA from: a run of rke changes the Deployment.
    before: Option<HandedOut>,
    /// The API answered, and was asked.
    asked: bool,
}

impl Agents {
    /// Asks, if the API answers.
    pub async fn ask(inputs: &Inputs<'_>, reached: Option<&ClusterApi>, replace_ca: bool) -> Result<Agents, Failure> {
        let agents = Agents {
            before: inputs.project.state().and_then(|state| applied(state.addon()?)),
            asked: reached.is_some(),
        };
        if let Some(reached) = reached {
            refuse(look(inputs, reached, None).await.map_err(unseen)?, replace_ca)?;
        }
        Ok(agents)
    }

    /// Asks when that could not be done before; what has to be said then.
    pub async fn ask_late(
        &mut self,
        inputs: &Inputs<'_>,
        reached: Option<&ClusterApi>,
        replace_ca: bool,
    ) -> Result<Vec<String>, Failure> {
        let Some(reached) = reached.filter(|_| !self.asked) else { return Ok(Vec::new()) };
        self.asked = true;
        // The stages before have changed something.
        let seen = look(inputs, reached, self.before).await.map_err(unseen)?;
        refuse(seen, replace_ca).map_err(|failure| Failure { exit: Exit::StepFailed, ..failure })
    }
}

fn refuse(seen: AgentsSee, replace_ca: bool) -> Result<Vec<String>, Failure> {
    match seen {
        AgentsSee::Nothing => Ok(Vec::new()),
        AgentsSee::Notes(notes) => Ok(notes),
        AgentsSee::Locked(locked) if replace_ca => Ok(vec![locked.to_string()]),
        AgentsSee::Locked(locked) => Err(Failure::of(Exit::ChecksFailed, &locked)),
    }
}

/// The same as a plan tells it.
pub async fn notes(inputs: &Inputs<'_>, reached: Option<&ClusterApi>) -> Result<Vec<String>, Failure> {
    let Some(reached) = reached else {
        let unseen = "the API does not answer: whether agents of other clusters would be locked out is looked at before Rancher's own stage";
        return Ok(inputs.project.state().map(|_| unseen.to_string()).into_iter().collect());
    };
    Ok(match look(inputs, reached, None).await.map_err(unseen)? {
        AgentsSee::Nothing => Vec::new(),
        AgentsSee::Notes(notes) => notes,
        AgentsSee::Locked(locked) => vec![told(&locked)],
    })
}

fn told(locked: &LockedOut) -> String {
    format!("{locked}; {}", locked.hint().unwrap_or_default())
}

async fn look(inputs: &Inputs<'_>, reached: &ClusterApi, before: Option<HandedOut>) -> Result<AgentsSee, ClusterError> {
    let cluster = &reached.cluster;
    let clusters = downstream(cluster).await?;
    let cell = inputs.picture.cell;
    let Sense::Makes(recipe) = cell.sense else { return Ok(AgentsSee::Nothing) };
    if clusters.is_empty() {
        return Ok(AgentsSee::Nothing);
    }
    let own = match recipe.cacerts {
        Cacerts::RancherMakes => public_part(cluster, "tls-rancher").await?,
        Cacerts::Empty | Cacerts::Given | Cacerts::GivenOrEmpty | Cacerts::TlsRancher => None,
    };
    let own = own.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (signer, cacerts) = wanted(recipe, &inputs.material, own);
    let pending = clusters.iter().filter(|one| one.pending).map(|one| one.id.clone()).collect();
    let clusters = clusters.into_iter().map(|one| one.id).collect();
    let found = AgentsFound { clusters, pending, given: given(cluster, before).await? };
    Ok(see(&found, &AgentsWanted { signer, cacerts, cell }))
}

/// What will sign, and what will be handed out; `own` is the CA that Rancher has made.
fn wanted(recipe: Recipe, material: &Material, own: Option<String>) -> (Signer, String) {
    let cacerts = match recipe.cacerts {
        Cacerts::Empty => String::new(),
        Cacerts::Given | Cacerts::GivenOrEmpty => material.cacerts().unwrap_or_default(),
        Cacerts::RancherMakes => own.clone().unwrap_or_default(),
        Cacerts::TlsRancher => material.first_ca_rewritten().unwrap_or_default(),
    };
    let chain = |text: Option<String>| text.map_or(Signer::MadeLater, Signer::Chain);
    let signer = match recipe.origin {
        Origin::Files | Origin::PodFiles => chain(material.certificate().map(str::to_string)),
        Origin::CaIssuer => chain(material.ca().map(str::to_string)),
        Origin::PodCa => chain(material.first_ca_rewritten()),
        Origin::PodOwn => chain(own),
        Origin::ChartIssuer if recipe.cacerts == Cacerts::RancherMakes => chain(own),
        Origin::ChartIssuer | Origin::AcmeIssuer | Origin::Balancer => match material.ca() {
            Some(ca) => Signer::OneOf(ca.to_string()),
            None => Signer::Public,
        },
    };
    (signer, cacerts)
}

/// Where the Deployment of an addon's text has its CA from.
fn applied(addon: &str) -> Option<HandedOut> {
    let objects = parse_documents(addon).ok()?;
    let is_ranchers = |one: &&serde_json::Value| one["kind"] == "Deployment" && one["metadata"]["name"] == "rancher";
    objects.iter().find(is_ranchers).map(HandedOut::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Cell, Files, TABLE};

    const ROOT: &str = include_str!("../../tests/data/tls/root.pem");
    const CHAIN: &str = include_str!("../../tests/data/tls/chain.pem");

    fn of(origin: Origin, cacerts: Cacerts, own: Option<&str>) -> (Signer, String) {
        let files = Files { certificate: Some(CHAIN.as_bytes()), ca: Some(ROOT.as_bytes()), ..Files::default() };
        let recipe = |cell: &Cell| match cell.sense {
            Sense::Makes(recipe) => Some(recipe).filter(|one| (one.origin, one.cacerts) == (origin, cacerts)),
            Sense::Refused { .. } => None,
        };
        wanted(TABLE.iter().find_map(recipe).unwrap(), &Material::read(&files).unwrap(), own.map(str::to_string))
    }

    #[test]
    fn what_signs_is_the_chain_where_it_is_given_and_the_ca_where_that_signs() {
        let chain = |text: &str| Signer::Chain(text.into());
        assert_eq!(of(Origin::Files, Cacerts::Given, None), (chain(CHAIN), ROOT.into()));
        assert_eq!(of(Origin::PodFiles, Cacerts::Empty, None), (chain(CHAIN), String::new()));
        assert_eq!(of(Origin::CaIssuer, Cacerts::Given, None), (chain(ROOT), ROOT.into()));
        assert_eq!(of(Origin::Balancer, Cacerts::Given, None).0, Signer::OneOf(ROOT.into()));
        assert_eq!(of(Origin::AcmeIssuer, Cacerts::GivenOrEmpty, None).0, Signer::OneOf(ROOT.into()));
        assert_eq!(of(Origin::PodOwn, Cacerts::RancherMakes, None), (Signer::MadeLater, String::new()));
        assert_eq!(of(Origin::ChartIssuer, Cacerts::RancherMakes, Some("own")), (chain("own"), "own".into()));
    }

    #[test]
    fn locked_out_is_refused_unless_told_otherwise() {
        let cell = &TABLE[0];
        let why = crate::plan::locked_out::Why::Unknown;
        let locked = || AgentsSee::Locked(LockedOut { clusters: "c-1".into(), why, handed_out: HandedOut::File, cell });
        let failure = refuse(locked(), false).unwrap_err();
        assert_eq!(failure.exit, Exit::ChecksFailed);
        assert!(failure.hint.unwrap_or_default().contains("--replace-ca"));
        assert_eq!(refuse(locked(), true).unwrap().len(), 1);
    }

    #[test]
    fn an_addon_tells_where_its_ca_is_from() {
        let addon = |words: &str| {
            format!(
                "# digest\napiVersion: v1\nkind: Namespace\nmetadata: {{name: x}}\n---\napiVersion: apps/v1\nkind: Deployment\n\
                     metadata: {{name: rancher}}\nspec: {{template: {{spec: {{containers: [{{args: [{words}]}}]}}}}}}\n"
            )
        };
        assert_eq!(applied(&addon("--no-cacerts")), Some(HandedOut::Nothing));
        assert_eq!(applied(&addon("--http-listen-port=80")), Some(HandedOut::TlsRancher));
        assert_eq!(applied("apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n"), None);
    }
}
