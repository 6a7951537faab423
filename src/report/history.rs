//! The screen of `history`: every run in a line, or one run's record.

use crate::failure::Exit;
use crate::play::{Ran, StageRan};
use crate::report::{Cell, Look, Table, Tone, one_line, took};

/// Newest first, as they come.
pub fn table(runs: &[&Ran], look: &Look) -> String {
    let mut table = Table::new(["id", "who", "what", "took", "result"]);
    for run in runs {
        let seconds = run.seconds.map(took).unwrap_or_default();
        table.row([id(run).into(), (&run.who).into(), what(run).into(), seconds.into(), result(run)]);
    }
    table.text(look)
}

/// Without what tells runs of one second apart.
fn id(run: &Ran) -> &str {
    run.id.split('.').next().unwrap_or(&run.id)
}

fn what(run: &Ran) -> String {
    match &run.run_file {
        Some(file) => format!("{}: {file}", run.command),
        None => run.command.clone(),
    }
}

fn result(run: &Ran) -> Cell {
    let named = |outcome: &str| {
        let stages = run.stages.iter().filter(|stage| stage.outcome == outcome);
        stages.map(|stage| stage.stage.as_str()).collect::<Vec<_>>().join(", ")
    };
    let after = |word: &str, stages: String| if stages.is_empty() { String::new() } else { format!("{word}{stages}") };
    match run.exit {
        Some(0) => Cell::painted(Tone::Good, format!("done{}", after(", changed: ", named("changed")))),
        Some(code) => {
            let known = Exit::ALL.into_iter().find(|exit| exit.code() == code);
            let meaning = known.map_or("", Exit::meaning);
            Cell::painted(Tone::Bad, format!("exit {code}: {meaning}{}", after(": ", named("failed"))))
        }
        None => Cell::painted(Tone::Careful, "no end: under way, or cut off"),
    }
}

/// All that is kept of one.
pub fn record(run: &Ran, look: &Look) -> String {
    let line = |label: &str, text: &str| match text.is_empty() {
        true => String::new(),
        false => format!("  {}{}\n", look.paint(Tone::Dim, &format!("{label:<9}")), one_line(text)),
    };
    let end = match (run.exit, run.seconds) {
        (Some(code), Some(seconds)) => {
            let meaning = Exit::ALL.into_iter().find(|exit| exit.code() == code).map_or("", Exit::meaning);
            format!("exit {code} ({meaning}) after {}", took(seconds))
        }
        _ => "not told: it is under way, or was cut off".to_owned(),
    };
    let mut text = format!("{}\n\n", look.paint(Tone::Strong, &one_line(&run.id)));
    text += &line("began", &run.began);
    text += &line("who", &run.who);
    text += &line("what", &format!("{} of {}", what(run), run.cluster));
    run.stages.iter().for_each(|stage| text += &line("stage", &stage_line(stage)));
    run.steps.iter().for_each(|step| text += &line("step", step));
    run.warnings.iter().for_each(|warning| text += &line("warning", warning));
    text + &line("end", &end)
}

fn stage_line(stage: &StageRan) -> String {
    let said = if stage.text.is_empty() { String::new() } else { format!(": {}", stage.text) };
    format!("{} {} in {}{said}", stage.stage, stage.outcome, took(stage.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::hostile::{HOSTILE, LOOKS, assert_harmless};

    fn ran(exit: Option<u8>) -> Ran {
        let stage = |stage: &str, outcome: &str| StageRan {
            stage: stage.into(),
            outcome: outcome.into(),
            text: "3 nodes Ready".into(),
            seconds: 96.0,
        };
        let failed = if exit == Some(0) { "unchanged" } else { "failed" };
        Ran {
            id: "20261123T202456.123456Z-4711".into(),
            began: "2026-11-23T20:24:55Z".into(),
            who: "ada@laptop".into(),
            command: "up".into(),
            cluster: "lab".into(),
            stages: vec![stage("cluster", "changed"), stage("ingress", failed)],
            steps: vec!["run rke up".into()],
            warnings: vec!["a slow disk".into()],
            exit,
            seconds: exit.map(|_| 97.5),
            ..Ran::default()
        }
    }

    #[test]
    fn a_run_is_a_line_with_its_result() {
        let (done, failed, cut) = (ran(Some(0)), ran(Some(6)), ran(None));
        assert_eq!(
            table(&[&done, &failed, &cut], &Look::PLAIN),
            "  id               who         what  took   result\n\
             \x20 20261123T202456  ada@laptop  up    1m38s  done, changed: cluster\n\
             \x20 20261123T202456  ada@laptop  up    1m38s  exit 6: a step failed: ingress\n\
             \x20 20261123T202456  ada@laptop  up           no end: under way, or cut off\n"
        );
    }

    #[test]
    fn the_record_of_one_run() {
        assert_eq!(
            record(&ran(Some(0)), &Look::PLAIN),
            "20261123T202456.123456Z-4711\n\n\
             \x20 began    2026-11-23T20:24:55Z\n\
             \x20 who      ada@laptop\n\
             \x20 what     up of lab\n\
             \x20 stage    cluster changed in 1m36s: 3 nodes Ready\n\
             \x20 stage    ingress unchanged in 1m36s: 3 nodes Ready\n\
             \x20 step     run rke up\n\
             \x20 warning  a slow disk\n\
             \x20 end      exit 0 (done) after 1m38s\n"
        );
        assert!(record(&ran(None), &Look::PLAIN).ends_with("under way, or was cut off\n"));
    }

    #[test]
    fn nothing_that_stands_in_a_journal_steers_a_terminal() {
        let run =
            Ran { who: HOSTILE.into(), warnings: vec![HOSTILE.into()], steps: vec![HOSTILE.into()], ..ran(Some(0)) };
        for look in LOOKS {
            assert_harmless(&table(&[&run], &look), &look);
            assert_harmless(&record(&run, &look), &look);
        }
    }
}
