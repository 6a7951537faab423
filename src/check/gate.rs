//! The only way past the checks.

use super::Report;
use super::run::NEVER_SKIPPED;
use crate::failure::Hint;

/// May be skipped, but nobody is led to it: behind them may be somebody else's cluster.
const NOT_OFFERED: &[&str] = &["leftover.cluster", "node.other-distribution"];

/// Proof that nothing blocks. Only [`gate`] makes it, and whatever changes a machine asks for it.
#[derive(Debug)]
pub struct Cleared {
    report: Report,
}

impl Cleared {
    pub fn report(&self) -> &Report {
        &self.report
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{} of {} checks must be put right first: {}", self.report.blocking().count(), self.report.findings.len(), self.ids().join(", "))]
pub struct Blocked {
    pub report: Report,
}

impl Blocked {
    /// Each once, in order.
    fn ids(&self) -> Vec<&'static str> {
        let mut ids: Vec<&str> = self.report.blocking().map(|finding| finding.check).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl Hint for Blocked {
    fn hint(&self) -> Option<String> {
        let first = self.ids().first().copied()?;
        Some(match NEVER_SKIPPED.contains(&first) || NOT_OFFERED.contains(&first) {
            true => format!("`cowhand explain {first}` tells more"),
            false => {
                format!(
                    "`cowhand explain {first}` tells more; `skip_checks: [{first}]` in the inventory takes the risk"
                )
            }
        })
    }
}

/// # Errors
/// When a finding blocks: failed, or could not be seen, and not skipped.
pub fn gate(report: Report) -> Result<Cleared, Blocked> {
    if report.blocking().next().is_some() { Err(Blocked { report }) } else { Ok(Cleared { report }) }
}
