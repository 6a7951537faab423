//! The page a browser gets: it says what this is, and what it is not.

use crate::VERSION;
use crate::http::State;

pub fn render(state: &State, host: &str) -> String {
    let ca = match state.cacerts.is_empty() {
        true => "not set (agents use their system's store)",
        false => "set (agents get it from /cacerts)",
    };
    let rows = [
        ("Version", VERSION),
        ("Asked for as", host),
        ("Answered by pod", &state.config.pod),
        ("server-url", &state.config.server_url),
        ("agent-tls-mode", &state.config.agent_tls_mode),
        ("cacerts", ca),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("<tr><th>{name}<td>{}\n", escape(value))).collect();
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Stand-in for Rancher</title>\n\
         <h1>This is not Rancher</h1>\n\
         <p>It is the lab's stand-in: it answers over HTTP as Rancher {VERSION} does, and manages nothing.</p>\n\
         <table>\n{rows}</table>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
