//! The way to a cluster's API: a kubeconfig, and whether it is reached directly or through a port of ours.

use crate::local::HELM_KUBECONFIG;
use data_encoding::BASE64;
use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use fail::fail_point;
use http::{Response, Uri};
use http_body_util::Limited;
use kube::client::retry::RetryPolicy;
use kube::client::{ClientBuilder, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::zeroize::Zeroizing;
use tokio::sync::Mutex;
use tower::buffer::BufferLayer;
use tower::filter::AsyncFilterLayer;
use tower::retry::RetryLayer;

use super::ClusterError;
use super::error::proof_failed;
use super::kind::Kind;
use super::proof::{Bearer, PROOF_LIMIT, Proofs, asked, lasts, unproved};
use crate::remote::refuse_irregular;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Admission webhooks may take 30 s each before the API answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(65);
/// An API server that says `429` or `503` is asked again, about four seconds in all: it has just made a definition's
/// storage anew, or it sheds load (kubernetes.io: concepts/cluster-administration/flow-control).
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const TRIES: u32 = 4;
/// The most that one answer may be (bytes): lists of thousands of objects are far below it.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// How the API of the kubeconfig is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// At the address that the kubeconfig names.
    Direct,
    /// At 127.0.0.1:port, where our own SSH connections carry it on. The certificate is still checked against the
    /// name or address of the kubeconfig.
    Through { port: u16 },
}

/// A kubeconfig and the context in it that is meant.
#[derive(Clone)]
pub struct Access {
    pub(super) kubeconfig: Kubeconfig,
    pub(super) context: String,
    server: String,
    /// What the program gave that the user names, if so: for this kubeconfig and all its copies.
    proofs: Arc<Proofs>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("context", &self.context).field("server", &self.server).finish_non_exhaustive()
    }
}

impl Access {
    /// From the text of a kubeconfig whose certificates and keys stand in it (RKE writes such), current context.
    pub fn from_yaml(text: &str) -> Result<Self, ClusterError> {
        Access::new(Kubeconfig::from_yaml(text).map_err(unusable)?, None)
    }

