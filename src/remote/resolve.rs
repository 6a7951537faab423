//! Asking `ssh -G` what OpenSSH would do for a host, and the answer without an `ssh` program.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::ssh_config;
use super::target::{self, Route, Target, USUAL_IDENTITIES};

/// `Match exec` in somebody's configuration can run anything, even something that never ends.
const LIMIT: Duration = Duration::from_secs(10);

/// The next hop to `target`. Fails with what is wrong with the configuration.
pub(super) async fn resolve(program: &Path, target: &Target) -> Result<Route, String> {
    let settings = match ask(program, target).await? {
        Some(settings) => settings,
        None => read(target)?,
    };
    target::route(target, &settings)
}

/// What `ssh -G` prints, or nothing if there is no such program.
async fn ask(program: &Path, target: &Target) -> Result<Option<Vec<(String, String)>>, String> {
    let mut command = Command::new(program);
    command.arg("-G").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(config) = &target.config {
        command.arg("-F").arg(config);
    }
    if let Some(port) = target.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &target.user {
        command.arg("-l").arg(user);
    }
    if let Some(jumps) = &target.jump {
        command.arg("-J").arg(if jumps.is_empty() { "none".to_string() } else { jumps.join(",") });
    }
    command.arg("--").arg(&target.host);
    let output = match tokio::time::timeout(LIMIT, command.output()).await {
        Err(_) => return Err(format!("`ssh -G {}` did not end within {} s", target.host, LIMIT.as_secs())),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(Err(error)) => return Err(format!("`ssh -G {}` could not be started: {error}", target.host)),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`ssh -G {}` failed: {}", target.host, said.trim().replace('\n', "; ")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let pair =
        |line: &str| line.split_once(' ').map(|(keyword, value)| (keyword.to_ascii_lowercase(), value.to_string()));
    Ok(Some(text.lines().filter_map(pair).collect()))
}

/// The same from the files themselves. Without an ssh program there is seldom a configuration at all.
fn read(target: &Target) -> Result<Vec<(String, String)>, String> {
    let files = match &target.config {
        Some(config) => vec![config.clone()],
        None => vec![target::home("~/.ssh/config"), PathBuf::from("/etc/ssh/ssh_config")],
    };
    let mut settings = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match std::fs::read_to_string(&file) {
            Ok(text) => settings.extend(ssh_config::settings(&text, &name, &target.host)?),
            Err(error) if error.kind() == ErrorKind::NotFound && target.config.is_none() => {}
            Err(error) => return Err(format!("{name} cannot be read: {error}")),
        }
    }
    let mut settings = ssh_config::with_host_name(settings, &target.host);
    let missing = |keyword: &str, settings: &[(String, String)]| !settings.iter().any(|(known, _)| known == keyword);
    if missing("identityfile", &settings) {
        settings.extend(USUAL_IDENTITIES.map(|path| ("identityfile".to_string(), path.to_string())));
    }
    for (keyword, value) in [
        ("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"),
        ("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"),
    ] {
        if missing(keyword, &settings) {
            settings.push((keyword.to_string(), value.to_string()));
        }
    }
    Ok(settings)
}
