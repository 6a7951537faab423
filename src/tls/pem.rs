//! Files of PEM text as people really have them: read with patience, told what is odd, written tidily.
//!
//! Go (the ingress controllers, cert-manager, Rancher, its agents) finds a block only where `-----BEGIN` starts a line
//! (encoding/pem), so a byte order mark or an indented paste silently loses it. Reading here finds such blocks and says so.

use rustls::pki_types::pem::{PemObject, SectionKind};
use secrecy::zeroize::Zeroizing;

/// All blocks of a file in order, and what was odd about its form.
#[derive(Debug, Clone, Default)]
pub struct Pem {
    pub blocks: Vec<Block>,
    pub oddities: Vec<Oddity>,
}

/// One `-----BEGIN …-----` block.
#[derive(Clone)]
pub struct Block {
    /// What stands after BEGIN, e.g. `CERTIFICATE`.
    pub label: String,
    /// Line of its BEGIN, from 1.
    pub line: usize,
    /// What the base64 holds; for labels of no use here the content is not decoded and stays empty.
    pub content: Result<Zeroizing<Vec<u8>>, BadBlock>,
    /// Old-style encryption (`Proc-Type: 4,ENCRYPTED`).
    pub encrypted: bool,
    text: Zeroizing<String>,
}

impl std::fmt::Debug for Block {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the content may be a private key
        write!(out, "Block({} at line {})", self.label, self.line)
    }
}

impl Block {
    /// The block with plain line ends and nothing around it, ending in one line end.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_certificate(&self) -> bool {
        self.label == "CERTIFICATE"
    }

    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// Why a block cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBlock {
    #[error("it has no END line")]
    NoEnd,
    #[error("its END line names something else than its BEGIN line")]
    OtherEnd,
    #[error("what stands between BEGIN and END is not base64")]
    NotBase64,
}

/// Something that other programs may stumble over; [`tidy`] takes it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    ByteOrderMark,
    WindowsLineEnds,
    Indented,
    /// Text outside of blocks, first seen at this line.
    Comments(usize),
}

/// Why a file is not PEM at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPem {
    #[error("it is empty")]
    Empty,
    #[error("it is binary: DER, not PEM")]
    Der,
    #[error("it is a PKCS#12 store (.p12, .pfx), not PEM")]
    Pkcs12,
    #[error("it is a Java key store, not PEM")]
    JavaKeyStore,
    #[error("it is UTF-16 text, as PowerShell's `>` writes it")]
    Utf16,
    #[error("it has no `-----BEGIN …-----` line")]
    NoBlock,
    #[error("its lines were joined to one: what follows `-----BEGIN …-----` stands on the same line")]
    Joined,
}

/// Reads the blocks of a file. Never fails for what is wrong inside of a block: that is told by the block itself.
pub fn read(bytes: &[u8]) -> Result<Pem, NotPem> {
    refuse_other_formats(bytes)?;
    let mut pem = Pem::default();
    let text = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => {
            pem.oddities.push(Oddity::ByteOrderMark);
            rest
        }
        None => bytes,
    };
    if text.contains(&b'\r') {
        pem.oddities.push(Oddity::WindowsLineEnds);
    }
    let lines = split_lines(text);
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim_ascii();
        match label_of(line, b"-----BEGIN ") {
            Some(label) => {
                if lines[at].first().is_some_and(u8::is_ascii_whitespace) {
                    note(&mut pem.oddities, Oddity::Indented);
                }
                let (block, next) = read_block(&lines, at, label);
                pem.blocks.push(block);
                at = next;
            }
            None => {
                if !line.is_empty() && !pem.oddities.iter().any(|odd| matches!(odd, Oddity::Comments(_))) {
                    pem.oddities.push(Oddity::Comments(at + 1));
                }
                at += 1;
            }
        }
    }
    let joined = || lines.iter().any(|line| line.trim_ascii().starts_with(b"-----BEGIN "));
    match pem.blocks.is_empty() {
        true if joined() => Err(NotPem::Joined),
        true => Err(NotPem::NoBlock),
        false => Ok(pem),
    }
}

/// The usable blocks that `keep` wants, one after the other, with plain line ends and nothing else.
pub fn tidy(pem: &Pem, keep: impl Fn(&Block) -> bool) -> Zeroizing<String> {
    let wanted = || pem.blocks.iter().filter(|block| block.content.is_ok() && keep(block));
    // room for all of it at once, so that no half copy of a key is left behind by growing
    let mut text = Zeroizing::new(String::with_capacity(wanted().map(|block| block.text.len()).sum()));
    for block in wanted() {
        text.push_str(&block.text);
    }
    text
}

/// PEM text of a certificate as Go's encoding/pem writes it: 64 characters a line, plain line ends.
pub fn encode_certificate(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, character) in base64(der).chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

/// Standard base64 with padding, on one line. For public data only.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let [first, second, third] = [0, 1, 2].map(|index| chunk.get(index).map_or(0, |byte| u32::from(*byte)));
        let group = first << 16 | second << 8 | third;
        for index in 0..4 {
            if index > chunk.len() {
                text.push('=');
            } else {
                text.push(char::from(ALPHABET[(group >> (18 - 6 * index) & 63) as usize]));
            }
        }
    }
    text
}

fn refuse_other_formats(bytes: &[u8]) -> Result<(), NotPem> {
    match bytes {
        [] => Err(NotPem::Empty),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(NotPem::Utf16),
        [0xfe, 0xed, 0xfe, 0xed, ..] => Err(NotPem::JavaKeyStore),
        // SEQUENCE with a long length, then INTEGER 3: the version of PFX (RFC 7292)
        [0x30, 0x82, _, _, 0x02, 0x01, 0x03, ..] | [0x30, 0x80, 0x02, 0x01, 0x03, ..] => Err(NotPem::Pkcs12),
        [0x30, length, ..] if *length >= 0x80 => Err(NotPem::Der),
        _ if bytes.trim_ascii().is_empty() => Err(NotPem::Empty),
        _ => Ok(()),
    }
}

