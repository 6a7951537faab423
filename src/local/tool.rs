//! rke and helm: found, or downloaded in the pinned version and checked against the checksum file that the release
//! publishes beside them. Nothing that was not checked is ever executed.

#[path = "tool_at_hand.rs"]
mod at_hand;

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::local::disk;
use crate::local::tool_seal;
use data_encoding::HEXLOWER;

use crate::failure::{Hint, innermost};
use crate::inventory::Tool;
use crate::local::{Program, ProgramError, capture};

const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Without a byte for so long, a download is dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(15 * 60);
const VERSION_LIMIT: Duration = Duration::from_secs(30);
/// No release of either is near this.
const LARGEST: u64 = 400 * 1024 * 1024;
/// No list of checksums is near this.
const LARGEST_TEXT: usize = 1024 * 1024;

/// An external program that cowhand runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolKind {
    Rke,
    Helm,
}

impl ToolKind {
    pub fn name(self) -> &'static str {
        match self {
            ToolKind::Rke => "rke",
            ToolKind::Helm => "helm",
        }
    }

    /// Whether a found version will do: rke's must be the inventory's (it decides images and state), helm's major.
    fn takes(self, found: &str, wanted: &str) -> bool {
        match self {
            ToolKind::Rke => found == wanted,
            ToolKind::Helm => found.split('.').next() == wanted.split('.').next(),
        }
    }

    fn version_words(self) -> &'static [&'static str] {
        match self {
            ToolKind::Rke => &["--version"],
            ToolKind::Helm => &["version", "--template", "{{.Version}}"],
        }
    }
}

/// Where releases are published.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `<rke>/v1.8.0/rke_linux-amd64` and `<rke>/v1.8.0/sha256sum.txt`.
    pub rke: String,
    /// `<helm>/helm-v3.18.6-linux-amd64.tar.gz` and the same with `.sha256sum`.
    pub helm: String,
}

impl Default for Sources {
    fn default() -> Self {
        Sources { rke: "https://github.com/rancher/rke/releases/download".into(), helm: "https://get.helm.sh".into() }
    }
}

