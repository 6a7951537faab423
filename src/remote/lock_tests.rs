use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::*;

/// A machine with one user, who has no root: the folder is in the home.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        // Before the real ones in PATH: a user whose id is not 0, and a sudo that wants a password.
        machine.program("id", "echo 4711");
        machine.program("stat", r#"/usr/bin/stat "$@" | sed "s/^$(/usr/bin/id -u) /4711 /""#);
        machine.program("sudo", "exit 1");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        std::fs::create_dir_all(self.path("bin")).unwrap();
        std::fs::write(self.path("bin").join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(self.path("bin").join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// The one file in the folder.
    fn file(&self, folder: &str) -> Option<PathBuf> {
        let mut entries = std::fs::read_dir(self.path(folder)).ok()?;
        entries.next().map(|entry| entry.unwrap().path())
    }

    /// The script in a shell of its own: its process, and its first line.
    fn hold(&self, patience: &str) -> (Child, String) {
        let folder = self.path("run-lock").display().to_string();
        let words = Words::shell(CHOOSE).arg("lock").args([HOLD, &folder, "somebody else's", patience]);
        let mut command = Command::new("/bin/sh");
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display())).env("HOME", self.0.path());
        command.arg("-c").arg(words.line()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (child, line)
    }

    /// What it says, when it does not hold.
    fn refusal(&self) -> String {
        let (mut child, line) = self.hold("60");
        drop(child.stdin.take());
        child.wait().unwrap();
        line
    }
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn without_root_it_lies_in_the_home_and_goes_with_its_holder() {
    let machine = Machine::new();
    let (child, line) = machine.hold("60");
    assert_eq!(line, "held\n");
    let file = machine.file(".run-lock").unwrap();
    assert_eq!((mode(&machine.path(".run-lock")), mode(&file)), (0o700, 0o600));
    assert_eq!(machine.refusal(), "busy somebody else's\n");
    end(child);
    assert!(!machine.path(".run-lock").exists() && !machine.path("run-lock").exists());
}

#[test]
fn with_root_all_users_meet_in_one_folder() {
    let machine = Machine::new();
    // As the real one, told by `-n --` what to run: as somebody else.
    machine.program("sudo", "shift 2\nexec env AS=root \"$@\"");
    machine.program("id", "[ -n \"${AS-}\" ] && echo 0 || echo 4711");
    machine.program(
        "stat",
        r#"me=4711; [ -z "${AS-}" ] || me=0
/usr/bin/stat "$@" | sed "s/^$(/usr/bin/id -u) /$me /""#,
    );
    let (child, line) = machine.hold("60");
    assert_eq!(line, "held\n");
    assert!(machine.file("run-lock").unwrap().ends_with("node.lock"));
    assert!(!machine.path(".run-lock").exists());
    machine.program("id", "echo 0");
    machine.program("stat", r#"/usr/bin/stat "$@" | sed "s/^$(/usr/bin/id -u) /0 /""#);
    assert_eq!(machine.refusal(), "busy somebody else's\n", "root itself takes the same one");
    end(child);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused_at_once() {
    let machine = Machine::new();
    let folder = machine.path(".run-lock");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    let refused = format!("place {} has owner and mode 4711 777, not 4711 700\n", folder.display());
    assert_eq!(machine.refusal(), refused);
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    machine.program("id", "echo 4712");
    let refused = format!("place {} has owner and mode 4711 700, not 4712 700\n", folder.display());
    assert_eq!(machine.refusal(), refused);
}

#[test]
fn no_link_and_no_pipe_is_followed() {
    let machine = Machine::new();
    let (folder, elsewhere) = (machine.path(".run-lock"), machine.path("elsewhere"));
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::set_permissions(&elsewhere, PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    assert_eq!(machine.refusal(), format!("place {} is a symbolic link\n", folder.display()));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&elsewhere, &folder).unwrap();
    let name = String::from_utf8(Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
    let file = folder.join(format!("{}.lock", name.trim()));
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(machine.refusal(), format!("place {} is no file\n", file.display()));
}

#[test]
fn what_cannot_be_made_is_named_with_its_reason() {
    let machine = Machine::new();
    machine.program("mkdir", "echo 'Read-only file system' >&2; exit 1");
    machine.program("sleep", "exit 0");
    let refusal = machine.refusal();
    assert!(
        refusal.starts_with("place ") && refusal.ends_with("cannot be made or opened: Read-only file system\n"),
        "{refusal}"
    );
}

#[test]
fn a_holder_whose_file_was_removed_or_replaced_ends_at_its_next_beat() {
    let machine = Machine::new();
    let removed: fn(&Path) = |file| std::fs::remove_file(file).unwrap();
    let replaced: fn(&Path) = |file| {
        std::fs::write(file.with_extension("new"), "").unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    };
    let folder: fn(&Path) = |file| {
        let folder = file.parent().unwrap();
        std::fs::rename(folder, folder.with_extension("old")).unwrap();
    };
    for attack in [removed, replaced, folder] {
        let (mut first, line) = machine.hold("60");
        assert_eq!(line, "held\n");
        attack(&machine.file(".run-lock").unwrap());
        let (second, line) = machine.hold("60");
        assert_eq!(line, "held\n", "nobody holds the file that is there now");
        first.stdin.as_mut().unwrap().write_all(b".").unwrap();
        assert_eq!(first.wait().unwrap().code(), Some(REPLACED));
        assert_eq!(
            machine.refusal(),
            "busy somebody else's\n",
            "the second one's lock has outlived the first one's end"
        );
        end(second);
    }
}

#[test]
fn a_holder_that_hears_nothing_lets_go() {
    let machine = Machine::new();
    let (mut first, line) = machine.hold("1");
    assert_eq!(line, "held\n");
    first.stdin.as_mut().unwrap().write_all(b"...").unwrap();
    // Its stdin is still open: it is the silence that ends it.
    let stdin = first.stdin.take();
    assert!(first.wait().unwrap().success());
    let (third, line) = machine.hold("1");
    assert_eq!(line, "held\n");
    drop(stdin);
    end(third);
}

#[test]
fn every_usual_shell_holds_it() {
    for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]] {
        let machine = Machine::new();
        machine.program("sh", &format!("exec {} \"$@\"", shell.join(" ")));
        let (child, line) = machine.hold("60");
        assert_eq!((line.as_str(), machine.refusal().as_str()), ("held\n", "busy somebody else's\n"), "{shell:?}");
        end(child);
    }
}
