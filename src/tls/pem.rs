//! Files of PEM text as people really have them: read with patience, told what is odd, written tidily.
//!
//! Go (the ingress controllers, cert-manager, Rancher, its agents) finds a block only where `-----BEGIN` starts a line
//! (encoding/pem), so a byte order mark or an indented paste silently loses it. Reading here finds such blocks and says so.

use data_encoding::BASE64;
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
    /// The next BEGIN follows its END on the same line: Go finds neither block.
    pub joined: bool,
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
    /// First seen at this line.
    ByteOrderMark(usize),
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
    #[error("it is a PKCS#7 collection of certificates (.p7b), not PEM")]
    Pkcs7,
    #[error("it is PEM that was encoded as base64 once more, as `kubectl get secret -o yaml` shows it")]
    EncodedPem,
    #[error("it is base64 without `-----BEGIN …-----` and `-----END …-----` around it")]
    BareBase64,
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
    let lines = split_lines(bytes);
    if let Some(marked) = lines.iter().find(|line| line.marked) {
        pem.oddities.push(Oddity::ByteOrderMark(marked.number));
    }
    if bytes.contains(&b'\r') {
        pem.oddities.push(Oddity::WindowsLineEnds);
    }
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].text.trim_ascii();
        match label_of(line, b"-----BEGIN ") {
            Some(label) => {
                if lines[at].text.first().is_some_and(u8::is_ascii_whitespace) {
                    note(&mut pem.oddities, Oddity::Indented);
                }
                let (block, next) = read_block(&lines, at, label);
                pem.blocks.push(block);
                at = next;
            }
            None => {
                if !line.is_empty() && !pem.oddities.iter().any(|odd| matches!(odd, Oddity::Comments(_))) {
                    pem.oddities.push(Oddity::Comments(lines[at].number));
                }
                at += 1;
            }
        }
    }
    if pem.blocks.is_empty() { Err(without_block(bytes, &lines)) } else { Ok(pem) }
}

