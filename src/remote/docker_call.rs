//! One call to Docker, as it stands at the beginning of a request (HTTP/1.1; Docker's API, v1.41).

/// A request line and headers longer than this are no call of rke.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;

/// A call that is about to pass the front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerCall {
    /// `address` of the node in cluster.yml.
    pub node: String,
    pub method: String,
    /// Without the version in front and the query behind, e.g. `/containers/etcd/restart`.
    pub path: String,
}

impl DockerCall {
    /// Whether it may change anything.
    pub fn writes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// Writes it into the run's log, when it may change anything.
    pub fn keep(&self, status: Option<u16>) {
        if self.writes() {
            tracing::info!(node = %self.node, method = %self.method, path = %self.path, status, "docker call of rke");
        }
    }

    /// The container that it ends, renames away or removes, by the name or id that it gives.
    pub fn ends(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("/containers/")?;
        match (self.method.as_str(), rest.split_once('/')) {
            ("POST", Some((name, "restart" | "stop" | "kill" | "pause" | "rename"))) => Some(name),
            ("DELETE", None) if !rest.is_empty() => Some(rest),
            _ => None,
        }
    }
}

/// How long the body is that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
}

/// The beginning of a request, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub method: String,
    pub path: String,
    pub body: Body,
    /// After it the connection may be no HTTP any more (exec, attach).
    pub upgrade: bool,
}

/// Reads a head with its blank line.
///
/// # Errors
/// What is wrong with it: two readers could take it for two different calls.
pub(super) fn head(bytes: &[u8]) -> Result<Head, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "its head is no text")?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("its first line is none of HTTP/1.1");
    };
    let (mut length, mut chunked, mut upgrade) = (None, false, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or("a header of it has no name")?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let read = value.parse::<u64>().map_err(|_| "its length is no number")?;
                if length.replace(read).is_some_and(|before| before != read) {
                    return Err("it has two lengths");
                }
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => chunked = true,
            "transfer-encoding" => return Err("its transfer encoding is not known"),
            "upgrade" => upgrade = true,
            _ => {}
        }
    }
    let body = match (length, chunked) {
        (Some(_), true) => return Err("it has a length and chunks"),
        (None, true) => Body::Chunked,
        (length, false) => Body::Length(length.unwrap_or(0)),
    };
    Ok(Head { method: method.to_owned(), path: plain(target)?, body, upgrade })
}

/// The path without what stands around it.
fn plain(target: &str) -> Result<String, &'static str> {
    let path = target.split('?').next().unwrap_or_default();
    if !path.starts_with('/') || path.contains("//") || path.contains("..") || path.contains('%') {
        return Err("its path is not plain");
    }
    let versioned = path.get(1..).and_then(|rest| rest.split_once('/')).filter(|(first, _)| {
        first.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    });
    Ok(versioned.map_or_else(|| path.to_owned(), |(_, rest)| format!("/{rest}")))
}

/// The length of a chunk, in bytes, from its line.
pub(super) fn chunk(line: &[u8]) -> Result<u64, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "a chunk's length is no text")?;
    let digits = text.trim_end_matches("\r\n").split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| "a chunk's length is no number")
}

/// The status of an answer, e.g. 204, from its first bytes; `None` while there are too few.
pub(super) fn status(bytes: &[u8]) -> Option<u16> {
    const FIRST: usize = "HTTP/1.1 204".len();
    let text = std::str::from_utf8(bytes.get(..FIRST)?).unwrap_or_default();
    Some(text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..)?.parse().ok()).unwrap_or(0))
}

/// An answer of the front's own, in the form of Docker's.
pub(super) fn refusal(why: &str) -> Vec<u8> {
    let body = serde_json::json!({ "message": why }).to_string();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, &'static str> {
        head(text.as_bytes())
    }

    fn call(method: &str, path: &str) -> DockerCall {
        DockerCall { node: "10.0.0.1".into(), method: method.into(), path: path.into() }
    }

    #[test]
    fn the_calls_of_rke_are_read() {
        let restart = read("POST /v1.41/containers/etcd/restart?t=5 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let restart = restart.unwrap();
        assert_eq!((restart.method.as_str(), restart.path.as_str()), ("POST", "/containers/etcd/restart"));
        assert_eq!((restart.body, restart.upgrade), (Body::Length(0), false));
        let copied = read("PUT /v1.41/containers/ab/archive?path=%2F HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(copied.unwrap().body, Body::Chunked);
        let exec =
            read("POST /exec/ab/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n");
        let exec = exec.unwrap();
        assert_eq!((exec.path.as_str(), exec.body, exec.upgrade), ("/exec/ab/start", Body::Length(2), true));
        assert_eq!(read("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().path, "/_ping");
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_no_call() {
        for (text, why) in [
            ("POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
            ("POST /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "a length and chunks"),
            ("POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "not known"),
            ("POST /a HTTP/1.1\r\nContent-Length: x\r\n\r\n", "no number"),
            ("POST /v1.41/containers/%65tcd/stop HTTP/1.1\r\n\r\n", "not plain"),
            ("POST /v1.41//containers/etcd/stop HTTP/1.1\r\n\r\n", "not plain"),
            ("POST /v1.41/x/../containers/etcd/stop HTTP/1.1\r\n\r\n", "not plain"),
            ("POST /a b HTTP/1.1\r\n\r\n", "first line"),
            ("PRI * HTTP/2.0\r\n\r\n", "first line"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn what_ends_a_container_is_told_from_what_does_not() {
        for how in ["restart", "stop", "kill", "pause", "rename"] {
            assert_eq!(call("POST", &format!("/containers/etcd/{how}")).ends(), Some("etcd"), "{how}");
        }
        assert_eq!(call("DELETE", "/containers/etcd").ends(), Some("etcd"));
        for (method, path) in [
            ("POST", "/containers/etcd/start"),
            ("POST", "/containers/create"),
            ("POST", "/containers/etcd/wait"),
            ("GET", "/containers/etcd/json"),
            ("DELETE", "/images/etcd"),
            ("POST", "/images/create"),
        ] {
            assert_eq!(call(method, path).ends(), None, "{method} {path}");
        }
        assert!(call("POST", "/containers/create").writes() && !call("GET", "/info").writes());
    }

    #[test]
    fn chunks_and_answers() {
        assert_eq!((chunk(b"1f\r\n"), chunk(b"0;x=y\r\n")), (Ok(31), Ok(0)));
        assert!(chunk(b"\r\n").is_err());
        assert_eq!((status(b"HTTP/1.1 2"), status(b"HTTP/1.1 204 No Content\r\n")), (None, Some(204)));
        assert_eq!(status(b"SSH-2.0-Open"), Some(0));
        let said = String::from_utf8(refusal("etcd is \"away\"")).unwrap();
        assert!(
            said.contains("Content-Length: 30\r\n") && said.ends_with(r#"{"message":"etcd is \"away\""}"#),
            "{said}"
        );
    }
}
