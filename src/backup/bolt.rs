//! etcd's database file (bbolt, format 2), read page by page and judged on the way.
//!
//! A walk reaches every page once from the root, and sees that pages are what their number says, that elements lie inside
//! of them, and that keys ascend and stay between those that lead to them. Memory holds one page and a bit for each page.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// go.etcd.io/bbolt: internal/common/page.go, meta.go.
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const HEADER: usize = 16;
const ELEMENT: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META: u16 = 0x04;
const FREELIST: u16 = 0x10;
const BUCKET: u32 = 0x01;
/// In the place of a freelist that is not written, as etcd has it.
const NO_FREELIST: u64 = u64::MAX;
/// etcd takes no request above some mebibytes; a page beyond this is broken (bytes).
const LARGEST: u64 = 64 << 20;

/// What is wrong, and on which page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("page {page} of etcd's database {why}")]
pub struct Broken {
    pub page: u64,
    pub why: String,
}

fn broken(page: u64, why: impl Into<String>) -> Broken {
    Broken { page, why: why.into() }
}

/// A bucket's name, a key and its value.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8], &[u8]) -> Result<(), String>;

pub struct Bolt<R> {
    file: R,
    page_size: u64,
    root: u64,
    freelist: u64,
    /// The first page that is none any more.
    end: u64,
    reached: Vec<u64>,
    count: u64,
}

/// A page still to be read, and between which keys its own must be.
struct Next {
    page: u64,
    from: Vec<u8>,
    below: Option<Vec<u8>>,
    bucket: Option<Vec<u8>>,
}

struct Page {
    id: u64,
    flags: u16,
    count: usize,
    bytes: Vec<u8>,
}

impl<R: Read + Seek> Bolt<R> {
    /// `length` in bytes, without etcd's hash behind it.
    pub fn open(mut file: R, length: u64) -> Result<Bolt<R>, Broken> {
        let mut start = [0; 4096];
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut start)).map_err(|error| unread(0, &error))?;
        let page_size = u64::from(u32_at(&start, HEADER + 8));
        if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(broken(0, "is no meta page"));
        }
        let first = meta(&start);
        let mut second = [0; HEADER + 64];
        let read = file.seek(SeekFrom::Start(page_size)).and_then(|_| file.read_exact(&mut second));
        let second = read.map_err(|error| unread(1, &error)).and_then(|()| meta(&second).map_err(|why| broken(1, why)));
        let metas = [first.map_err(|why| broken(0, why))?, second?];
        let newest = if metas[1].transaction > metas[0].transaction { &metas[1] } else { &metas[0] };
        if newest.end.checked_mul(page_size) != Some(length) {
            let pages = length as f64 / page_size as f64;
            return Err(broken(0, format!("promises {} pages, and there are {pages}", newest.end)));
        }
        let reached = vec![0; (newest.end / 64 + 1) as usize];
        let Meta { root, freelist, end, .. } = *newest;
        Ok(Bolt { file, page_size, root, freelist, end, reached, count: 0 })
    }

    /// Visits every key of every bucket in order; how many pages were reached.
    pub fn walk(&mut self, visit: Visit<'_>) -> Result<u64, Broken> {
        self.reach(0, 0)?;
        self.reach(1, 0)?;
        let mut left = vec![Next { page: self.root, from: Vec::new(), below: None, bucket: None }];
        while let Some(next) = left.pop() {
            let page = self.page(next.page)?;
            match page.flags {
                BRANCH => left.extend(branch(&page, &next)?.into_iter().rev()),
                LEAF => left.extend(leaf(&page, &next, visit)?.into_iter().rev()),
                other => {
                    return Err(broken(page.id, format!("is of kind {other:#x}, where a branch or a leaf belongs")));
                }
            }
        }
        if self.freelist != NO_FREELIST {
            self.free_pages()?;
        }
        Ok(self.count)
    }

    fn page(&mut self, id: u64) -> Result<Page, Broken> {
        if id < 2 || id >= self.end {
            return Err(broken(id, format!("does not exist: there are {}", self.end)));
        }
        let mut header = [0; HEADER];
        self.read(id, &mut header)?;
        let (own, overflow) = (u64_at(&header, 0), u64::from(u32_at(&header, 12)));
        if own != id {
            return Err(broken(id, format!("says that it is page {own}")));
        }
        let length = (overflow + 1) * self.page_size;
        if id + overflow >= self.end || length > LARGEST {
            return Err(broken(id, format!("says that it is {} pages long", overflow + 1)));
        }
        self.reach(id, overflow)?;
        let mut bytes = vec![0; length as usize];
        self.read(id, &mut bytes)?;
        let (flags, count) = (u16_at(&header, 8), usize::from(u16_at(&header, 10)));
        Ok(Page { id, flags, count, bytes })
    }

    fn read(&mut self, id: u64, bytes: &mut [u8]) -> Result<(), Broken> {
        let read = self.file.seek(SeekFrom::Start(id * self.page_size)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|error| unread(id, &error))
    }

    fn reach(&mut self, id: u64, overflow: u64) -> Result<(), Broken> {
        for id in id..=id + overflow {
            let (word, bit) = ((id / 64) as usize, 1 << (id % 64));
            if self.reached[word] & bit != 0 {
                return Err(broken(id, "is reached twice"));
            }
            self.reached[word] |= bit;
            self.count += 1;
        }
        Ok(())
    }

    /// Free pages and reached ones are all there are, and none is both.
    fn free_pages(&mut self) -> Result<(), Broken> {
        let page = self.page(self.freelist)?;
        if page.flags != FREELIST {
            return Err(broken(page.id, "is no list of free pages"));
        }
        let many = page.count == usize::from(u16::MAX);
        let count = if many { u64_of(&page, HEADER)? as usize } else { page.count };
        let begin = if many { HEADER + 8 } else { HEADER };
        for at in 0..count {
            let id = u64_of(&page, begin + at * 8)?;
            if id < 2 || id >= self.end {
                return Err(broken(page.id, format!("names page {id} as free, which does not exist")));
            }
            self.reach(id, 0)?;
        }
        match self.count == self.end {
            true => Ok(()),
            false => Err(broken(page.id, format!("leaves {} pages that nothing leads to", self.end - self.count))),
        }
    }
}

