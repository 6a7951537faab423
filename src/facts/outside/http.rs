//! Questions in HTTP/1.1, and redirects walked hop by hop.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::{Entrance, Open, Path, chain, limited, tls};
use crate::remote::Wire;

/// Rancher's answers to the probe's questions are small; more than this is not one of them.
const BODY_LIMIT: usize = 1 << 20;

/// After so many pages nobody follows further.
const MOST_HOPS: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

/// An answer, or why there is none.
pub type Asked = Result<Answer, String>;

/// One page on the way, and where it led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    pub url: String,
    pub answer: Asked,
    /// The absolute URL that the answer redirects to, if it does.
    pub next: Option<String>,
}

pub(super) type Sender = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

/// A URL of Rancher's name, as far as the probe asks for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    secure: bool,
    /// Host and, when it is not the usual one, port.
    place: String,
    /// Path and query.
    rest: String,
}

impl Url {
    pub fn front(hostname: &str, secure: bool) -> Url {
        Url { secure, place: hostname.into(), rest: "/".into() }
    }

    /// Where a `Location` in the answer to this page leads; `None` for what no browser follows.
    fn join(&self, location: &str) -> Option<Url> {
        let uri: http::Uri = location.parse().ok()?;
        let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
        let rest = if rest.starts_with('/') { rest.to_string() } else { format!("/{rest}") };
        let Some(host) = uri.host() else {
            return Some(Url { rest, ..self.clone() });
        };
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return None,
        };
        let usual = if secure { 443 } else { 80 };
        let host = host.to_ascii_lowercase();
        let place = match uri.port_u16() {
            Some(port) if port != usual => format!("{host}:{port}"),
            Some(_) | None => host,
        };
        Some(Url { secure, place, rest })
    }

    pub fn text(&self) -> String {
        format!("{}://{}{}", if self.secure { "https" } else { "http" }, self.place, self.rest)
    }
}

/// Asks for a page and for what it redirects to, as long as that is the same name on the same path, in the usual port,
/// and new. The last hop tells why it went no further.
pub(super) async fn follow(open: &impl Open, path: &Path, hostname: &str, first: Url) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    let mut url = first;
    loop {
        let answer = fetch(open, path, hostname, &url).await;
        let next = answer.as_ref().ok().and_then(|answer| match answer.status {
            301 | 302 | 303 | 307 | 308 => url.join(answer.location.as_deref()?),
            _ => None,
        });
        hops.push(Hop { url: url.text(), answer, next: next.as_ref().map(Url::text) });
        let Some(next) = next else { return hops };
        let known = hops.iter().any(|hop| hop.url == next.text());
        let elsewhere = next.place != hostname || (next.secure && path.entrance == Entrance::Plain);
        if known || elsewhere || hops.len() == MOST_HOPS {
            return hops;
        }
        url = next;
    }
}

async fn fetch(open: &impl Open, path: &Path, hostname: &str, url: &Url) -> Asked {
    let port = if url.secure { 443 } else { 80 };
    let opened = limited(open.open(&path.origin, &path.address, port)).await?;
    let mut sender = match url.secure {
        true => converse(tls::shake_blindly(opened.wire, hostname).await?).await?,
        false => converse(opened.wire).await?,
    };
    get(&mut sender, hostname, &url.rest, &[]).await
}

/// An HTTP conversation on a stream.
pub(super) async fn converse<S: Wire + 'static>(stream: S) -> Result<Sender, String> {
    limited(async {
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Ends with the sender; its errors reach the caller through the requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    })
    .await
}

pub(super) async fn get(sender: &mut Sender, host: &str, page: &str, headers: &[(&str, &str)]) -> Asked {
    limited(async {
        sender.ready().await.map_err(|error| chain(&error))?;
        let mut request = http::Request::get(page).header("host", host).header("user-agent", "cowhand");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
        let status = response.status().as_u16();
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_string);
        let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|error| error.to_string())?;
        Ok(Answer { status, location, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_relative_or_carry_the_usual_port() {
        let plain = Url::front("rancher.test", false);
        let to = |location: &str| plain.join(location).map(|url| url.text());
        assert_eq!(to("https://Rancher.test:443/x?y=1").unwrap(), "https://rancher.test/x?y=1");
        assert_eq!(to("https://rancher.test").unwrap(), "https://rancher.test/");
        assert_eq!(to("/dashboard/").unwrap(), "http://rancher.test/dashboard/");
        assert_eq!(to("http://rancher.test:8080/").unwrap(), "http://rancher.test:8080/");
        assert_eq!(to("ftp://rancher.test/"), None);
        assert_eq!(to("https://two words/"), None);
    }
}
