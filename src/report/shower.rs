//! Takes events from their channel and shows them, until the run is over.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::ProgressDrawTarget;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bars::Bars;
use super::console::json_line;
use super::plain::Plain;
use super::{Console, Look, Output};
use crate::play::{Event, Tell};

const STOPPING: &str = "stopping: the step under way is ended first; Ctrl-C again ends cowhand at once";

/// The screen of one run.
pub struct Shower {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    pauser: Pauser,
}

impl Shower {
    /// Shows what is told from now on: talk on stderr, results (and everything, as JSON) on stdout.
    ///
    /// When `stop` is cancelled, that is said once.
    pub fn start(console: &Console, stop: &CancellationToken) -> (Tell, Shower) {
        let streams = Streams {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            list: ProgressDrawTarget::stderr,
            width: || Look::of(&io::stderr()).width,
        };
        Shower::start_on(streams, console, stop)
    }

    /// Shows what `run` tells, and leaves the screen in order whatever it answers.
    pub async fn during<T>(console: &Console, stop: &CancellationToken, run: impl AsyncFnOnce(Tell, Pauser) -> T) -> T {
        let (tell, shower) = Shower::start(console, stop);
        let answer = run(tell, shower.pauser()).await;
        shower.finish().await;
        answer
    }

    fn start_on(streams: Streams, console: &Console, stop: &CancellationToken) -> (Tell, Shower) {
        let view = match console.output {
            Output::Bars => View::Bars(Bars::new(console.err, console.verbosity, (streams.list)())),
            Output::Plain => View::Plain(Plain::new(console.err, console.verbosity)),
            Output::Json => View::Json,
        };
        let (tell, events) = mpsc::unbounded_channel();
        let (ask, pauses) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let show = Show { view, streams };
        let task = tokio::spawn(show.until_the_end(events, pauses, ended, stop.clone()));
        (Tell::new(tell), Shower { end, task, pauser: Pauser(ask) })
    }

    /// For prompts: stops drawing while a question stands on the terminal.
    pub fn pauser(&self) -> Pauser {
        self.pauser.clone()
    }

    /// Shows what was told up to now and leaves the screen in order. Later events are lost.
    pub async fn finish(self) {
        // The task may have ended already, when everybody who tells is gone.
        let _ = self.end.send(());
        if let Err(ended) = self.task.await
            && ended.is_panic()
        {
            std::panic::resume_unwind(ended.into_panic());
        }
    }
}

/// Asks the screen to hold still. One question at a time: a second one waits until the first is answered.
#[derive(Clone)]
pub struct Pauser(mpsc::UnboundedSender<Pause>);

/// The screen holds still as long as this lives.
pub struct Paused {
    _until_dropped: oneshot::Sender<()>,
}

struct Pause {
    granted: oneshot::Sender<()>,
    until: oneshot::Receiver<()>,
}

impl Pauser {
    pub async fn pause(&self) -> Paused {
        let (granted, wait) = oneshot::channel();
        let (_until_dropped, until) = oneshot::channel();
        // When the screen is gone already, nothing draws and the question may be asked.
        if self.0.send(Pause { granted, until }).is_ok() {
            let _ = wait.await;
        }
        Paused { _until_dropped }
    }
}

struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Where the living list is drawn: the terminal behind `err`.
    list: fn() -> ProgressDrawTarget,
    /// Columns of the terminal behind `err`, now.
    width: fn() -> Option<usize>,
}

enum View {
    Bars(Bars),
    Plain(Plain),
    Json,
}

struct Show {
    view: View,
    streams: Streams,
}

impl Show {
    async fn until_the_end(
        mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut pauses: mpsc::UnboundedReceiver<Pause>,
        mut ended: oneshot::Receiver<()>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let (mut ending, mut stopping) = (false, false);
        loop {
            tokio::select! {
                biased;
                Some(pause) = pauses.recv() => {
                    self.hide();
                    // Who asked may have gone away meanwhile; then its `until` has ended as well.
                    let _ = pause.granted.send(());
                    // A question that nobody will answer any more does not hold up the end of the run.
                    tokio::select! {
                        _ = pause.until => {}
                        () = stop.cancelled() => {}
                    }
                }
                event = events.recv() => match event {
                    Some(event) => self.event(&event),
                    None => break,
                },
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.event(&Event::Warning { text: STOPPING.into() });
                }
                _ = &mut ended, if !ending => {
                    ending = true;
                    events.close();
                }
                _ = ticks.tick(), if matches!(self.view, View::Bars(_)) => self.tick(),
            }
        }
        self.end();
    }

    fn event(&mut self, event: &Event) {
        match &mut self.view {
            View::Bars(bars) => {
                let above = bars.event(event);
                if !above.is_empty() || !screen(event).is_empty() {
                    bars.hide();
                    write(&mut self.streams.err, &above);
                    write(&mut self.streams.out, screen(event));
                    bars.show();
                }
            }
            View::Plain(plain) => {
                write(&mut self.streams.err, &plain.lines(event));
                if let Event::Result { text } = event {
                    write(&mut self.streams.out, &plain.result(text));
                }
                write(&mut self.streams.out, screen(event));
            }
            // The last line of all is written at the door, behind a failure: see `Console::finished`.
            View::Json if matches!(event, Event::RunFinished { .. }) => {}
            View::Json => write(&mut self.streams.out, &event_line(event)),
        }
    }

    fn tick(&mut self) {
        if let View::Bars(bars) = &mut self.view {
            bars.resize((self.streams.width)());
            bars.tick();
        }
    }

    fn hide(&self) {
        if let View::Bars(bars) = &self.view {
            bars.hide();
        }
    }

    fn end(&mut self) {
        if let View::Bars(bars) = &mut self.view {
            bars.resize((self.streams.width)());
            let found = bars.found();
            if !found.is_empty() {
                bars.hide();
                write(&mut self.streams.err, &found);
            }
            let (last, results) = bars.end();
            write(&mut self.streams.err, last);
            write(&mut self.streams.out, &results);
        }
    }
}

