//! Which CA of this machine's system vouches for a chain. The roots are handed in: the judge looks nothing up.

use super::super::certificate::{self, name_text};
use super::Seen;
use super::signature::{Signed, signed_by};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// By this root.
    Root(String),
    /// By its name this root issued it, but the signature cannot be computed here.
    Perhaps(String),
    Nobody,
    /// There is no store of roots to ask.
    NoStore,
}

/// Whether one on the path is a known root, or issued by one. Any of them: a chain may carry on to an older root, by a
/// cross-signed twin of the one that systems know today.
pub(super) fn known(path: &[&Seen<'_>], roots: &[&[u8]]) -> Known {
    if roots.is_empty() {
        return Known::NoStore;
    }
    let mut perhaps = None;
    for root in roots.iter().filter_map(|der| certificate::parse(der).ok()) {
        let name = || name_text(root.subject());
        for step in path.iter().map(|seen| &seen.certificate) {
            let twin =
                step.subject().as_raw() == root.subject().as_raw() && step.public_key().raw == root.public_key().raw;
            match signed_by(step, &root) {
                _ if twin => return Known::Root(name()),
                Signed::Yes => return Known::Root(name()),
                Signed::CannotTell => perhaps = Some(name()),
                Signed::No => {}
            }
        }
    }
    perhaps.map_or(Known::Nobody, Known::Perhaps)
}
