//! Changes of names: what a certificate is for, and what a CA may sign for.

use super::changes::{CONSTRAINTS, NAMES};
use super::der::{extension, name, sequence, tlv};
use super::setups::{Dice, HOST, INTERMEDIATE, LEAF, Plan};

fn tree(dice: &mut Dice) -> Vec<u8> {
    const DNS: &[&[u8]] = &[
        b"example.com",
        b"example.com",
        b"Example.COM",
        b"rancher.example.com",
        b".example.com",
        b".rancher.example.com",
        b"com",
        b"",
        b"example.org",
        b"ample.com",
        b"example.com.",
        b"*.example.com",
        b"..com",
        b".",
        b"ex\xe4mple.com",
        b"secret.example.com",
    ];
    const ADDRESSES: &[&[u8]] = &[
        &[10, 0, 0, 0, 255, 0, 0, 0],
        &[192, 0, 2, 0, 255, 255, 255, 0],
        &[192, 0, 2, 9, 255, 255, 255, 0],
        &[0; 8],
        &[10, 0, 0, 0, 255, 0, 255, 0],
        &[10, 0, 0, 0],
        &[0; 32],
    ];
    const EMAILS: &[&[u8]] = &[b"example.com", b".example.com", b"root@example.com", b"@example.com", b"a@b@c", b""];
    let base = match dice.below(10) {
        0..=4 => tlv(0x82, dice.of(DNS)),
        5 => tlv(0x87, dice.of(ADDRESSES)),
        6 => tlv(0x81, dice.of(EMAILS)),
        7 => tlv(0x86, dice.of(&[&b"example.com"[..], b".example.com", b"10.0.0.1", b"https://example.com"])),
        8 => tlv(0xa4, &name(0x0c, b"Example")),
        _ => tlv(0x88, &[0x2a, 3]),
    };
    if dice.one_in(12) { sequence(&[base, tlv(0x80, &[1])]) } else { sequence(&[base]) }
}

pub fn constraints(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    let draft = if draft == LEAF { INTERMEDIATE } else { draft };
    let trees = |tag: u8, dice: &mut Dice| match dice.below(4) {
        0 => vec![],
        count => tlv(tag, &(0..count).map(|_| tree(dice)).collect::<Vec<_>>().concat()),
    };
    let (permitted, excluded) = (trees(0xa0, dice), trees(0xa1, dice));
    let value = match dice.below(12) {
        0 => sequence(&[]),
        1 => [sequence(&[permitted]), vec![5, 0]].concat(),
        2 => sequence(&[excluded, permitted]),
        3..=7 => sequence(&[permitted]),
        _ => sequence(&[permitted, excluded]),
    };
    let critical = dice.one_in(2);
    *plan.extension(draft, CONSTRAINTS) = extension(CONSTRAINTS, critical, value);
}

pub fn names(plan: &mut Plan, draft: usize, dice: &mut Dice) {
    const OTHERS: &[(u8, &[u8])] = &[
        (0x82, b"*.example.com"),
        (0x82, b"RANCHER.example.COM"),
        (0x82, b"rancher.example.com."),
        (0x82, b"*.com"),
        (0x82, b"r*.example.com"),
        (0x82, b"*"),
        (0x82, b""),
        (0x82, b"."),
        (0x82, b"secret.example.com"),
        (0x82, b"b\xc3\xbccher.example.com"),
        (0x82, b"ran cher.example.com"),
        (0x82, b"rancher..example.com"),
        (0x82, b"rancher_1.example.com"),
        (0x81, b"root@example.com"),
        (0x81, b"\"a b\"@example.com"),
        (0x81, b"root"),
        (0x81, b"\xff@example.com"),
        (0x86, b"https://rancher.example.com/x"),
        (0x86, b"spiffe://example.com:8443/a"),
        (0x86, b"urn:uuid:1"),
        (0x86, b"https://[::1]/"),
        (0x86, b"https://exa mple.com/%zz"),
        (0x86, b"://"),
        (0x86, b"https://10.0.0.1/"),
        (0x87, &[192, 0, 2, 10]),
        (0x87, &[10, 0, 0, 1]),
        (0x87, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]),
        (0x87, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]),
        (0x87, &[10, 0, 0]),
        (0xa0, &[6, 1, 42]),
        (0x88, &[42, 3]),
    ];
    let mut list: Vec<Vec<u8>> =
        (0..dice.below(4)).map(|_| dice.of(OTHERS)).map(|(tag, name)| tlv(tag, name)).collect();
    if dice.one_in(2) {
        list.push(tlv(0x82, HOST.as_bytes()));
    }
    if dice.one_in(8) {
        list.push(tlv(0xa4, &name(0x0c, b"Example")));
    }
    let critical = dice.one_in(3);
    *plan.extension(draft, NAMES) = extension(NAMES, critical, sequence(&list));
    if dice.one_in(15) {
        plan.without(draft, NAMES);
    }
}
