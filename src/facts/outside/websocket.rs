//! A WebSocket (RFC 6455) over TLS: opened, asked for a sign of life, and held silent.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Open, Path, chain, limited, tls};

/// Why there is no WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOpened {
    /// An HTTP answer in the place of the switch of protocols.
    Answered { status: u16, body: String },
    /// No answer at all, or one that is no HTTP.
    Broken(String),
}

/// What became of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSeen {
    /// Opened, and a ping came back as a pong.
    pub opened: Result<(), NotOpened>,
    /// Whether it still answered a ping after this long a silence; `None` when it was not held.
    pub silence: Option<(Duration, Result<(), String>)>,
}

type Socket = WebSocketStream<tls::Stream>;

/// Opens a WebSocket at `page` whatever the certificate is; holds it if asked to.
pub(super) async fn probe(
    open: &impl Open,
    path: &Path,
    hostname: &str,
    page: &str,
    silence: Option<Duration>,
) -> SocketSeen {
    let mut socket = match anywhere(open, path, hostname, page).await {
        Ok(socket) => socket,
        Err(refused) => return SocketSeen { opened: Err(refused), silence: None },
    };
    if let Err(error) = answers(&mut socket).await {
        return SocketSeen { opened: Err(NotOpened::Broken(error)), silence: None };
    }
    let silence = match silence {
        None => None,
        Some(time) => Some((time, keep_silent(&mut socket, time).await)),
    };
    // Whoever holds the other end should not have to wait for its own timeout.
    drop(limited(async { socket.close(None).await.map_err(|error| chain(&error)) }).await);
    SocketSeen { opened: Ok(()), silence }
}

async fn anywhere(open: &impl Open, path: &Path, hostname: &str, page: &str) -> Result<Socket, NotOpened> {
    let opened = limited(open.open(&path.origin, &path.address, 443)).await.map_err(NotOpened::Broken)?;
    let stream = tls::shake_blindly(opened.wire, hostname).await.map_err(NotOpened::Broken)?;
    upgrade(stream, hostname, page).await
}

/// Asks a TLS stream to become a WebSocket.
pub(super) async fn upgrade(stream: tls::Stream, hostname: &str, page: &str) -> Result<Socket, NotOpened> {
    let request = format!("wss://{hostname}{page}").into_client_request();
    let request = request.map_err(|error| NotOpened::Broken(chain(&error)))?;
    let upgrade = tokio_tungstenite::client_async(request, stream);
    match tokio::time::timeout(super::STEP, upgrade).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) => {
            let status = response.status().as_u16();
            let body = response.into_body().map(|body| String::from_utf8_lossy(&body).into_owned());
            Err(NotOpened::Answered { status, body: body.unwrap_or_default() })
        }
        Ok(Err(error)) => Err(NotOpened::Broken(chain(&error))),
        Err(_) => Err(NotOpened::Broken(format!("no answer within {} s", super::STEP.as_secs()))),
    }
}

/// A ping, and its own pong; whatever else comes in between is the server's business.
pub(super) async fn answers(socket: &mut Socket) -> Result<(), String> {
    const SIGN: &[u8] = b"cowhand";
    limited(async {
        socket.send(Message::Ping(SIGN.into())).await.map_err(|error| chain(&error))?;
        loop {
            if let Message::Pong(sign) = next(socket).await?
                && sign.as_ref() == SIGN
            {
                return Ok(());
            }
        }
    })
    .await
    .map_err(|error| format!("it opens, but a ping is not answered: {error}"))
}

/// Says nothing for so long, then asks for a sign of life.
async fn keep_silent(socket: &mut Socket, time: Duration) -> Result<(), String> {
    let began = std::time::Instant::now();
    let ended = tokio::time::timeout(time, async {
        loop {
            if let Err(error) = next(socket).await {
                return error;
            }
        }
    });
    match ended.await {
        Ok(error) => Err(format!("it ended after {} s of silence: {error}", began.elapsed().as_secs())),
        Err(_) => answers(socket).await,
    }
}

async fn next(socket: &mut Socket) -> Result<Message, String> {
    match socket.next().await {
        Some(Ok(Message::Close(frame))) => Err(match frame {
            Some(frame) => format!("closed by the server with code {} {}", frame.code, frame.reason),
            None => "closed by the server".into(),
        }),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(chain(&error)),
        None => Err("the connection ended".into()),
    }
}
