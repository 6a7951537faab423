//! The way to a cluster's API: a kubeconfig, and whether it is reached directly or through a port of ours.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use http::Uri;
use kube::client::ClientBuilder;
use kube::client::retry::RetryPolicy;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::zeroize::Zeroizing;
use tokio::sync::Mutex;
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use super::ClusterError;
use super::error::proof_failed;
use super::objects::Kind;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Somebody may have to answer the program that proves who the user is.
const PROOF_LIMIT: Duration = Duration::from_secs(60);
/// Admission webhooks may take 30 s each before the API answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(65);
/// An API server that says `429` or `503` is asked again, about four seconds in all: it has just made a definition's
/// storage anew, or it sheds load (kubernetes.io: concepts/cluster-administration/flow-control).
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const TRIES: u32 = 4;

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
        Ok(Access { kubeconfig, context, server })
    }

    /// The API's address as the kubeconfig gives it, e.g. `https://10.0.0.11:6443`.
    pub fn server(&self) -> &str {
        &self.server
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

    /// A kubeconfig file (0600, removed when dropped) for helm and kubectl, which go the same way as we do.
    pub fn helm_kubeconfig(&self, route: Route) -> Result<HelmKubeconfig, ClusterError> {
        let why = |why: String| ClusterError::Kubeconfig { why };
        let text = serde_yaml::to_string(&self.along(route)?).map_err(|error| why(error.to_string()))?;
        let text = Zeroizing::new(text);
        let write = || -> std::io::Result<tempfile::NamedTempFile> {
            // tempfile makes its files 0600.
            let mut file = tempfile::Builder::new().prefix("cowhand-kubeconfig-").tempfile()?;
            file.write_all(text.as_bytes())?;
            file.flush()?;
            Ok(file)
        };
        write()
            .map(HelmKubeconfig)
            .map_err(|source| ClusterError::Write { path: std::env::temp_dir().join("cowhand-kubeconfig"), source })
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
pub struct HelmKubeconfig(tempfile::NamedTempFile);

impl HelmKubeconfig {
    pub fn path(&self) -> &Path {
        self.0.path()
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
        let mut config = Config::from_custom_kubeconfig(access.along(route)?, &KubeConfigOptions::default())
            .await
            .map_err(unusable)?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.read_timeout = Some(ANSWER_LIMIT);
        config.reset_reader_on_write = true;
        // kube's own would go on for minutes where nobody is there.
        config.default_retry = false;
        // A proxy from the environment is for the internet; the API is reached directly or through our own SSH.
        config.proxy_url = None;
        let client = proved(config).await?;
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

    /// Whether the API serves everything, asked until it says so or the limit is over. An API server that has just
    /// started answers its version before it has its other paths, and one without etcd never gets any further
    /// (kubernetes.io: reference/using-api/health-checks).
    pub async fn ready_within(&self, limit: Duration) -> bool {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let asked = http::Request::get("/readyz").body(Vec::new());
            if let Ok(asked) = asked
                && self.client.request_text(asked).await.is_ok()
            {
                return true;
            }
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub(super) fn error(&self, doing: &str, error: kube::Error) -> ClusterError {
        ClusterError::from_kube(&self.server, doing, error)
    }
}

/// The way to the API with the user's proof, which may come from a program that the kubeconfig names. kube waits for
/// that program without an end, so it does so on a thread that nobody else has to wait for.
async fn proved(config: Config) -> Result<Client, ClusterError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        // Nobody listens any more when the limit is over.
        let _ = tell.send(patient(config));
    });
    match tokio::time::timeout(PROOF_LIMIT, told).await {
        Ok(Ok(client)) => client,
        Ok(Err(_)) | Err(_) => Err(ClusterError::Kubeconfig {
            why: format!("the program that its user names gave no credentials within {} s", PROOF_LIMIT.as_secs()),
        }),
    }
}

/// A client that asks again where that helps soon.
fn patient(config: Config) -> Result<Client, ClusterError> {
    let service = ClientBuilder::try_from(config);
    let service = service.map_err(|error| ClusterError::Kubeconfig { why: proof_failed(&error) })?;
    let patience = RetryPolicy::new(FIRST_PAUSE, LONGEST_PAUSE, TRIES, true);
    let patience = patience.map_err(|error| ClusterError::Kubeconfig { why: error.to_string() })?;
    let layers = tower::ServiceBuilder::new().layer(RetryLayer::new(patience)).layer(BufferLayer::new(64));
    Ok(service.with_layer(&layers.into_inner()).build())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
clusters:
- cluster: {api-version: v1, server: "https://10.0.0.11:6443", certificate-authority-data: Zm9v}
  name: prod
contexts:
- context: {cluster: prod, user: kube-admin-prod}
  name: prod
current-context: prod
users:
- name: kube-admin-prod
  user: {client-certificate-data: Zm9v, client-key-data: Q0FOQVJZ}
"#;

    #[test]
    fn a_route_through_us_keeps_the_name_to_check() {
        let access = Access::from_yaml(KUBECONFIG).unwrap();
        assert_eq!(access.endpoint().unwrap(), ("10.0.0.11".into(), 6443));
        let file = access.helm_kubeconfig(Route::Through { port: 4711 }).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("https://127.0.0.1:4711"), "{text}");
        assert!(text.contains("tls-server-name: \"10.0.0.11\""), "{text}");
        assert!(text.contains("client-key-data: Q0FOQVJZ"), "{text}");
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn keys_do_not_show() {
        let access = Access::from_yaml(KUBECONFIG).unwrap();
        assert!(!format!("{access:?}").contains("Q0FOQVJZ"));
        let broken = Access::from_yaml("users: [Q0FOQVJZ").unwrap_err();
        assert!(!broken.to_string().contains("Q0FOQVJZ"), "{broken}");
    }

    #[test]
    fn what_a_kubeconfig_lacks_is_named() {
        let text = KUBECONFIG.replace("current-context: prod", "current-context: test");
        let error = Access::from_yaml(&text).unwrap_err().to_string();
        assert_eq!(error, "the kubeconfig cannot be used: it has no context test; it has prod");
    }

    /// A kubeconfig for plain http on loopback.
    fn plain(port: u16) -> String {
        let text = KUBECONFIG.replace("https://10.0.0.11:6443", &format!("http://127.0.0.1:{port}"));
        let text = text.replace("certificate-authority-data: Zm9v", "disable-compression: true");
        text.replace("{client-certificate-data: Zm9v, client-key-data: Q0FOQVJZ}", "{token: x}")
    }

    #[tokio::test]
    async fn a_server_that_sheds_load_is_asked_again() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let version = r#"{"major":"1","minor":"32","gitVersion":"v1.32.2","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
        let answers = [("429 Too Many Requests", "{}"), ("503 Service Unavailable", "{}"), ("200 OK", version)];
        let server = tokio::spawn(async move {
            for (status, body) in answers {
                let (mut wire, _) = listener.accept().await.unwrap();
                let _ = wire.read(&mut [0; 4096]).await.unwrap();
                let head = format!("HTTP/1.1 {status}\r\nRetry-After: 0\r\nConnection: close\r\n");
                let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                wire.write_all(text.as_bytes()).await.unwrap();
            }
        });
        let cluster = Cluster::connect(&plain(port), Route::Direct).await.unwrap();
        assert_eq!(cluster.version().await.unwrap(), "v1.32.2");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn what_a_users_program_is_given_is_not_told_when_it_fails() {
        let exec = "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, \
            args: [-c, 'echo no luck >&2; exit 3', CANARYARG], env: [{name: SECRET, value: CANARYENV}]}}";
        let text = plain(1).replace("{token: x}", exec);
        let error = Cluster::connect(&text, Route::Direct).await.err().unwrap().to_string();
        assert_eq!(
            error,
            "the kubeconfig cannot be used: the program that its user names failed with exit status: 3: no luck"
        );
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_one_sentence() {
        let cluster = Cluster::connect(&plain(1), Route::Direct).await.unwrap();
        let error = cluster.version().await.unwrap_err();
        assert_eq!(error.to_string(), "no answer from http://127.0.0.1:1: connection refused");
    }
}
