//! What `ssh -G` says of a host.

/// Lower-case keyword and value, in the order in which they were printed.
pub(super) type Settings = [(String, String)];
