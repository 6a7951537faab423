//! How much is told.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors and the result.
    Quiet,
    Normal,
    /// Also steps with their text, and what passed.
    Verbose,
}
