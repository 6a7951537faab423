//! What was found, or why it could not be looked at.

/// Why a fact is not there, in one line as the machine or the connection put it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unseen(pub String);

/// Something that was looked for: seen, or not seen and why.
pub type Fact<T> = Result<T, Unseen>;
