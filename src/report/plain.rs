//! Plain lines: the reference of what is told. One line an event, the stage first, made to be searched with grep.

use indicatif::HumanBytes;

use super::{Look, Verbosity, findings, one_line, printable, took};
use crate::check::Finding;
use crate::plan::Stage;
use crate::play::{Event, Fetched, Outcome};

/// Width of the first column: the longest stage name and two spaces.
const FIRST: usize = 14;

/// What was told so far, as far as the next lines depend on it.
pub(super) struct Plain {
    look: Look,
    verbosity: Verbosity,
    command: &'static str,
    last: Option<(Stage, String)>,
    /// The quarter of a download that was told last.
    quarter: Option<(String, u64)>,
    /// Kept until their stage ends: only together can the same finding of several nodes become one line.
    findings: Vec<Finding>,
    /// Of each of them, whether the last run found the same.
    as_before: Vec<bool>,
}

impl Plain {
    pub(super) fn new(look: Look, verbosity: Verbosity) -> Self {
        Plain { look, verbosity, command: "", last: None, quarter: None, findings: Vec::new(), as_before: Vec::new() }
    }

    /// The lines for stderr that this event makes, each with its newline; often none.
    pub(super) fn lines(&mut self, event: &Event) -> String {
        let normal = self.verbosity != Verbosity::Quiet;
        let verbose = self.verbosity == Verbosity::Verbose;
        match event {
            Event::RunStarted { command, cluster, summary, stages, .. } => {
                self.command = command;
                // A command of one stage prints its own heading, on stdout.
                self.when(normal && stages.len() > 1, cluster, summary)
            }
            Event::StageStarted { stage } => self.when(normal, stage.name(), "started"),
            Event::Progress { stage, text, part: _ } => {
                let newest = Some((*stage, text.clone()));
                let news = self.last != newest;
                self.last = newest;
                self.when(normal && news, stage.name(), text)
            }
            Event::StepStarted { stage, step, text } => {
                let text = if verbose { indented(text) } else { String::new() };
                self.when(normal, stage.name(), &format!("{step}{text}"))
            }
            Event::StepFinished { stage, step, seconds } => {
                self.when(verbose, stage.name(), &format!("{step}: done in {}", took(*seconds)))
            }
            Event::StageFinished { stage, outcome, text, seconds } => self.end(stage.name(), *outcome, text, *seconds),
            Event::Finding { finding, as_before } => {
                self.findings.push(finding.clone());
                self.as_before.push(*as_before);
                String::new()
            }
            Event::Download { what, fetched } => {
                let text = self.download(what, fetched);
                self.when(normal && !text.is_empty(), "download", &text)
            }
            Event::PlaybookStarted { name, items, .. } => {
                self.when(normal, "run file", &format!("{name}, {items} items"))
            }
            Event::ItemStarted { item, of, text } => self.when(normal, &item_of(*item, *of), text),
            Event::ItemProgress { item, of, text } => self.when(normal, &item_of(*item, *of), text),
            Event::Said { node, text } => self.when(normal, node, text),
            Event::ItemDone { .. } => String::new(),
            Event::ItemFinished { item, of, outcome, text, seconds } => {
                self.end(&item_of(*item, *of), *outcome, text, *seconds)
            }
            Event::Warning { text } => self.when(normal, "warning", text),
            Event::Note { text, detail } => self.when(if *detail { verbose } else { normal }, "note", text),
            // Data goes to stdout, see the shower.
            Event::Result { .. } | Event::Shown { .. } => String::new(),
            Event::RunFinished { ok, seconds, exit: _ } => {
                let ended = if *ok { "done in" } else { "failed after" };
                self.found() + &self.when(normal, self.command, &format!("{ended} {}", took(*seconds)))
            }
        }
    }

    /// How a stage or an item ended; a failure is told always.
    fn end(&mut self, first: &str, outcome: Outcome, text: &str, seconds: f64) -> String {
        let shown = self.verbosity != Verbosity::Quiet || outcome == Outcome::Failed;
        let ended = ended(outcome, seconds);
        let text = if text.is_empty() { ended } else { format!("{ended}: {text}") };
        self.found() + &self.when(shown, first, &text)
    }

    /// A line for each quarter of a download; without a known size, for each of its events.
    fn download(&mut self, what: &str, fetched: &Fetched) -> String {
        match fetched {
            Fetched::Part { done, total: Some(total) } => {
                let quarter = (done * 4).checked_div(*total).unwrap_or(0);
                let news = Some((what.to_owned(), quarter));
                if self.quarter == news || quarter >= 4 {
                    return String::new();
                }
                self.quarter = news;
                format!("{what}: {} of {} ({}%)", HumanBytes(*done), HumanBytes(*total), quarter * 25)
            }
            Fetched::Part { done, total: None } => format!("{what}: {}", HumanBytes(*done)),
            Fetched::Whole => format!("{what}: done, its checksum is the published one"),
            Fetched::Failed => format!("{what}: failed"),
        }
    }

    /// The line for stdout that a result makes.
    pub(super) fn result(&self, text: &str) -> String {
        self.look.letters(&format!("{}\n", printable(text)))
    }

    /// The findings that were kept, now that their stage has ended.
    pub(super) fn found(&mut self) -> String {
        let (kept, as_before) = (std::mem::take(&mut self.findings), std::mem::take(&mut self.as_before));
        findings::problems(&kept, &as_before, self.verbosity, &self.look)
    }

    fn when(&self, shown: bool, first: &str, text: &str) -> String {
        if !shown {
            return String::new();
        }
        let text = printable(text.trim_end()).replace('\n', &format!("\n{:FIRST$}", ""));
        self.look.letters(&format!("{:<FIRST$}{text}\n", one_line(first)))
    }
}

