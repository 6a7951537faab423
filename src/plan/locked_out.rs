//! Agents that could not come back, and the way on which they would, for each set-up that there is and each that is wanted.

use crate::facts::cluster::HandedOut;
use crate::failure::Hint;
use crate::tls::{Cacerts, Cell, Origin, Sense};

/// What stands against a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A certificate that they do not trust.
    Stranger,
    /// One that they would trust had they been deployed anew, which Rancher was told to do and has not done yet.
    NotDeployed,
    /// Nobody can tell what they trust.
    Unknown,
}

/// Agents that could not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct LockedOut {
    pub clusters: String,
    pub why: Why,
    pub handed_out: HandedOut,
    pub cell: &'static Cell,
}

const AT_ONCE: &str = "`cowhand up --replace-ca` does it at once; each cluster must then be registered anew by hand: what `kubectl -n ID get \
     clusterregistrationtokens.management.cattle.io -o jsonpath='{.items[*].status.insecureCommand}'` prints for it is to be run on it";

/// Three runs, the second of which changes the certificate.
const RUN: &str = "`cowhand up`, then deploy the agents anew (the plan says how)";

impl LockedOut {
    fn said(&self) -> String {
        let clusters = &self.clusters;
        match self.why {
            Why::Stranger => format!(
                "the agents of {clusters} would be locked out: they trust only what Rancher handed out when they started, and the new certificate is not from it"
            ),
            Why::NotDeployed => format!(
                "the agents of {clusters} would be locked out: Rancher was told to deploy them anew and has not done it, so they do not know the CA of the new certificate yet"
            ),
            Why::Unknown => {
                format!(
                    "whether the agents of {clusters} would be locked out cannot be told: no CA is seen that Rancher handed out to them"
                )
            }
        }
    }
}

impl Hint for LockedOut {
    fn hint(&self) -> Option<String> {
        Some(match self.why {
            Why::NotDeployed => "Rancher deploys only agents that are connected: see that they are, and wait until `kubectl get \
                clusters.management.cattle.io ID -o yaml` shows io.cattle.agent.force.deploy: \"false\". `cowhand up --replace-ca` goes on without them"
                .into(),
            Why::Unknown => format!("bring back what Rancher had in Secret cattle-system/tls-ca or tls-rancher. {AT_ONCE}"),
            Why::Stranger => match second(self.cell) {
                Ok((second, last)) => format!(
                    "change the CA in three runs. First {}: {RUN}. Then {second}: `cowhand up`. Last without also_trust{last}: \
                     {RUN}. {AT_ONCE}",
                    first(self.handed_out, self.cell)
                ),
                Err(reason) => format!("{reason}. {AT_ONCE}"),
            },
        })
    }
}

/// The run that hands out the new CA beside the present one, while the present one goes on signing.
fn first(now: HandedOut, wanted: &Cell) -> &'static str {
    match now {
        HandedOut::File => "`also_trust: NEW-CA.pem` beside the present files",
        HandedOut::TlsRancher => {
            "`issuer: ca` without passthrough, its `ca` and `ca_key` being the present CA (Secret cattle-system/tls-rancher holds both) \
             and `also_trust: NEW-CA.pem`"
        }
        HandedOut::Nothing if origin(wanted) == Some(Origin::Balancer) => {
            "`ca: ROOT.pem`, the root of the balancer's present certificate, and `also_trust: NEW-CA.pem` (with `--replace-ca`, since that \
             certificate cannot be seen here; nobody is cut off while the balancer keeps it)"
        }
        HandedOut::Nothing => {
            "`ca: ROOT.pem`, the root of the present certificate, and `also_trust: NEW-CA.pem` beside the present files"
        }
    }
}

/// The run that changes the certificate, and what is left for the last one; or why there is no such way.
fn second(wanted: &Cell) -> Result<(&'static str, &'static str), &'static str> {
    let Sense::Makes(recipe) = wanted.sense else { return Err("this set-up is refused") };
    match recipe.cacerts {
        Cacerts::Given | Cacerts::GivenOrEmpty => Ok(("the new files, with `also_trust: OLD-CA.pem`", "")),
        Cacerts::Empty => {
            Ok(("the new files, with `ca: NEW-CA.pem` (the public CA's root) and `also_trust: OLD-CA.pem`", " and ca"))
        }
        Cacerts::TlsRancher => {
            Ok(("the new CA without passthrough, with `also_trust: OLD-CA.pem`", ", and with passthrough again"))
        }
        Cacerts::RancherMakes => Err(
            "a CA that Rancher makes itself cannot be handed out before it signs, so there is no time in which both are trusted. `issuer: ca` \
             has one: cowhand makes a CA where none is given",
        ),
    }
}

fn origin(cell: &Cell) -> Option<Origin> {
    match cell.sense {
        Sense::Makes(recipe) => Some(recipe.origin),
        Sense::Refused { .. } => None,
    }
}
