//! From a checked configuration to two open ports, and to their orderly end.

use crate::config::Config;
use crate::ending::{self, Ending};
use crate::http::{State, handle};
use crate::kube::Store;
use crate::{VERSION, ca, log, ssl, tls};
use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::ServerConfig;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

/// How long open requests may take once the end has been asked for.
const GRACE: Duration = Duration::from_secs(2);

pub async fn run(mut config: Config) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let files = ssl::read(&config.ssl_dir)?;
    // judged before the cluster is asked for anything: a wrong combination is fatal at once
    ssl::cacerts(&files, config.no_cacerts, "")?;
    let store = Store::new(&config)?;
    let ca = Arc::new(ca::load_or_generate(&store).await?);
    let cacerts = ssl::cacerts(&files, config.no_cacerts, &ca.pem)?;
    let bootstrap_password = bootstrap_password(&store, std::mem::take(&mut config.bootstrap_password)).await?;
    let tls = match &files.pair {
        Some((cert, key)) => tls::mounted(cert, key)?,
        None => tls::dynamic(ca, config.server_host())?,
    };
    let (end, ending) = ending::channel();
    let http = listen(&config, config.http_port).await?;
    let https = listen(&config, config.https_port).await?;
    log::info(
        "listening",
        json!({"version": VERSION, "pod": config.pod, "http": http.local_addr()?.to_string(),
            "https": https.local_addr()?.to_string(), "cacerts": !cacerts.is_empty(),
            "agent_tls_mode": config.agent_tls_mode, "server_url": config.server_url}),
    );
    let state = Arc::new(State { config, cacerts, bootstrap_password, ending: ending.clone() });
    tokio::spawn(accept(http, None, state.clone(), ending.clone()));
    tokio::spawn(accept(https, Some(acceptor(tls)), state, ending));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info("ending", json!({}));
    end.send_replace(true);
    let finished = tokio::time::timeout(GRACE, end.closed()).await;
    log::info("ended", json!({"connections_cut": finished.is_err()}));
    Ok(())
}

/// The password of the first login: the given one, or one that is made and kept in `bootstrap-secret`.
async fn bootstrap_password(store: &Store, given: String) -> Result<String> {
    if !given.is_empty() {
        return Ok(given);
    }
    let mut bytes = [0; 27];
    SystemRandom::new().fill(&mut bytes).ok().context("no random numbers")?;
    let made: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let fresh = BTreeMap::from([("bootstrapPassword".to_string(), made)]);
    let kept = store.get_or_create("bootstrap-secret", "Opaque", fresh).await?;
    Ok(kept.get("bootstrapPassword").cloned().unwrap_or_default())
}

fn acceptor(mut config: ServerConfig) -> TlsAcceptor {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn listen(config: &Config, port: u16) -> Result<TcpListener> {
    let address = SocketAddr::new(config.bind, port);
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Takes connections until the end.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>, mut ending: Ending) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    log::error("accept", json!({"error": error.to_string()}));
                    // out of file descriptors, most likely: do not spin
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = ending.asked() => return,
        };
        tokio::spawn(connection(stream, tls.clone(), state.clone(), ending.clone()));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>, ending: Ending) {
    let served = match tls {
        None => converse(stream, false, state, ending).await,
        Some(acceptor) => match tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, true, state, ending).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        },
    };
    // a load balancer's TCP check connects and goes: that is no news
    if let Err(error) = served
        && error.kind() != io::ErrorKind::UnexpectedEof
    {
        log::info("connection ended", json!({"error": error.to_string()}));
    }
}

async fn converse<S>(stream: S, tls: bool, state: Arc<State>, mut ending: Ending) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(handle(state, tls, request).await) }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = ending.asked() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(io::Error::other)
}
