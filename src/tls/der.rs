//! DER, read as strictly as Go reads it (golang.org/x/crypto/cryptobyte): what is refused here, no agent takes either.
//!
//! The parsers of x509-parser (asn1-rs) and webpki each take more or less than that, and are not asked for single values.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// What is left to read. Each method takes one value off the front, or nothing and says `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub fn next_is(self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// Tag and content. Definite lengths in their shortest form, tags of one byte.
    pub fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, content, rest) = split(self.0)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of a value that has to have this tag.
    pub fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next_is(tag).then(|| self.any()).flatten().map(|(_, content)| content)
    }

    pub fn nested(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.value(tag).map(Reader)
    }

    /// The whole value, its tag and length included.
    pub fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.value(tag)?;
        Some(&before[..before.len() - self.0.len()])
    }

    /// `Some(None)` when a value of another tag, or none, comes next.
    pub fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.next_is(tag) { self.value(tag).map(Some) } else { Some(None) }
    }

    pub fn boolean(&mut self) -> Option<bool> {
        match self.value(BOOLEAN)? {
            [0x00] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    /// Big-endian two's complement in its shortest form.
    pub fn integer(&mut self, tag: u8) -> Option<&'a [u8]> {
        match self.value(tag)? {
            [] => None,
            [0x00, second, ..] if second & 0x80 == 0 => None,
            [0xff, second, ..] if second & 0x80 != 0 => None,
            bytes => Some(bytes),
        }
    }

    /// An integer that an `i64` holds.
    pub fn small_integer(&mut self, tag: u8) -> Option<i64> {
        let bytes = self.integer(tag).filter(|bytes| bytes.len() <= 8)?;
        let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        Some(bytes.iter().fold(sign, |sum, byte| sum << 8 | i64::from(*byte)))
    }

    /// Its content, each number of which fits into 31 bits.
    pub fn object_identifier(&mut self) -> Option<&'a [u8]> {
        self.value(OBJECT_IDENTIFIER).filter(|bytes| numbers_are_good(bytes))
    }

    /// The bits, which must fill their last byte with zeros, and how many of that byte are none.
    pub fn bit_string(&mut self) -> Option<(&'a [u8], u8)> {
        let (&unused, bits) = self.value(BIT_STRING)?.split_first()?;
        let rest = bits.last().copied().unwrap_or(0);
        let good = unused <= 7 && (unused == 0 || !bits.is_empty()) && rest & ((1u8 << unused.min(7)) - 1) == 0;
        good.then_some((bits, unused))
    }
}

/// The first value: tag, content, and what comes after it.
fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let count = usize::from(first & 0x7f);
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else if (1..=4).contains(&count) {
        let (length, rest) = rest.split_at_checked(count)?;
        if length[0] == 0 || (count == 1 && length[0] < 0x80) {
            return None;
        }
        (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    } else {
        return None;
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (tag & 0x1f != 0x1f).then_some((tag, content, rest))
}

fn numbers_are_good(bytes: &[u8]) -> bool {
    let mut number: Option<u32> = None;
    for byte in bytes {
        let so_far = number.unwrap_or(0);
        if (number.is_none() && *byte == 0x80) || so_far >= 1 << 24 {
            return false;
        }
        let value = so_far << 7 | u32::from(byte & 0x7f);
        number = (byte & 0x80 != 0).then_some(value);
    }
    number.is_none() && !bytes.is_empty()
}
