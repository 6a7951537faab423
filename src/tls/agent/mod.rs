//! What Rancher's agents make of certificates. They are Go: this follows crypto/x509 (parser.go, verify.go and
//! constraints.go of Go 1.26) rule by rule. `tests/certificates` holds it against the real one.
//!
//! Where Go is lenient beyond RFC 5280 in a form that nobody needs, this refuses; the test lists those places.

mod algorithms;
mod certificate;
mod constraints;
mod extensions;
mod fault;
mod names;
mod signed;
mod verify;

pub(super) use algorithms::Algorithm;
pub(super) use certificate::{AgentCertificate, read};
pub(super) use fault::Fault;
pub(super) use names::{Names, covers};
pub(super) use signed::{Signed, signed_by};
pub(super) use verify::{Refused, Trial, try_out};
