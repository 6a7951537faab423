//! The manual pages, made from the same words as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::session::{Answer, Context};

#[derive(Debug, Clone, clap::Args)]
pub struct Man {
    /// Folder to write one page per command into, e.g. ~/.local/share/man/man1; made where it is missing
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// What was written, for `--output json`.
#[derive(Serialize)]
struct Written<'a> {
    dir: &'a Path,
    /// Names of the files, the pages of subcommands before that of their command.
    pages: Vec<String>,
}

/// `words` is the whole command line that can be said; it lies above this room.
pub fn run(context: &Context, wanted: &Man, words: clap::Command) -> Answer {
    let mut words = words.disable_help_subcommand(true);
    words.build();
    let Some(dir) = &wanted.dir else {
        let page = page(&words, None).map_err(|error| unwritable(Path::new("standard output"), &error))?;
        context.console.raw(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(dir).map_err(|error| unwritable(dir, &error))?;
    let mut pages = Vec::new();
    write_all(&words, None, dir, &mut pages)?;
    context.console.data("man", &Written { dir, pages: pages.clone() }, |_| {
        format!("{} pages written to {}\n", pages.len(), dir.display())
    })?;
    Ok(Exit::Done)
}

fn unwritable(place: &Path, error: &io::Error) -> Failure {
    Failure::with_cause(Exit::Usage, format!("{} cannot be written", place.display()), error)
        .hint("name a folder that you may write to with --dir")
}

/// Writes the pages of this command and of all below it. Pages of an older cowhand are replaced.
fn write_all(
    command: &clap::Command,
    above: Option<&str>,
    dir: &Path,
    written: &mut Vec<String>,
) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_all(below, Some(name), dir, written)?;
    }
    let file = dir.join(format!("{name}.1"));
    let text = page(command, above).map_err(|error| unwritable(&file, &error))?;
    std::fs::write(&file, text).map_err(|error| unwritable(&file, &error))?;
    written.push(format!("{name}.1"));
    Ok(())
}

/// One page in roff; `above` is the page of the command that this one belongs to. clap_mangen would put what stands after
/// the options below one heading, EXTRA, and join its lines; here each of its parts has its own heading and keeps its lines.
fn page(command: &clap::Command, above: Option<&str>) -> io::Result<Vec<u8>> {
    // No date, so that a build can be repeated; an empty word has to be quoted, or the next one takes its place.
    let page = Page::new(command.clone())
        .date("\"\"")
        .source(concat!("cowhand ", env!("CARGO_PKG_VERSION")))
        .manual("cowhand manual");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(after) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        parts_of(&after.to_string()).to_writer(&mut text)?;
    }
    if let Some(above) = above {
        let mut also = Roff::new();
        also.control("SH", ["SEE ALSO"]).text([bold(above), roman("(1)")]);
        also.to_writer(&mut text)?;
    }
    Ok(text)
}

/// `Examples:` and the like become headings; the lines below stay as they are.
fn parts_of(after: &str) -> Roff {
    let mut roff = Roff::new();
    for part in after.split("\n\n") {
        let mut lines = part.lines().peekable();
        match lines.next_if(|first| first.ends_with(':') && !first.starts_with(' ')) {
            Some(heading) => roff.control("SH", [heading.trim_end_matches(':').to_uppercase().as_str()]),
            None => roff.control("PP", []),
        };
        roff.control("nf", []);
        for line in lines {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}
