//! A WebSocket that stays open and says nothing on its own, so that the idle timeouts of what lies between show.

use crate::ending::Ending;
use crate::http::{Body, error};
use crate::log;
use futures_util::{SinkExt, StreamExt};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

pub fn answer(mut request: Request<Incoming>, ending: Ending) -> Response<Body> {
    let asked = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (true, Some(accept)) = (asked.eq_ignore_ascii_case("websocket"), key) else {
        return error(StatusCode::BAD_REQUEST, "InvalidFormat", "this path is a websocket");
    };
    let Ok(accept) = HeaderValue::from_str(&accept) else {
        return error(StatusCode::BAD_REQUEST, "InvalidFormat", "the websocket key cannot be used");
    };
    let path = request.uri().path().to_string();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let start = Instant::now();
        let end = match upgrade.await {
            Ok(upgraded) => talk(TokioIo::new(upgraded), ending).await,
            Err(error) => error.to_string(),
        };
        log::info("websocket ended", json!({"path": path, "seconds": start.elapsed().as_secs(), "end": end}));
    });
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Echoes text and binary messages until one side goes. Pings are answered by the protocol's own machinery.
async fn talk(io: TokioIo<hyper::upgrade::Upgraded>, mut ending: Ending) -> String {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = ending.asked() => {
                let frame = CloseFrame { code: CloseCode::Away, reason: "the server ends".into() };
                // the other side may be gone already: there is nothing left to do about it
                let _ = socket.close(Some(frame)).await;
                return "server ends".into();
            }
        };
        let echo = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            // reading a ping or a close queues its answer, and this sends it
            Some(Ok(_)) => socket.flush().await,
            Some(Err(error)) => Err(error),
            None => return "closed by the client".into(),
        };
        if let Err(error) = echo {
            return error.to_string();
        }
    }
}