    /// From a file; paths in it are taken relative to it. `context` is the current one unless given.
    pub fn from_file(path: &Path, context: Option<&str>) -> Result<Self, ClusterError> {
        let irregular = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::Other => ClusterError::Kubeconfig { why: error.to_string() },
            // As kube says it of any other file.
            kind => unusable(kube::config::KubeconfigError::ReadConfig(kind.into(), path.into())),
        };
        refuse_irregular(path).map_err(irregular)?;
        Access::new(Kubeconfig::read_from(path).map_err(unusable)?, context)
    }

    fn new(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Self, ClusterError> {
        let why = |why: String| ClusterError::Kubeconfig { why };
        let context = context.or(kubeconfig.current_context.as_deref()).map(str::to_owned);
        let context = context.ok_or_else(|| why("it has no current context".into()))?;
        let named = kubeconfig.contexts.iter().find(|named| named.name == context);
        let known = || kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect::<Vec<_>>().join(", ");
        let cluster = named.and_then(|named| named.context.as_ref()).map(|found| found.cluster.clone());
        let cluster = cluster.ok_or_else(|| why(format!("it has no context {context}; it has {}", known())))?;
        let found = kubeconfig.clusters.iter().find(|named| named.name == cluster).and_then(|c| c.cluster.as_ref());
        let found =
            found.ok_or_else(|| why(format!("its context {context} names a cluster {cluster} that it lacks")))?;
        if found.proxy_url.is_some() {
            return Err(why(format!("its cluster {cluster} is behind a proxy-url, which is not supported")));
        }
        let server = found.server.clone().ok_or_else(|| why(format!("its cluster {cluster} has no server")))?;
        Ok(Access { kubeconfig, context, server, proofs: Arc::default() })
    }

    /// The API's address as the kubeconfig gives it, e.g. `https://10.0.0.11:6443`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// PEM of the client certificate that stands in it.
    pub fn client_certificate(&self) -> Option<Vec<u8>> {
        let context = self.kubeconfig.contexts.iter().find(|one| one.name == self.context)?.context.as_ref()?;
        let user = self.kubeconfig.auth_infos.iter().find(|one| Some(&one.name) == context.user.as_ref())?;
        BASE64.decode(user.auth_info.as_ref()?.client_certificate_data.as_deref()?.trim().as_bytes()).ok()
    }

    /// Whether the meant context is the one that the file itself leads to.
    pub fn is_current(&self) -> bool {
        self.kubeconfig.current_context.as_ref() == Some(&self.context)
    }

    /// A kubeconfig with the meant context alone, its cluster and its user; files that it names keep their paths.
    pub fn alone(&self) -> Result<Zeroizing<String>, ClusterError> {
        let mut alone = self.kubeconfig.clone();
        alone.current_context = Some(self.context.clone());
        alone.contexts.retain(|named| named.name == self.context);
        let context = alone.contexts.first().and_then(|named| named.context.clone()).unwrap_or_default();
        alone.clusters.retain(|named| named.name == context.cluster);
        alone.auth_infos.retain(|named| Some(&named.name) == context.user.as_ref());
        // What other programs keep there is of no context.
        (alone.preferences, alone.extensions) = (None, None);
        alone.other.clear();
        let text = serde_yaml::to_string(&alone);
        text.map(Zeroizing::new).map_err(|error| ClusterError::Kubeconfig { why: error.to_string() })
    }

    /// Host and port of the API, where a route through us has to lead.
    pub fn endpoint(&self) -> Result<(String, u16), ClusterError> {
        let bad = || ClusterError::Kubeconfig { why: format!("`{}` is no address of an API", self.server) };
        let uri: Uri = self.server.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        Ok((host, port))
    }

    /// The same kubeconfig, only the meant context current, its API at the route's address.
    fn along(&self, route: Route) -> Result<Kubeconfig, ClusterError> {
        let mut kubeconfig = self.kubeconfig.clone();
        kubeconfig.current_context = Some(self.context.clone());
        let Route::Through { port } = route else { return Ok(kubeconfig) };
        let (host, _) = self.endpoint()?;
        let contexts = kubeconfig.contexts.iter().find(|named| named.name == self.context);
        let name = contexts.and_then(|named| named.context.as_ref()).map(|context| context.cluster.clone());
        let clusters = kubeconfig.clusters.iter_mut().filter(|cluster| Some(&cluster.name) == name.as_ref());
        for cluster in clusters.filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(format!("https://127.0.0.1:{port}"));
            cluster.tls_server_name.get_or_insert_with(|| host.clone());
        }
        Ok(kubeconfig)
    }

    /// A kubeconfig file for helm and kubectl, which go the same way as we do: 0600 in `folder`, which has to be nobody
    /// else's, and removed when dropped. See [`HELM_KUBECONFIG`] for one whose run was killed.
    /// What the user's program gave stands in it, so that helm does not run that program again.
    pub async fn helm_kubeconfig(&self, route: Route, folder: &Path) -> Result<HelmKubeconfig, ClusterError> {
        let why = |why: String| ClusterError::Kubeconfig { why };
        let (kubeconfig, until) = self.proved_along(route).await?;
        let text = serde_yaml::to_string(&kubeconfig).map_err(|error| why(error.to_string()))?;
        let text = Zeroizing::new(text);
        let write = || -> std::io::Result<tempfile::NamedTempFile> {
            let mut file = locked_file(folder)?;
            fail_point!("kubeconfig.helm", crate::remote::fault);
            file.write_all(text.as_bytes())?;
            file.flush()?;
            Ok(file)
        };
        let written = write().map_err(|source| ClusterError::Write { path: folder.join(HELM_KUBECONFIG), source });
        Ok(HelmKubeconfig { file: written?, until })
    }

    /// The way with the proof in it, and when that ends.
    async fn proved_along(&self, route: Route) -> Result<(Kubeconfig, Option<jiff::Timestamp>), ClusterError> {
        let mut kubeconfig = self.along(route)?;
        let loaded = config(kubeconfig.clone()).await?;
        let Some(exec) = asked(&loaded.auth_info) else { return Ok((kubeconfig, None)) };
        let proof = self.proofs.current(exec).await.map_err(unproved)?;
        let context = kubeconfig.contexts.iter().find(|named| named.name == self.context);
        let user = context.and_then(|named| named.context.as_ref()?.user.clone());
        let users = kubeconfig.auth_infos.iter_mut().filter(|named| Some(&named.name) == user.as_ref());
        users.filter_map(|named| named.auth_info.as_mut()).for_each(|user| proof.give(user));
        Ok((kubeconfig, proof.until()))
    }
}

