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
#[path = "bars_tests.rs"]
mod tests;
