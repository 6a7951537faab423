//! What one look at a condition saw.

/// What was seen of a condition at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Met(String),
    NotYet(String),
    /// It will not become true by waiting.
    Never(String),
}

impl Seen {
    pub fn text(&self) -> &str {
        match self {
            Seen::Met(text) | Seen::NotYet(text) | Seen::Never(text) => text,
        }
    }
}