fn ended(outcome: Outcome, seconds: f64) -> String {
    match outcome {
        Outcome::Changed => format!("done in {}", took(seconds)),
        Outcome::Unchanged => format!("unchanged after {}", took(seconds)),
        Outcome::Passed => format!("passed in {}", took(seconds)),
        Outcome::Failed => format!("failed after {}", took(seconds)),
    }
}

fn item_of(item: usize, of: usize) -> String {
    format!("item {}/{of}", item + 1)
}

/// The text of a step below its name.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::play::Usual;

    /// A run of `up` in which every kind of event occurs.
    pub(in crate::report) fn a_run() -> Vec<Event> {
        let finding = |subject: &str, verdict| Event::Finding {
            finding: Finding {
                check: "node.swap",
                subject: Some(subject.into()),
                verdict,
                seen: "swap is on".into(),
                fix: format!("swapoff -a on {subject}"),
                skipped: false,
            },
            as_before: false,
        };
        let stage = Stage::CertManager;
        vec![
            Event::RunStarted {
                command: "up",
                cluster: "prod".into(),
                summary: "3 nodes · rke v1.8.0".into(),
                stages: vec![Stage::Check, stage, Stage::Rancher],
                usual: vec![Usual { stage, seconds: 12.0 }],
            },
            Event::StageStarted { stage: Stage::Check },
            finding("n1", Verdict::Warn),
            finding("n2", Verdict::Warn),
            finding("n3", Verdict::Pass),
            Event::StageFinished {
                stage: Stage::Check,
                outcome: Outcome::Unchanged,
                text: "3 checks, 2 warnings".into(),
                seconds: 1.1,
            },
            Event::StageStarted { stage },
            Event::StepStarted { stage, step: "apply Issuer rancher".into(), text: "kind: Issuer\nspec: {}".into() },
            Event::Progress { stage, text: "webhook: 0 of 1 ready".into(), part: None },
            Event::Progress { stage, text: "webhook: 0 of 1 ready".into(), part: None },
            Event::Warning { text: "the CA ends in 20 days".into() },
            Event::Note { text: "helm v3.18.0 from PATH".into(), detail: false },
            Event::Note { text: "a hook is left out".into(), detail: true },
            Event::StepFinished { stage, step: "apply Issuer rancher".into(), seconds: 9.3 },
            Event::StageFinished { stage, outcome: Outcome::Changed, text: "v1.11.5".into(), seconds: 112.0 },
            Event::StageStarted { stage: Stage::Rancher },
            Event::StageFinished {
                stage: Stage::Rancher,
                outcome: Outcome::Failed,
                text: "not Ready after 5m; last seen \u{1b}[31mCrashLoopBackOff".into(),
                seconds: 300.0,
            },
            Event::Result { text: "https://rancher.example.com answers".into() },
            Event::RunFinished { ok: false, seconds: 413.1, exit: 6 },
        ]
    }

    fn told(verbosity: Verbosity) -> String {
        let mut plain = Plain::new(Look::PLAIN, verbosity);
        a_run().iter().map(|event| plain.lines(event)).collect()
    }

    #[test]
    fn a_run_in_plain_lines() {
        insta::assert_snapshot!(told(Verbosity::Normal), @r"
        prod          3 nodes · rke v1.8.0
        check         started
          ! n1, n2  node.swap     swap is on
                    fix    swapoff -a on n1, n2
        check         unchanged after 1.1s: 3 checks, 2 warnings
        cert-manager  started
        cert-manager  apply Issuer rancher
        cert-manager  webhook: 0 of 1 ready
        warning       the CA ends in 20 days
        note          helm v3.18.0 from PATH
        cert-manager  done in 1m52s: v1.11.5
        rancher       started
        rancher       failed after 5m00s: not Ready after 5m; last seen CrashLoopBackOff
        up            failed after 6m53s
        ");
    }

    #[test]
    fn verbose_adds_the_text_of_steps_and_what_passed() {
        let text = told(Verbosity::Verbose);
        assert!(text.contains("note          a hook is left out\n"), "{text}");
        assert!(text.contains("cert-manager  apply Issuer rancher\n                kind: Issuer\n"), "{text}");
        assert!(text.contains("cert-manager  apply Issuer rancher: done in 9.3s\n"), "{text}");
        assert!(text.contains("✓ n3 "), "{text}");
    }

    #[test]
    fn a_download_gets_a_line_for_each_quarter() {
        let mut plain = Plain::new(Look::PLAIN, Verbosity::Normal);
        let part = |done: u64| Fetched::Part { done: done << 20, total: Some(20 << 20) };
        let parts = (0..=20).map(part).chain([Fetched::Whole]);
        let event = |fetched| Event::Download { what: "helm v3.18.6".into(), fetched };
        let told: String = parts.map(|fetched| plain.lines(&event(fetched))).collect();
        insta::assert_snapshot!(told, @r"
        download      helm v3.18.6: 0 B of 20.00 MiB (0%)
        download      helm v3.18.6: 5.00 MiB of 20.00 MiB (25%)
        download      helm v3.18.6: 10.00 MiB of 20.00 MiB (50%)
        download      helm v3.18.6: 15.00 MiB of 20.00 MiB (75%)
        download      helm v3.18.6: done, its checksum is the published one
        ");
    }

    #[test]
    fn quiet_leaves_errors_only() {
        assert_eq!(
            told(Verbosity::Quiet),
            "rancher       failed after 5m00s: not Ready after 5m; last seen CrashLoopBackOff\n"
        );
    }
}
