//! What the agents of other clusters make of a changed CA.
//!
//! An agent fetches `cacerts` when it starts, compares its checksum with the one in its own Deployment
//! (`CATTLE_CA_CHECKSUM`) and stops when they differ; what it fetched it trusts until it ends (rancher/rancher:
//! package/run.sh, cmd/agent/main.go). So a running agent comes back after Rancher's restart as long as the new
//! certificate is from a CA that it knows, and after its own restart only when its Deployment was applied anew
//! meanwhile. Rancher does that when a cluster is marked so (rancher-docs: installation/resources/
//! update-rancher-certificate, "Force a redeploy of the Rancher agents"), through the agent itself, which has to be
//! connected, and then sets the mark to "false" (pkg/controllers/management/clusterdeploy). Hence the order: hand out
//! both CAs, deploy the agents anew, change the certificate, hand out the new CA alone, deploy the agents anew.

use super::locked_out::{LockedOut, Why};
use crate::facts::cluster::Given;
use crate::tls::{Cell, ca_checksum, each_certificate, roots_of, same_leaf};

/// What agents know, as far as the cluster of Rancher tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentsFound {
    /// Ids of the clusters that Rancher manages besides its own.
    pub clusters: Vec<String>,
    /// Those of them whose agents Rancher was told to deploy anew, and has not yet.
    pub pending: Vec<String>,
    /// What Rancher hands out and serves now.
    pub given: Given,
}

/// What will sign Rancher's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signer {
    /// The chain that will be served, or the CA that will sign, with those above it.
    Chain(String),
    /// Somebody whom one of these CAs stands for; which one is not known here.
    OneOf(String),
    /// A CA that every system knows.
    #[default]
    Public,
    /// A CA that is made only then.
    MadeLater,
}

/// What Rancher is to hand out, and what signs its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentsWanted {
    pub signer: Signer,
    /// Empty: none.
    pub cacerts: String,
    /// The cell of the table that it is for: not each has a way to hand out two CAs.
    pub cell: &'static Cell,
}

/// What a change does to agents that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentsSee {
    /// No agent, or nothing that it would notice.
    Nothing,
    /// They stay connected, but there is something to do for them.
    Notes(Vec<String>),
    Locked(LockedOut),
}

pub fn see(found: &AgentsFound, wanted: &AgentsWanted) -> AgentsSee {
    if found.clusters.is_empty() {
        return AgentsSee::Nothing;
    }
    let clusters = found.clusters.join(", ");
    let locked = |why, clusters: &str| {
        let (clusters, handed_out, cell) = (clusters.to_string(), found.given.handed_out, wanted.cell);
        AgentsSee::Locked(LockedOut { clusters, why, handed_out, cell })
    };
    let Some(now) = &found.given.cacerts else { return locked(Why::Unknown, &clusters) };
    if !is_trusted(found, now, wanted) {
        return locked(Why::Stranger, &clusters);
    }
    let mut notes = Vec::new();
    if is_another_signer(found, now, wanted) {
        if !found.pending.is_empty() {
            return locked(Why::NotDeployed, &found.pending.join(", "));
        }
        notes.push(another_signer(&clusters, &ca_checksum(now)));
    }
    let (was, is) = (ca_checksum(now), ca_checksum(&wanted.cacerts));
    if was != is {
        notes.push(another_text(&clusters, &was, &is));
    }
    if notes.is_empty() { AgentsSee::Nothing } else { AgentsSee::Notes(notes) }
}

/// Whether agents that know only what Rancher hands out now take the new certificate. What cannot be told is no yes.
fn is_trusted(found: &AgentsFound, now: &str, wanted: &AgentsWanted) -> bool {
    let served = found.given.served.as_deref().unwrap_or_default();
    let public = now.trim().is_empty();
    match &wanted.signer {
        Signer::Public => public,
        Signer::MadeLater => false,
        Signer::Chain(_) if public && wanted.cacerts.trim().is_empty() => true,
        Signer::Chain(chain) if same_leaf(chain.as_bytes(), served.as_bytes()) => true,
        Signer::Chain(chain) => leads(chain, &known(now, served, wanted)),
        Signer::OneOf(cas) => {
            let known = known(now, served, wanted);
            each_certificate(cas).iter().all(|ca| leads(&format!("{ca}{cas}"), &known))
        }
    }
}

/// The CAs that agents know. Those that go by their system's store know, of the CAs that will be handed out, the one that
/// the certificate is from which they take now.
fn known(now: &str, served: &str, wanted: &AgentsWanted) -> String {
    if !now.trim().is_empty() {
        return now.into();
    }
    each_certificate(&wanted.cacerts).into_iter().filter(|ca| leads(served, ca)).collect()
}

fn leads(chain: &str, roots: &str) -> bool {
    !roots_of(chain.as_bytes(), roots.as_bytes()).is_empty()
}

/// Whether the certificate changes from one of the CAs that are handed out to another one.
fn is_another_signer(found: &AgentsFound, now: &str, wanted: &AgentsWanted) -> bool {
    let Some(served) = &found.given.served else { return false };
    let was = roots_of(served.as_bytes(), now.as_bytes());
    let next = match &wanted.signer {
        Signer::Chain(chain) => roots_of(chain.as_bytes(), now.as_bytes()),
        Signer::OneOf(cas) => roots_of(served.as_bytes(), cas.as_bytes()),
        Signer::Public | Signer::MadeLater => return false,
    };
    !was.is_empty() && !was.iter().any(|root| next.contains(root))
}

fn another_signer(clusters: &str, sum: &str) -> String {
    format!(
        "the certificate will be from another of the CAs that Rancher hands out: agents of {clusters} that were not deployed anew \
         since it hands out both do not know it, and lose Rancher. Look first: in each of these clusters, `kubectl -n cattle-system get \
         deployment cattle-cluster-agent -o yaml` has to show CATTLE_CA_CHECKSUM {sum}"
    )
}

fn another_text(clusters: &str, was: &str, is: &str) -> String {
    let again = match was.is_empty() {
        true => format!("stay connected, and learn the CA (checksum {}…) only when they are deployed anew", short(is)),
        false if is.is_empty() => format!(
            "stay connected, but when they start again they miss the CA that they were registered with (checksum {}…)",
            short(was)
        ),
        false => format!(
            "stay connected, but when they start again they will not take the new CA checksum ({}…, before {}…)",
            short(is),
            short(was)
        ),
    };
    format!(
        "the agents of {clusters} {again}: deploy them anew when this is done, for each of them `kubectl annotate \
         clusters.management.cattle.io ID io.cattle.agent.force.deploy=true --overwrite`, and `Force Update` for each cluster under \
         Continuous Delivery; it is done where that annotation has become \"false\""
    )
}

fn short(sum: &str) -> &str {
    sum.get(..12).unwrap_or(sum)
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
