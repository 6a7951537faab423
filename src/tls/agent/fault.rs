//! Why Go cannot read a certificate.

/// Why Go cannot read a certificate at all, in the words of its field; Go's own error stands for the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("its {0} cannot be read")]
    Malformed(&'static str),
    #[error("its serial number is negative")]
    NegativeSerial,
    #[error("the two fields that name the kind of its signature differ")]
    TwoAlgorithms,
    #[error("its version is {0}, and there is none after 3")]
    Version(i64),
    #[error("its {0} holds a {1}, a kind of text that Go does not know")]
    Text(&'static str, &'static str),
    #[error("its {0} holds characters that its kind of text does not have")]
    Characters(&'static str),
    #[error("its EC key spells its curve out, where Go wants the curve's name")]
    CurveSpeltOut,
    #[error("its EC key is on a curve that Go does not have")]
    Curve,
    #[error("its public key is broken: {0}")]
    Key(&'static str),
    #[error("its extension {0} stands there twice")]
    Twice(String),
    #[error("its {0} is marked critical, which it must not be")]
    MarkedCritical(&'static str),
    #[error("its {0} {1}")]
    Content(&'static str, &'static str),
}

impl Fault {
    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Fault::CurveSpeltOut => {
                "make a key that names its curve (`openssl ec -in KEY -param_enc named_curve -out NEW`), and have the certificate made anew with it"
            }
            Fault::Curve | Fault::Key(_) => {
                "make a new key (`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`) and have the certificate made anew"
            }
            Fault::NegativeSerial => "have it made anew with a positive serial number",
            Fault::Text(..) => "have it made anew with its names as UTF8String",
            Fault::Malformed(_)
            | Fault::TwoAlgorithms
            | Fault::Version(_)
            | Fault::Characters(_)
            | Fault::Twice(_)
            | Fault::MarkedCritical(_)
            | Fault::Content(..) => "have it made anew, by another program than the one that made it",
        }
    }
}
