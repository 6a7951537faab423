//! Folders on other machines: looked at, written to and thinned out over SSH, as those of this machine are.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use data_encoding::BASE64;

use crate::backup::{Aged, ENDING, Keep, Label, Level, may_go};
use crate::failure::{Exit, Failure};
use crate::inventory::{Ssh, SshFolder};
use crate::remote::{ConnectOptions, Connection, Ended, Remote, Stdin, Target, Words, connect_all};
use crate::session::machines::asker;
use crate::session::open::Session;

/// How much is sent at a time (bytes).
const PIECE: usize = 256 * 1024;
/// How long the other machine may take nothing of what is sent.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// For a look at all of a folder; hashes of large files take their time.
const LOOK: std::time::Duration = std::time::Duration::from_secs(600);

/// A line for each: its label in base64, whether its hash is asked for the hash of what is behind it, and its name.
const LIST: &str = r#"cd -- "$1" || exit 1
for f in *.cowhand; do
  [ -f "$f" ] || continue
  hash=-; [ "$2" != hash ] || hash=$(tail -c +1025 -- "$f" | sha256sum | cut -d ' ' -f 1)
  printf '%s %s %s\n' "$(head -c 1024 -- "$f" | base64 | tr -d '\n')" "$hash" "$f"
done"#;
/// Under another name first; never over one that is there.
const PUT: &str = r#"set -e
umask 077
cd -- "$1"
part=$(mktemp .cowhand-writing-XXXXXX)
trap 'rm -f -- "$part"' EXIT
cat > "$part"
[ "$(wc -c < "$part")" -eq "$3" ]
[ "$(sha256sum < "$part" | cut -d ' ' -f 1)" = "$4" ]
ln -- "$part" "$2"
sync"#;

/// One folder, reached.
pub struct Far {
    pub folder: SshFolder,
    connection: Connection,
    found: Vec<There>,
}

struct There {
    name: String,
    label: Label,
    /// Whether what is behind the label has the hash that it says, when that was looked at.
    whole: bool,
}

/// # Errors
/// When one is not reached, or is no folder.
pub async fn open(session: &Session<'_>, folders: &[SshFolder], accept_new: bool) -> Result<Vec<Far>, Failure> {
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let node = session.project.inventory.nodes.first().map(|node| &node.ssh);
    let targets: Vec<_> = folders.iter().map(|folder| target(folder, node)).collect();
    let options = ConnectOptions {
        accept_new_host_keys: accept_new,
        ask: asker(&session.context.console, Some(session.screen.clone())),
        ..ConnectOptions::default()
    };
    let mut opened = Vec::new();
    for (folder, (_, answer)) in folders.iter().zip(connect_all(&targets, options).await) {
        let unreached = |error| Failure::with_cause(Exit::Unreachable, format!("{folder} cannot be reached"), &error);
        let connection = answer.map_err(unreached)?;
        let found = look(&connection, folder, false).await?;
        opened.push(Far { folder: folder.clone(), connection, found });
    }
    Ok(opened)
}

/// With the key, the known_hosts and the ssh configuration by which a node is reached; all else is the folder's own.
fn target(folder: &SshFolder, node: Option<&Ssh>) -> Target {
    let ssh = node.cloned().unwrap_or_default();
    Target {
        user: folder.user.clone(),
        port: folder.port,
        identity_file: ssh.identity_file,
        known_hosts: ssh.known_hosts,
        config: ssh.config,
        connect_timeout: ssh.connect_timeout,
        ..Target::new(folder.to_string(), folder.host.clone())
    }
}

async fn look(connection: &Connection, folder: &SshFolder, hash: bool) -> Result<Vec<There>, Failure> {
    let words = Words::shell(LIST).arg("list").arg(&folder.path).arg(if hash { "hash" } else { "-" }).within(LOOK);
    let said = connection.text(&words, Stdin::Empty).await.map_err(|error| {
        Failure::with_cause(Exit::NotHere, format!("{folder} cannot take backups"), &error)
            .hint("make the folder there, or mount its disk; nothing was touched")
    })?;
    Ok(said.lines().filter_map(there).collect())
}

fn there(line: &str) -> Option<There> {
    let (label, rest) = line.split_once(' ')?;
    let (hash, name) = rest.split_once(' ')?;
    let label = Label::read(&BASE64.decode(label.as_bytes()).ok()?[..]).ok()?;
    Some(There { name: name.to_owned(), whole: hash == label.sha256, label })
}

impl Far {
    pub fn labels(&self) -> impl Iterator<Item = (String, &Label)> {
        self.found.iter().map(|one| (format!("{}/{}", self.folder, one.name), &one.label))
    }

    pub async fn close(&self) {
        self.connection.disconnect().await;
    }

