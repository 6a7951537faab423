//! Other programs, started so that none of them outlives cowhand: a process group of its own, a clean environment, and
//! on Linux a death signal.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What may pass from our environment into a child's: where things are, the language, trust.
const PASSED_ON: &[&str] =
    &["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Passed on as well, to programs that fetch something from the internet.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/// The most that is read of a program's stdout, and of its stderr (bytes): more than any chart renders to.
const LARGEST_OUTPUT: usize = 64 * 1024 * 1024;

/// How long a pipe may stay open after its program ended (a grandchild may hold it).
const DRAIN: Duration = Duration::from_secs(2);

/// A program to start. Nothing secret may stand in its words: every user of the machine can read them.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub words: Vec<OsString>,
    /// Added to the few variables that are passed on.
    pub environment: Vec<(String, OsString)>,
    pub folder: Option<PathBuf>,
    /// Whether it shall know of proxies.
    pub proxies: bool,
}

impl Program {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Program { path: path.into(), words: Vec::new(), environment: Vec::new(), folder: None, proxies: false }
    }

    pub fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    pub fn words(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Lets it use the proxies of our environment.
    pub fn with_proxies(mut self) -> Self {
        self.proxies = true;
        self
    }

    /// The command, with everything set but its streams.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.words).env_clear().process_group(0).kill_on_drop(true);
        let proxies = if self.proxies { PROXIES } else { &[] };
        for name in PASSED_ON.iter().chain(proxies) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        die_with_us(&mut command);
        command
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        for word in &self.words {
            write!(f, " {}", word.to_string_lossy())?;
        }
        Ok(())
    }
}

/// Asks the kernel to kill the child when the thread that started it is gone (prctl(2), PR_SET_PDEATHSIG).
#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    let us = rustix::process::getpid();
    // SAFETY: between fork and exec only async-signal-safe system calls are made (prctl, getppid), nothing allocates.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // We may have died before the call above: then nobody would ever tell.
            if rustix::process::getppid() != Some(us) {
                return Err(std::io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
            }
            Ok(())
        });
    }
}

/// Other systems have no such signal; there a program that outlives a kill -9 of cowhand is the user's to end.
#[cfg(not(target_os = "linux"))]
fn die_with_us(_command: &mut Command) {}

type Start = Box<dyn FnOnce() + Send>;

/// The thread that starts all programs. The death signal is sent when the starting *thread* ends, and a runtime's
/// threads may end before the runtime does, so this one lives as long as the process.
fn starter() -> &'static mpsc::Sender<Start> {
    static STARTER: OnceLock<mpsc::Sender<Start>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Start>();
        std::thread::spawn(move || receiver.into_iter().for_each(|start| start()));
        sender
    })
}

