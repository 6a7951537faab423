//! The cause at the end of a chain of errors.

use std::error::Error;

/// The last error of a chain that says something; kube, hyper and reqwest wrap it in layers like "client error (Connect)".
pub fn innermost(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // An I/O error's own words carry the system's number, its kind does not.
        text = match cause.downcast_ref::<std::io::Error>() {
            Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
            _ => cause.to_string(),
        };
        next = cause.source();
    }
    if text == "deadline has elapsed" { "timed out".into() } else { text }
}
