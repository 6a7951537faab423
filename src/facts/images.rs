//! Which images Docker has on a node, and whether the registry gives it those that it lacks. Docker itself is asked, over the
//! socket that rke uses too: it goes to a registry by its own proxy, mirrors and certificates (Docker Engine API:
//! ImageInspect, DistributionInspect).

use std::time::Duration;

use futures::StreamExt;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::gather::chain;
use super::{Fact, Unseen};
use crate::remote::Connection;

/// For what Docker has: a few milliseconds each.
const HERE: Duration = Duration::from_secs(10);
/// For the answer of a registry.
const REGISTRY: Duration = Duration::from_secs(15);
/// Questions to a registry at the same time, from one node; sshd opens ten sessions at most.
const SIDE_BY_SIDE: usize = 4;
/// The description of an image has some kB.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// An image that rke would use.
#[derive(Debug, Clone)]
pub struct Image {
    pub name: String,
    /// For its registry: base64 of JSON with user and password, as Docker's API takes it in `X-Registry-Auth`.
    pub login: Option<SecretString>,
}

/// Where one image is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Here,
    /// Not on the node; its registry gives it.
    Registry,
    /// Not on the node, and not to be had, for this reason.
    Nowhere(String),
}

/// What was found of each image on one node, in the order asked for.
pub type ImagesOn = Fact<Vec<(String, Place)>>;

/// Asks one node.
pub async fn ask(connection: &Connection, socket: &str, images: &[Image]) -> ImagesOn {
    let wire = connection.open_unix(socket).await.map_err(|error| Unseen(chain(&error)))?;
    let here = timeout(HERE, present(wire, images)).await;
    let here = here.unwrap_or_else(|_| Err(Unseen(format!("Docker does not answer within {} s", HERE.as_secs()))))?;
    let looks = images.iter().zip(here).map(async |(image, here)| {
        let place = if here { Place::Here } else { offered(connection, socket, image).await };
        (image.name.clone(), place)
    });
    Ok(futures::stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await)
}

async fn offered(connection: &Connection, socket: &str, image: &Image) -> Place {
    let asked = async {
        let wire = connection.open_unix(socket).await.map_err(|error| Unseen(chain(&error)))?;
        at_registry(wire, image).await
    };
    match timeout(REGISTRY, asked).await {
        Ok(Ok(place)) => place,
        Ok(Err(unseen)) => Place::Nowhere(unseen.to_string()),
        Err(_) => Place::Nowhere(format!("its registry does not answer within {} s", REGISTRY.as_secs())),
    }
}

/// Whether each image is there.
async fn present<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(wire: S, images: &[Image]) -> Fact<Vec<bool>> {
    let mut docker = Docker::begin(wire).await?;
    let mut here = Vec::new();
    for image in images {
        let (status, said) = docker.get(&format!("/images/{}/json", image.name), None).await?;
        match status {
            200 => here.push(true),
            404 => here.push(false),
            _ => return Err(Unseen(format!("Docker answers with {status}: {said}"))),
        }
    }
    Ok(here)
}

async fn at_registry<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(wire: S, image: &Image) -> Fact<Place> {
    let path = format!("/distribution/{}/json", image.name);
    let (status, said) = Docker::begin(wire).await?.get(&path, image.login.as_ref()).await?;
    Ok(if status == 200 { Place::Registry } else { Place::Nowhere(said) })
}

/// Docker's API over one wire.
struct Docker {
    sender: SendRequest<Empty<Bytes>>,
    /// Carries the wire; it ends with us.
    exchange: tokio::task::JoinHandle<()>,
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.exchange.abort();
    }
}

impl Docker {
    async fn begin<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(wire: S) -> Fact<Docker> {
        let (sender, exchange) = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(silent)?;
        // How it ended, the question that was under way says.
        let exchange = tokio::spawn(async move { drop(exchange.await) });
        Ok(Docker { sender, exchange })
    }