struct Meta {
    root: u64,
    freelist: u64,
    end: u64,
    transaction: u64,
}

fn meta(page: &[u8]) -> Result<Meta, &'static str> {
    let body = &page[HEADER..HEADER + 64];
    if u16_at(page, 8) != META || u32_at(body, 0) != MAGIC {
        return Err("is no meta page");
    }
    if u32_at(body, 4) != VERSION {
        return Err("is of another version of the format");
    }
    if fnv(&body[..56]) != u64_at(body, 56) {
        return Err("does not have the checksum that it says");
    }
    let [root, freelist, end, transaction] = [16, 32, 40, 48].map(|at| u64_at(body, at));
    Ok(Meta { root, freelist, end, transaction })
}

/// FNV-1a with 64 bits.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn branch(page: &Page, next: &Next) -> Result<Vec<Next>, Broken> {
    if page.count == 0 {
        return Err(broken(page.id, "is a branch that leads nowhere"));
    }
    let mut keys: Vec<(Vec<u8>, u64)> = Vec::new();
    let mut end = HEADER + page.count * ELEMENT;
    for at in 0..page.count {
        let element = HEADER + at * ELEMENT;
        let place = element_at(page, element)?;
        let (position, size, child) = (u32_at(&place, 0), u32_at(&place, 4), u64_at(&place, 8));
        let key = part(page, element + position as usize, size, &mut end)?;
        keys.push((page.bytes[key].to_vec(), child));
    }
    ascending(page.id, next, keys.iter().map(|(key, _)| key.as_slice()))?;
    let below = keys.iter().skip(1).map(|(key, _)| Some(key.clone())).chain([next.below.clone()]).collect::<Vec<_>>();
    let found = keys.into_iter().zip(below);
    Ok(found.map(|((from, page), below)| Next { page, from, below, bucket: next.bucket.clone() }).collect())
}

fn leaf(page: &Page, next: &Next, visit: Visit<'_>) -> Result<Vec<Next>, Broken> {
    let mut found: Vec<(Range<usize>, Range<usize>, bool)> = Vec::new();
    let mut end = HEADER + page.count * ELEMENT;
    for at in 0..page.count {
        let element = HEADER + at * ELEMENT;
        let place = element_at(page, element)?;
        let [flags, position, key_size, value_size] = [0, 4, 8, 12].map(|at| u32_at(&place, at));
        let key = part(page, element + position as usize, key_size, &mut end)?;
        let value = part(page, key.end, value_size, &mut end)?;
        found.push((key, value, flags & BUCKET != 0));
    }
    ascending(page.id, next, found.iter().map(|(key, _, _)| &page.bytes[key.clone()]))?;
    let mut buckets = Vec::new();
    for (key, value, is_bucket) in found {
        let (key, value) = (&page.bytes[key], &page.bytes[value]);
        match (&next.bucket, is_bucket) {
            (None, true) => buckets.extend(bucket(page.id, key, value, visit)?),
            (Some(name), false) => visit(name, key, value).map_err(|why| broken(page.id, why))?,
            (None, false) => return Err(broken(page.id, "has a key that is in no bucket")),
            (Some(_), true) => return Err(broken(page.id, "has a bucket inside of a bucket")),
        }
    }
    Ok(buckets)
}

