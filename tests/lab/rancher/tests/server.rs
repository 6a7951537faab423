mod common;

use common::{PASSWORD, Server, cacerts, command, get, plain, request, send, strict};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

const FORWARDED: [(&str, &str); 1] = [("x-forwarded-proto", "https")];

#[tokio::test]
async fn plain_http_answers_probes_and_sends_the_rest_to_https() {
    let server = Server::start(&[], &[]);
    for (path, body) in [("/ping", "pong"), ("/healthz", "ok")] {
        let answer = plain(&server, get(path, &[])).await;
        assert_eq!((answer.status().as_u16(), answer.body().as_str()), (200, body));
        assert_eq!(answer.headers()["content-type"], "text/plain");
        assert_eq!(answer.headers()["x-rancher-pod"], "rancher-0");
    }
    let answer = plain(&server, get("/cacerts?a=b", &[])).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "https://rancher.test/cacerts?a=b");
    let dropped = plain(&server, get("/", &[("x-forwarded-proto", "http")])).await;
    assert_eq!(dropped.status(), 302, "a proxy that says http gets the redirect as well");
    assert_eq!(plain(&server, request("POST", "/v3", &[], "")).await.status(), 400);

    let page = plain(&server, get("/dashboard/?setup=x", &FORWARDED)).await;
    assert_eq!(page.status(), 200);
    assert!(page.body().contains("This is not Rancher") && page.body().contains("v2.11.5"));
    let missing = plain(&server, get("/v3/clusters", &FORWARDED)).await;
    let body: Value = serde_json::from_str(missing.body()).unwrap();
    assert_eq!((missing.status().as_u16(), &body["code"]), (404, &"NotFound".into()));
}

#[tokio::test]
async fn its_own_ca_is_the_setting_and_verifies_its_certificate() {
    let server = Server::start(&[], &[]);
    let ca = cacerts(&server).await;
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----") && !ca.ends_with('\n'));
    let stream = strict(&server, &ca, "rancher.test").await.unwrap();
    let setting: Value = serde_json::from_str(send(stream, get("/v3/settings/cacerts", &[])).await.body()).unwrap();
    assert_eq!(setting["value"], ca.as_str());
    let mode = plain(&server, get("/v3/settings/agent-tls-mode", &FORWARDED)).await;
    assert!(mode.body().contains(r#""value":"strict""#), "{}", mode.body());
}

#[tokio::test]
async fn once_server_url_is_known_only_its_host_gets_a_certificate() {
    let server = Server::start(&[], &[("CATTLE_SERVER_URL", "https://rancher.test")]);
    let ca = cacerts(&server).await;
    assert!(strict(&server, &ca, "rancher.test").await.is_ok());
    assert!(strict(&server, &ca, "another.test").await.is_err());
}

#[tokio::test]
async fn mounted_files_win() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["rancher.test".to_string()]).unwrap();
    let pem = made.cert.pem();
    for (name, text) in [("cert.pem", &pem), ("key.pem", &made.signing_key.serialize_pem()), ("cacerts.pem", &pem)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let ssl = [("LAB_RANCHER_SSL_DIR", dir.path().to_str().unwrap())];
    let server = Server::start(&[], &ssl);
    assert_eq!(cacerts(&server).await, pem.trim());
    assert!(strict(&server, &pem, "rancher.test").await.is_ok());

    let refused = command(&["--no-cacerts"], &ssl).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("invalid SSL configuration found"));
}

#[tokio::test]
async fn no_cacerts_means_none() {
    let server = Server::start(&["--no-cacerts"], &[("CATTLE_AGENT_TLS_MODE", "system-store")]);
    assert_eq!(cacerts(&server).await, "");
    assert_eq!(command(&["--acme-domain=x"], &[]).output().unwrap().status.code(), Some(1));
}

#[tokio::test]
async fn the_first_login_wants_the_bootstrap_password() {
    let server = Server::start(&[], &[]);
    let login = |user: &str, password: &str| {
        let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
        request("POST", "/v3-public/localProviders/local?action=login", &FORWARDED, &body)
    };
    let answer = plain(&server, login("admin", PASSWORD)).await;
    assert_eq!(answer.status(), 201);
    let token = serde_json::from_str::<Value>(answer.body()).unwrap()["token"].as_str().unwrap().to_string();
    assert!(token.starts_with("token-"));
    for (user, password) in [("admin", "wrong"), ("admin", ""), ("root", PASSWORD)] {
        assert_eq!(plain(&server, login(user, password)).await.status(), 401);
    }
    plain(&server, get(&format!("/dashboard/?setup={PASSWORD}"), &FORWARDED)).await;
    let log = server.stop().2;
    assert!(log.contains("/v3-public/localProviders/local"), "{log}");
    assert!(!log.contains(PASSWORD) && !log.contains(&token), "{log}");
}

#[tokio::test]
async fn a_websocket_stays_open_and_silent_until_the_end() {
    let server = Server::start(&[], &[]);
    let mut through_proxy = "ws://rancher.test/v3/connect".into_client_request().unwrap();
    through_proxy.headers_mut().insert("x-forwarded-proto", "wss".parse().unwrap());
    let stream = TcpStream::connect(server.http).await.unwrap();
    let (mut plain, _) = client_async(through_proxy, stream).await.unwrap();
    let stream = strict(&server, &cacerts(&server).await, "rancher.test").await.unwrap();
    let (mut secure, answer) = client_async("wss://rancher.test/v3/subscribe", stream).await.unwrap();
    assert_eq!(answer.headers()["x-rancher-pod"], "rancher-0");

    secure.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(secure.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
    plain.send(Message::text("back")).await.unwrap();
    assert_eq!(plain.next().await.unwrap().unwrap(), Message::text("back"));
    let silence = tokio::time::timeout(Duration::from_millis(500), plain.next()).await;
    assert!(silence.is_err(), "it said {silence:?}");

    let stop = tokio::task::spawn_blocking(|| server.stop());
    assert!(matches!(secure.next().await, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1001));
    assert!(matches!(plain.next().await, Some(Ok(Message::Close(_)))));
    let (status, took, _) = stop.await.unwrap();
    assert!(status.success() && took < Duration::from_secs(4), "{status} after {took:?}");
}
