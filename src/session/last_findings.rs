//! What the last run found wrong, so that the next one tells what is new: `.cowhand/findings/NAME.json`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::{Finding, Verdict};
use crate::local::workspace::Done;
use crate::local::{Secrecy, Workspace};
use crate::plan::Stage;
use crate::remote::read_regular;

/// Thousands of nodes with a warning each are far below it (bytes).
const LARGEST: u64 = 16 * 1024 * 1024;

/// The problems of the last run, as they were told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LastFindings(BTreeMap<String, Vec<Value>>);

impl LastFindings {
    /// Whether this stage of the last run told exactly the same.
    pub fn knows(&self, stage: Stage, finding: &Finding) -> bool {
        let found = value(finding);
        self.0.get(stage.name()).is_some_and(|known| known.contains(&found))
    }

    /// What this stage found takes the place of what it found before.
    pub fn replace(&mut self, stage: Stage, findings: &[Finding]) {
        let problems = findings.iter().filter(|finding| finding.verdict != Verdict::Pass);
        self.0.insert(stage.name().to_owned(), problems.map(value).collect());
    }
}

fn value(finding: &Finding) -> Value {
    serde_json::to_value(finding).unwrap_or_default()
}

impl Workspace {
    /// Of the inventory with this name. What is not there or cannot be read is as if nothing had been found: then all is told.
    pub fn last_findings(&self, inventory: &str) -> LastFindings {
        let bytes = read_regular(&self.findings(inventory), LARGEST).unwrap_or_default();
        LastFindings(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub fn keep_findings(&self, inventory: &str, findings: &LastFindings) -> Done<()> {
        self.make(&self.inside().join("findings"))?;
        let text = serde_json::to_vec(&findings.0).unwrap_or_default();
        self.write(&self.findings(inventory), &text, Secrecy::Private)
    }

    fn findings(&self, inventory: &str) -> std::path::PathBuf {
        self.inside().join("findings").join(format!("{inventory}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(seen: &str, verdict: Verdict) -> Finding {
        let (seen, fix) = (seen.to_owned(), "see to it".to_owned());
        Finding { check: "node.cpu", subject: Some("n1".into()), verdict, seen, fix, skipped: false }
    }

    #[test]
    fn only_the_very_same_problem_of_the_same_stage_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        let mut last = workspace.last_findings("prod");
        assert_eq!(last, LastFindings::default());
        let warning = finding("2 processors", Verdict::Warn);
        last.replace(Stage::Check, &[warning.clone(), finding("8 GiB", Verdict::Pass)]);
        workspace.keep_findings("prod", &last).unwrap();
        let last = workspace.last_findings("prod");
        assert!(last.knows(Stage::Check, &warning) && !last.knows(Stage::Verify, &warning));
        assert!(!last.knows(Stage::Check, &finding("1 processor", Verdict::Warn)), "it got worse");
        assert!(!last.knows(Stage::Check, &finding("2 processors", Verdict::Fail)), "it blocks now");
        assert_eq!(workspace.last_findings("other"), LastFindings::default());
        // A stage that is looked at again forgets what is gone, and leaves the other stage alone.
        let mut last = last;
        last.replace(Stage::Verify, &[]);
        assert!(last.knows(Stage::Check, &warning));
        last.replace(Stage::Check, &[]);
        assert!(!last.knows(Stage::Check, &warning));
        std::fs::write(folder.path().join(".cowhand/findings/prod.json"), "{").unwrap();
        assert_eq!(workspace.last_findings("prod"), LastFindings::default());
    }
}