async fn config(kubeconfig: Kubeconfig) -> Result<Config, ClusterError> {
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unusable)
}

/// A new file, locked by us. Between its making and the lock somebody who clears up may take it for a dead run's.
fn locked_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    loop {
        // tempfile makes its files 0600.
        let file = tempfile::Builder::new().prefix(HELM_KUBECONFIG).tempfile_in(folder)?;
        file.as_file().lock()?;
        if file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

fn unusable(error: kube::config::KubeconfigError) -> ClusterError {
    // The parser's message may quote what it read; its kind is enough, and keys stay out of every log.
    let why = match error {
        kube::config::KubeconfigError::ReadConfig(source, _) if source.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        kube::config::KubeconfigError::ReadConfig(source, _) => format!("it cannot be read: {}", source.kind()),
        kube::config::KubeconfigError::Parse(_) => "it is not a kubeconfig in YAML".to_owned(),
        other => other.to_string(),
    };
    ClusterError::Kubeconfig { why }
}

/// A temporary kubeconfig for a child program; gone when dropped.
pub struct HelmKubeconfig {
    file: tempfile::NamedTempFile,
    /// When the proof in it ends.
    until: Option<jiff::Timestamp>,
}

impl HelmKubeconfig {
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether the proof in it may still be used.
    pub fn lasts(&self) -> bool {
        lasts(self.until)
    }
}

/// A cluster whose API can be asked. Cheap to make: the first request opens the connection.
pub struct Cluster {
    pub(super) client: Client,
    pub(super) server: String,
    /// Kinds by their apiVersion, as discovered so far.
    pub(super) kinds: Mutex<HashMap<String, Vec<Kind>>>,
}

impl Cluster {
    /// Makes a client for the API; `kubeconfig` is the text of a kubeconfig with its keys in it.
    pub async fn connect(kubeconfig: &str, route: Route) -> Result<Self, ClusterError> {
        Cluster::open(&Access::from_yaml(kubeconfig)?, route).await
    }

    pub async fn open(access: &Access, route: Route) -> Result<Self, ClusterError> {
        // Another program part may have chosen the provider already; ours is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = config(access.along(route)?).await?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.read_timeout = Some(ANSWER_LIMIT);
        config.reset_reader_on_write = true;
        // kube's own would go on for minutes where nobody is there.
        config.default_retry = false;
        // A proxy from the environment is for the internet; the API is reached directly or through our own SSH.
        config.proxy_url = None;
        let client = proved(config, access.proofs.clone()).await?;
        let server = match route {
            Route::Direct => access.server.clone(),
            Route::Through { .. } => format!("{} (through ssh)", access.server),
        };
        Ok(Cluster { client, server, kinds: Mutex::new(HashMap::new()) })
    }

    /// The API's own version, e.g. `v1.32.2`.
    pub async fn version(&self) -> Result<String, ClusterError> {
        let answer = self.client.apiserver_version().await;
        answer.map(|info| info.git_version).map_err(|error| self.error("ask for the version", error))
    }

    /// Asks until the API says that it serves everything, or until the limit is over; then what it said last. An API server
    /// that has just started answers its version before it has its other paths, and one without etcd never gets any
    /// further (kubernetes.io: reference/using-api/health-checks).
    pub async fn ready_within(&self, limit: Duration) -> Result<(), String> {
        let end = tokio::time::Instant::now() + limit;
        let mut last = format!("no answer within {} s", limit.as_secs());
        let ask = || async {
            let asked = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
            let answer = self.client.request_text(asked).await;
            answer.map(drop).map_err(|error| unready(&self.error("ask whether it is ready", error)))
        };
        let pauses = ConstantBuilder::new().with_delay(Duration::from_secs(1)).without_max_times();
        let asked = ask.retry(pauses).notify(|said: &String, _| last.clone_from(said));
        match tokio::time::timeout_at(end, asked).await {
            Ok(ready) => ready,
            Err(_) => Err(last),
        }
    }

    pub(super) fn error(&self, doing: &str, error: kube::Error) -> ClusterError {
        ClusterError::from_kube(&self.server, doing, error)
    }
}

/// What is not ready: `/readyz` lists it as `[-]etcd failed: reason withheld` (kubernetes.io:
/// reference/using-api/health-checks).
fn unready(error: &ClusterError) -> String {
    let ClusterError::Refused { message, .. } = error else { return error.to_string() };
    let failed = message.lines().filter_map(|line| line.trim().strip_prefix("[-]"));
    let failed: Vec<&str> = failed.map(|line| line.split_whitespace().next().unwrap_or(line)).collect();
    if failed.is_empty() { error.to_string() } else { format!("not ready: {}", failed.join(", ")) }
}

/// The way to the API with the user's proof. A provider of kube's own may run a program and wait for it without an end, so
/// it does so on a thread that nobody else has to wait for.
async fn proved(mut config: Config, proofs: Arc<Proofs>) -> Result<Client, ClusterError> {
    let mut bearer = None;
    if let Some(exec) = asked(&config.auth_info).cloned() {
        let proof = proofs.current(&exec).await.map_err(unproved)?;
        proof.identify(&mut config.auth_info);
        bearer = proof.has_token().then_some(Bearer { exec, proofs });
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        // Nobody listens any more when the limit is over.
        let _ = tell.send(patient(config, bearer));
    });
    match tokio::time::timeout(PROOF_LIMIT, told).await {
        Ok(Ok(client)) => client,
        Ok(Err(_)) | Err(_) => Err(ClusterError::Kubeconfig {
            why: format!("the program that its user names gave no credentials within {} s", PROOF_LIMIT.as_secs()),
        }),
    }
}

/// A client that asks again where that helps soon.
fn patient(config: Config, bearer: Option<Bearer>) -> Result<Client, ClusterError> {
    let failed = |error: kube::Error| ClusterError::Kubeconfig { why: proof_failed(&error) };
    let patience = RetryPolicy::new(FIRST_PAUSE, LONGEST_PAUSE, TRIES, true);
    let patience = patience.map_err(|error| ClusterError::Kubeconfig { why: error.to_string() })?;
    let buffer = || BufferLayer::new(64);
    let limited = |answer: Response<Box<DynBody>>| answer.map(|body| Limited::new(body, LARGEST_ANSWER));
    let layers = tower::ServiceBuilder::new().map_response(limited);
    let layers = layers.layer(RetryLayer::new(patience)).layer(buffer()).into_inner();
    let service = ClientBuilder::try_from(config).map_err(failed)?;
    Ok(match bearer {
        None => service.with_layer(&layers).build(),
        Some(bearer) => {
            let token = AsyncFilterLayer::new(bearer);
            service.with_layer(&buffer()).with_layer(&token).with_layer(&layers).build()
        }
    })
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
