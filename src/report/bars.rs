//! The living list of stages on a terminal, drawn by indicatif: one bar a stage, below them one for each download.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::plain::Plain;
use super::{Look, Mark, Tone, Verbosity, one_line, printable, so_far, took};
use crate::plan::Stage;
use crate::play::{Event, Fetched, Outcome, Usual};

const STAGE: usize = 14;
const TIME: usize = 6;
/// Where the text of a line begins: behind its mark, stage and time.
const TEXT: usize = 4 + STAGE + 1 + TIME + 2;
/// Columns of a stage's bar; a terminal with less room for text than this beside it gets none.
const BAR: usize = 16;
/// A long reason is shown in full up to so many lines.
const LINES: usize = 3;
/// With fewer columns than this beside the time, the text stands below, behind so many blanks.
const NARROW: usize = 24;
const HANGING: usize = 6;
/// Seconds after which it is said what a stage usually takes.
const SAID_AFTER: f64 = 3.0;
/// The finest part of a bar.
const WHOLE: u64 = 1000;

pub(super) struct Bars {
    look: Look,
    verbosity: Verbosity,
    list: MultiProgress,
    lines: Vec<Line>,
    /// The whole run's time, below the stages.
    total: Option<ProgressBar>,
    usual: Vec<Usual>,
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
    /// How far the stage is, from 0 to 1, where that was told.
    part: Option<f64>,
    /// Seconds.
    usual: Option<f64>,
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
        Bars {
            look,
            verbosity,
            list,
            lines: Vec::new(),
            total: None,
            usual: Vec::new(),
            downloads: Vec::new(),
            above,
            results: Vec::new(),
        }
    }

    /// Takes the event in; returns lines that are to stay above the list, each with its newline.
    pub(super) fn event(&mut self, event: &Event) -> String {
        match event {
            Event::RunStarted { stages, usual, .. } => {
                self.usual.clone_from(usual);
                for stage in stages {
                    self.set(*stage, State::Waiting, "");
                }
                if stages.len() > 1 {
                    self.total = Some(self.list.add(ProgressBar::no_length().with_style(total_style(&self.look))));
                }
                if self.verbosity == Verbosity::Verbose { self.above.lines(event) } else { String::new() }
            }
            Event::StageStarted { stage } => {
                self.set(*stage, State::Working, "");
                String::new()
            }
            Event::Progress { stage, text, part } => {
                self.newest(*stage, text, *part);
                String::new()
            }
            Event::StepStarted { stage, step, .. } => {
                self.newest(*stage, step, None);
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
            Event::Finding { .. }
            | Event::StepFinished { .. }
            | Event::PlaybookStarted { .. }
            | Event::ItemStarted { .. }
            | Event::ItemProgress { .. }
            | Event::Shown { .. }
            | Event::Said { .. }
            | Event::ItemDone { .. }
            | Event::ItemFinished { .. } => self.above.lines(event),
            Event::Warning { text } => {
                let mark = self.look.mark(Mark::Warning);
                format!("  {mark} {}\n", self.look.letters(&self.look.wrap(&printable(text), 4)))
            }
            Event::Note { detail: true, .. } if self.verbosity != Verbosity::Verbose => String::new(),
            Event::Note { text, .. } => format!("    {}\n", self.look.letters(&self.look.wrap(&printable(text), 4))),
            Event::Result { text } => {
                self.results.push(printable(text));
                String::new()
            }
            Event::RunFinished { .. } => self.above.found(),
        }
    }

    /// Every text that indicatif was given to draw.
    #[cfg(test)]
    pub(super) fn shown(&self) -> Vec<String> {
        let bars = self.lines.iter().map(|line| &line.bar).chain(self.downloads.iter().map(|(_, bar)| bar));
        bars.flat_map(|bar| [bar.prefix(), bar.message()]).collect()
    }

    fn set(&mut self, stage: Stage, state: State, text: &str) {
        let at = self.lines.iter().position(|line| line.stage == stage).unwrap_or_else(|| {
            let bar = self.list.add(ProgressBar::new(WHOLE).with_prefix(stage.name()));
            let usual = self.usual.iter().find(|usual| usual.stage == stage).map(|usual| usual.seconds);
            self.lines.push(Line { stage, bar, state, text: String::new(), part: None, usual });
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        line.state = state;
        line.text = one_line(text);
        line.part = None;
        line.bar.reset_elapsed();
        line.dress(&self.look);
    }

    fn newest(&mut self, stage: Stage, text: &str, part: Option<f64>) {
        for line in self.lines.iter_mut().filter(|line| line.stage == stage) {
            if let State::Working = line.state {
                line.part = part;
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
                        let bar =
                            self.list.add(ProgressBar::no_length().with_prefix(self.look.letters(&one_line(what))));
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
        let downloads = self.downloads.iter().map(|(_, bar)| bar);
        working.chain(downloads).chain(&self.total).for_each(ProgressBar::tick);
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
    /// leaves no list: its command prints the answer itself. Not so `down`, `recover-state` and `backup`, whose answer is their line.
    pub(super) fn end(&mut self) -> (&'static str, String) {
        for (_, bar) in self.downloads.drain(..) {
            self.list.remove(&bar);
        }
        self.hide();
        let stays = self.lines.len() > 1
            || self.lines.iter().any(|line| {
                matches!(line.stage, Stage::Remove | Stage::Recover | Stage::Backup | Stage::Rotate | Stage::Restore)
            });
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
        if let Some(total) = self.total.take() {
            total.abandon();
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
        let mut marks: Vec<String> = marks.into_iter().map(|mark| look.mark(mark)).collect();
        // indicatif keeps the last one for a bar that has ended.
        marks.extend(marks.last().cloned());
        let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
        // One column stays free: some terminals go to the next line when the last one is written.
        let room = look.width.unwrap_or(NO_SIZE).saturating_sub(1 + TEXT);
        let part = self.part.filter(|_| room >= 2 * BAR);
        let bar = part.map_or(String::new(), |_| format!("{{bar:{BAR}}}  "));
        self.bar.set_style(
            style(&format!("  {{spinner}} {{prefix:{STAGE}}} {{time}}  {bar}{{msg}}"))
                .progress_chars(bar_chars(look))
                .with_key("time", self.time(look))
                .tick_strings(&marks),
        );
        self.bar.set_position(part.map_or(0, |part| (part.clamp(0.0, 1.0) * WHOLE as f64) as u64));
        self.bar.set_prefix(stage);
        self.bar.set_message(self.told(look, part.map_or(TEXT, |_| TEXT + BAR + 2)));
        self.bar.force_draw();
    }

    /// The time of the stage: as long as it works, so far.
    fn time(&self, look: &Look) -> impl Fn(&ProgressState, &mut dyn std::fmt::Write) + Send + Sync + Clone + 'static {
        let (state, look) = (self.state, *look);
        move |bar: &ProgressState, text: &mut dyn std::fmt::Write| {
            let time = match state {
                State::Waiting => String::new(),
                State::Working => so_far(bar.elapsed().as_secs_f64()),
                State::Ended { seconds, .. } => took(seconds),
            };
            write_time(text, &look, &time);
        }
    }

    /// The text, broken at the terminal's edge: what a wait sees stands at its end, and must not be cut away.
    fn told(&self, look: &Look, indent: usize) -> String {
        let mut text = self.text.clone();
        if let (State::Working, Some(usual)) = (self.state, self.usual)
            && self.bar.elapsed().as_secs_f64() >= SAID_AFTER
        {
            text = format!("{text}  (usually {})", took(usual)).trim_start().to_owned();
        }
        let width = look.width.unwrap_or(NO_SIZE).saturating_sub(1);
        let edge = Look { width: Some(width), ..*look };
        if width < indent + NARROW && !text.is_empty() {
            let below = edge.wrap(&look.letters(&text), HANGING);
            let lines =
                below.lines().take(LINES).map(|line| look.cut(&format!("{:HANGING$}{}", "", line.trim_start()), width));
            return std::iter::once(String::new()).chain(lines).collect::<Vec<_>>().join("\n");
        }
        let room = width.saturating_sub(indent);
        let wrapped = edge.wrap(&look.letters(&text), indent);
        let mut lines: Vec<String> = wrapped.lines().map(str::to_owned).collect();
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines[LINES - 1] += &look.letters(" …");
        }
        // The first line stands behind the time, the others bring their own blanks.
        let cut = |(at, line): (usize, &String)| look.cut(line, if at == 0 { room } else { room + indent });
        lines.iter().enumerate().map(cut).collect::<Vec<_>>().join("\n")
    }
}

fn total_style(look: &Look) -> ProgressStyle {
    let look = *look;
    let time = move |bar: &ProgressState, text: &mut dyn std::fmt::Write| {
        write_time(text, &look, &so_far(bar.elapsed().as_secs_f64()));
    };
    style(&format!("    {:STAGE$} {{time}}", "total")).with_key("time", time)
}

fn write_time(text: &mut dyn std::fmt::Write, look: &Look, time: &str) {
    // Writing to indicatif's own String cannot fail.
    let _ = write!(text, "{}", look.paint(Tone::Dim, &format!("{time:>TIME$}")));
}

fn bar_chars(look: &Look) -> &'static str {
    if look.unicode { "━╸─" } else { "=>-" }
}

/// indicatif's own guess where a terminal does not tell its size.
const NO_SIZE: usize = 80;

fn mark_of(outcome: Outcome) -> Mark {
    match outcome {
        Outcome::Changed | Outcome::Unchanged | Outcome::Passed => Mark::Good,
        Outcome::Failed => Mark::Bad,
    }
}

fn download_style(look: &Look, sized: bool) -> ProgressStyle {
    let template = match sized {
        true => "    {prefix:14} {bar:24} {bytes}/{total_bytes}, {eta} left",
        false => "    {prefix:14} {bytes}",
    };
    style(template).progress_chars(bar_chars(look))
}

/// The templates above are whole; one that were not would show indicatif's own picture.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
#[path = "bars_tests.rs"]
mod tests;
