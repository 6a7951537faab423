//! What is changed in a good set-up. Each change has a name, so that a difference between the judges can be read.

use super::der::{Hash, Key, extension, name, oid, sequence, tlv};
use super::name_changes::{constraints, names};
use super::setups::{CLIENT, Dice, INTERMEDIATE, LEAF, Plan, ROOT, SERVER, STRANGER, odd_key, usage, utc};

const BASIC: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";
const EXTENDED: &str = "2.5.29.37";
pub const NAMES: &str = "2.5.29.17";
pub const CONSTRAINTS: &str = "2.5.29.30";
const POLICIES: &str = "2.5.29.32";
const POLICY_CONSTRAINTS: &str = "2.5.29.36";

type Change = (&'static str, fn(&mut Plan, usize, &mut Dice));

const CHANGES: &[Change] = &[
    ("extended usage", extended_usage),
    ("constraints", constraints),
    ("constraints", constraints),
    ("names", names),
    ("names", names),
    ("host", host),
    ("serial", serial),
    ("version", version),
    ("times", times),
    ("unknown extension", unknown),
    ("duplicate", duplicate),
    ("basic constraints", basic),
    ("key usage", key_usage),
    ("critical flag", critical),
    ("key identifiers", key_identifiers),
    ("text", text),
    ("key", key),
    ("signature", signature),
    ("order", order),
    ("trust", trust),
    ("policies", policies),
    ("known extension", known),
    ("trailing", trailing),
    ("bits", bits),
    ("bits", bits),
    ("bits", bits),
];

pub fn change(plan: &mut Plan, dice: &mut Dice) {
    let (what, make) = dice.of(CHANGES);
    let draft = dice.below(3);
    make(plan, draft, dice);
    plan.changes.push(format!("{what} of {}", ["root", "intermediate", "leaf"][draft]));
}

fn extended_usage(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
    const ANY: &str = "2.5.29.37.0";
    const SMART_CARD: &str = "1.3.6.1.4.1.311.20.2.2";
    let of: &[&str] = dice.of(&[
        &[SERVER][..],
        &[CLIENT],
        &[CLIENT, SERVER],
        &[ANY],
        &[CODE_SIGNING, ANY],
        &[SMART_CARD],
        &[SMART_CARD, SERVER],
        &[],
    ]);
    let value = if dice.one_in(10) { vec![0x30, 1] } else { usage(of) };
    let critical = dice.one_in(2);
    *plan.extension(draft, EXTENDED) = extension(EXTENDED, critical, value);
}

fn host(plan: &mut Plan, _: usize, dice: &mut Dice) {
    let hosts = [
        "RANCHER.Example.com",
        "rancher.example.com.",
        "a.rancher.example.com",
        "example.com",
        "192.0.2.10",
        "2001:db8::10",
        "10.0.0.1",
        "rancher.example.org",
        "bücher.example.com",
    ];
    plan.host = dice.of(&hosts).into();
    if dice.one_in(2) {
        names(plan, LEAF, dice);
    }
}

fn serial(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let serials =
        [vec![0x80], vec![0xff, 0x7f], vec![0], vec![0x7f; 21], vec![0, 1], vec![], vec![0, 0x80], vec![0xff, 0xff]];
    plan.drafts[draft].serial = dice.of(&serials);
}

fn version(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    plan.drafts[draft].version = dice.of(&[vec![], vec![], vec![0], vec![1], vec![3], vec![0xff], vec![0, 2]]);
    if dice.one_in(2) {
        plan.drafts[draft].extensions.clear();
    }
}

fn times(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let general = |text: &str| tlv(0x18, text.as_bytes());
    let times = [
        utc("261101000000Z"),
        utc("261122120000Z"),
        utc("261122120001Z"),
        utc("2611221159Z"),
        utc("261122120000+0100"),
        utc("261122120000"),
        utc("261322120000Z"),
        utc("260230120000Z"),
        utc("261122120060Z"),
        utc("491231235959Z"),
        utc("500101000000Z"),
        general("20260101000000Z"),
        general("20460101000000Z"),
        general("20460101000000.5Z"),
        general("204601010000Z"),
        general("99991231235959Z"),
        general("00000101000000Z"),
        tlv(0x16, b"261122120000Z"),
        utc("26112212000aZ"),
    ];
    let time = dice.of(&times);
    if dice.one_in(2) { plan.drafts[draft].from = time } else { plan.drafts[draft].to = time }
}

fn unknown(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let id = dice.of(&[
        "1.2.3.4",
        "2.5.29.99",
        "2.16.840.1.113730.1.1",
        "1.3.6.1.4.1.11129.2.4.3",
        "1.3.6.1.4.1.11129.2.4.2",
    ]);
    let critical = !dice.one_in(4);
    plan.drafts[draft].extensions.push(extension(id, critical, tlv(0x04, &[4, 0])));
}

fn duplicate(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    if plan.drafts[draft].extensions.is_empty() {
        return;
    }
    let again = dice.of(&plan.drafts[draft].extensions);
    plan.drafts[draft].extensions.push(again);
}

fn basic(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let yes = tlv(0x01, &[0xff]);
    let length = |bytes: &[u8]| sequence(&[yes.clone(), tlv(0x02, bytes)]);
    let values = [
        length(&[0]),
        length(&[1]),
        length(&[0x80]),
        length(&[0, 1]),
        length(&[0x7f; 9]),
        sequence(&[]),
        sequence(&[tlv(0x01, &[0])]),
        sequence(&[tlv(0x01, &[1])]),
        sequence(&[tlv(0x02, &[0])]),
        vec![],
        yes.clone(),
    ];
    let critical = dice.one_in(2);
    let value = dice.of(&values);
    *plan.extension(draft, BASIC) = extension(BASIC, critical, value);
    if dice.one_in(5) {
        plan.without(draft, BASIC);
    }
}

fn key_usage(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let values = [
        vec![1, 0b0000_0100],
        vec![7, 0b1000_0000],
        vec![0],
        vec![0, 0],
        vec![2, 0b0000_0110],
        vec![1, 2, 0x80],
        vec![9, 0],
    ];
    let value = tlv(0x03, &dice.of(&values));
    *plan.extension(draft, KEY_USAGE) = extension(KEY_USAGE, true, value);
    if dice.one_in(4) {
        plan.without(draft, KEY_USAGE);
    }
}

fn critical(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let count = plan.drafts[draft].extensions.len();
    if count > 0 {
        let flag = dice.of(&[vec![], vec![1, 1, 0xff], vec![1, 1, 0], vec![1, 1, 1]]);
        plan.drafts[draft].extensions[dice.below(count)].critical = flag;
    }
}

fn key_identifiers(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let issuer = tlv(0xa1, &tlv(0xa4, &name(0x0c, b"Root")));
    let values = [
        ("2.5.29.35", sequence(&[tlv(0x80, &[5; 20])])),
        ("2.5.29.35", sequence(&[issuer, tlv(0x82, &[1])])),
        ("2.5.29.35", vec![0x80, 1, 1]),
        ("2.5.29.14", tlv(0x04, &[5; 20])),
        ("2.5.29.14", vec![5; 20]),
    ];
    let (id, value) = dice.of(&values);
    let critical = dice.one_in(4);
    *plan.extension(draft, id) = extension(id, critical, value);
}

fn text(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let names = [
        name(0x1e, b"\0R\0o"),
        name(0x1e, b"\0R\xd8\0"),
        name(0x1e, b"\0R\0"),
        name(0x14, b"R\xf6ot"),
        name(0x1c, b"\0\0\0R"),
        name(0x13, b"Root"),
        name(0x13, b"Root@home"),
        name(0x13, b"R*&"),
        name(0x16, b"R\xf6ot"),
        name(0x12, b"123 4"),
        name(0x12, b"12a"),
        name(0x0c, b"R\xffoot"),
        name(0x1a, b"Root"),
        name(0x02, &[7]),
        sequence(&[]),
        sequence(&[tlv(0x31, &[])]),
        sequence(&[sequence(&[oid("2.5.4.3"), tlv(0x0c, b"Root")])]),
    ];
    let name = dice.of(&names);
    plan.drafts[draft].subject = name.clone();
    // who is issued by it has to say so, most times
    if draft != LEAF && !dice.one_in(4) {
        plan.drafts[draft + 1].issuer = name.clone();
    }
    if draft == ROOT {
        plan.drafts[ROOT].issuer = name;
    }
}

fn key(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let signer = plan.drafts[draft].signer;
    plan.drafts[draft].info = odd_key(dice, signer);
}

fn signature(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    match dice.below(4) {
        0 => plan.drafts[draft].damaged = true,
        1 => plan.drafts[draft].outer = Some(Key::P256(1).algorithm(Hash::Sha384)),
        2 => plan.drafts[draft].signer = dice.of(&[Key::P256(5), Key::P384(5), Key::P521(5), Key::Rsa, Key::Ed25519]),
        _ => plan.drafts[draft].signer = Key::P256(1),
    }
}

fn order(plan: &mut Plan, _: usize, dice: &mut Dice) {
    let orders = [
        vec![LEAF],
        vec![LEAF, INTERMEDIATE, ROOT],
        vec![LEAF, ROOT, INTERMEDIATE],
        vec![INTERMEDIATE, LEAF],
        vec![LEAF, INTERMEDIATE, INTERMEDIATE],
        vec![LEAF, STRANGER, INTERMEDIATE],
        vec![LEAF, LEAF, INTERMEDIATE],
        vec![LEAF, STRANGER],
        vec![ROOT],
    ];
    plan.sent = dice.of(&orders);
}

fn trust(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let files = [
        vec![ROOT],
        vec![INTERMEDIATE],
        vec![INTERMEDIATE, ROOT],
        vec![ROOT, INTERMEDIATE],
        vec![STRANGER],
        vec![STRANGER, ROOT],
        vec![LEAF],
        vec![LEAF, ROOT],
        vec![STRANGER, INTERMEDIATE],
    ];
    plan.trusted = dice.of(&files);
    if dice.one_in(3) {
        // a twin of the root, by another key
        plan.stranger.subject = plan.drafts[ROOT].subject.clone();
        plan.stranger.issuer = plan.drafts[ROOT].issuer.clone();
    }
    if dice.one_in(3) {
        plan.stranger.extensions = plan.drafts[draft].extensions.clone();
    }
}

fn policies(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let (one, other, any) = (oid("1.2.3.1"), oid("1.2.3.2"), oid("2.5.29.32.0"));
    let list = |ids: &[&Vec<u8>]| sequence(&ids.iter().map(|id| sequence(&[id.to_vec()])).collect::<Vec<_>>());
    let lists = [list(&[&one]), list(&[&other]), list(&[&one, &other]), list(&[&any]), list(&[&one, &one]), list(&[])];
    for at in [INTERMEDIATE, LEAF] {
        let count = if dice.one_in(3) { 6 } else { 3 };
        let value = dice.of(&lists[..count]);
        *plan.extension(at, POLICIES) = extension(POLICIES, false, value);
    }
    let limits =
        [sequence(&[tlv(0x80, &[0])]), sequence(&[tlv(0x80, &[1])]), sequence(&[tlv(0x81, &[0])]), tlv(0x80, &[0])];
    let value = dice.of(&limits);
    *plan.extension(draft, POLICY_CONSTRAINTS) = extension(POLICY_CONSTRAINTS, true, value);
    if dice.one_in(3) {
        let value = sequence(&[sequence(&[one, dice.of(&[other, any])])]);
        *plan.extension(draft, "2.5.29.33") = extension("2.5.29.33", true, value);
    }
    if dice.one_in(3) {
        *plan.extension(draft, "2.5.29.54") = extension("2.5.29.54", true, tlv(0x02, &[0]));
    }
}

fn known(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let issuers = oid("1.3.6.1.5.5.7.48.2");
    let at = sequence(&[sequence(&[issuers.clone(), tlv(0x86, b"http://example.com/ca.crt")])]);
    let point = |name: Vec<u8>| sequence(&[sequence(&[tlv(0xa0, &name)])]);
    let values = [
        ("1.3.6.1.5.5.7.1.1", at),
        ("1.3.6.1.5.5.7.1.1", sequence(&[sequence(&[tlv(0x86, b"http://x")])])),
        ("1.3.6.1.5.5.7.1.1", sequence(&[sequence(&[issuers, tlv(0xa4, &name(0x0c, b"x"))])])),
        ("2.5.29.31", point(tlv(0xa0, &tlv(0x86, b"http://example.com/crl")))),
        ("2.5.29.31", point(tlv(0x86, b"http://example.com/crl"))),
        ("2.5.29.31", vec![0x30, 5, 0]),
        ("2.5.29.54", tlv(0x02, &[0xff])),
        ("2.5.29.33", sequence(&[sequence(&[oid("1.2.3.1")])])),
        ("2.5.29.32", sequence(&[oid("1.2.3.1")])),
    ];
    let (id, value) = dice.of(&values);
    let critical = dice.one_in(4);
    *plan.extension(draft, id) = extension(id, critical, value);
}

fn trailing(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    match dice.below(3) {
        0 => plan.drafts[draft].trailing = vec![0],
        1 => plan.drafts[draft].unique = tlv(0x81, &[0, 1]),
        _ => plan.drafts[draft].unique = tlv(0x82, &[]),
    }
}

fn bits(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let turn = (dice.below(1 << 20), dice.below(8) as u8);
    plan.drafts[draft].turned.push(turn);
}
