//! Findings of `up`, told with what the last run found: what is new shall not drown in what stands for months.

use crate::check::Finding;
use crate::plan::Stage;
use crate::play::{Event, Tell};
use crate::session::last_findings::LastFindings;
use crate::session::project::Project;

/// What the last run of this inventory found.
pub fn last(project: &Project) -> LastFindings {
    project.workspace.last_findings(&project.inventory.name)
}

/// Tells what this stage found. What blocks is news each time.
pub fn tell(last: &LastFindings, stage: Stage, findings: &[Finding], tell: &Tell) {
    for finding in findings {
        let as_before = !finding.blocks() && last.knows(stage, finding);
        tell.event(Event::Finding { finding: finding.clone(), as_before });
    }
}

/// Keeps it for the next run. A full disk is no reason to stop: the next run then tells more than it had to.
pub fn keep(project: &Project, stage: Stage, findings: &[Finding]) {
    let mut all = last(project);
    all.replace(stage, findings);
    if let Err(error) = project.workspace.keep_findings(&project.inventory.name, &all) {
        tracing::warn!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::check::Verdict;

    fn finding(seen: &str, verdict: Verdict) -> Finding {
        Finding { check: "node.cpu", subject: None, verdict, seen: seen.into(), fix: String::new(), skipped: false }
    }

    /// What was seen, and whether the run before had told it.
    fn told(project: &Project, findings: &[Finding]) -> Vec<(String, bool)> {
        let (sender, mut heard) = unbounded_channel();
        tell(&last(project), Stage::Check, findings, &Tell::new(sender));
        keep(project, Stage::Check, findings);
        std::iter::from_fn(|| heard.try_recv().ok())
            .map(|event| match event {
                Event::Finding { finding, as_before } => (finding.seen, as_before),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_second_run_knows_what_stood_before_and_blocks_are_news_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of_test(folder.path());
        let (old, block) = (finding("2 processors", Verdict::Warn), finding("no Docker", Verdict::Fail));
        let first = told(&project, &[old.clone(), block.clone()]);
        assert_eq!(first, [("2 processors".into(), false), ("no Docker".into(), false)]);
        let second = told(&project, &[old, block, finding("swap is on", Verdict::Warn)]);
        assert_eq!(second, [("2 processors".into(), true), ("no Docker".into(), false), ("swap is on".into(), false)]);
    }
}
