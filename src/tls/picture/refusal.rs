//! Why there is no picture.

use crate::failure::Hint;

/// Something asked for that makes no sense, and what to choose instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    pub reason: String,
    pub instead: String,
    /// Only because nobody has seen yet what serves the ingress class.
    pub until_seen: bool,
}

impl Refusal {
    pub fn new(reason: impl Into<String>, instead: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), instead: instead.into(), until_seen: false }
    }
}

impl Hint for Refusal {
    fn hint(&self) -> Option<String> {
        Some(self.instead.clone())
    }
}