    /// Sends a file there; it is looked at there before it gets its name.
    pub async fn put(&self, file: &Path, name: &str, sha256: &str) -> Result<(), Failure> {
        let failed =
            |why: String| Failure::new(Exit::NotHere, format!("{}/{name} was not written", self.folder)).because(why);
        let mut opened = File::open(file).map_err(|error| failed(error.to_string()))?;
        let length = opened.metadata().map_err(|error| failed(error.to_string()))?.len();
        let words = Words::shell(PUT).arg("put").arg(&self.folder.path).arg(name).arg(length.to_string()).arg(sha256);
        let running = self.connection.start(&words).await.map_err(|error| failed(error.to_string()))?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = opened.read(&mut piece).map_err(|error| failed(error.to_string()))?;
            if read == 0 {
                break;
            }
            // Where the command has ended already, nobody makes room for more.
            let sent = tokio::time::timeout(SILENCE, running.write(&piece[..read])).await;
            let sent = sent.map_err(|_| failed(format!("it takes nothing for {} s", SILENCE.as_secs())))?;
            sent.map_err(|error| failed(error.to_string()))?;
        }
        match running.finish().await {
            Ended::Code(0) => Ok(()),
            other => Err(failed(format!("what was sent did not arrive whole, or one of that name is there: {other}"))),
        }
    }

    /// Removes what the rule counts out; what was removed.
    pub async fn prune(&self, uid: &str, keep: Keep) -> Result<Vec<String>, Failure> {
        let found = look(&self.connection, &self.folder, true).await?;
        let known: Vec<&There> = found.iter().filter(|one| one.label.uid == uid).collect();
        let level = |one: &There| if one.whole { one.label.level } else { Level::There };
        let aged: Vec<Aged> = known.iter().map(|one| Aged { taken: one.label.taken, level: level(one) }).collect();
        let gone: Vec<&str> = may_go(&aged, keep).into_iter().map(|at| known[at].name.as_str()).collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let ours = gone.iter().filter(|name| name.ends_with(ENDING) && !name.contains('/'));
        let paths = ours.map(|name| format!("{}/{name}", self.folder.path));
        let words = Words::new("rm").args(["-f", "--"]).args(paths);
        self.connection.text(&words, Stdin::Empty).await.map_err(|error| {
            Failure::with_cause(Exit::NotVerified, format!("{}: older backups cannot be removed", self.folder), &error)
                .hint("the new backup is there; without --keep nothing is removed")
        })?;
        Ok(gone.into_iter().map(|name| format!("{}/{name}", self.folder)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::backup::FORMAT;

    fn label() -> Label {
        let sha256 = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d".into();
        let taken = "2026-11-30T03:15:00Z".parse().unwrap();
        let (name, uid) = ("prod".into(), "u".into());
        Label { format: FORMAT, name, uid, taken, revision: 7, level: Level::Together, length: 1, sha256 }
    }

    fn shell(words: &Words, input: &[u8]) -> (bool, String) {
        use std::io::Write;
        let mut child = Command::new("/bin/sh")
            .args(["-c", &words.line()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn what_is_put_is_listed_with_its_label_and_whether_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my backups");
        std::fs::create_dir(&path).unwrap();
        let place = path.to_str().unwrap();
        let put = |name: &str, length: usize, sha256: &str, bytes: &[u8]| {
            let words = Words::shell(PUT).arg("put").arg(place).arg(name).arg(length.to_string()).arg(sha256);
            shell(&words, bytes).0
        };
        let file = [label().bytes().unwrap(), b"b".to_vec()].concat();
        let hash = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(&file));
        assert!(put("a b.cowhand", file.len(), &hash, &file));
        assert!(!put("a b.cowhand", file.len(), &hash, &file), "never over one that is there");
        assert!(!put("c.cowhand", file.len(), &hash, &file[..99]), "a part of it");
        assert!(!put("c.cowhand", file.len(), &"0".repeat(64), &file), "another hash");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1, "nothing half is left");
        std::fs::write(path.join("x.cowhand"), [label().bytes().unwrap(), b"changed".to_vec()].concat()).unwrap();
        std::fs::write(path.join("junk.cowhand"), "junk").unwrap();
        let list = Words::shell(LIST).arg("list").arg(place).arg("hash");
        let said = shell(&list, b"").1;
        let found: Vec<(String, bool)> = said.lines().filter_map(there).map(|one| (one.name, one.whole)).collect();
        assert_eq!(found, [("a b.cowhand".to_owned(), true), ("x.cowhand".to_owned(), false)]);
        let none = Words::shell(LIST).arg("list").arg("/no/such").arg("-");
        assert!(!shell(&none, b"").0);
    }
}
