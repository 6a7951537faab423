use super::*;
use crate::engine::rke::causes::{CAUSES, SYMPTOMS};
use crate::engine::rke::log::RkeLog;

/// Single messages: id, source, text, and the row of the table that explains it.
const LINES: &str = include_str!("../../../tests/data/rke/lines.tsv");

/// Whole logs of a real rke v1.8.0 that failed, each with the row that explains it.
const LOGS: &[(&str, &str, &str)] = &[
    ("docker29", include_str!("../../../tests/data/rke/docker29.log"), "docker-too-new"),
    ("nofwd", include_str!("../../../tests/data/rke/nofwd.log"), "not-forwarded"),
    ("nosock", include_str!("../../../tests/data/rke/nosock.log"), "not-forwarded"),
    ("passphrase", include_str!("../../../tests/data/rke/passphrase.log"), "key-encrypted"),
    ("refused", include_str!("../../../tests/data/rke/refused.log"), "docker-down"),
    ("rest-nostate", include_str!("../../../tests/data/rke/rest-nostate.log"), "docker-down"),
    ("rot-nostate", include_str!("../../../tests/data/rke/rot-nostate.log"), "state-gone"),
    ("st-trunc", include_str!("../../../tests/data/rke/st-trunc.log"), "docker-down"),
    ("val-b09", include_str!("../../../tests/data/rke/val-b09-cloud-provider-aws.log"), "cloud-provider-gone"),
    ("not-ready", include_str!("../../../tests/data/rke/up-nodes-not-ready-failed.log"), "node-not-ready"),
    ("ssh-refused", include_str!("../../../tests/data/rke/up-ssh-refused.log"), "key-unreadable"),
    ("other-ca", include_str!("../../../tests/data/rke/up-without-state-over-living-cluster.log"), "other-ca"),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    CAUSES.iter().chain(SYMPTOMS)
}

fn row(id: &str) -> &'static Row {
    rows().find(|row| row.explained.id == id).unwrap_or_else(|| panic!("no row is called {id}"))
}

/// Each line of the data: its id, its text, its row.
fn lines() -> Vec<(&'static str, &'static str, &'static str)> {
    let cells = LINES.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    cells.map(|cells| (cells[0], cells[2], *cells.get(3).unwrap_or_else(|| panic!("{}: no row", cells[0])))).collect()
}

fn of_log(text: &str) -> Option<&'static Explained> {
    let mut log = RkeLog::new(Vec::new());
    text.lines().for_each(|line| drop(log.hear(&RkeLine::parse(line))));
    log.explained()
}

#[test]
fn each_known_message_ends_in_the_cause_that_fits() {
    let lines = lines();
    assert!(lines.len() >= 40, "only {} lines", lines.len());
    for (id, text, wanted) in lines {
        let fatal = of_log(&format!("FATA[0001] {text}\n"));
        assert_eq!(fatal, Some(&row(wanted).explained), "{id} as rke's last words");
        // The same as a warning, and rke ends with no more than how far it came.
        let warned = of_log(&format!("WARN[0001] {text}\nINFO[0002] going on\nFATA[0003] Failed to classify hosts\n"));
        let particular = CAUSES.iter().any(|cause| cause.explained.id == wanted);
        let of_warning = if particular { wanted } else { "unknown-role" };
        assert_eq!(warned, Some(&row(of_warning).explained), "{id} as a warning");
    }
}

#[test]
fn each_whole_log_ends_in_the_cause_that_fits() {
    for (name, text, wanted) in LOGS {
        assert_eq!(of_log(text), Some(&row(wanted).explained), "{name}");
    }
}

#[test]
fn a_run_that_ends_well_has_no_cause_to_tell() {
    let warned =
        "WARN[0001] host [10.0.0.1] is a control plane node without reachable Kubernetes API endpoint in the cluster\n";
    for text in [include_str!("../../../tests/data/rke/up-fresh.log"), warned] {
        assert_eq!(of_log(text), None);
    }
}

#[test]
fn every_row_is_met_by_the_data() {
    let told: Vec<&str> = lines().iter().map(|(_, _, row)| *row).chain(LOGS.iter().map(|(_, _, row)| *row)).collect();
    let unmet: Vec<&str> = rows().map(|row| row.explained.id).filter(|id| !told.contains(id)).collect();
    assert!(unmet.is_empty(), "no line of the data ends in {unmet:?}");
}

#[test]
fn no_row_hides_another() {
    for table in [CAUSES, SYMPTOMS] {
        for (position, later) in table.iter().enumerate() {
            let hides =
                |earlier: &&Row| earlier.says.iter().all(|words| later.says.iter().any(|own| own.contains(words)));
            let hidden_by = table[..position].iter().find(hides).map(|row| row.explained.id);
            assert_eq!(hidden_by, None, "whatever {} says, that row fits first", later.explained.id);
        }
    }
    let mut ids: Vec<&str> = rows().map(|row| row.explained.id).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

#[test]
fn a_cause_of_the_last_words_counts_more_than_one_that_was_warned_of() {
    let log = "WARN[0001] Can't pull Docker image [a] on host [b]: toomanyrequests: later\n\
               FATA[0009] [workerPlane] Failed to bring up Worker Plane: mkdir /var: no space left on device\n";
    assert_eq!(of_log(log), Some(&row("disk-full").explained));
}
