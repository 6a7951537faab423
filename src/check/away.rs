//! Nodes that a run goes on without: what their absence alone explains is a warning.

use super::{Finding, Report, Verdict};
use crate::inventory::Node;

/// What fails of a node that is down, and of nothing else. Who is a member of the cluster is never among it.
const OF_A_NODE: [&str; 2] = ["ssh.reachable", "etcd.healthy"];
/// Groups of checks whose subjects are ways to a node, or from it.
const OF_A_WAY: [&str; 2] = ["outside.", "agent."];

impl Report {
    /// The same, as a run sees it that goes on without these nodes.
    pub fn without(self, away: &[&Node]) -> Report {
        Report { findings: self.findings.into_iter().map(|finding| without(finding, away)).collect() }
    }
}

/// The finding as a run sees it that goes on without these nodes.
pub fn without(mut finding: Finding, away: &[&Node]) -> Finding {
    let may_be = OF_A_NODE.contains(&finding.check) || OF_A_WAY.iter().any(|group| finding.check.starts_with(group));
    let about = |node: &&Node| {
        let parts = finding.subject.iter().flat_map(|subject| subject.split(['→', ' ']));
        let address = |part: &str| node.internal_address.is_some_and(|address| part == address.to_string());
        parts.into_iter().any(|part| part.eq_ignore_ascii_case(&node.name) || part == node.address || address(part))
    };
    if finding.blocks()
        && may_be
        && let Some(node) = away.iter().find(|node| about(node))
    {
        finding.verdict = Verdict::Warn;
        finding.seen = format!("{}; this run goes on without {}", finding.seen, node.name);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softened(check: &'static str, subject: &str) -> bool {
        let inventory = crate::check::world::inventory();
        let finding = Finding {
            check,
            subject: Some(subject.into()),
            verdict: Verdict::Fail,
            seen: "no answer".into(),
            fix: String::new(),
            skipped: false,
        };
        let told = without(finding, &[&inventory.nodes[2]]);
        assert_eq!(told.verdict == Verdict::Warn, told.seen.contains("goes on without n3"), "{told:?}");
        told.verdict == Verdict::Warn
    }

    #[test]
    fn only_what_the_absence_of_that_node_explains_is_a_warning() {
        for (check, subject) in [
            ("ssh.reachable", "n3"),
            ("etcd.healthy", "n3"),
            ("outside.reached", "n3"),
            ("outside.name", "n3→dns"),
            ("outside.reached", "dns 10.0.0.13"),
            ("agent.connect", "n1→dns 10.0.0.13"),
        ] {
            assert!(softened(check, subject), "{check} {subject}");
        }
        for (check, subject) in [
            ("ssh.reachable", "n2"),
            ("cluster.members", "n3"),
            ("docker.present", "n3"),
            ("outside.reached", "n1"),
            ("outside.replicas", "rancher"),
            ("outside.reached", "dns 10.0.0.1"),
        ] {
            assert!(!softened(check, subject), "{check} {subject}");
        }
    }
}