/// An event says its own name under the key `event`.
fn event_line(event: &Event) -> String {
    let name = serde_json::to_value(event).ok();
    let name = name.as_ref().and_then(|value| value["event"].as_str()).unwrap_or("event");
    json_line(name, event)
}

/// What cannot be written is lost: a run goes on when its terminal is closed, and its exit code and journal tell.
fn write(stream: &mut impl Write, text: &str) {
    if !text.is_empty() {
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }
}

/// What goes to stdout as it is: whoever made it took care of what machines said.
fn screen(event: &Event) -> &str {
    if let Event::Shown { text, .. } = event { text } else { "" }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::super::plain::tests::a_run;
    use super::super::{Look, Verbosity};
    use super::*;

    /// A stream whose other end the test reads.
    struct Wire(Sender<String>);

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(output: Output, stop: &CancellationToken) -> (Tell, Shower, Receiver<String>, Receiver<String>) {
        let (out, read_out) = channel();
        let (err, read_err) = channel();
        let streams = Streams {
            out: Box::new(Wire(out)),
            err: Box::new(Wire(err)),
            list: ProgressDrawTarget::hidden,
            width: || Some(80),
        };
        let console = Console { output, verbosity: Verbosity::Normal, out: Look::PLAIN, err: Look::PLAIN };
        let (tell, shower) = Shower::start_on(streams, &console, stop);
        (tell, shower, read_out, read_err)
    }

    fn all(receiver: Receiver<String>) -> String {
        receiver.try_iter().collect()
    }

    #[tokio::test]
    async fn talk_goes_to_stderr_and_the_result_to_stdout() {
        for output in [Output::Plain, Output::Bars] {
            let (tell, shower, out, err) = start(output, &CancellationToken::new());
            a_run().into_iter().for_each(|event| tell.event(event));
            // One who tells is still there: finishing must not wait for that.
            shower.finish().await;
            drop(tell);
            assert_eq!(all(out), "https://rancher.example.com answers\n");
            assert!(all(err).contains("swapoff -a on n1, n2"));
        }
    }

    #[tokio::test]
    async fn as_json_every_event_is_one_line_on_stdout() {
        let (tell, shower, out, err) = start(Output::Json, &CancellationToken::new());
        a_run().into_iter().for_each(|event| tell.event(event));
        shower.finish().await;
        let lines = all(out);
        let names: Vec<String> = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names.len(), a_run().len() - 1);
        assert_eq!(names.first().map(String::as_str), Some("run-started"));
        assert_eq!(names.last().map(String::as_str), Some("result"), "the end is said at the door");
        assert_eq!(all(err), "");
    }

    #[tokio::test]
    async fn several_listeners_get_everything() {
        let (journal, mut kept) = mpsc::unbounded_channel();
        let (tell, shower, out, _err) = start(Output::Json, &CancellationToken::new());
        let tell = tell.and(Tell::new(journal));
        a_run().into_iter().for_each(|event| tell.event(event));
        shower.finish().await;
        drop(tell);
        let mut number = 0;
        while kept.recv().await.is_some() {
            number += 1;
        }
        assert_eq!((number, all(out).lines().count()), (a_run().len(), a_run().len() - 1));
    }

    #[tokio::test]
    async fn while_a_question_stands_nothing_is_drawn_and_a_second_question_waits() {
        let (tell, shower, _out, err) = start(Output::Bars, &CancellationToken::new());
        a_run()[..7].iter().for_each(|event| tell.event(event.clone()));
        let paused = shower.pauser().pause().await;
        let _ = all_now(&err);
        let pauser = shower.pauser();
        let mut second = Box::pin(pauser.pause());
        tell.warning("must wait");
        assert!(tokio::time::timeout(Duration::from_millis(250), &mut second).await.is_err());
        assert_eq!(all_now(&err), "");
        drop(paused);
        drop(second.await);
        shower.finish().await;
        assert!(all(err).contains("must wait"));
    }

    #[tokio::test]
    async fn a_question_that_stands_when_the_run_is_stopped_does_not_hold_it_up() {
        for output in [Output::Bars, Output::Plain, Output::Json] {
            let stop = CancellationToken::new();
            let (tell, shower, _out, _err) = start(output, &stop);
            let _never_answered = shower.pauser().pause().await;
            stop.cancel();
            drop(tell);
            tokio::time::timeout(Duration::from_secs(5), shower.finish()).await.unwrap();
        }
    }

    fn all_now(receiver: &Receiver<String>) -> String {
        receiver.try_iter().collect()
    }

    #[tokio::test]
    async fn stopping_is_said_once() {
        let stop = CancellationToken::new();
        let (tell, shower, _out, err) = start(Output::Plain, &stop);
        stop.cancel();
        // Gives way to the task, which sees the cancelled token before the end.
        while !all_now(&err).contains(STOPPING) {
            tokio::task::yield_now().await;
        }
        tell.note("still here");
        shower.finish().await;
        assert_eq!(all(err), "note          still here\n");
    }
}
