//! Rancher's HTTP face: what is answered on which path, and what has to go over https.

use crate::config::Config;
use crate::ending::Ending;
use crate::{VERSION, log, page, ws};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use std::sync::Arc;

pub type Body = Full<Bytes>;

/// What every request may look at.
pub struct State {
    pub config: Config,
    pub cacerts: String,
    pub bootstrap_password: String,
    pub ending: Ending,
}

/// One request; `tls` says on which of the two ports it came.
pub async fn handle(state: Arc<State>, tls: bool, request: Request<Incoming>) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let forwarded = header(&request, "x-forwarded-proto");
    let forwarded_for = header(&request, "x-forwarded-for");
    let upgrade = request.headers().contains_key(UPGRADE);
    let over_https = tls || ["https", "wss"].contains(&forwarded.as_str());
    let mut response =
        if over_https || open_on_http(&path) { route(&state, request).await } else { to_https(&request) };
    if let Ok(pod) = HeaderValue::from_str(&state.config.pod) {
        response.headers_mut().insert("x-rancher-pod", pod);
    }
    // probes would drown everything else; queries are left out because a setup link carries the password
    if !open_on_http(&path) {
        let status = response.status().as_u16();
        log::info(
            "request",
            json!({"method": method.as_str(), "path": path, "status": status, "tls": tls, "upgrade": upgrade,
                "x_forwarded_proto": forwarded, "x_forwarded_for": forwarded_for}),
        );
    }
    response
}

/// The paths that Rancher answers without asking for https.
fn open_on_http(path: &str) -> bool {
    ["/ping", "/health", "/.well-known/"].iter().any(|prefix| path.starts_with(prefix))
}

fn to_https(request: &Request<Incoming>) -> Response<Body> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return text(StatusCode::BAD_REQUEST, "Use HTTPS\n");
    }
    let host = header(request, HOST.as_str());
    let rest = request.uri().path_and_query().map_or("/", |rest| rest.as_str());
    let mut response = text(StatusCode::FOUND, "");
    match HeaderValue::from_str(&format!("https://{}{rest}", without_port(&host))) {
        Ok(target) => {
            response.headers_mut().insert(LOCATION, target);
            response
        }
        Err(_) => text(StatusCode::BAD_REQUEST, "Use HTTPS\n"),
    }
}

async fn route(state: &State, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().trim_end_matches('/').to_string();
    match path.as_str() {
        "/ping" => text(StatusCode::OK, "pong"),
        "/healthz" => text(StatusCode::OK, "ok"),
        "/cacerts" => text(StatusCode::OK, &state.cacerts),
        "/rancherversion" => {
            answer(StatusCode::OK, &json!({"Version": VERSION, "GitCommit": "lab-stand-in", "RancherPrime": "false"}))
        }
        "/v3-public/localProviders/local" => login(state, request).await,
        "/v3/connect" | "/v3/subscribe" | "/v1/subscribe" | "/ws" => ws::answer(request, state.ending.clone()),
        "" => html(&page::render(state, &header(&request, HOST.as_str()))),
        path if path == "/dashboard" || path.starts_with("/dashboard/") => {
            html(&page::render(state, &header(&request, HOST.as_str())))
        }
        path => match path.strip_prefix("/v3/settings/").and_then(|name| Some((name, setting(state, name)?))) {
            Some((name, value)) => answer(
                StatusCode::OK,
                &json!({"id": name, "name": name, "type": "setting", "baseType": "setting", "value": value}),
            ),
            None => error(StatusCode::NOT_FOUND, "NotFound", &format!("{path} is not known to the lab's stand-in")),
        },
    }
}

fn setting<'a>(state: &'a State, name: &str) -> Option<&'a str> {
    match name {
        "cacerts" => Some(&state.cacerts),
        "agent-tls-mode" => Some(&state.config.agent_tls_mode),
        "server-url" => Some(&state.config.server_url),
        "server-version" => Some(VERSION),
        _ => None,
    }
}

async fn login(state: &State, request: Request<Incoming>) -> Response<Body> {
    if request.method() != Method::POST || request.uri().query() != Some("action=login") {
        return error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "POST ?action=login");
    }
    let Ok(body) = Limited::new(request.into_body(), 64 * 1024).collect().await else {
        return error(StatusCode::BAD_REQUEST, "InvalidBodyContent", "cannot read the body");
    };
    let Ok(given) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return error(StatusCode::BAD_REQUEST, "InvalidBodyContent", "the body is not JSON");
    };
    // tags instead of the passwords themselves: as long as each other, and compared in constant time
    let key = hmac::Key::new(hmac::HMAC_SHA256, state.bootstrap_password.as_bytes());
    let tag = hmac::sign(&key, given["password"].as_str().unwrap_or_default().as_bytes());
    let right = hmac::verify(&key, state.bootstrap_password.as_bytes(), tag.as_ref()).is_ok();
    if given["username"] != "admin" || !right || state.bootstrap_password.is_empty() {
        return error(StatusCode::UNAUTHORIZED, "Unauthorized", "authentication failed");
    }
    // the same on every replica, as Rancher's tokens are
    let token: String = hmac::sign(&key, b"token").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    answer(
        StatusCode::CREATED,
        &json!({"type": "token", "baseType": "token", "id": "token-lab", "userId": "user-lab",
            "token": format!("token-lab:{token}")}),
    )
}

/// An error in the shape of Rancher's API.
pub fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let number = status.as_u16();
    answer(status, &json!({"type": "error", "baseType": "error", "code": code, "message": message, "status": number}))
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    with_type(status, "application/json", body.to_string())
}

fn html(body: &str) -> Response<Body> {
    with_type(StatusCode::OK, "text/html; charset=utf-8", body.to_string())
}

fn text(status: StatusCode, body: &str) -> Response<Body> {
    with_type(status, "text/plain", body.to_string())
}

fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn header(request: &Request<Incoming>, name: &str) -> String {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_string()
}

/// `[::1]:80` has colons of its own.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_goes_and_nothing_else() {
        assert_eq!(without_port("rancher.test:80"), "rancher.test");
        assert_eq!(without_port("rancher.test"), "rancher.test");
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[fd00::a]"), "[fd00::a]");
    }
}
