//! Nodes out of an ssh configuration: OpenSSH is asked about each name, and the inventory says what it answered, or
//! keeps the name.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::commands::init::ssh_names::{Config, Name, Names};
use crate::commands::init::ssh_refused::LeftOut;
use crate::failure::{Exit, Failure, Hint};
use crate::inventory::{self, InitNode, NamedMachine, PassedOver};
use crate::remote::{Route, Target, refused_lines, routes, shown};
use crate::session::new_file;

/// The program that knows what a configuration means.
const SSH: &str = "ssh";

/// The name of a copy beside the inventory, of a configuration that is in no file that `ssh` can read.
const COPY: &str = "ssh_config";

/// What was taken of an ssh configuration.
#[derive(Default)]
pub struct Taken {
    pub nodes: Vec<InitNode>,
    /// The configuration that the nodes' names stand in, as the inventory calls it, where it is still needed.
    pub config: Option<String>,
    /// A file to write beside the inventory, for [`Taken::config`].
    pub copy: Option<(PathBuf, String)>,
    /// What was not taken, a line each.
    pub passed: Vec<PassedOver>,
}

impl Taken {
    /// Writes the copy of the configuration, if one is needed.
    pub fn write_copy(&self, force: bool) -> Result<(), Failure> {
        self.copy.as_ref().map_or(Ok(()), |(file, text)| new_file::write(file, text, force))
    }
}

/// The nodes of the configuration `file` (`-` is standard input) whose names fit one of `hosts`, all when that is empty.
/// `inventory` is the file that they are for.
pub async fn take(file: &Path, hosts: &[String], inventory: &Path) -> Result<Taken, Failure> {
    let mut config = Config::read(file).await?;
    let Names { names, mut passed, runs } = config.names();
    if let (Some(runs), true) = (&runs, hosts.is_empty()) {
        return Err(refused(&config, format!("{}, `{}`: {}", runs.place, runs.text, runs.why))
            .hint("choose the machines with --host NAME or --host PATTERN; it then runs for these only"));
    }
    let chosen = choose(&config, names, hosts)?;
    let mut asked = asked_file(&config)?;
    let (chosen, left_out) = without_refused(&mut config, &mut asked, chosen).await?;
    let (named, unreached) = reached(&config, asked.path(), chosen).await?;
    let (machines, not_nodes) = inventory::machines(named);
    passed.extend(left_out.into_iter().chain(unreached).chain(not_nodes));
    if machines.is_empty() {
        let none = "none of its names is a machine that can be a node".into();
        return Err(refused(&config, [none, listed(&passed)].join("\n").trim_end().into()));
    }
    match spelt_out(&machines).await {
        Some(nodes) => Ok(Taken { nodes, passed, ..Taken::default() }),
        None => by_name(&config, &machines, inventory, passed),
    }
}

fn refused(config: &Config, why: String) -> Failure {
    Failure::new(Exit::Usage, format!("no nodes can be taken from {}", config.called)).because(why)
}

/// A name that was chosen, and whether by itself rather than by a pattern.
struct Chosen {
    name: Name,
    exactly: bool,
}

fn choose(config: &Config, names: Vec<Name>, hosts: &[String]) -> Result<Vec<Chosen>, Failure> {
    let list = |names: &[Name]| names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>().join(", ");
    if hosts.is_empty() && config.is_own() && !names.is_empty() {
        let why = format!("it is the list of all that you reach, not of a cluster's machines: {}", list(&names));
        return Err(
            refused(config, why).hint("choose the machines with --host NAME or --host PATTERN, e.g. --host 'rke*'")
        );
    }
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut unmet: Vec<&str> = Vec::new();
    let mut patterns = Vec::new();
    for host in hosts {
        let pattern = glob::Pattern::new(host)
            .map_err(|error| Failure::with_cause(Exit::Usage, format!("--host {host} is no pattern"), &error))?;
        if !names.iter().any(|name| pattern.matches(&name.name)) {
            unmet.push(host);
        }
        patterns.push(pattern);
    }
    // A name that only a pattern of the file fits (`Host rke*`) stands nowhere, and ssh knows it all the same.
    let (patterns_unmet, plain): (Vec<&str>, Vec<&str>) =
        unmet.into_iter().partition(|host| host.contains(['*', '?', '[']));
    if let [pattern, ..] = patterns_unmet.as_slice() {
        let why = format!("--host {pattern} fits none of its names: {}", list(&names));
        return Err(refused(config, why));
    }
    for name in names {
        if hosts.is_empty() || patterns.iter().any(|pattern| pattern.matches(&name.name)) {
            let exactly = hosts.contains(&name.name);
            chosen.push(Chosen { name, exactly });
        }
    }
    chosen.extend(plain.into_iter().map(|host| {
        let name = Name { name: host.into(), place: "the command line".into(), text: format!("--host {host}") };
        Chosen { name, exactly: true }
    }));
    if chosen.is_empty() {
        let why = "it names no machine: there is no Host line with a plain name";
        return Err(refused(config, why.into()).hint(
            "give what `vagrant ssh-config` prints: `vagrant ssh-config | cowhand init --from-ssh-config -`; or name \
             the machines with --host NAME",
        ));
    }
    Ok(chosen)
}

/// The file that `ssh` reads while we ask: the user's own, or a temporary copy.
enum Asked {
    File(PathBuf),
    Copy(tempfile::NamedTempFile),
}

impl Asked {
    fn path(&self) -> &Path {
        match self {
            Asked::File(file) => file,
            Asked::Copy(file) => file.path(),
        }
    }
}

