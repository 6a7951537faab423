//! The certificate judge's rules and judgements, in the words of checks.

use jiff::{SignedDuration, Timestamp};

use crate::facts::Observed;
use crate::tls::{Grade, Judgement, NodeClock, RULES};

use super::Listed;
use super::{Finding, Verdict};

/// The judge's rules, as rows of `check --list`. They need no machine.
pub(super) fn rows() -> impl Iterator<Item = Listed> {
    RULES.iter().map(|rule| Listed { id: rule.id, what: rule.what, why: rule.why, fix: rule.fix, offline: true })
}

pub(super) fn findings(judgements: &[Judgement]) -> impl Iterator<Item = Finding> {
    judgements.iter().map(|judgement| Finding {
        check: judgement.rule.id,
        subject: Some(judgement.subject.clone()),
        verdict: match judgement.grade {
            Grade::Pass => Verdict::Pass,
            Grade::Warn => Verdict::Warn,
            Grade::Fail => Verdict::Fail,
        },
        seen: judgement.seen.clone(),
        fix: judgement.fix.clone(),
        skipped: false,
    })
}

/// What each node's own clock said at the moment `now` of this machine's clock: the judge holds it against notBefore.
pub fn node_clocks(observed: &Observed, now: Timestamp) -> Vec<NodeClock> {
    let clocks = observed.reached().filter_map(|(node, reached)| {
        let offset = SignedDuration::try_from_secs_f64(reached.clock.as_ref().ok()?.seconds).ok()?;
        Some(NodeClock { node: node.name.clone(), at: now.checked_add(offset).ok()? })
    });
    clocks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;
    use crate::check::{Context, Skips, gate, run_all};
    use crate::tls::{self, Files, Request};

    #[test]
    fn a_certificate_that_cannot_work_blocks_like_any_other_check() {
        let world = World::good();
        let request = Request {
            hostname: "rancher.example.com",
            files: Files { certificate: Some(b"this is no certificate"), ..Files::default() },
            now: Timestamp::UNIX_EPOCH,
            ..Request::default()
        };
        let judgements = tls::judge(&request);
        let context = Context { certificates: &judgements, ..world.context() };
        let report = run_all(&context, &Skips::default());
        let bad: Vec<_> = report.blocking().collect();
        assert!(!bad.is_empty() && bad.iter().all(|finding| finding.check.starts_with("tls.")), "{bad:#?}");
        assert!(rows().any(|row| row.id == bad[0].check), "{bad:#?}");
        let skips = Skips::new(bad.iter().map(|finding| finding.check)).unwrap();
        assert!(gate(run_all(&context, &skips)).is_ok());
    }

    #[test]
    fn clocks_of_nodes_as_the_judge_wants_them() {
        let world = World::good();
        let clocks = node_clocks(&world.observed, Timestamp::UNIX_EPOCH);
        assert_eq!(clocks.len(), 3);
        assert_eq!((clocks[1].node.as_str(), clocks[1].at), ("n2", "1970-01-01T00:00:00.2Z".parse().unwrap()));
    }
}