/// A bucket by its root page; a small one stands where its root would be named.
fn bucket(page: u64, name: &[u8], value: &[u8], visit: Visit<'_>) -> Result<Option<Next>, Broken> {
    if value.len() < HEADER {
        return Err(broken(page, "has a bucket without a root"));
    }
    let next = Next { page: u64_at(value, 0), from: Vec::new(), below: None, bucket: Some(name.to_vec()) };
    if next.page != 0 {
        return Ok(Some(next));
    }
    let inline = &value[HEADER..];
    if inline.len() < HEADER || u16_at(inline, 8) != LEAF {
        return Err(broken(page, "has a bucket without a page"));
    }
    let inline = Page { id: page, flags: LEAF, count: usize::from(u16_at(inline, 10)), bytes: inline.to_vec() };
    leaf(&inline, &next, visit).map(|_| None)
}

fn element_at(page: &Page, at: usize) -> Result<[u8; ELEMENT], Broken> {
    let bytes = page.bytes.get(at..at + ELEMENT).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| broken(page.id, "has more elements than room"))
}

/// Where a key or value lies: bbolt writes one right behind the other, from the end of the elements on.
fn part(page: &Page, begin: usize, size: u32, end: &mut usize) -> Result<Range<usize>, Broken> {
    if begin != *end {
        return Err(broken(page.id, "has an element that leads elsewhere"));
    }
    *end = begin + size as usize;
    match *end <= page.bytes.len() {
        true => Ok(begin..*end),
        false => Err(broken(page.id, "has an element that reaches beyond it")),
    }
}

fn ascending<'a>(page: u64, next: &Next, keys: impl Iterator<Item = &'a [u8]>) -> Result<(), Broken> {
    let mut last: Option<&[u8]> = None;
    for key in keys {
        let too_low = key < next.from.as_slice();
        let too_high = next.below.as_ref().is_some_and(|below| key >= below.as_slice());
        if too_low || too_high {
            return Err(broken(page, "has a key that belongs elsewhere"));
        }
        if last.is_some_and(|last| last >= key) {
            return Err(broken(page, "has keys out of order"));
        }
        last = Some(key);
    }
    Ok(())
}

fn unread(page: u64, error: &std::io::Error) -> Broken {
    broken(page, format!("cannot be read: {error}"))
}

fn u64_of(page: &Page, at: usize) -> Result<u64, Broken> {
    let bytes = page.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_le_bytes).ok_or_else(|| broken(page.id, "has more elements than room"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::test_database::Database;
    use super::*;

    fn walked(file: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Broken> {
        let mut seen = Vec::new();
        let mut visit = |bucket: &[u8], key: &[u8], _: &[u8]| {
            seen.push((String::from_utf8_lossy(bucket).into_owned(), key.to_vec()));
            Ok(())
        };
        let mut bolt = Bolt::open(Cursor::new(file), file.len() as u64)?;
        bolt.walk(&mut visit)?;
        Ok(seen)
    }

    fn database() -> Database {
        let pair = |at: u32| (at.to_be_bytes().to_vec(), vec![at as u8; 300]);
        let mut database = Database::default();
        database.bucket("key", (0..200).map(pair).collect());
        database.bucket("meta", vec![(b"term".to_vec(), vec![1; 8])]);
        database
    }

    #[test]
    fn every_key_is_visited_in_order() {
        let seen = walked(&database().bytes()).unwrap();
        let of_key = seen.iter().filter(|(bucket, _)| bucket == "key").map(|(_, key)| key.clone());
        assert_eq!(of_key.collect::<Vec<_>>(), (0..200u32).map(|at| at.to_be_bytes().to_vec()).collect::<Vec<_>>());
        assert!(seen.contains(&("meta".into(), b"term".to_vec())));
    }

    #[test]
    fn whatever_byte_of_a_page_s_structure_is_changed_it_is_noticed() {
        let whole = database().bytes();
        assert!(whole.len() > 4096 * 12, "branches and leaves");
        for page in 0..whole.len() / 4096 {
            // the number of the page, its kind, how many elements it has, and where the first of them lies
            let places: &[usize] = if page < 2 { &[8, 16, 20, 24, 32, 56, 72] } else { &[0, 8, 10, 20] };
            for at in places.iter().map(|at| page * 4096 + at) {
                let mut changed = whole.clone();
                changed[at] ^= 0x55;
                assert!(walked(&changed).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn pages_in_each_others_place_and_a_file_cut_off_are_noticed() {
        let whole = database().bytes();
        let mut exchanged = whole.clone();
        exchanged.copy_within(4096 * 4..4096 * 5, 4096 * 5);
        assert!(walked(&exchanged).unwrap_err().why.contains("says that it is page"));
        let why = walked(&whole[..whole.len() - 4096]).unwrap_err().why;
        assert!(why.starts_with("promises"), "{why}");
        assert!(walked(&[0; 8192]).is_err());
        assert!(walked(b"short").is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(at in 0usize..60_000, byte: u8, length in 0usize..60_000) {
            let mut bytes = database().bytes();
            let last = bytes.len() - 1;
            bytes[at.min(last)] = byte;
            let _ = walked(&bytes);
            let _ = walked(&bytes[..length.min(last)]);
        }
    }
}