fn split_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        // a lone \r is an old Mac's line end
        lines.extend(line.strip_suffix(b"\r").unwrap_or(line).split(|byte| *byte == b'\r'));
    }
    lines
}

/// No label of RFC 7468 comes near this length, and no key is so short.
const LONGEST_LABEL: usize = 40;

/// Labels are told to people, so what could be a key whose lines were joined must not pass for one.
fn label_of(line: &[u8], start: &[u8]) -> Option<String> {
    let label = std::str::from_utf8(line.strip_prefix(start)?.strip_suffix(b"-----")?).ok()?;
    let plain = label.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    (plain && label.len() <= LONGEST_LABEL && !label.contains("--")).then(|| label.to_owned())
}

/// Reads the block whose BEGIN stands at line `start`; returns the line to go on with.
fn read_block(lines: &[&[u8]], start: usize, label: String) -> (Block, usize) {
    let rest = &lines[start + 1..];
    let length = rest.iter().position(|line| is_boundary(line)).unwrap_or(rest.len());
    let body = || rest[..length].iter().map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
    let ended = rest.get(length).and_then(|line| label_of(line.trim_ascii(), b"-----END "));
    let encrypted = body().any(|line| line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED"));
    // room for all of it at once, so that no half copy of a key is left behind by growing
    let room = body().map(|line| 3 * line.len() + 1).sum::<usize>() + 2 * label.len() + 40;
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in body() {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    let content = match &ended {
        None => Err(BadBlock::NoEnd),
        Some(ended) if *ended != label => Err(BadBlock::OtherEnd),
        Some(_) if encrypted => Ok(Zeroizing::new(Vec::new())),
        Some(_) => decode(&text, &label),
    };
    // a BEGIN without END before it starts the next block
    let next = start + 1 + length + usize::from(ended.is_some());
    (Block { label, line: start + 1, content, encrypted, text }, next)
}

fn is_boundary(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    label_of(line, b"-----END ").is_some() || label_of(line, b"-----BEGIN ").is_some()
}

fn decode(text: &str, label: &str) -> Result<Zeroizing<Vec<u8>>, BadBlock> {
    match <(SectionKind, Vec<u8>)>::from_pem_slice(text.as_bytes()) {
        Ok((_, content)) => Ok(Zeroizing::new(content)),
        // pki-types passes over labels that it does not know
        Err(rustls::pki_types::pem::Error::NoItemsFound) if SectionKind::try_from(label.as_bytes()).is_err() => {
            Ok(Zeroizing::new(Vec::new()))
        }
        Err(_) => Err(BadBlock::NotBase64),
    }
}

fn note(oddities: &mut Vec<Oddity>, odd: Oddity) {
    if !oddities.contains(&odd) {
        oddities.push(odd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    #[test]
    fn base64_is_as_openssl_writes_it() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_tidy_file_stays_as_it_is() {
        let text = BLOCK.repeat(2);
        let pem = read(text.as_bytes()).unwrap();
        assert_eq!(pem.oddities, []);
        assert_eq!(*tidy(&pem, Block::is_certificate), text);
    }

    #[test]
    fn what_is_odd_is_told_and_taken_away() {
        let odd = format!("\u{feff}a comment\r\n  {}", BLOCK.replace('\n', " \r\n"));
        let pem = read(odd.as_bytes()).unwrap();
        let told = [Oddity::ByteOrderMark, Oddity::WindowsLineEnds, Oddity::Comments(1), Oddity::Indented];
        assert_eq!(pem.oddities, told);
        assert_eq!(*tidy(&pem, Block::is_certificate), BLOCK);
    }

    #[test]
    fn a_bad_block_does_not_hide_the_next() {
        let text = format!(
            "-----BEGIN CERTIFICATE-----\nMAA=\n{BLOCK}-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"
        );
        let read = read(text.as_bytes()).unwrap();
        let found: Vec<_> =
            read.blocks.iter().map(|block| (block.line, block.content.as_ref().err().copied())).collect();
        assert_eq!(found, [(1, Some(BadBlock::NoEnd)), (3, None), (6, Some(BadBlock::NotBase64))]);
        assert_eq!(*tidy(&read, Block::is_certificate), BLOCK);
    }

    #[test]
    fn lone_carriage_returns_end_lines_too() {
        assert!(read(BLOCK.replace('\n', "\r").as_bytes()).unwrap().blocks[0].content.is_ok());
    }

    #[test]
    fn other_formats_are_called_by_their_names() {
        for (bytes, why) in [
            (&b""[..], NotPem::Empty),
            (b" \n", NotPem::Empty),
            (b"hello", NotPem::NoBlock),
            (b"-----BEGIN PRIVATE KEY-----c2VjcmV0-----END PRIVATE KEY-----\n", NotPem::Joined),
            (b"-----BEGIN PRIVATE KEY----- c2VjcmV0\n", NotPem::Joined),
            (b"\x30\x82\x01\x00\x30", NotPem::Der),
            (b"\x30\x82\x01\x00\x02\x01\x03", NotPem::Pkcs12),
            (b"\xfe\xed\xfe\xed", NotPem::JavaKeyStore),
            (b"\xff\xfe-\0", NotPem::Utf16),
        ] {
            assert_eq!(read(bytes).unwrap_err(), why);
        }
    }
}