/// A program that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// As the program itself says, e.g. `v1.8.0`.
    pub version: String,
    /// Why the one in PATH was not taken, if it was not.
    pub passed_over: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("{} is not a program that can be run", path.display())]
    NotThere { path: PathBuf, source: std::io::Error },
    #[error("{} is {name} {found}, but {wanted} is wanted", path.display())]
    WrongVersion { name: &'static str, path: PathBuf, found: String, wanted: String },
    #[error("{} does not tell its version: {why}", path.display())]
    NoVersion { path: PathBuf, why: String },
    #[error("{url} cannot be fetched: {why}")]
    Fetch { url: String, why: String },
    #[error("{url} has no checksum for {file}")]
    NoChecksum { url: String, file: String },
    #[error("{url} is not what was published: its SHA-256 is {found}, published is {published}")]
    WrongChecksum { url: String, found: String, published: String },
    #[error("{url} holds no {file}")]
    NotInside { url: String, file: String },
    #[error("no {name} is published for {system}")]
    NotPublished { name: &'static str, system: String },
    #[error("the folder of downloaded programs, {}, cannot be used", path.display())]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

impl Hint for ToolError {
    fn hint(&self) -> Option<String> {
        match self {
            ToolError::WrongVersion { name, wanted, .. } => Some(format!(
                "give the path of {name} {wanted}, or leave the path out: it is then downloaded and checked"
            )),
            ToolError::Fetch { .. } => Some(
                "without a way to the internet, fetch it elsewhere and give its path in the inventory (`engine.rke.binary`, `helm`)"
                    .into(),
            ),
            ToolError::WrongChecksum { .. } => {
                Some("it was not kept; a proxy that answers for others or a cut transfer does this, try again".into())
            }
            ToolError::NoChecksum { .. } | ToolError::NotInside { .. } | ToolError::NotPublished { .. } => {
                Some("is the version right? give the path of a program that you trust otherwise".into())
            }
            ToolError::Cache { path, .. } => Some(format!(
                "programs are run from there, so it has to be yours: see who owns {} (a run with sudo does that), or set XDG_CACHE_HOME",
                path.display()
            )),
            ToolError::NotThere { .. } | ToolError::NoVersion { .. } | ToolError::Write { .. } => None,
        }
    }
}

/// Finds programs, and keeps what it downloads.
#[derive(Debug, Clone)]
pub struct Toolbox {
    cache: PathBuf,
    sources: Sources,
    /// Folders to search, in order.
    search: Vec<PathBuf>,
}

impl Toolbox {
    /// `cache` is where downloads are kept; see [`Toolbox::usual_cache`].
    pub fn new(cache: PathBuf, sources: Sources, search: Vec<PathBuf>) -> Self {
        Toolbox { cache, sources, search }
    }

    /// The user's cache, published sources, PATH.
    pub fn usual() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Toolbox::new(Toolbox::usual_cache(), Sources::default(), std::env::split_paths(&path).collect())
    }

    /// `$XDG_CACHE_HOME/cowhand/tools`, else `~/.cache/cowhand/tools`.
    pub fn usual_cache() -> PathBuf {
        let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache");
        set.unwrap_or_else(home).join("cowhand").join("tools")
    }

    /// Finds the program in this version (`v1.8.0`); `progress` hears of a download, in bytes.
    pub async fn find(
        &self,
        kind: ToolKind,
        from: &Tool,
        version: &str,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Found, ToolError> {
        let passed_over = match from {
            Tool::Path(path) => return self.exactly(kind, path, version).await,
            Tool::Download => None,
            Tool::Search => match self.searched(kind, version).await {
                Some(Ok(found)) => return Ok(found),
                Some(Err(error)) => Some(error.to_string()),
                None => None,
            },
        };
        let kept = self.cache.join(format!("{}-{version}", kind.name()));
        let foreign = |source| ToolError::Cache { path: self.cache.clone(), source };
        tool_seal::shut(&self.cache).map_err(foreign)?;
        // It bears its name only because it was checked, and is checked again: a disk or another program may have changed it.
        if !is_whole(kept.clone()).await {
            self.download(kind, version, &kept, progress).await?;
        }
        Ok(Found { passed_over, ..self.exactly(kind, &kept, version).await? })
    }

    /// The first one in PATH, if any, judged.
    async fn searched(&self, kind: ToolKind, version: &str) -> Option<Result<Found, ToolError>> {
        let candidates = self.search.iter().map(|folder| folder.join(kind.name()));
        let first = candidates.into_iter().find(|path| is_program(path))?;
        Some(self.exactly(kind, &first, version).await)
    }

    async fn exactly(&self, kind: ToolKind, path: &Path, wanted: &str) -> Result<Found, ToolError> {
        let found = version_of(kind, path).await?;
        if !kind.takes(&found, wanted) {
            let name = kind.name();
            return Err(ToolError::WrongVersion { name, path: path.into(), found, wanted: wanted.into() });
        }
        Ok(Found { path: path.into(), version: found, passed_over: None })
    }

    async fn download(
        &self,
        kind: ToolKind,
        version: &str,
        kept: &Path,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<(), ToolError> {
        let unwritten = |source| ToolError::Write { path: kept.into(), source };
        let release = self.release(kind, version)?;
        let client = client()?;
        let sums = fetch_text(&client, &release.sums).await?;
        let published = checksum_of(&sums, &release.file)
            .ok_or_else(|| ToolError::NoChecksum { url: release.sums.clone(), file: release.file.clone() })?;
        let mut file = tempfile::NamedTempFile::new_in(&self.cache).map_err(unwritten)?;
        let found = fetch(&client, &release.url, file.as_file_mut(), progress).await?;
        if found != published {
            return Err(ToolError::WrongChecksum { url: release.url, found, published });
        }
        let program = match &release.inside {
            None => file,
            Some(inside) => disk::blocking(|| self.unpack(file.path(), inside, &release.url))?,
        };
        program.as_file().set_permissions(Permissions::from_mode(0o755)).map_err(unwritten)?;
        disk::blocking(|| program.as_file().sync_all()).map_err(unwritten)?;
        // Closed before it is run: a program that is open for writing cannot be.
        let program = program.into_temp_path();
        program.persist(kept).map_err(|error| unwritten(error.error))?;
        tool_seal::seal(kept).map_err(unwritten)
    }

    fn release(&self, kind: ToolKind, version: &str) -> Result<Release, ToolError> {
        let (os, arch) = system(kind)?;
        Ok(match kind {
            ToolKind::Rke => {
                let (base, file) = (self.sources.rke.trim_end_matches('/'), format!("rke_{os}-{arch}"));
                Release {
                    url: format!("{base}/{version}/{file}"),
                    sums: format!("{base}/{version}/sha256sum.txt"),
                    file,
                    inside: None,
                }
            }
            ToolKind::Helm => {
                let (base, file) =
                    (self.sources.helm.trim_end_matches('/'), format!("helm-{version}-{os}-{arch}.tar.gz"));
                let inside = Some(format!("{os}-{arch}/helm"));
                Release { url: format!("{base}/{file}"), sums: format!("{base}/{file}.sha256sum"), file, inside }
            }
        })
    }

    /// Takes one file out of a checked archive.
    fn unpack(&self, archive: &Path, inside: &str, url: &str) -> Result<tempfile::NamedTempFile, ToolError> {
        let unwritten = |source| ToolError::Write { path: self.cache.clone(), source };
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive).map_err(unwritten)?));
        for entry in tar.entries().map_err(unwritten)? {
            let entry = entry.map_err(unwritten)?;
            if entry.path().is_ok_and(|path| path == Path::new(inside)) {
                let mut program = tempfile::NamedTempFile::new_in(&self.cache).map_err(unwritten)?;
                std::io::copy(&mut entry.take(LARGEST), &mut program).map_err(unwritten)?;
                return Ok(program);
            }
        }
        Err(ToolError::NotInside { url: url.into(), file: inside.into() })
    }
}

