//! The living list of stages on a terminal, drawn by indicatif: one bar a stage, below them one for each download.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::plain::Plain;
use super::{Look, Mark, Tone, Verbosity, printable, so_far, took};
use crate::execute::{Event, Fetched, Outcome, Stage};

/// Times stand in this column at most, so that they stay near their line on a wide terminal.
const WIDEST: usize = 100;
const STAGE: usize = 14;
const TIME: usize = 7;

pub(super) struct Bars {
    look: Look,
    verbosity: Verbosity,
    list: MultiProgress,
    lines: Vec<Line>,
    /// Each download under way by its name.
    downloads: Vec<(String, ProgressBar)>,
    /// Says what does not fit into the list: findings, warnings, with `-v` the steps.
    above: Plain,
    /// Shown below the list when everything is over.
    results: Vec<String>,
}

struct Line {
    stage: Stage,
    bar: ProgressBar,
    state: State,
    /// The newest thing worth knowing, in one line.
    text: String,
}

#[derive(Clone, Copy)]
enum State {
    Waiting,
    Working,
    Ended { outcome: Outcome, seconds: f64 },
}

impl Bars {
    pub(super) fn new(look: Look, verbosity: Verbosity, target: ProgressDrawTarget) -> Self {
        let above = Plain::new(look, verbosity);
        let list = MultiProgress::with_draw_target(target);
        // Written over, not cleared and written again: that would flicker.
        list.set_move_cursor(true);
        Bars { look, verbosity, list, lines: Vec::new(), downloads: Vec::new(), above, results: Vec::new() }
    }

