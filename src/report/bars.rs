//! The living list of stages on a terminal. What it looks like is a pure function of what happened and the time;
//! the list is drawn anew in place ten times a second, which needs no more than "so many lines up, and erase".

use std::time::Instant;

use super::plain::Plain;
use super::{Look, Mark, Tone, Verbosity, printable, so_far, took};
use crate::execute::{Event, Outcome, Stage};

/// Times stand in this column at most, so that they stay near their line on a wide terminal.
const WIDEST: usize = 100;
const STAGE: usize = 14;
const TIME: usize = 7;

pub(super) struct Bars {
    look: Look,
    verbosity: Verbosity,
    lines: Vec<Line>,
    /// Says what does not fit into the list: findings, warnings, with `-v` the steps.
    above: Plain,
    /// Shown below the list when everything is over.
    results: Vec<String>,
    turn: usize,
    /// Lines that stand on the terminal now and will be drawn over.
    drawn: usize,
}

struct Line {
    stage: Stage,
    state: State,
}

enum State {
    Waiting,
    Working { since: Instant, newest: String },
    Ended { outcome: Outcome, text: String, seconds: f64 },
}

impl Bars {
    pub(super) fn new(look: Look, verbosity: Verbosity) -> Self {
        let above = Plain::new(look, verbosity);
        Bars { look, verbosity, lines: Vec::new(), above, results: Vec::new(), turn: 0, drawn: 0 }
    }

    /// Takes the event in; returns lines that are to stay above the list, each with its newline.
    pub(super) fn event(&mut self, event: &Event, now: Instant) -> String {
        match event {
            Event::RunStarted { stages, .. } => {
                self.lines = stages.iter().map(|stage| Line { stage: *stage, state: State::Waiting }).collect();
                if self.verbosity == Verbosity::Verbose { self.above.lines(event) } else { String::new() }
            }
            Event::StageStarted { stage } => {
                self.set(*stage, State::Working { since: now, newest: String::new() });
                String::new()
            }
            Event::Progress { stage, text } => {
                self.newest(*stage, text);
                String::new()
            }
            Event::StepStarted { stage, step, .. } => {
                self.newest(*stage, step);
                if self.verbosity == Verbosity::Verbose { self.above.lines(event) } else { String::new() }
            }
            Event::StageFinished { stage, outcome, text, seconds } => {
                self.set(*stage, State::Ended { outcome: *outcome, text: text.clone(), seconds: *seconds });
                self.above.found()
            }
            Event::Finding { .. } | Event::StepFinished { .. } => self.above.lines(event),
            Event::Warning { text } => {
                let mark = self.look.mark(Mark::Warning);
                format!("  {mark} {}\n", self.look.letters(&self.look.wrap(&printable(text), 4)))
            }
            Event::Note { text } => format!("    {}\n", self.look.letters(&self.look.wrap(&printable(text), 4))),
            Event::Result { text } => {
                self.results.push(text.clone());
                String::new()
            }
            Event::RunFinished { .. } => self.above.found(),
        }
    }

    fn set(&mut self, stage: Stage, state: State) {
        match self.lines.iter_mut().find(|line| line.stage == stage) {
            Some(line) => line.state = state,
            None => self.lines.push(Line { stage, state }),
        }
    }

    fn newest(&mut self, stage: Stage, text: &str) {
        for line in self.lines.iter_mut().filter(|line| line.stage == stage) {
            if let State::Working { newest, .. } = &mut line.state {
                *newest = text.lines().last().unwrap_or_default().to_owned();
            }
        }
    }

    /// The terminal may have been resized.
    pub(super) fn resize(&mut self, width: Option<usize>) {
        self.look.width = width;
    }

    /// What to write so that the list stands there as of now.
    pub(super) fn draw(&mut self, now: Instant) -> String {
        self.turn = self.turn.wrapping_add(1);
        let text = self.erase() + &self.frame(now);
        self.drawn = self.lines.len();
        text
    }

    /// What to write so that the list is gone and the cursor stands where it began.
    pub(super) fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\r\u{1b}[{lines}A\u{1b}[J"),
        }
    }

    /// The last picture, for stderr, and the results, for stdout. A run of one stage leaves no list: its command
    /// prints the answer itself.
    pub(super) fn end(&mut self, now: Instant) -> (String, String) {
        let found = self.above.found();
        let list = if self.lines.len() > 1 { self.stopped(now) } else { String::new() };
        let results = self.results.drain(..).map(|text| format!("{}\n", self.look.letters(&text))).collect();
        (self.erase() + &found + &list, results)
    }

    /// The frame in which nothing works any more: what had not ended is marked as stopped.
    fn stopped(&mut self, now: Instant) -> String {
        for line in &mut self.lines {
            if let State::Working { since, newest } = &line.state {
                let text = if newest.is_empty() { "stopped".to_owned() } else { format!("stopped at: {newest}") };
                let seconds = (now - *since).as_secs_f64();
                line.state = State::Ended { outcome: Outcome::Failed, text, seconds };
            }
        }
        self.frame(now)
    }

    fn frame(&self, now: Instant) -> String {
        self.lines.iter().map(|line| self.line(line, now) + "\n").collect()
    }

