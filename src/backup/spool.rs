//! A snapshot on its way: sealed for a key that this process alone has, so that it can be read page by page before it is
//! sealed for good, and never lies anywhere in the clear.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use data_encoding::HEXLOWER;
use rand::Rng;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

type Cipher = ctr::Ctr64BE<aes::Aes256>;

/// How much is encrypted at a time (bytes).
const PIECE: usize = 64 * 1024;

/// The key that only this process has: 32 bytes, and 16 to begin with.
struct Key(Zeroizing<[u8; 48]>);

impl Key {
    fn new() -> Key {
        let mut bytes = Zeroizing::new([0; 48]);
        rand::rng().fill_bytes(bytes.as_mut_slice());
        Key(bytes)
    }

    fn cipher(&self) -> std::io::Result<Cipher> {
        let (key, start) = self.0.split_at(32);
        Cipher::new_from_slices(key, start).map_err(std::io::Error::other)
    }
}

/// Being written.
pub struct Spool {
    file: File,
    key: Key,
    cipher: Cipher,
    hash: Sha256,
    length: u64,
}

impl Spool {
    /// A file without a name in this folder: it is gone with the process, however that ends.
    pub fn in_folder(folder: &Path) -> std::io::Result<Spool> {
        let key = Key::new();
        let (file, cipher) = (tempfile::tempfile_in(folder)?, key.cipher()?);
        Ok(Spool { file, key, cipher, hash: Sha256::new(), length: 0 })
    }

    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            let mut sealed = piece.to_vec();
            self.cipher.try_apply_keystream(&mut sealed).map_err(std::io::Error::other)?;
            self.file.write_all(&sealed)?;
        }
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub fn finish(self) -> std::io::Result<Spooled> {
        let sha256 = HEXLOWER.encode(&self.hash.finalize());
        Ok(Spooled { file: self.file, key: self.key, length: self.length, sha256 })
    }
}

/// Written.
pub struct Spooled {
    file: File,
    key: Key,
    pub length: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl Spooled {
    /// What was written, from its beginning.
    pub fn open(&mut self) -> std::io::Result<Opened<'_>> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(Opened { cipher: self.key.cipher()?, file: &mut self.file, length: self.length, at: 0 })
    }
}

/// Reads at any place, and decrypts no more than what is read.
pub struct Opened<'a> {
    file: &'a mut File,
    cipher: Cipher,
    length: u64,
    at: u64,
}

impl Read for Opened<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.cipher.try_seek(self.at).map_err(std::io::Error::other)?;
        self.cipher.try_apply_keystream(&mut buffer[..read]).map_err(std::io::Error::other)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Opened<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let at = at.ok_or_else(|| std::io::Error::other("before the beginning"))?;
        self.at = self.file.seek(SeekFrom::Start(at))?;
        Ok(self.at)
    }
}

/// A part of something that can be read at any place.
pub struct Region<R> {
    inner: R,
    offset: u64,
    length: u64,
    at: u64,
}

impl<R: Read + Seek> Region<R> {
    pub fn new(inner: R, offset: u64, length: u64) -> Region<R> {
        Region { inner, offset, length, at: 0 }
    }
}

impl<R: Read + Seek> Read for Region<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.length.saturating_sub(self.at).min(buffer.len() as u64) as usize;
        if left == 0 {
            return Ok(0);
        }
        self.inner.seek(SeekFrom::Start(self.offset + self.at))?;
        let read = self.inner.read(&mut buffer[..left])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for Region<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| std::io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_is_read_anywhere_and_its_file_has_no_name_and_no_clear_text() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::in_folder(folder.path()).unwrap();
        let text: Vec<u8> = b"CANARY--".repeat(40_000);
        text.chunks(1000).for_each(|piece| spool.write(piece).unwrap());
        let mut spooled = spool.finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(spooled.length, text.len() as u64);
        assert_eq!(spooled.sha256, HEXLOWER.encode(&Sha256::digest(&text)));
        let mut part = Region::new(spooled.open().unwrap(), 100_000, 64);
        part.seek(SeekFrom::Start(8)).unwrap();
        let mut read = Vec::new();
        part.read_to_end(&mut read).unwrap();
        assert_eq!(read, text[100_008..100_064]);
        let mut raw = Vec::new();
        spooled.file.seek(SeekFrom::Start(0)).unwrap();
        spooled.file.read_to_end(&mut raw).unwrap();
        assert!(!raw.windows(6).any(|window| window == b"CANARY"));
    }
}