    /// The status, and Docker's words where it is no success.
    async fn get(&mut self, path: &str, login: Option<&SecretString>) -> Fact<(u16, String)> {
        let mut request = Request::get(path).header("host", "docker");
        if let Some(login) = login {
            request = request.header("X-Registry-Auth", login.expose_secret());
        }
        let request = request.body(Empty::new()).map_err(|error| Unseen(error.to_string()))?;
        // The wire takes the next question only when it has carried the last answer to its end.
        self.sender.ready().await.map_err(silent)?;
        let answer = self.sender.send_request(request).await.map_err(silent)?;
        let status = answer.status().as_u16();
        let read = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        let body = read.map_err(|error| Unseen(format!("Docker's answer broke off: {error}")))?.to_bytes();
        Ok((status, message(&body)))
    }
}

fn silent(error: hyper::Error) -> Unseen {
    Unseen(format!("the socket opens, but does not speak HTTP: {error}"))
}

/// `{"message": "…"}`, as Docker says what is wrong.
fn message(body: &[u8]) -> String {
    let said = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = said.as_ref().and_then(|said| said.get("message")?.as_str());
    said.unwrap_or("no reason given").trim().to_owned()
}

/// What was found of RKE's images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagesSeen {
    /// Why some of them are not known.
    pub unknown: Option<String>,
    /// Each node that was asked.
    pub nodes: Vec<(String, ImagesOn)>,
    /// Those that the cluster which stands was built with.
    pub used: Vec<String>,
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn image(name: &str, login: Option<&str>) -> Image {
        Image { name: name.into(), login: login.map(SecretString::from) }
    }

    /// A Docker that gives these answers, and what it was asked.
    async fn against<T>(
        answers: &'static [(u16, &'static str)],
        ask: impl AsyncFnOnce(tokio::io::DuplexStream) -> T,
    ) -> (T, String) {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let server = tokio::spawn(async move {
            let (mut heard, mut buffer) = (String::new(), [0; 4096]);
            for (status, body) in answers {
                let length = theirs.read(&mut buffer).await.unwrap();
                heard += &String::from_utf8_lossy(&buffer[..length]);
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                theirs.write_all(answer.as_bytes()).await.unwrap();
            }
            heard
        });
        let told = ask(ours).await;
        (told, server.await.unwrap())
    }

    #[tokio::test]
    async fn docker_tells_what_is_there_over_one_wire() {
        let images = [image("lab/etcd:v3.5.16", None), image("10.0.0.2:5000/a/b:1", None)];
        let answers = &[(200, "{}"), (404, r#"{"message": "No such image"}"#)];
        let (here, heard) = against(answers, async |wire| present(wire, &images).await).await;
        assert_eq!(here, Ok(vec![true, false]));
        assert!(
            heard.contains("GET /images/lab/etcd:v3.5.16/json ")
                && heard.contains("GET /images/10.0.0.2:5000/a/b:1/json "),
            "{heard}"
        );
        let (ill, _) = against(&[(500, r#"{"message": "ill"}"#)], async |wire| present(wire, &images).await).await;
        assert_eq!(ill, Err(Unseen("Docker answers with 500: ill".into())));
    }

    #[tokio::test]
    async fn the_registry_is_asked_by_docker_with_the_login_that_is_given() {
        let wanted = image("r.test/a:1", Some("bG9naW4"));
        let (place, heard) = against(&[(200, "{}")], async |wire| at_registry(wire, &wanted).await).await;
        assert_eq!(place, Ok(Place::Registry));
        assert!(heard.contains("GET /distribution/r.test/a:1/json "), "{heard}");
        assert!(heard.to_lowercase().contains("x-registry-auth: bg9naw4"), "{heard}");
        let denied = &[(403, r#"{"message": "denied: not yours\n"}"#)];
        let (place, heard) = against(denied, async |wire| at_registry(wire, &image("a:1", None)).await).await;
        assert_eq!(place, Ok(Place::Nowhere("denied: not yours".into())));
        assert!(!heard.to_lowercase().contains("x-registry-auth"), "{heard}");
    }
}