    fn line(&self, line: &Line, now: Instant) -> String {
        let (mark, text, time) = match &line.state {
            State::Waiting => (Mark::Waiting, "", String::new()),
            State::Working { since, newest } => {
                (Mark::Working(self.turn), newest.as_str(), so_far((now - *since).as_secs_f64()))
            }
            State::Ended { outcome, text, seconds } => {
                let mark = match outcome {
                    Outcome::Changed | Outcome::Unchanged | Outcome::Passed => Mark::Good,
                    Outcome::Failed => Mark::Bad,
                };
                (mark, text.as_str(), took(*seconds))
            }
        };
        // One column stays free: some terminals go to the next line when the last one is written.
        let width = self.look.width.map_or(WIDEST, |width| width.saturating_sub(1).min(WIDEST));
        let room = width.saturating_sub(4 + STAGE + 1 + TIME);
        let text = printable(&text.replace('\n', " "));
        let text = self.look.cut(&self.look.letters(&text), room);
        let stage = format!("{:<STAGE$}", line.stage.name());
        let stage = if matches!(mark, Mark::Waiting) { self.look.paint(Tone::Dim, &stage) } else { stage };
        let padding = " ".repeat(room - text.chars().count());
        let time = self.look.paint(Tone::Dim, &format!("{time:>TIME$}"));
        format!("  {} {stage} {text}{padding}{time}", self.look.mark(mark)).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::plain::tests::a_run;
    use super::*;

    const TERMINAL: Look = Look { colour: false, unicode: true, width: Some(73) };

    /// What stands on the terminal after all that was written to it; knows the two movements that are used.
    fn screen(written: &str) -> String {
        let mut lines: Vec<String> = vec![String::new()];
        let mut rest = written;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                '\n' => lines.push(String::new()),
                '\r' => {}
                '\u{1b}' => {
                    let (up, after) = rest[1..].split_once("A\u{1b}[J").expect("up and erase");
                    lines.truncate(lines.len() - up.parse::<usize>().expect("a number"));
                    *lines.last_mut().expect("the screen never moves above its top") = String::new();
                    rest = after;
                }
                letter => lines.last_mut().expect("never empty").push(letter),
            }
        }
        lines.join("\n")
    }

    /// Feeds the events one a second, drawing after each.
    fn play(events: &[Event], look: Look, verbosity: Verbosity) -> (Bars, String, Instant) {
        let mut bars = Bars::new(look, verbosity);
        let mut now = Instant::now();
        let mut written = String::new();
        for event in events {
            let above = bars.event(event, now);
            written += &bars.erase();
            written += &above;
            written += &bars.draw(now);
            now += Duration::from_secs(1);
        }
        (bars, written, now)
    }

    #[test]
    fn in_the_middle_of_a_run() {
        let (_, written, _) = play(&a_run()[..9], TERMINAL, Verbosity::Normal);
        insta::assert_snapshot!(screen(&written), @r"
          ! n1, n2  node.swap     swap is on
                    fix    swapoff -a on n1, n2
          ✓ check          3 checks, 2 warnings                             1.1s
          ⠏ cert-manager   webhook: 0 of 1 ready                              2s
          · rancher
        ");
    }

    #[test]
    fn at_the_end_the_list_stays_and_the_results_follow() {
        let (mut bars, mut written, now) = play(&a_run(), TERMINAL, Verbosity::Normal);
        let (last, results) = bars.end(now);
        written += &last;
        insta::assert_snapshot!(screen(&written), @r"
          ! n1, n2  node.swap     swap is on
                    fix    swapoff -a on n1, n2
          ! the CA ends in 20 days
            helm v3.18.0 from PATH
          ✓ check          3 checks, 2 warnings                             1.1s
          ✓ cert-manager   v1.11.5                                         1m52s
          ✗ rancher        not Ready after 5m; last seen CrashLoopBackOff  5m00s
        ");
        assert_eq!(results, "https://rancher.example.com answers\n");
    }

    #[test]
    fn a_run_that_was_cut_off_says_where() {
        let (mut bars, mut written, now) = play(&a_run()[..9], TERMINAL, Verbosity::Normal);
        written += &bars.end(now).0;
        assert!(
            screen(&written).contains("✗ cert-manager   stopped at: webhook: 0 of 1 ready"),
            "{}",
            screen(&written)
        );
    }

    #[test]
    fn no_line_is_wider_than_a_narrow_terminal() {
        let narrow = Look { width: Some(40), ..TERMINAL };
        let (_, written, _) = play(&a_run()[6..], narrow, Verbosity::Normal);
        let screen = screen(&written);
        let list: Vec<&str> = screen.lines().filter(|line| line.contains("rancher") && !line.contains("fix")).collect();
        assert!(!list.is_empty() && list.iter().all(|line| line.chars().count() < 40), "{screen}");
        assert!(screen.contains('…'), "{screen}");
    }

    #[test]
    fn a_run_of_one_stage_leaves_no_list() {
        let stage = Stage::Check;
        let events = [
            Event::RunStarted { command: "check", cluster: "prod".into(), summary: String::new(), stages: vec![stage] },
            Event::StageStarted { stage },
            Event::Progress { stage, text: "2 of 3 nodes answered".into() },
        ];
        let (mut bars, mut written, now) = play(&events, TERMINAL, Verbosity::Normal);
        assert!(screen(&written).contains("2 of 3 nodes answered"));
        written += &bars.end(now).0;
        assert_eq!(screen(&written), "");
    }

    #[test]
    fn verbose_leaves_the_steps_above() {
        let (_, written, _) = play(&a_run(), TERMINAL, Verbosity::Verbose);
        assert!(screen(&written).contains("cert-manager  apply Issuer rancher\n                kind: Issuer\n"));
    }
}
