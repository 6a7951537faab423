//! A run file, read from the disk, with everything that it names.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};
use crate::inventory::Mistakes;
use crate::plan::playbook::{self, Doing, Playbook};
use crate::session::load::environment;
use crate::session::project::Project;

/// No run file comes near this.
const LARGEST: usize = 1024 * 1024;

/// A run file without a mistake; every file that it names is there.
pub struct RunFile {
    pub file: PathBuf,
    pub playbook: Playbook,
    /// SHA-256 of the file's bytes and of the nodes that take turns, in hex: with other nodes the items have other numbers.
    pub hash: String,
}

impl RunFile {
    /// # Errors
    /// With every mistake at once. Nothing is touched.
    pub fn read(file: &Path, project: &Project) -> Result<RunFile, Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::with_cause(Exit::Usage, format!("the run file {} cannot be read", file.display()), &error)
        };
        let bytes = std::fs::read(file).map_err(unreadable)?;
        let text = match str::from_utf8(&bytes) {
            Ok(text) if text.len() <= LARGEST => text,
            Ok(_) => return Err(unreadable(std::io::Error::other("it is larger than 1 MiB"))),
            Err(error) => return Err(unreadable(std::io::Error::other(error))),
        };
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = environment(&variable).map_err(unreadable)?;
        let playbook =
            playbook::parse(text, file, &surroundings, &project.inventory.nodes).map_err(|all| wrong(&all))?;
        let missing = missing(file, &playbook);
        if !missing.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "files that the run file names are not as they have to be; nothing was touched",
            )
            .because(missing.join("\n"))
            .hint("a file with a secret is a file of yours that nobody else may read: `chmod 600 FILE`"));
        }
        let mut digest = Sha256::new_with_prefix(&bytes);
        for turn in playbook.items.iter().filter_map(|item| item.turn.as_ref()) {
            digest.update(format!("\0{}", turn.node));
        }
        let hash = data_encoding::HEXLOWER.encode(&digest.finalize());
        Ok(RunFile { file: file.to_owned(), playbook, hash })
    }
}

fn wrong(mistakes: &Mistakes) -> Failure {
    let number = match mistakes.list.len() {
        1 => "a mistake".to_owned(),
        several => format!("{several} mistakes"),
    };
    Failure::new(Exit::Usage, format!("{number} in the run file; nothing was touched"))
        .because(mistakes)
        .hint("`cowhand schema --playbook` prints every key with what it takes; playbooks/README.md tells of each")
}

/// What is wrong with the files that it names, each with the line of its item.
fn missing(file: &Path, playbook: &Playbook) -> Vec<String> {
    let mut found = Vec::new();
    for item in &playbook.items {
        let wrong: Vec<String> = match &item.doing {
            Doing::Run(run) => {
                let variables = run.variables.iter().map(|one| one_line(&one.file).err());
                variables.chain(run.stdin.iter().map(|file| secret(file).err())).flatten().collect()
            }
            Doing::Upload(upload) => {
                let there = std::fs::metadata(&upload.from).is_ok_and(|found| found.is_file());
                (!there).then(|| format!("{} is no file", upload.from.display())).into_iter().collect()
            }
            Doing::Stages(_)
            | Doing::Drain(_)
            | Doing::Uncordon(_)
            | Doing::Reboot(_)
            | Doing::Wait(_)
            | Doing::Look(_)
            | Doing::Confirm(_)
            | Doing::Note(_) => Vec::new(),
        };
        found.extend(wrong.into_iter().map(|why| format!("{}:{}  {why}", file.display(), item.place.line)));
    }
    found
}

/// A secret's file that nobody else may read.
///
/// # Errors
/// Why it is not that; never with anything of what is in it.
pub fn secret(file: &Path) -> Result<SecretString, String> {
    let place = file.display();
    let found = std::fs::metadata(file).map_err(|error| format!("{place} cannot be read: {error}"))?;
    if !found.is_file() {
        return Err(format!("{place} is no file"));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{place} may be read or written by others (its permissions are {mode:04o})"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place} cannot be read: {error}"))?;
    Ok(SecretString::from(text))
}

/// The same for a value of one line; its end of line is none of it.
pub fn one_line(file: &Path) -> Result<SecretString, String> {
    use secrecy::ExposeSecret;
    let text = secret(file)?;
    let line = text.expose_secret().trim_end_matches(['\r', '\n']);
    match line.contains(['\n', '\0']) {
        true => Err(format!("{} has several lines; a variable's value is one", file.display())),
        false => Ok(SecretString::from(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn folder(files: &[(&str, &str, u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, mode) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    #[test]
    fn a_secret_is_a_file_that_nobody_else_may_read() {
        let folder = folder(&[("good", "hunter2\n", 0o600), ("open", "hunter2\n", 0o644), ("two", "a\nb\n", 0o400)]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(one_line(&at("good")).unwrap().expose_secret(), "hunter2");
        assert!(one_line(&at("open")).unwrap_err().contains("0644"));
        assert!(one_line(&at("two")).unwrap_err().contains("several lines"));
        assert_eq!(secret(&at("two")).unwrap().expose_secret(), "a\nb\n");
        assert!(secret(folder.path()).unwrap_err().contains("no file"));
        assert!(secret(&at("none")).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn what_a_run_file_names_is_looked_at_before_anything_is_touched() {
        let book = "name: x\nitems:\n- run: {on: n1, words: [x], stdin_file: ./open, env_files: {A: ./none}}\n\
            - upload: {on: n1, from: ./gone, to: /etc/x}\n";
        let folder = folder(&[("book.yml", book, 0o644), ("open", "hunter2", 0o640)]);
        let project = Project::of_test(folder.path());
        let failure = RunFile::read(&folder.path().join("book.yml"), &project).err().unwrap();
        let because = failure.because.join("\n");
        assert_eq!((failure.exit, because.lines().count()), (Exit::Usage, 3), "{because}");
        assert!(because.contains("book.yml:3  ") && because.contains("book.yml:4  "), "{because}");
        assert!(!because.contains("hunter2"), "{because}");
    }
}
