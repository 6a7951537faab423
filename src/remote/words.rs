//! A command as words, and the one function that quotes them for a shell.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

/// How long a command may take unless [`Words::within`] says otherwise.
pub const USUAL_LIMIT: Duration = Duration::from_secs(60);

/// A command for a machine, one word per argument; nobody but [`Words::line`] turns it into text.
///
/// `Display` shows exactly what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    words: Vec<String>,
    limit: Duration,
}

impl Words {
    pub fn new(program: impl Into<String>) -> Self {
        Words { words: vec![program.into()], limit: USUAL_LIMIT }
    }

    /// A script for `/bin/sh`. The first [`arg`](Words::arg) that follows is the script's `$0`, the next one its `$1`.
    pub fn shell(script: impl Into<String>) -> Self {
        Words::new("sh").arg("-c").arg(script)
    }

    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    pub fn args<Word: Into<String>>(mut self, words: impl IntoIterator<Item = Word>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// The same command as root, without ever asking for a password.
    pub fn sudo(mut self) -> Self {
        self.words.splice(0..0, ["sudo", "-n", "--"].map(String::from));
        self
    }

    /// The same command with variables in its environment, whose values it reads first: one line of its input each, so
    /// that no word of it and no list of processes shows them.
    pub fn with_variables<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let read = |name: &str| format!("IFS= read -r {name}; export {name}; ");
        let script = names.into_iter().map(read).collect::<String>() + "exec \"$@\"";
        self.words.splice(0..0, ["sh".into(), "-c".into(), script, "sh".into()]);
        self
    }

    /// The same command with another time limit than [`USUAL_LIMIT`].
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// The words as one line for a POSIX shell, which splits it into exactly these words again.
    pub fn line(&self) -> String {
        let mut line = String::new();
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                line.push(' ');
            }
            quote(word, index == 0, &mut line);
        }
        line
    }

    /// No shell and no SSH server carries a NUL byte in a command: what follows it would be lost.
    pub(super) fn has_nul(&self) -> bool {
        self.words.iter().any(|word| word.contains('\0'))
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

/// Words that a shell takes for its own grammar when they stand first (POSIX 2.4, and those of bash and zsh).
const RESERVED: &[&str] = &[
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

fn quote(word: &str, first: bool, line: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c) || (c == '=' && !first);
    let grammar = first && RESERVED.contains(&word);
    // zsh expands `=name` at the start of a word.
    if !word.is_empty() && word.chars().all(plain) && !grammar && !word.starts_with('=') {
        line.push_str(word);
        return;
    }
    line.push('\'');
    line.push_str(&word.replace('\'', r"'\''"));
    line.push('\'');
}

/// What a command reads.
#[derive(Debug, Clone, Default)]
pub enum Stdin {
    #[default]
    Empty,
    Text(String),
    /// Never shown: the way for passwords and keys.
    Secret(SecretString),
    Bytes(Vec<u8>),
    /// From where it stands, in pieces: never in memory as a whole. What cannot be read to its end ends there, as [`upload`]
    /// notices by the length.
    File(Arc<File>),
}

impl Stdin {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        use secrecy::ExposeSecret;
        match self {
            Stdin::Empty => Vec::new(),
            Stdin::Text(text) => text.into_bytes(),
            Stdin::Secret(secret) => secret.expose_secret().as_bytes().to_vec(),
            Stdin::Bytes(bytes) => bytes,
            Stdin::File(file) => {
                let mut bytes = Vec::new();
                // As with a stream: what there is until it fails.
                let _ = (&*file).read_to_end(&mut bytes);
                bytes
            }
        }
    }
}

/// Puts what it reads at `path` with these permissions, in one move: never a part of it, never with other permissions.
///
/// `length` (bytes) is checked before the move, since a lost connection looks like the end of input to the script. The
/// time limit allows for a line of 100 kB/s.
/// [`Words::sudo`] makes it root's file. A folder at `path` is refused.
pub fn upload(path: &str, mode: u32, length: u64) -> Words {
    const SCRIPT: &str = r#"set -e
umask 077
[ ! -d "$1" ] || { echo "$1 is a folder" >&2; exit 1; }
part=$(mktemp "$1.XXXXXX")
trap 'rm -f "$part"' EXIT
cat > "$part"
got=$(wc -c < "$part")
[ "$got" -eq "$3" ] || { echo "only $got of $3 bytes arrived" >&2; exit 1; }
chmod "$2" "$part"
mv -f "$part" "$1"
trap - EXIT"#;
    let limit = USUAL_LIMIT + Duration::from_secs(length / 100_000);
    Words::shell(SCRIPT).arg("upload").arg(path).arg(format!("{mode:04o}")).arg(length.to_string()).within(limit)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a real shell makes of the line: the words that a program would get.
    fn through_shell(words: &Words) -> Vec<String> {
        let output = Command::new("/bin/sh").arg("-c").arg(words.line()).output().unwrap();
        assert!(output.status.success(), "{}: {}", words.line(), String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(String::from).collect()
    }

    #[test]
    fn plain_words_stay_readable() {
        let words = Words::new("docker").arg("ps").args(["--format", "{{.Names}}", "-f", "name=etcd"]).sudo();
        assert_eq!(words.to_string(), "sudo -n -- docker ps --format '{{.Names}}' -f name=etcd");
    }

    #[test]
    fn scripts_are_one_word() {
        let words = Words::shell("echo \"$1\"; it's").arg("name").arg("");
        assert_eq!(words.line(), r#"sh -c 'echo "$1"; it'\''s' name ''"#);
    }

    #[test]
    fn the_first_word_is_a_command_whatever_it_looks_like() {
        for program in ["if", "A=b", "~/x", "{", "!", "#x", "time"] {
            let line = Words::new(program).arg("x").line();
            let output = Command::new("/bin/sh").arg("-c").arg(&line).output().unwrap();
            assert_eq!(output.status.code(), Some(127), "{line} was not looked for as a command");
        }
    }

    #[test]
    fn a_secret_is_not_in_debug() {
        let text = format!("{:?}", Stdin::Secret("hunter2".to_string().into()));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn upload_refuses_a_part_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a file");
        let line = upload(path.to_str().unwrap(), 0o640, 9).line();
        let output = Command::new("/bin/sh").arg("-c").arg(line).stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("only 0 of 9 bytes"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn a_shell_gives_back_any_words(words in prop::collection::vec("[^\0]*", 0..6)) {
            let sent = Words::new("printf").arg("%s\\0").args(words.clone());
            let expected = if words.is_empty() { vec![String::new()] } else { words };
            prop_assert_eq!(through_shell(&sent), expected);
        }

        #[test]
        fn a_shell_gives_back_its_own_special_characters(word in "[ -~\n\t]{0,24}", other in "[$`\"'\\\\!*?~#&|;<>(){}\\[\\]=^%]{0,12}") {
            let sent = Words::new("printf").arg("%s\\0").arg(&word).arg(&other);
            prop_assert_eq!(through_shell(&sent), vec![word, other]);
        }

        #[test]
        fn a_shell_in_a_shell_too(word in "[ -~\n]{0,24}") {
            let sent = Words::shell(Words::new("printf").arg("%s\\0").arg(&word).line());
            prop_assert_eq!(through_shell(&sent), vec![word]);
        }
    }
}
