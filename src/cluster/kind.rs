//! A kind of object, as the API server lists it.

/// A kind as the API knows it.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
}
