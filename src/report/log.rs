//! The detailed log of a run: who was asked what, how it ended and how long it took, line by line. By `tracing`, so
//! that every room says it where it happens; here is only where it goes.

use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;

use super::printable;
use crate::inventory::masked;

/// Says on stderr what is logged: `debug`, or `trace`, `info`, `warn`, `error`.
pub const VARIABLE: &str = "COWHAND_LOG";

/// How much `-vv` and `COWHAND_LOG` ask for on stderr; `Err` is a value that is none of the known words.
pub fn wanted(very_verbose: bool) -> Result<Option<LevelFilter>, String> {
    match std::env::var(VARIABLE) {
        Ok(word) if !word.trim().is_empty() => match word.trim().parse::<LevelFilter>() {
            Ok(LevelFilter::OFF) => Ok(None),
            Ok(level) => Ok(Some(level)),
            Err(_) => Err(word),
        },
        Ok(_) | Err(_) => Ok(very_verbose.then_some(LevelFilter::DEBUG)),
    }
}

/// Logs from now on, for the rest of the process: everything into the file, so much to stderr. Without either nothing
/// is set up, and what rooms say costs next to nothing.
pub fn start(file: Option<File>, stderr: Option<LevelFilter>) {
    if file.is_none() && stderr.is_none() {
        return;
    }
    let into_file =
        file.map(|file| layer(Mutex::new(Printable(LineWriter::new(file)))).with_filter(targets(LevelFilter::DEBUG)));
    let to_stderr = stderr.map(|level| layer(|| Printable(io::stderr())).with_filter(targets(level)));
    // Somebody who uses this as a library may have set up a log of his own; then that one is asked.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(into_file).with(to_stderr));
}

fn layer<S, W>(writer: W) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().with_ansi(false).with_span_events(FmtSpan::CLOSE).with_writer(writer)
}

/// Our own rooms, and of the Kubernetes client only the lines with method, path and status of a request: never a
/// library that might quote what it carries.
fn targets(level: LevelFilter) -> Targets {
    Targets::new().with_target("cowhand", level).with_target("kube_client::client::builder", level)
}

/// What machines said cannot steer a terminal that shows the log, nor does a secret in a URL get into it.
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatter hands on whole lines.
        self.0.write_all(masked(&printable(&String::from_utf8_lossy(bytes))).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
