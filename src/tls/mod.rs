//! Certificates: read, judged, made; the mode x issuer table; the CA checksum.
//!
//! Pure: bytes and times come in, nothing is read and no clock is asked. Making a CA takes random numbers.

mod agent;
mod authority;
mod certificate;
mod checksum;
mod der;
mod issued;
mod judge;
mod key;
mod material;
mod objects;
mod pem;
mod picture;
#[cfg(test)]
mod picture_tests;
mod table;

pub use authority::{CannotMakeCa, MadeCa, NotACa, check_ca, make_ca};
pub use certificate::{CertificateFacts, Unreadable, describe, describe_der};
pub use checksum::{NotKept, ca_checksum, cacerts_setting, survives_secret};
pub use issued::{issuer_name, roots_of, same_leaf, signed_by};
pub use judge::{Grade, Judgement, NodeClock, RULES, Request, Rule, judge};
pub use key::public_half;
pub use material::{Files, Material, SecretSource, UnusableFile, each_certificate, names, only_certificates};
pub use objects::{CA_ISSUER, INGRESS_SECRET, MAKEABLE, NAMESPACE, Needs, OwnObject, When};
pub use picture::{IngressSettings, Picture, Predicted, Refusal, SecretKind, SecretWanted, Trust, picture};
pub use table::find as table_cell;
pub use table::{Cacerts, Cell, Origin, Passage, Recipe, Sense, Source, TABLE, Variant};
