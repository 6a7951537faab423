//! Writes small databases as bbolt does, for tests.

use super::bolt::fnv;

const PAGE: usize = 4096;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Buckets by name, in the order of their names.
#[derive(Clone, Default)]
pub struct Database {
    buckets: Vec<(Vec<u8>, Pairs)>,
}

impl Database {
    pub fn bucket(&mut self, name: &str, mut pairs: Pairs) {
        pairs.sort();
        self.buckets.push((name.as_bytes().to_vec(), pairs));
        self.buckets.sort();
    }

    /// The file, without etcd's hash.
    pub fn bytes(&self) -> Vec<u8> {
        let mut pages: Vec<Vec<u8>> = Vec::new();
        let mut next = 3;
        let mut roots = Vec::new();
        for (name, pairs) in &self.buckets {
            let root = tree(pairs, &mut next, &mut pages);
            roots.push((1, name.clone(), [root.to_le_bytes(), 0u64.to_le_bytes()].concat()));
        }
        let mut file = [meta(0, 1, next), meta(1, 0, next), leaf(2, &roots)].concat();
        pages.iter().for_each(|page| file.extend_from_slice(page));
        file
    }
}

/// Leaves of some keys each, and a branch above them.
fn tree(pairs: &Pairs, next: &mut u64, pages: &mut Vec<Vec<u8>>) -> u64 {
    let mut children = Vec::new();
    let mut rest = pairs.as_slice();
    loop {
        let mut size = 16;
        let room = |pair: &&(Vec<u8>, Vec<u8>)| {
            size += 16 + pair.0.len() + pair.1.len();
            size <= PAGE
        };
        let count = rest.iter().take_while(room).count().max(usize::from(!rest.is_empty()));
        let (now, later) = rest.split_at(count);
        let elements: Vec<_> = now.iter().map(|(key, value)| (0, key.clone(), value.clone())).collect();
        let page = leaf(*next, &elements);
        children.push((now.first().map(|pair| pair.0.clone()).unwrap_or_default(), *next));
        *next += (page.len() / PAGE) as u64;
        pages.push(page);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    if let [(_, only)] = children[..] {
        return only;
    }
    let (root, page) = (*next, branch(*next, &children));
    *next += (page.len() / PAGE) as u64;
    pages.push(page);
    root
}

fn header(id: u64, flags: u16, count: usize, length: usize) -> Vec<u8> {
    let overflow = (length.div_ceil(PAGE) - 1) as u32;
    [&id.to_le_bytes()[..], &flags.to_le_bytes(), &(count as u16).to_le_bytes(), &overflow.to_le_bytes()].concat()
}

fn padded(mut page: Vec<u8>) -> Vec<u8> {
    page.resize(page.len().div_ceil(PAGE) * PAGE, 0);
    page
}

fn meta(id: u64, transaction: u64, end: u64) -> Vec<u8> {
    let words = [0xED0C_DAEDu32, 2, PAGE as u32, 0].map(u32::to_le_bytes).concat();
    let body = [words, [2, 0, u64::MAX, end, transaction].map(u64::to_le_bytes).concat()].concat();
    let sum = fnv(&body).to_le_bytes();
    padded([header(id, 0x04, 0, PAGE), body, sum.to_vec()].concat())
}

fn leaf(id: u64, elements: &[(u32, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut places, mut data) = (Vec::new(), Vec::new());
    for (at, (flags, key, value)) in elements.iter().enumerate() {
        let position = ((elements.len() - at) * 16 + data.len()) as u32;
        places.extend([*flags, position, key.len() as u32, value.len() as u32].map(u32::to_le_bytes).concat());
        data.extend([key.as_slice(), value].concat());
    }
    let length = 16 + places.len() + data.len();
    padded([header(id, 0x02, elements.len(), length), places, data].concat())
}

fn branch(id: u64, children: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let (mut places, mut data) = (Vec::new(), Vec::new());
    for (at, (key, child)) in children.iter().enumerate() {
        let position = ((children.len() - at) * 16 + data.len()) as u32;
        places.extend([position, key.len() as u32].map(u32::to_le_bytes).concat());
        places.extend(child.to_le_bytes());
        data.extend(key);
    }
    let length = 16 + places.len() + data.len();
    padded([header(id, 0x01, children.len(), length), places, data].concat())
}
