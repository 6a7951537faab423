//! The names of an ssh configuration, from the file itself and from those that it includes.

use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};
use crate::inventory::{PassedOver, SshSays, is_ssh_pattern, ssh_config_text, ssh_lines};
use crate::remote::{read_regular, shown};

/// No configuration comes near this; a device or a disk image does.
const LARGEST: u64 = 4 * 1024 * 1024;

/// As deep as OpenSSH follows Include (readconf.c, READCONF_MAX_DEPTH).
const DEEPEST: usize = 16;

/// A configuration's text and what `ssh` has to be given of it.
pub struct Config {
    pub text: String,
    /// The file itself, where `ssh` can read it as it is.
    pub file: Option<PathBuf>,
    /// For people.
    pub called: String,
}

/// A plain name of a Host line.
pub struct Name {
    pub name: String,
    pub place: String,
    pub text: String,
}

/// What a configuration says of names.
#[derive(Default)]
pub struct Names {
    pub names: Vec<Name>,
    pub passed: Vec<PassedOver>,
    /// The first `Match` that runs a command.
    pub runs: Option<PassedOver>,
}

impl Config {
    /// Reads a file, or standard input for `-`.
    pub async fn read(file: &Path) -> Result<Config, Failure> {
        let stdin = file == Path::new("-");
        let called = if stdin { "standard input".to_owned() } else { file.display().to_string() };
        let unread = || format!("{called} cannot be read");
        let read = match stdin {
            true => standard_input().await,
            false => read_regular(file, LARGEST),
        };
        let bytes = read.map_err(|error| {
            let pipe = std::fs::metadata(file).is_ok_and(|about| about.file_type().is_fifo());
            Failure::with_cause(Exit::Usage, unread(), &error)
                .maybe_hint(pipe.then(|| "`--from-ssh-config -` reads a pipe on standard input".into()))
        })?;
        let (text, converted) =
            ssh_config_text(&bytes).map_err(|why| Failure::new(Exit::Usage, unread()).because(why))?;
        let file = std::path::absolute(file).ok().filter(|_| !stdin && !converted);
        Ok(Config { text, file, called })
    }

    /// Whether this is the configuration that `ssh` reads by itself: a person's list of everything.
    pub fn is_own(&self) -> bool {
        let own = folder().and_then(|folder| folder.join("config").canonicalize().ok());
        own.is_some() && self.file.as_ref().and_then(|file| file.canonicalize().ok()) == own
    }

    /// All plain names, each at its first place.
    pub fn names(&self) -> Names {
        let mut names = Names::default();
        names.look_through(&self.text, None, 0);
        names
    }
}

/// On a thread of its own: whoever writes may never end, and a signal ends this command all the same.
async fn standard_input() -> std::io::Result<Vec<u8>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut bytes = Vec::new();
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > LARGEST {
            true => Err(std::io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20))),
            false => Ok(bytes),
        }
    });
    read.await.map_err(std::io::Error::other)?
}

/// Where relative files of Include lie.
fn folder() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".ssh"))
}

impl Names {
    fn look_through(&mut self, text: &str, file: Option<&Path>, depth: usize) {
        let within = file.map(|file| format!(" of {}", shown(file))).unwrap_or_default();
        for line in ssh_lines(text) {
            let place = format!("line {}{within}", line.line);
            let passed = |why: &str| PassedOver { place: place.clone(), text: line.text.clone(), why: why.into() };
            match line.says {
                SshSays::Host(names) => {
                    for name in names.into_iter().filter(|name| !is_ssh_pattern(name)) {
                        if !self.names.iter().any(|known| known.name == name) {
                            self.names.push(Name { name, place: place.clone(), text: line.text.clone() });
                        }
                    }
                }
                SshSays::Match { runs: true } if self.runs.is_none() => self.runs = Some(passed("it runs a command")),
                SshSays::Match { .. } => {}
                SshSays::Include(patterns) if depth < DEEPEST => {
                    for pattern in patterns {
                        match included(&pattern) {
                            Ok(files) => files.iter().for_each(|file| self.include(file, depth + 1, &passed)),
                            Err(why) => self.passed.push(passed(&why)),
                        }
                    }
                }
                SshSays::Include(_) => self.passed.push(passed("files are included too deep")),
            }
        }
    }

    fn include(&mut self, file: &Path, depth: usize, passed: &dyn Fn(&str) -> PassedOver) {
        let read = read_regular(file, LARGEST).map_err(|error| error.to_string());
        match read.and_then(|bytes| ssh_config_text(&bytes)) {
            Ok((text, _)) => self.look_through(&text, Some(file), depth),
            Err(why) => self.passed.push(passed(&format!("{}: {why}", shown(file)))),
        }
    }
}

/// The files of one word of an Include line, as ssh_config(5) has it: `~`, patterns of a shell, relative to ~/.ssh.
fn included(pattern: &str) -> Result<Vec<PathBuf>, String> {
    if pattern.contains('%') || pattern.contains("${") {
        return Err("names in it are not seen, since only ssh knows which file this is; choose them with --host".into());
    }
    let home = std::env::home_dir().unwrap_or_default();
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => folder().unwrap_or_default().join(pattern),
    };
    let found = glob::glob(&path.to_string_lossy()).map_err(|error| error.to_string())?;
    Ok(found.filter_map(Result::ok).collect())
}
