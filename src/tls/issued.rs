//! Who issued a certificate that is there, for those who decide whether it may stay, and where a chain leads.

use super::certificate::{self, can_be_root, is_ca, name_text};
use super::judge::signature::{self, Signed};
use super::pem;

/// Whether the first certificate of `ca` signed the first one of `chain`; `None` when that cannot be told.
pub fn signed_by(chain: &[u8], ca: &[u8]) -> Option<bool> {
    let (leaf, ca) = (first(chain)?, first(ca)?);
    let (leaf, ca) = (certificate::parse(&leaf).ok()?, certificate::parse(&ca).ok()?);
    match signature::signed_by(&leaf, &ca) {
        Signed::Yes => Some(true),
        Signed::No => Some(false),
        Signed::CannotTell => None,
    }
}

/// The issuer's name in the first certificate.
pub fn issuer_name(chain: &[u8]) -> Option<String> {
    let leaf = first(chain)?;
    certificate::parse(&leaf).ok().map(|leaf| name_text(leaf.issuer()))
}

/// Those of `roots` that the first certificate of `chain` leads to, by way of the others: what somebody sees who trusts
/// `roots` and nothing else. Where a signature is of a kind that cannot be computed here, names and key identifiers count.
pub fn roots_of(chain: &[u8], roots: &[u8]) -> Vec<Vec<u8>> {
    let (sent, roots) = (ders(chain), ders(roots));
    let mut way: Vec<&Vec<u8>> = sent.first().into_iter().collect();
    let mut at = 0;
    while let Some(current) = way.get(at).copied() {
        at += 1;
        let Ok(certificate) = certificate::parse(current) else { continue };
        for up in sent.iter().chain(&roots) {
            let may = |ca: &_| if roots.contains(up) { can_be_root(ca) } else { is_ca(ca) };
            let issued = |ca: &_| may(ca) && signature::signed_by(&certificate, ca) != Signed::No;
            if !way.contains(&up) && certificate::parse(up).is_ok_and(|up| issued(&up)) {
                way.push(up);
            }
        }
    }
    roots.iter().filter(|root| way.contains(root)).cloned().collect()
}

/// Whether two texts begin with the same certificate.
pub fn same_leaf(one: &[u8], other: &[u8]) -> bool {
    first(one).is_some_and(|leaf| first(other) == Some(leaf))
}

fn first(text: &[u8]) -> Option<Vec<u8>> {
    ders(text).into_iter().next()
}

fn ders(text: &[u8]) -> Vec<Vec<u8>> {
    let Ok(read) = pem::read(text) else { return Vec::new() };
    let blocks = read.blocks.iter().filter(|block| block.is_certificate());
    blocks.filter_map(|block| block.content.as_ref().ok().map(|der| der.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &[u8] = include_bytes!("../../tests/data/tls/chain.pem");
    const ROOT: &[u8] = include_bytes!("../../tests/data/tls/root.pem");

    #[test]
    fn a_leaf_is_of_its_intermediate_and_of_no_other() {
        let text = std::str::from_utf8(CHAIN).unwrap();
        let second = text.rfind("-----BEGIN").unwrap();
        assert_eq!(signed_by(CHAIN, &CHAIN[second..]), Some(true));
        assert_eq!(signed_by(CHAIN, ROOT), Some(false));
        assert_eq!(signed_by(&CHAIN[second..], ROOT), Some(true));
        assert_eq!(signed_by(b"", ROOT), None);
        assert_eq!(issuer_name(CHAIN).unwrap(), "O=Example, CN=Example Intermediate");
    }

    #[test]
    fn a_chain_leads_to_the_roots_that_it_is_from_and_to_no_other() {
        let other = include_bytes!("../../tests/data/tls/root-other.pem");
        let twin = include_bytes!("../../tests/data/tls/root-twin.pem");
        let leaf = include_bytes!("../../tests/data/tls/leaf.pem");
        let found = |chain: &[u8], roots: &[&[u8]]| roots_of(chain, &roots.concat()).len();
        assert_eq!(found(CHAIN, &[ROOT]), 1);
        assert_eq!(found(CHAIN, &[other, ROOT]), 1);
        assert_eq!((found(CHAIN, &[other]), found(CHAIN, &[twin]), found(CHAIN, &[])), (0, 0, 0));
        // Both of a bundle, since a client may stop at either; and no way up without the intermediate.
        assert_eq!(found(CHAIN, &[include_bytes!("../../tests/data/tls/ca-bundle.pem")]), 2);
        assert_eq!(found(leaf, &[ROOT]), 0);
        assert_eq!(found(ROOT, &[ROOT]), 1);
        // RSA of 1024 bits and P-521 cannot be computed here.
        let by = include_bytes!("../../tests/data/tls/by-P-521.pem");
        assert_eq!(found(by, &[include_bytes!("../../tests/data/tls/root-P-521.pem")]), 1);
        // What may not sign leads nowhere.
        let not_ca = include_bytes!("../../tests/data/tls/self-signed.pem");
        assert_eq!((found(not_ca, &[not_ca]), found(CHAIN, &[not_ca])), (1, 0));
        assert!(same_leaf(CHAIN, leaf) && !same_leaf(CHAIN, ROOT) && !same_leaf(b"", b""));
    }
}
