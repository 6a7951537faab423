//! Files of this machine that people name: read whole, and never waited for.

use std::fs::{File, FileType, OpenOptions};
use std::io::{Error, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Where people point what is to be empty, as Vagrant does with UserKnownHostsFile.
const EMPTY: &str = "/dev/null";

/// The bytes of a regular file of at most `largest` bytes. /dev/null is an empty one.
///
/// # Errors
/// Also when it is anything else, named by its kind: a FIFO without a writer and some devices never end, and a read that
/// waits hears no signal.
pub fn read_regular(path: &Path, largest: u64) -> Result<Vec<u8>> {
    if path == Path::new(EMPTY) {
        return Ok(Vec::new());
    }
    refuse_irregular(path)?;
    // Should it have become a FIFO meanwhile, opening it does not wait either.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    judge(file.metadata()?.file_type())?;
    whole(file, largest)
}

/// # Errors
/// When there is no file, or what is there is no regular file and not /dev/null.
pub fn refuse_irregular(path: &Path) -> Result<()> {
    match std::fs::metadata(path)?.file_type() {
        kind if kind.is_char_device() && path == Path::new(EMPTY) => Ok(()),
        kind => judge(kind),
    }
}

fn judge(kind: FileType) -> Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let what = match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Error::other(format!("it is {what}, not a regular file")))
}

fn whole(file: File, largest: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(Error::other(format!("it is larger than {} MiB", largest >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_anything_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        assert_eq!(read_regular(&path("file"), 1 << 20).unwrap(), b"text");
        assert!(read_regular(&path("file"), 3).unwrap_err().to_string().starts_with("it is larger than"));
        assert_eq!(read_regular(&path("none"), 9).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(read_regular(Path::new(EMPTY), 9).unwrap(), b"");
        // Each of these would never end, or never begin.
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        for (path, what) in
            [(path("fifo"), "a pipe"), ("/dev/zero".into(), "a device"), (folder.path().into(), "a directory")]
        {
            let said = read_regular(&path, 9).unwrap_err().to_string();
            assert_eq!(said, format!("it is {what}, not a regular file"), "{}", path.display());
        }
    }
}
