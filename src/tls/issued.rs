//! Who issued a certificate that is there, for those who decide whether it may stay.

use super::certificate::{self, name_text};
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

fn first(text: &[u8]) -> Option<Vec<u8>> {
    let read = pem::read(text).ok()?;
    let block = read.blocks.iter().find(|block| block.is_certificate())?;
    block.content.as_ref().ok().map(|der| der.to_vec())
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
}
