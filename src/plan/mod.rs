//! What to do: steps, one file per subject. Pure.