/// What a text is that has no block in it.
fn without_block(bytes: &[u8], lines: &[Line<'_>]) -> NotPem {
    if lines.iter().any(|line| line.text.trim_ascii().starts_with(b"-----BEGIN ")) {
        return NotPem::Joined;
    }
    // the base64 of `-----BEGIN `, perhaps behind a key of YAML
    if bytes.windows(14).any(|window| window == b"LS0tLS1CRUdJTi") {
        return NotPem::EncodedPem;
    }
    let in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    // a SEQUENCE with a length of two bytes, in base64
    if bytes.starts_with(b"MII") && bytes.iter().all(in_base64) { NotPem::BareBase64 } else { NotPem::NoBlock }
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
    let encoded = BASE64.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, character) in encoded.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

fn refuse_other_formats(bytes: &[u8]) -> Result<(), NotPem> {
    match bytes {
        [] => Err(NotPem::Empty),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(NotPem::Utf16),
        [0xfe, 0xed, 0xfe, 0xed, ..] => Err(NotPem::JavaKeyStore),
        // SEQUENCE with a long length, then INTEGER 3: the version of PFX (RFC 7292)
        [0x30, 0x82, _, _, 0x02, 0x01, 0x03, ..] | [0x30, 0x80, 0x02, 0x01, 0x03, ..] => Err(NotPem::Pkcs12),
        _ if is_pkcs7(bytes) => Err(NotPem::Pkcs7),
        [0x30, length, ..] if *length >= 0x80 => Err(NotPem::Der),
        _ if bytes.trim_ascii().is_empty() => Err(NotPem::Empty),
        _ => Ok(()),
    }
}

/// A SEQUENCE of any length, then the object identifier of signed data (RFC 2315).
fn is_pkcs7(bytes: &[u8]) -> bool {
    const SIGNED_DATA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    let header = match bytes {
        [0x30, length, ..] if *length >= 0x80 => 2 + usize::from(length & 0x7f),
        _ => 2,
    };
    bytes.first() == Some(&0x30) && bytes.get(header..).is_some_and(|rest| rest.starts_with(SIGNED_DATA))
}

/// A line without its end and a byte order mark before it.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    /// From 1.
    number: usize,
    marked: bool,
    /// The next one stands on the same line: END and BEGIN without a line break between them.
    joined: bool,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

fn split_lines(text: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut number = 0;
    for line in text.split(|byte| *byte == b'\n') {
        // a lone \r is an old Mac's line end
        for line in line.strip_suffix(b"\r").unwrap_or(line).split(|byte| *byte == b'\r') {
            number += 1;
            let (end, rest) = end_and_begin(line);
            for (text, joined) in end.map(|end| (end, true)).into_iter().chain([(rest, false)]) {
                let bare = text.strip_prefix(MARK);
                lines.push(Line { text: bare.unwrap_or(text), number, marked: bare.is_some(), joined });
            }
        }
    }
    lines
}

/// An END line that a BEGIN line follows without a break, and what follows it.
fn end_and_begin(line: &[u8]) -> (Option<&[u8]>, &[u8]) {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let ends = line.trim_ascii_start().starts_with(b"-----END ");
    let Some(begin) = line.windows(BEGIN.len()).position(|window| window == BEGIN).filter(|_| ends) else {
        return (None, line);
    };
    let marked = line[..begin].ends_with(MARK);
    let (end, rest) = line.split_at(if marked { begin - MARK.len() } else { begin });
    (Some(end), rest)
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
fn read_block(lines: &[Line<'_>], start: usize, label: String) -> (Block, usize) {
    let rest = &lines[start + 1..];
    let length = rest.iter().position(|line| is_boundary(line.text)).unwrap_or(rest.len());
    let body = || rest[..length].iter().map(|line| line.text.trim_ascii()).filter(|line| !line.is_empty());
    let ended = rest.get(length).and_then(|line| label_of(line.text.trim_ascii(), b"-----END "));
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
    let joined = rest.get(length).is_some_and(|line| line.joined);
    (Block { label, line: lines[start].number, content, encrypted, joined, text }, next)
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
        let told = [Oddity::ByteOrderMark(1), Oddity::WindowsLineEnds, Oddity::Comments(1), Oddity::Indented];
        assert_eq!(pem.oddities, told);
        assert_eq!(*tidy(&pem, Block::is_certificate), BLOCK);
    }

    #[test]
    fn an_end_and_a_begin_on_one_line_are_two_blocks() {
        for between in ["", "\u{feff}", " "] {
            let text = BLOCK.trim_end().to_owned() + between + BLOCK;
            let read = read(text.as_bytes()).unwrap();
            let found: Vec<_> = read.blocks.iter().map(|block| (block.line, block.joined)).collect();
            assert_eq!(found, [(1, true), (3, false)], "{between:?}");
            assert_eq!(*tidy(&read, Block::is_certificate), BLOCK.repeat(2));
        }
    }

    #[test]
    fn a_mark_in_the_middle_is_found_with_its_line() {
        let read = read(format!("{BLOCK}\u{feff}{BLOCK}").as_bytes()).unwrap();
        assert_eq!((read.blocks.len(), &read.oddities[..]), (2, &[Oddity::ByteOrderMark(4)][..]));
        assert_eq!(*tidy(&read, Block::is_certificate), BLOCK.repeat(2));
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
            (b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", NotPem::Pkcs7),
            (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", NotPem::Pkcs7),
            (b"  tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\n", NotPem::EncodedPem),
            (b"MIIBszCCAVmgAwIBAgIUJ\nabc=\n", NotPem::BareBase64),
            (b"\x30\x82\x01\x00\x02\x01\x03", NotPem::Pkcs12),
            (b"\xfe\xed\xfe\xed", NotPem::JavaKeyStore),
            (b"\xff\xfe-\0", NotPem::Utf16),
        ] {
            assert_eq!(read(bytes).unwrap_err(), why);
        }
    }
}
