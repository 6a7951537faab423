//! Set-ups made at random, the same ones for the same seed: a good one with a few things changed, so that most lie near the
//! border between what Go accepts and what it refuses.

use super::changes;
use super::der::{Draft, Extension, Hash, Key, bits, extension, name, oid, sequence, tlv};

pub const HOST: &str = "rancher.example.com";
/// 22 November 2026, 12:00 UTC.
pub const NOW: i64 = 1_795_348_800;

/// Random numbers, the same for the same seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// From 0 to below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// Root, intermediate, leaf, and what is made of them.
pub struct Plan {
    pub host: String,
    pub drafts: [Draft; 3],
    pub leaf_key: Key,
    /// Indices of what is sent, the leaf's first.
    pub sent: Vec<usize>,
    /// Indices of what the CA file holds.
    pub trusted: Vec<usize>,
    /// Another CA that signed nothing of this.
    pub stranger: Draft,
    pub changes: Vec<String>,
}

/// What both judges are given.
#[derive(Debug, Clone)]
pub struct SetUp {
    pub what: String,
    pub host: String,
    pub chain: String,
    pub key: String,
    pub ca: String,
}

pub const ROOT: usize = 0;
pub const INTERMEDIATE: usize = 1;
pub const LEAF: usize = 2;
pub const STRANGER: usize = 3;

pub fn utc(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

pub fn usage(of: &[&str]) -> Vec<u8> {
    sequence(&of.iter().map(|id| oid(id)).collect::<Vec<_>>())
}

pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";
pub const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

pub fn dns(names: &[&str]) -> Vec<u8> {
    sequence(&names.iter().map(|name| tlv(0x82, name.as_bytes())).collect::<Vec<_>>())
}

fn authority(subject: &str, issuer: &str, key: Key, signer: Key, number: u8) -> Draft {
    let basic = sequence(&[tlv(0x01, &[0xff])]);
    let extensions = vec![
        extension("2.5.29.19", true, basic),
        extension("2.5.29.15", true, tlv(0x03, &[1, 0b0000_0110])),
        extension("2.5.29.14", false, tlv(0x04, &[number; 20])),
    ];
    Draft {
        version: vec![2],
        serial: vec![number, 7],
        issuer: name(0x0c, issuer.as_bytes()),
        from: utc("260101000000Z"),
        to: utc("460101000000Z"),
        subject: name(0x0c, subject.as_bytes()),
        info: key.info(),
        unique: vec![],
        extensions,
        signer,
        hash: Hash::Sha256,
        outer: None,
        turned: vec![],
        damaged: false,
        trailing: vec![],
    }
}

fn good(dice: &mut Dice) -> Plan {
    let key = |dice: &mut Dice, number: u8| match dice.below(20) {
        0 => Key::P384(number),
        1 => Key::P521(number),
        2 => Key::Rsa,
        3 => Key::Ed25519,
        _ => Key::P256(number),
    };
    let keys = [key(dice, 1), key(dice, 2), key(dice, 3)];
    let root = authority("Root", "Root", keys[ROOT], keys[ROOT], 1);
    let intermediate = authority("Intermediate", "Root", keys[INTERMEDIATE], keys[ROOT], 2);
    let mut leaf = authority(HOST, "Intermediate", keys[LEAF], keys[INTERMEDIATE], 3);
    leaf.to = utc("270601000000Z");
    leaf.extensions = vec![
        extension("2.5.29.15", true, tlv(0x03, &[5, 0b1010_0000])),
        extension("2.5.29.37", false, usage(&[SERVER])),
        extension("2.5.29.17", false, dns(&[HOST])),
        extension("2.5.29.35", false, sequence(&[tlv(0x80, &[2; 20])])),
    ];
    let mut drafts = [root, intermediate, leaf];
    for draft in &mut drafts {
        draft.hash = dice.of(&[Hash::Sha256, Hash::Sha256, Hash::Sha384, Hash::Sha512]);
    }
    let stranger = authority("Stranger", "Stranger", Key::P256(9), Key::P256(9), 9);
    let trusted = dice.of(&[vec![ROOT], vec![ROOT], vec![INTERMEDIATE, ROOT], vec![STRANGER, ROOT]]);
    Plan {
        host: HOST.into(),
        drafts,
        leaf_key: keys[LEAF],
        sent: vec![LEAF, INTERMEDIATE],
        trusted,
        stranger,
        changes: vec![],
    }
}

/// The set-up of this seed: a good one, changed in none to three places.
pub fn set_up(seed: u64) -> SetUp {
    let mut dice = Dice(seed);
    let mut plan = good(&mut dice);
    for _ in 0..dice.of(&[0, 1, 1, 1, 1, 2, 2, 3]) {
        changes::change(&mut plan, &mut dice);
    }
    written(&plan, &format!("seed {seed}: {}", plan.changes.join("; ")))
}

/// The good one of EC keys, its root alone trusted.
pub fn plain() -> Plan {
    let mut plan = good(&mut Dice(0));
    let keys = [Key::P256(1), Key::P256(2), Key::P256(3)];
    for (index, key) in keys.into_iter().enumerate() {
        plan.drafts[index].info = key.info();
        plan.drafts[index].hash = Hash::Sha256;
        plan.drafts[index].signer = keys[index.saturating_sub(1)];
    }
    plan.leaf_key = keys[LEAF];
    plan.trusted = vec![ROOT];
    plan
}

pub fn written(plan: &Plan, what: &str) -> SetUp {
    let text = |index: &usize| {
        let draft = plan.drafts.get(*index).unwrap_or(&plan.stranger);
        super::pem("CERTIFICATE", &draft.der())
    };
    SetUp {
        what: what.into(),
        host: plan.host.clone(),
        chain: plan.sent.iter().map(text).collect(),
        key: plan.leaf_key.pem(),
        ca: plan.trusted.iter().map(text).collect(),
    }
}

impl Plan {
    /// The extension of this identifier, made when it is not there.
    pub fn extension(&mut self, draft: usize, id: &str) -> &mut Extension {
        let all = &mut self.drafts[draft].extensions;
        let at = all.iter().position(|one| one.id == id).unwrap_or_else(|| {
            all.push(extension(id, false, vec![]));
            all.len() - 1
        });
        &mut all[at]
    }

    pub fn without(&mut self, draft: usize, id: &str) {
        self.drafts[draft].extensions.retain(|one| one.id != id);
    }
}

/// The same point in a form that Go does not read, or none at all.
pub fn odd_key(dice: &mut Dice, key: Key) -> Vec<u8> {
    let ec = oid("1.2.840.10045.2.1");
    let curve = oid("1.2.840.10045.3.1.7");
    let mut point = vec![4];
    point.extend([7; 64]);
    match dice.below(7) {
        0 => sequence(&[sequence(&[ec, curve]), bits(&point)]),
        1 => sequence(&[sequence(&[ec]), bits(&point)]),
        2 => sequence(&[sequence(&[ec, sequence(&[tlv(0x02, &[1])])]), bits(&point)]),
        3 => sequence(&[sequence(&[ec, oid("1.3.132.0.10")]), bits(&point)]),
        4 => sequence(&[sequence(&[oid("1.2.840.113549.1.1.1")]), bits(&sequence(&[tlv(2, &[1]), tlv(2, &[3])]))]),
        5 => sequence(&[sequence(&[oid("1.3.101.113")]), bits(&[7; 57])]),
        _ => [key.info(), vec![0]].concat(),
    }
}
