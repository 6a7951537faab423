//! Protobuf, as far as etcd's and Kubernetes' messages need it: fields of a message, one after the other.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers; `None` where its framing is broken.
pub fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => Value::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        found.push((key >> 3, value));
    }
    Some(found)
}

/// The bytes of the first field of this number.
pub fn bytes(message: &[u8], number: u64) -> Option<&[u8]> {
    fields(message)?.into_iter().find_map(|(found, value)| match value {
        Value::Bytes(bytes) if found == number => Some(bytes),
        Value::Bytes(_) | Value::Number(_) => None,
    })
}

/// The bytes of every field of this number.
pub fn all_bytes(message: &[u8], number: u64) -> Vec<&[u8]> {
    let found = fields(message).unwrap_or_default().into_iter();
    found
        .filter_map(|(found, value)| match value {
            Value::Bytes(bytes) if found == number => Some(bytes),
            Value::Bytes(_) | Value::Number(_) => None,
        })
        .collect()
}

/// The number in the first field of this number; 0, which is not sent, when there is none.
pub fn number(message: &[u8], number: u64) -> Option<u64> {
    let found = fields(message)?.into_iter().find_map(|(found, value)| match value {
        Value::Number(value) if found == number => Some(value),
        Value::Bytes(_) | Value::Number(_) => None,
    });
    Some(found.unwrap_or(0))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
pub mod written {
    /// A number as protobuf writes it.
    pub fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    pub fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    pub fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
        [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_cut_off_is_not() {
        let message = [written::number(1, 300), written::bytes(2, b"text"), written::bytes(2, b"more")].concat();
        assert_eq!(number(&message, 1), Some(300));
        assert_eq!(bytes(&message, 2), Some(&b"text"[..]));
        assert_eq!(all_bytes(&message, 2), [&b"text"[..], b"more"]);
        assert_eq!((number(&message, 9), bytes(&message, 9)), (Some(0), None));
        for end in (1..message.len()).filter(|end| ![3, 9].contains(end)) {
            assert_eq!(fields(&message[..end]), None, "{end}");
        }
        assert_eq!(fields(&[0x07]), None, "there is no such kind of field");
        assert_eq!(fields(&[0x00, 0x01]), None, "there is no field 0");
        assert_eq!(fields(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