fn asked_file(config: &Config) -> Result<Asked, Failure> {
    if let Some(file) = &config.file {
        return Ok(Asked::File(file.clone()));
    }
    let copy = || -> std::io::Result<_> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(config.text.as_bytes())?;
        Ok(file)
    };
    copy()
        .map(Asked::Copy)
        .map_err(|error| Failure::with_cause(Exit::Usage, "no temporary file can be written for `ssh`", &error))
}

/// Leaves out what `ssh` does not take, as far as that changes nothing for other names: the names that stay, and what
/// was left out.
async fn without_refused(
    config: &mut Config,
    asked: &mut Asked,
    chosen: Vec<Chosen>,
) -> Result<(Vec<Chosen>, Vec<PassedOver>), Failure> {
    let Some(host) = chosen.first().map(|first| first.name.name.clone()) else { return Ok((chosen, Vec::new())) };
    let mut left = LeftOut::default();
    loop {
        let lines = refused_lines(Path::new(SSH), asked.path(), &host).await;
        let file = asked.path().display().to_string();
        let lines = lines.map_err(|why| refused(config, why.replace(&file, &config.called)))?;
        if lines.is_empty() {
            break;
        }
        let before = config.text.clone();
        for line in &lines {
            left.take(config, line).map_err(|why| refused(config, why))?;
        }
        if config.text == before {
            return Err(refused(config, lines.iter().map(|line| line.why.as_str()).collect::<Vec<_>>().join("\n")));
        }
        *asked = asked_file(config)?;
    }
    let (kept, gone): (Vec<Chosen>, Vec<Chosen>) =
        chosen.into_iter().partition(|one| !left.names.contains(&one.name.name));
    if kept.is_empty() || gone.iter().any(|one| one.exactly) {
        return Err(refused(config, listed(&left.passed)));
    }
    Ok((kept, left.passed))
}

fn listed(passed: &[PassedOver]) -> String {
    passed.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// How OpenSSH reaches each of the names; one that it cannot reach is passed over, unless somebody chose it.
async fn reached(
    config: &Config,
    file: &Path,
    chosen: Vec<Chosen>,
) -> Result<(Vec<NamedMachine>, Vec<PassedOver>), Failure> {
    let target = |one: &Chosen| Target { config: Some(file.to_owned()), ..Target::new("", &one.name.name) };
    let targets: Vec<Target> = chosen.iter().map(target).collect();
    let (mut named, mut passed) = (Vec::new(), Vec::new());
    for (one, answer) in chosen.into_iter().zip(routes(&targets, SSH.into()).await) {
        let Chosen { name: Name { name, place, text }, exactly } = one;
        match answer {
            Ok(route) => named.push(NamedMachine { name, place, text, chosen: exactly, route }),
            Err(why) if exactly => return Err(refused(config, why)),
            Err(why) => passed.push(PassedOver { place, text, why: format!("{name} is left out: {why}") }),
        }
    }
    Ok((named, passed))
}

/// The nodes without their names, where an inventory can say all that the configuration says of every one of them.
async fn spelt_out(machines: &[NamedMachine]) -> Option<Vec<InitNode>> {
    let address = |machine: &NamedMachine| Target::new("", &machine.route.host);
    let targets: Vec<Target> = machines.iter().map(address).collect();
    let plain: Vec<Route> = routes(&targets, SSH.into()).await.into_iter().collect::<Result<_, _>>().ok()?;
    let nodes: Vec<InitNode> =
        machines.iter().zip(&plain).map(|(one, plain)| inventory::spelt_out(one, plain)).collect();
    let said = |(target, node): (Target, &InitNode)| Target {
        user: node.user.clone(),
        port: node.port,
        identity_file: node.identity_file.as_deref().map(expanded),
        known_hosts: node.known_hosts.as_deref().map(expanded),
        ..target
    };
    let targets: Vec<Target> = targets.into_iter().zip(&nodes).map(said).collect();
    let again: Vec<Route> = routes(&targets, SSH.into()).await.into_iter().collect::<Result<_, _>>().ok()?;
    let same = machines.iter().zip(&again).all(|(one, again)| inventory::says_the_same(&one.route, again));
    same.then_some(nodes)
}

/// A path of an inventory as a [`Target`] has it.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) | (None, _) => path.into(),
    }
}

/// The nodes by their names, and the configuration that these stand in.
fn by_name(
    config: &Config,
    machines: &[NamedMachine],
    inventory: &Path,
    passed: Vec<PassedOver>,
) -> Result<Taken, Failure> {
    let nodes = machines.iter().map(inventory::by_name).collect();
    let folder = inventory.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(file) = &config.file {
        // Where an inventory on standard output will lie, nobody knows.
        let beside = inventory != Path::new("-") && std::path::absolute(folder).ok().as_deref() == file.parent();
        let name = file.file_name().filter(|_| beside);
        let called = name.map_or_else(|| shown(file), |name| name.to_string_lossy().into_owned());
        return Ok(Taken { nodes, config: Some(called), copy: None, passed });
    }
    if inventory == Path::new("-") {
        let why =
            "what it says of its names does not fit into an inventory alone: jump hosts, several keys, or the like";
        return Err(refused(config, why.into())
            .hint("write the inventory to a file with -o FILE; a copy of the configuration goes beside it"));
    }
    let copy = Some((folder.join(COPY), config.text.clone()));
    Ok(Taken { nodes, config: Some(COPY.into()), copy, passed })
}

impl Hint for glob::PatternError {}