/// One published file.
struct Release {
    url: String,
    sums: String,
    file: String,
    /// Path in the archive, when it is one.
    inside: Option<String>,
}

/// The names that Go programs are published under.
fn system(kind: ToolKind) -> Result<(&'static str, &'static str), ToolError> {
    let unknown = || ToolError::NotPublished {
        name: kind.name(),
        system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
    };
    let os = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        _ => return Err(unknown()),
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        _ => return Err(unknown()),
    };
    Ok((os, arch))
}

/// As [`tool_seal::is_whole`], on a thread that may take its time.
async fn is_whole(program: PathBuf) -> bool {
    tokio::task::spawn_blocking(move || tool_seal::is_whole(&program)).await.unwrap_or(false)
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Asks a program for its version: the last word of its first line.
async fn version_of(kind: ToolKind, path: &Path) -> Result<String, ToolError> {
    let no = |why: String| ToolError::NoVersion { path: path.into(), why };
    let captured = match capture(&Program::new(path).words(kind.version_words()), None, VERSION_LIMIT).await {
        Ok(captured) => captured,
        Err(ProgramError::Start { path, source }) => return Err(ToolError::NotThere { path, source }),
        Err(error @ (ProgramError::Limit { .. } | ProgramError::TooMuch { .. } | ProgramError::Wait { .. })) => {
            return Err(no(error.to_string()));
        }
    };
    let said = captured.success().map_err(|(ended, said)| no(format!("{ended}: {}", said.trim())))?;
    let said = String::from_utf8_lossy(&said);
    let word = said.lines().next().and_then(|line| line.split_whitespace().last());
    let word = word.filter(|word| word.starts_with('v'));
    word.map(str::to_owned).ok_or_else(|| no(format!("it says `{}`", said.trim())))
}

fn client() -> Result<reqwest::Client, ToolError> {
    // Another part may have chosen the provider already; ours is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("cowhand/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .timeout(DOWNLOAD_LIMIT)
        .build()
        .map_err(|error| ToolError::Fetch { url: "the internet".into(), why: innermost(&error) })
}

async fn get(client: &reqwest::Client, url: &str) -> Result<reqwest::Response, ToolError> {
    let answer = client.get(url).send().await.map_err(|error| unfetched(url, &error))?;
    if !answer.status().is_success() {
        return Err(ToolError::Fetch { url: url.into(), why: answer.status().to_string() });
    }
    Ok(answer)
}

async fn fetch_text(client: &reqwest::Client, url: &str) -> Result<String, ToolError> {
    let mut answer = get(client, url).await?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unfetched(url, &error))? {
        text.extend_from_slice(&chunk);
        if text.len() > LARGEST_TEXT {
            return Err(ToolError::Fetch {
                url: url.into(),
                why: format!("it is larger than {} MiB", LARGEST_TEXT >> 20),
            });
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Writes a file as it comes and returns its SHA-256.
async fn fetch(
    client: &reqwest::Client,
    url: &str,
    file: &mut File,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<String, ToolError> {
    let mut answer = get(client, url).await?;
    let total = answer.content_length();
    let (mut digest, mut done) = (Sha256::new(), 0);
    progress(done, total);
    while let Some(chunk) = answer.chunk().await.map_err(|error| unfetched(url, &error))? {
        done += chunk.len() as u64;
        if done > LARGEST {
            return Err(ToolError::Fetch { url: url.into(), why: format!("it is larger than {} MiB", LARGEST >> 20) });
        }
        digest.update(&chunk);
        file.write_all(&chunk).map_err(|source| ToolError::Write { path: url.into(), source })?;
        progress(done, total);
    }
    Ok(HEXLOWER.encode(&digest.finalize()))
}

fn unfetched(url: &str, error: &reqwest::Error) -> ToolError {
    ToolError::Fetch { url: url.into(), why: innermost(error) }
}

/// The checksum of a file in a list such as sha256sum(1) writes; names may have folders and a `*` before them.
fn checksum_of(sums: &str, file: &str) -> Option<String> {
    sums.lines().find_map(|line| {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        let name = name.trim().trim_start_matches('*').rsplit('/').next()?;
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        (name == file && is_sum).then(|| sum.to_lowercase())
    })
}

#[cfg(test)]
#[path = "tool_tests.rs"]
mod tests;
