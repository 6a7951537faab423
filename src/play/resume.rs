//! What an earlier run of the same run file has done, by the journal: where one that was cut off goes on.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::play::usual::newest;

/// Items that are done, counted from 0: on a node, or (`None`) as a whole.
pub type Done = BTreeSet<(usize, Option<String>)>;

/// A line of the journal, as far as it is about that.
#[derive(Deserialize)]
struct Line {
    run: String,
    event: String,
    hash: Option<String>,
    anew: Option<bool>,
    item: Option<usize>,
    node: Option<String>,
    ok: Option<bool>,
    stage: Option<String>,
    outcome: Option<String>,
}

/// What is done of the run file with this hash, if its last run did not come to its end. Empty where there is no journal.
pub fn done(journal: &Path, hash: &str) -> Done {
    let text = newest(journal).unwrap_or_default();
    let mut done = Done::new();
    let mut runs: BTreeSet<String> = BTreeSet::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        let ours = runs.contains(&line.run);
        match line.event.as_str() {
            "playbook-started" if line.hash.as_deref() == Some(hash) => {
                if line.anew == Some(true) {
                    done.clear();
                }
                runs.insert(line.run);
            }
            "item-done" if ours => done.extend(line.item.map(|item| (item, line.node))),
            // A run that came to its end leaves nothing to go on with.
            "run-finished" if ours && line.ok == Some(true) => done.clear(),
            // What was done on a cluster that is gone is done no longer.
            "stage-finished"
                if line.stage.as_deref() == Some("remove") && line.outcome.as_deref() == Some("changed") =>
            {
                done.clear();
            }
            _ => {}
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Event, Journal, Outcome, Stage};

    fn started(hash: &str, anew: bool) -> Event {
        Event::PlaybookStarted { name: "x".into(), hash: hash.into(), items: 3, anew }
    }

    fn item(item: usize, node: &str) -> Event {
        Event::ItemDone { item, node: Some(node.into()) }
    }

    fn ended(ok: bool) -> Event {
        Event::RunFinished { ok, seconds: 1.0, exit: 0 }
    }

    /// Each list of events is a run of its own.
    fn after(runs: &[&[Event]]) -> Vec<(usize, Option<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        for run in runs {
            let mut journal = Journal::open(&path).unwrap();
            run.iter().for_each(|event| journal.note(event).unwrap());
        }
        done(&path, "h1").into_iter().collect()
    }

    fn one(item: usize, node: &str) -> (usize, Option<String>) {
        (item, Some(node.into()))
    }

    #[test]
    fn a_run_that_was_cut_off_or_failed_goes_on_and_one_that_ended_begins_anew() {
        assert_eq!(after(&[]), []);
        let killed = [started("h1", false), item(1, "n1")];
        assert_eq!(after(&[&killed]), [one(1, "n1")]);
        let failed = [started("h1", false), item(1, "n1"), ended(false)];
        let further = [started("h1", false), item(1, "n2")];
        assert_eq!(after(&[&failed, &further]), [one(1, "n1"), one(1, "n2")]);
        assert_eq!(after(&[&killed, &[started("h1", false), ended(true)]]), []);
        assert_eq!(after(&[&killed, &[started("h1", true), item(2, "n3")]]), [one(2, "n3")]);
    }

    #[test]
    fn another_file_and_a_cluster_that_is_gone_are_nothing_to_go_on_with() {
        let other = [started("h2", false), item(1, "n1")];
        assert_eq!(after(&[&other]), []);
        let killed = [started("h1", false), item(1, "n1")];
        assert_eq!(after(&[&killed, &[started("h2", false), ended(true)]]), [one(1, "n1")]);
        let text = String::new();
        let removed = [Event::StageFinished { stage: Stage::Remove, outcome: Outcome::Changed, text, seconds: 1.0 }];
        assert_eq!(after(&[&killed, &removed]), []);
        let down = [started("h1", false), item(0, "n1"), removed[0].clone(), Event::ItemDone { item: 1, node: None }];
        assert_eq!(after(&[&down]), [(1, None)]);
    }
}