/// Starts a command whose process dies with ours.
pub async fn spawn(mut command: Command) -> std::io::Result<Child> {
    let (answer, started) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let start: Start = Box::new(move || {
        let _inside = runtime.enter();
        // Nobody listens any more when the caller was cancelled: the child is then dropped, and so killed.
        let _ = answer.send(start_patiently(&mut command));
    });
    let gone = || std::io::Error::other("the thread that starts programs is gone");
    starter().send(start).map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

/// A program that was just written may be held open for a moment by a fork of another thread ("text file busy").
fn start_patiently(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..50 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
    command.spawn()
}

/// A child's process group; whoever is left in it is killed when this is dropped.
///
/// Its number is the child's, which the kernel gives to nobody else until the child is reaped, and may give to a stranger
/// afterwards. So the child is waited for and reaped here, and the group is signalled before that only.
pub struct Group(Option<Pid>);

/// How often a child is looked at when its signal was missed.
const LOOK: Duration = Duration::from_millis(200);

impl Group {
    /// Must be made before the child was waited for.
    pub fn of(child: &Child) -> Self {
        Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Fails only when nobody is left, which is what a signal wants to reach.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Waits until the child itself has ended, and leaves it to [`Group::reap`].
    pub async fn ended(&self) {
        let Some(pid) = self.0 else { return };
        // Without the signal we look a little later.
        let mut signals = signal(SignalKind::child()).ok();
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Ok(None) = waitid(WaitId::Pid(pid), how) {
            match &mut signals {
                Some(signals) => drop(tokio::time::timeout(LOOK, signals.recv()).await),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Kills whoever is left, the child too if it runs, and says how the child ended.
    pub async fn reap(mut self, child: &mut Child) -> std::io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.0 = None;
        child.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Code(i32),
    Signal(i32),
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Ended::Code(code),
            None => Ended::Signal(status.signal().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "exit code {code}"),
            Ended::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{} cannot be started", path.display())]
    Start { path: PathBuf, source: std::io::Error },
    #[error("{} did not end within {} s", path.display(), limit.as_secs())]
    Limit { path: PathBuf, limit: Duration },
    #[error("{} printed more than {} MiB and was ended", path.display(), LARGEST_OUTPUT >> 20)]
    TooMuch { path: PathBuf },
    #[error("waiting for {} failed", path.display())]
    Wait { path: PathBuf, source: std::io::Error },
}

/// What a program that ended had to say. Its stdout is reachable only through [`Captured::success`].
#[derive(Debug)]
pub struct Captured {
    ended: Ended,
    stdout: Vec<u8>,
    stderr: String,
}

impl Captured {
    /// stdout when the exit code was 0; otherwise how it ended and its stderr.
    pub fn success(self) -> Result<Vec<u8>, (Ended, String)> {
        match self.ended {
            Ended::Code(0) => Ok(self.stdout),
            Ended::Code(_) | Ended::Signal(_) => Err((self.ended, self.stderr)),
        }
    }

    pub fn stderr(&self) -> &str {
        &self.stderr
    }
}

/// Runs a program to its end, `input` on its stdin, and keeps what it says. After `limit` its whole group is killed.
pub async fn capture(program: &Program, input: Option<&[u8]>, limit: Duration) -> Result<Captured, ProgramError> {
    let path = || program.path.clone();
    let begun = std::time::Instant::now();
    tracing::debug!(%program, "started");
    let mut command = program.command();
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command).await.map_err(|source| ProgramError::Start { path: path(), source })?;
    let group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let heard = {
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A program that ends without reading all of it says so by its exit code.
                let _ = stdin.write_all(input).await;
            }
            Ok(())
        };
        let streams = async { tokio::try_join!(feed, read(stdout, &mut said), read(stderr, &mut complained)) };
        tokio::pin!(streams);
        let both = async {
            tokio::select! {
                () = group.ended() => match tokio::time::timeout(DRAIN, &mut streams).await {
                    Ok(read) => read.map(drop),
                    // A grandchild holds the pipe: what was said so far is what there is.
                    Err(_) => Ok(()),
                },
                read = &mut streams => match read {
                    Ok(_) => {
                        group.ended().await;
                        Ok(())
                    }
                    Err(too_much) => Err(too_much),
                },
            }
        };
        tokio::time::timeout(limit, both).await
    };
    let status = group.reap(&mut child).await;
    let ended = match (&heard, &status) {
        (Ok(Ok(())), Ok(status)) => Ended::from(*status).to_string(),
        (_, _) => "not by itself".into(),
    };
    tracing::debug!(%program, ended, millis = begun.elapsed().as_millis(), "ended");
    match (heard, status) {
        (Err(_), _) => Err(ProgramError::Limit { path: path(), limit }),
        (Ok(Err(TooMuch)), _) => Err(ProgramError::TooMuch { path: path() }),
        (Ok(Ok(())), Err(source)) => Err(ProgramError::Wait { path: path(), source }),
        (Ok(Ok(())), Ok(status)) => Ok(Captured {
            ended: status.into(),
            stdout: said,
            stderr: String::from_utf8_lossy(&complained).into_owned(),
        }),
    }
}

/// Nobody hears out a program that says more than [`LARGEST_OUTPUT`].
struct TooMuch;

async fn read(stream: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> Result<(), TooMuch> {
    if let Some(stream) = stream {
        // What was read before an error stands; the exit code tells the rest.
        let _ = stream.take(LARGEST_OUTPUT as u64 + 1).read_to_end(into).await;
    }
    if into.len() > LARGEST_OUTPUT { Err(TooMuch) } else { Ok(()) }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
