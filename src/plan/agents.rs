//! What the agents of other clusters make of a changed CA.
//!
//! An agent fetches `cacerts` when it starts, compares its checksum with the one in its own Deployment
//! (`CATTLE_CA_CHECKSUM`) and stops when they differ; what it fetched it trusts until it ends (rancher/rancher:
//! package/run.sh, cmd/agent/main.go). So a running agent comes back after Rancher's restart as long as the new
//! certificate is from a CA that it knows, and after its own restart only when its Deployment was applied anew
//! meanwhile. Rancher does that when a cluster is marked so (rancher-docs: installation/resources/
//! update-rancher-certificate, "Force a redeploy of the Rancher agents"), through the agent itself, which has to be
//! connected. Hence the order: hand out both CAs, deploy the agents anew, change the certificate, hand out the new CA
//! alone, deploy the agents anew.

use crate::tls::{ca_checksum, share_a_certificate};

/// What agents know, as far as the cluster of Rancher tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentsFound {
    /// Ids of the clusters that Rancher manages besides its own.
    pub clusters: Vec<String>,
    /// What Rancher hands out; empty when it hands out none, `None` when there is no Rancher yet.
    pub cacerts: Option<String>,
}

/// What Rancher is to hand out, and what signs its certificate; empty: a CA that everybody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentsWanted {
    pub ca: String,
    pub cacerts: String,
}

/// What a change does to agents that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentsSee {
    /// No agent, or nothing that it would notice.
    Nothing,
    /// Another text, but the certificate is from a CA that they know.
    AnotherText(String),
    /// A certificate that they do not trust.
    Stranger(LockedOut),
}

/// Agents that could not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the agents of {clusters} would be locked out: they trust only what Rancher handed out when they started, and the new certificate is not from it"
)]
pub struct LockedOut {
    pub clusters: String,
}

impl LockedOut {
    pub fn hint(&self) -> String {
        "change the CA in three runs. First `also_trust: NEW-CA.pem` beside the present files: `cowhand up`, then deploy the agents anew \
         (the plan says how). Then the new files, with `also_trust: OLD-CA.pem`: `cowhand up`. Last without also_trust: `cowhand up`, \
         and deploy the agents anew. `cowhand up --replace-ca` does it at once; each cluster must then be registered anew by hand"
            .into()
    }
}

pub fn see(found: &AgentsFound, wanted: &AgentsWanted) -> AgentsSee {
    let Some(now) = found.cacerts.as_deref().filter(|_| !found.clusters.is_empty()) else { return AgentsSee::Nothing };
    let clusters = found.clusters.join(", ");
    if now.trim() == wanted.cacerts.trim() && now.trim().is_empty() {
        return AgentsSee::Nothing;
    }
    if !share_a_certificate(now, &wanted.ca) {
        return AgentsSee::Stranger(LockedOut { clusters });
    }
    let (was, is) = (ca_checksum(now), ca_checksum(&wanted.cacerts));
    if was == is {
        return AgentsSee::Nothing;
    }
    AgentsSee::AnotherText(format!(
        "the agents of {clusters} stay connected, but when they start again they will not take the new CA checksum ({}…, before {}…): \
         deploy them anew when this is done, for each of them `kubectl annotate clusters.management.cattle.io ID \
         io.cattle.agent.force.deploy=true --overwrite`, and `Force Update` for each cluster under Continuous Delivery",
        short(&is),
        short(&was),
    ))
}

fn short(sum: &str) -> &str {
    sum.get(..12).unwrap_or(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = include_str!("../../tests/data/tls/root.pem");
    const OTHER: &str = include_str!("../../tests/data/tls/root-other.pem");

    fn found(cacerts: &str) -> AgentsFound {
        AgentsFound { clusters: vec!["c-1".into(), "c-2".into()], cacerts: Some(cacerts.into()) }
    }

    fn wanted(ca: &str, cacerts: &str) -> AgentsWanted {
        AgentsWanted { ca: ca.into(), cacerts: cacerts.into() }
    }

    #[test]
    fn no_agents_notice_nothing() {
        let none = AgentsFound { clusters: vec![], cacerts: Some(ROOT.into()) };
        assert_eq!(see(&none, &wanted(OTHER, OTHER)), AgentsSee::Nothing);
        assert_eq!(see(&AgentsFound { cacerts: None, ..found("") }, &wanted(OTHER, OTHER)), AgentsSee::Nothing);
        assert_eq!(see(&found(ROOT), &wanted(ROOT, ROOT)), AgentsSee::Nothing);
        assert_eq!(see(&found(""), &wanted("", "")), AgentsSee::Nothing);
    }

    #[test]
    fn the_way_in_three_runs_locks_nobody_out() {
        let both = format!("{ROOT}{OTHER}");
        for (now, ca, next) in [(ROOT, ROOT, both.as_str()), (&both, OTHER, &both), (&both, OTHER, OTHER)] {
            let seen = see(&found(now), &wanted(ca, next));
            assert!(!matches!(seen, AgentsSee::Stranger(_)), "{seen:?}");
        }
        let AgentsSee::AnotherText(said) = see(&found(ROOT), &wanted(ROOT, &both)) else { panic!() };
        assert!(said.contains("c-1, c-2") && said.contains("force.deploy=true"), "{said}");
        assert_eq!(see(&found(&both), &wanted(OTHER, &both)), AgentsSee::Nothing);
    }

    #[test]
    fn a_jump_is_told() {
        for (now, ca) in [(ROOT, OTHER), (ROOT, ""), ("", ROOT)] {
            let AgentsSee::Stranger(locked) = see(&found(now), &wanted(ca, ca)) else { panic!("{ca}") };
            assert!(locked.to_string().contains("c-1, c-2") && locked.hint().contains("--replace-ca"));
        }
    }
}