    /// Takes the event in; returns lines that are to stay above the list, each with its newline.
    pub(super) fn event(&mut self, event: &Event) -> String {
        match event {
            Event::RunStarted { stages, .. } => {
                for stage in stages {
                    self.set(*stage, State::Waiting, "");
                }
                if self.verbosity == Verbosity::Verbose { self.above.lines(event) } else { String::new() }
            }
            Event::StageStarted { stage } => {
                self.set(*stage, State::Working, "");
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
                self.set(*stage, State::Ended { outcome: *outcome, seconds: *seconds }, text);
                self.above.found()
            }
            Event::Download { what, fetched } => {
                self.download(what, fetched);
                String::new()
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

    fn set(&mut self, stage: Stage, state: State, text: &str) {
        let at = self.lines.iter().position(|line| line.stage == stage).unwrap_or_else(|| {
            let bar = self.list.add(ProgressBar::no_length().with_prefix(stage.name()));
            self.lines.push(Line { stage, bar, state, text: String::new() });
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        line.state = state;
        line.text = one_line(text);
        line.bar.reset_elapsed();
        line.dress(&self.look);
    }

    fn newest(&mut self, stage: Stage, text: &str) {
        for line in self.lines.iter_mut().filter(|line| line.stage == stage) {
            if let State::Working = line.state {
                line.text = one_line(text.lines().last().unwrap_or_default());
                line.dress(&self.look);
            }
        }
    }

    fn download(&mut self, what: &str, fetched: &Fetched) {
        let at = self.downloads.iter().position(|(name, _)| name == what);
        match (fetched, at) {
            (Fetched::Part { done, total }, at) => {
                let bar = match at {
                    Some(at) => &self.downloads[at].1,
                    None => {
                        let bar = self.list.add(ProgressBar::no_length().with_prefix(printable(what)));
                        bar.set_style(download_style(&self.look, total.is_some()));
                        self.downloads.push((what.to_owned(), bar));
                        &self.downloads[self.downloads.len() - 1].1
                    }
                };
                if let Some(total) = total {
                    bar.set_length(*total);
                }
                bar.set_position(*done);
                bar.tick();
            }
            (Fetched::Whole | Fetched::Failed, Some(at)) => {
                let (_, bar) = self.downloads.remove(at);
                self.hide();
                self.list.remove(&bar);
                self.show();
            }
            (Fetched::Whole | Fetched::Failed, None) => {}
        }
    }

    /// The terminal may have been resized.
    pub(super) fn resize(&mut self, width: Option<usize>) {
        if self.look.width != width {
            self.look.width = width;
            self.lines.iter().for_each(|line| line.dress(&self.look));
        }
    }

    /// The time goes on.
    pub(super) fn tick(&self) {
        let working = self.lines.iter().filter(|line| matches!(line.state, State::Working)).map(|line| &line.bar);
        working.chain(self.downloads.iter().map(|(_, bar)| bar)).for_each(ProgressBar::tick);
    }

    /// Takes the list away until the next [`Bars::tick`] or [`Bars::show`]; the cursor stands where it began.
    ///
    /// Not `MultiProgress::suspend`: that panics when the terminal is gone, and it would hold its lock for as long as
    /// a question waits, so that Ctrl-C could not end the run.
    pub(super) fn hide(&self) {
        // A terminal that is gone shows nothing; the run goes on.
        let _ = self.list.clear();
    }

    pub(super) fn show(&self) {
        if let Some(line) = self.lines.first() {
            line.bar.force_draw();
        }
    }

    /// The last findings, to stand above the list.
    pub(super) fn found(&mut self) -> String {
        self.above.found()
    }

    /// The last picture, in which nothing works any more: what had not ended is marked as stopped. Returns what is
    /// still to be written: for stderr the end of the list's last line, for stdout the results. A run of one stage
    /// leaves no list: its command prints the answer itself. Not so `down`, whose answer is its line.
    pub(super) fn end(&mut self) -> (&'static str, String) {
        for (_, bar) in self.downloads.drain(..) {
            self.list.remove(&bar);
        }
        self.hide();
        let stays = self.lines.len() > 1 || self.lines.iter().any(|line| line.stage == Stage::Remove);
        for line in &mut self.lines {
            if !stays {
                self.list.remove(&line.bar);
            } else if let State::Working = line.state {
                let stopped =
                    if line.text.is_empty() { "stopped".into() } else { format!("stopped at: {}", line.text) };
                let seconds = line.bar.elapsed().as_secs_f64();
                (line.state, line.text) = (State::Ended { outcome: Outcome::Failed, seconds }, stopped);
                line.dress(&self.look);
            }
            line.bar.abandon();
        }
        let results = self.results.drain(..).map(|text| format!("{}\n", self.look.letters(&text))).collect();
        (if stays { "\n" } else { "" }, results)
    }
}

impl Line {
    /// Makes the bar look as its state and the terminal want it, and draws it.
    fn dress(&self, look: &Look) {
        let (marks, stage) = match self.state {
            State::Waiting => (vec![Mark::Waiting], look.paint(Tone::Dim, &format!("{:<STAGE$}", self.stage.name()))),
            State::Working => ((0..look.turns()).map(Mark::Working).collect(), self.stage.name().to_owned()),
            State::Ended { outcome, .. } => (vec![mark_of(outcome)], self.stage.name().to_owned()),
        };
        let state = self.state;
        let paint = *look;
        let time = move |bar: &ProgressState, text: &mut dyn std::fmt::Write| {
            let time = match state {
                State::Waiting => String::new(),
                State::Working => so_far(bar.elapsed().as_secs_f64()),
                State::Ended { seconds, .. } => took(seconds),
            };
            // Writing to indicatif's own String cannot fail.
            let _ = write!(text, "{}", paint.paint(Tone::Dim, &format!("{time:>TIME$}")));
        };
        // One column stays free: some terminals go to the next line when the last one is written.
        let room = look.width.unwrap_or(NO_SIZE).saturating_sub(1).min(WIDEST).saturating_sub(4 + STAGE + 1 + TIME);
        let mut marks: Vec<String> = marks.into_iter().map(|mark| look.mark(mark)).collect();
        // indicatif keeps the last one for a bar that has ended.
        marks.extend(marks.last().cloned());
        let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
        self.bar.set_style(
            style(&format!("  {{spinner}} {{prefix:{STAGE}}} {{msg:{room}}}{{time}}"))
                .with_key("time", time)
                .tick_strings(&marks),
        );
        self.bar.set_prefix(stage);
        self.bar.set_message(look.cut(&look.letters(&self.text), room));
        self.bar.force_draw();
    }
}

/// indicatif's own guess where a terminal does not tell its size.
const NO_SIZE: usize = 80;

fn mark_of(outcome: Outcome) -> Mark {
    match outcome {
        Outcome::Changed | Outcome::Unchanged | Outcome::Passed => Mark::Good,
        Outcome::Failed => Mark::Bad,
    }
}

fn one_line(text: &str) -> String {
    printable(&text.replace('\n', " "))
}

fn download_style(look: &Look, sized: bool) -> ProgressStyle {
    let chars = if look.unicode { "━╸─" } else { "=>-" };
    let template = match sized {
        true => "    {prefix:14} {bar:24} {bytes}/{total_bytes}, {eta} left",
        false => "    {prefix:14} {bytes}",
    };
    style(template).progress_chars(chars)
}

/// The templates above are whole; one that were not would show indicatif's own picture.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indicatif::{InMemoryTerm, TermLike};

    use super::super::plain::tests::a_run;
    use super::*;

    const TERMINAL: Look = Look { colour: false, unicode: true, width: Some(73) };

    fn start(look: Look, verbosity: Verbosity) -> (Bars, InMemoryTerm) {
        let width = look.width.and_then(|width| u16::try_from(width).ok()).unwrap_or(80);
        let terminal = InMemoryTerm::new(40, width);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        (Bars::new(look, verbosity, target), terminal)
    }

    /// As the shower does it: what stands above is written while the list is away.
    fn tell(bars: &mut Bars, terminal: &InMemoryTerm, event: &Event) {
        let above = bars.event(event);
        bars.hide();
        above.lines().for_each(|line| terminal.write_line(line).unwrap());
        bars.show();
        bars.tick();
    }

    fn play(events: &[Event], look: Look, verbosity: Verbosity) -> (Bars, InMemoryTerm) {
        let (mut bars, terminal) = start(look, verbosity);
        events.iter().for_each(|event| tell(&mut bars, &terminal, event));
        (bars, terminal)
    }

    /// The screen after the run, with what comes below the list.
    fn end(mut bars: Bars, terminal: &InMemoryTerm) -> (String, String) {
        let (last, results) = bars.end();
        drop(bars);
        last.lines().for_each(|line| terminal.write_line(line).unwrap());
        terminal.write_line("below").unwrap();
        (terminal.contents(), results)
    }

    #[test]
    fn in_the_middle_of_a_run() {
        let (bars, terminal) = play(&a_run()[..9], TERMINAL, Verbosity::Normal);
        bars.lines[1].bar.set_elapsed(Duration::from_secs(62));
        bars.tick();
        insta::assert_snapshot!(terminal.contents(), @r"
          ! n1, n2  node.swap     swap is on
                    fix    swapoff -a on n1, n2
          ✓ check          3 checks, 2 warnings                             1.1s
          ⠼ cert-manager   webhook: 0 of 1 ready                           1m02s
          · rancher
        ");
    }

    #[test]
    fn at_the_end_the_list_stays_and_the_results_follow() {
        let (bars, terminal) = play(&a_run(), TERMINAL, Verbosity::Normal);
        let (screen, results) = end(bars, &terminal);
        insta::assert_snapshot!(screen, @r"
          ! n1, n2  node.swap     swap is on
                    fix    swapoff -a on n1, n2
          ! the CA ends in 20 days
            helm v3.18.0 from PATH
          ✓ check          3 checks, 2 warnings                             1.1s
          ✓ cert-manager   v1.11.5                                         1m52s
          ✗ rancher        not Ready after 5m; last seen CrashLoopBackOff  5m00s
        below
        ");
        assert_eq!(results, "https://rancher.example.com answers\n");
    }

    #[test]
    fn a_run_that_was_cut_off_says_where() {
        let (bars, terminal) = play(&a_run()[..9], TERMINAL, Verbosity::Normal);
        let screen = end(bars, &terminal).0;
        assert!(screen.contains("✗ cert-manager   stopped at: webhook: 0 of 1 ready"), "{screen}");
        assert!(screen.contains("· rancher\nbelow"), "{screen}");
    }

    #[test]
    fn no_line_is_wider_than_a_narrow_terminal_and_a_wider_one_is_used() {
        let narrow = Look { width: Some(40), ..TERMINAL };
        let (mut bars, terminal) = play(&a_run()[6..16], narrow, Verbosity::Normal);
        let screen = terminal.contents();
        let list: Vec<&str> = screen.lines().filter(|line| line.contains("✗ rancher")).collect();
        assert!(list.len() == 1 && list[0].ends_with("…  5m00s"), "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() < 40), "{screen}");
        bars.resize(Some(73));
        assert!(bars.lines[1].bar.message().contains("CrashLoopBackOff"));
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let look = Look { width: Some(40), ..TERMINAL };
        let events = [
            Event::StageStarted { stage: Stage::Check },
            Event::Progress { stage: Stage::Check, text: "節点節点節点節点節点".into() },
        ];
        let (_bars, terminal) = play(&events, look, Verbosity::Normal);
        assert!(terminal.contents().ends_with("節点節点節点…     0s"), "{}", terminal.contents());
    }

    #[test]
    fn a_run_of_one_stage_leaves_no_list() {
        let stage = Stage::Check;
        let events = [
            Event::RunStarted { command: "check", cluster: "prod".into(), summary: String::new(), stages: vec![stage] },
            Event::StageStarted { stage },
            Event::Progress { stage, text: "2 of 3 nodes answered".into() },
        ];
        let (bars, terminal) = play(&events, TERMINAL, Verbosity::Normal);
        assert!(terminal.contents().contains("2 of 3 nodes answered"));
        assert_eq!(end(bars, &terminal).0, "below");
    }

    #[test]
    fn down_leaves_its_line_because_nothing_else_says_that_all_is_gone() {
        let stage = Stage::Remove;
        let text = "nothing of lab is left on 3 nodes".to_owned();
        let events = [
            Event::RunStarted { command: "down", cluster: "lab".into(), summary: String::new(), stages: vec![stage] },
            Event::StageStarted { stage },
            Event::StageFinished { stage, outcome: Outcome::Changed, text, seconds: 9.0 },
        ];
        let (bars, terminal) = play(&events, TERMINAL, Verbosity::Normal);
        let screen = end(bars, &terminal).0;
        assert!(screen.contains("✓ remove") && screen.contains("nothing of lab is left on 3 nodes"), "{screen}");
        assert!(screen.ends_with("\nbelow"), "{screen}");
    }

    #[test]
    fn verbose_leaves_the_steps_above() {
        let (_bars, terminal) = play(&a_run(), TERMINAL, Verbosity::Verbose);
        let screen = terminal.contents();
        assert!(screen.contains("cert-manager  apply Issuer rancher\n                kind: Issuer\n"), "{screen}");
    }

    #[test]
    fn a_download_has_a_bar_as_long_as_it_lasts() {
        let part =
            |done, total| Event::Download { what: "helm v3.18.6".into(), fetched: Fetched::Part { done, total } };
        let (mut bars, terminal) = play(&a_run()[..7], TERMINAL, Verbosity::Normal);
        tell(&mut bars, &terminal, &part(0, Some(20 << 20)));
        tell(&mut bars, &terminal, &part(5 << 20, Some(20 << 20)));
        let screen = terminal.contents();
        assert!(screen.contains("helm v3.18.6   ━━━━━━╸───────────────── 5.00 MiB/20.00 MiB, "), "{screen}");
        let whole = Event::Download { what: "helm v3.18.6".into(), fetched: Fetched::Whole };
        tell(&mut bars, &terminal, &whole);
        assert!(!terminal.contents().contains("helm"), "{}", terminal.contents());
    }

    #[test]
    fn colours_are_the_looks() {
        let (_bars, terminal) = play(&a_run()[..7], TERMINAL, Verbosity::Normal);
        let written = |terminal: &InMemoryTerm| String::from_utf8(terminal.contents_formatted()).unwrap();
        assert!(!written(&terminal).contains("\u{1b}[32m"), "{:?}", written(&terminal));
        let (_bars, terminal) = play(&a_run()[..7], Look { colour: true, ..TERMINAL }, Verbosity::Normal);
        assert!(written(&terminal).contains("\u{1b}[32m"), "{:?}", written(&terminal));
    }
}
