//! A real Kubernetes API for these tests, started once for all of them; it dies with the test program.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use cowhand::cluster::{Access, Cluster, Condition, Route};
use cowhand::local::{Program, spawn};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::json;

/// Named in the API's certificate, but reached by nobody: only a route through a port leads there.
pub const FAR_ADDRESS: &str = "10.77.0.1";

pub struct Api {
    pub port: u16,
    /// Kubeconfig whose server is `https://FAR_ADDRESS:6443`.
    pub far: String,
    /// The same with another CA.
    pub strange: String,
}

impl Api {
    pub fn route(&self) -> Route {
        Route::Through { port: self.port }
    }

    pub fn access(&self) -> Access {
        Access::from_yaml(&self.far).unwrap()
    }

    /// Kubeconfig for a program of its own, which goes to the port itself.
    pub fn near(&self) -> String {
        self.far.replace(&format!("https://{FAR_ADDRESS}:6443"), &format!("https://127.0.0.1:{}", self.port))
    }

    pub async fn cluster(&self) -> Cluster {
        Cluster::connect(&self.far, self.route()).await.unwrap()
    }
}

/// The API, started when first asked for.
pub fn api() -> &'static Api {
    // Tried once: when it does not come up, every test that needs it fails at once.
    static API: OnceLock<Option<Api>> = OnceLock::new();
    let started = API.get_or_init(|| std::thread::spawn(start).join().ok());
    started.as_ref().expect("the Kubernetes API of these tests did not come up; its logs are in target/tmp/api-*")
}

/// For tests about the one lock and the one mark that a cluster has.
pub async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

/// A namespace of a test's own, made.
pub async fn namespace(cluster: &Cluster, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    cluster.apply(&[namespace], &cowhand::cluster::Apply::default(), |_| ()).await.unwrap();
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A certificate authority and what it signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    pub fn sign(&self, name: &str, organisation: &str, addresses: &[&str]) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, organisation);
        params.subject_alt_names = addresses.iter().map(|one| SanType::IpAddress(one.parse().unwrap())).collect();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn start() -> Api {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = own_folder();
    let api = runtime.block_on(start_in(&folder));
    // The programs live as long as the process; their runtime has to as well.
    std::mem::forget(runtime);
    api
}

/// A folder by our process id, below cargo's target folder; those of test programs that are gone are removed.
fn own_folder() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dead = name.strip_prefix("api-").is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_dead {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let folder = all.join(format!("api-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn start_in(folder: &Path) -> Api {
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = Authority::new("test CA");
    let (certificate, key) = authority.sign("kube-apiserver", "test", &["127.0.0.1", FAR_ADDRESS]);
    let (admin, admin_key) = authority.sign("admin", "system:masters", &[]);
    let (certificate, key) = (write("api.pem", &certificate), write("api.key", &key));
    let accounts = KeyPair::generate().unwrap();
    let public = write("accounts.pub", &accounts.public_key_pem());
    let accounts = write("accounts.key", &accounts.serialize_pem());
    let ca = write("ca.pem", &authority.pem);
    let (port, etcd, peers) = (free_port(), free_port(), free_port());
    let etcd_url = format!("http://127.0.0.1:{etcd}");
    let peers_url = format!("http://127.0.0.1:{peers}");
    let store = Program::new(crate::program("etcd")).words(["--data-dir"]).word(folder.join("etcd")).words([
        format!("--listen-client-urls={etcd_url}"),
        format!("--advertise-client-urls={etcd_url}"),
        format!("--listen-peer-urls={peers_url}"),
        // A test's data may be lost with the test.
        "--unsafe-no-fsync".into(),
    ]);
    live(store, folder, "etcd").await;
    let server = Program::new(crate::program("kube-apiserver")).words([
        format!("--etcd-servers={etcd_url}"),
        format!("--tls-cert-file={}", certificate.display()),
        format!("--tls-private-key-file={}", key.display()),
        format!("--client-ca-file={}", ca.display()),
        format!("--service-account-key-file={}", public.display()),
        format!("--service-account-signing-key-file={}", accounts.display()),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--authorization-mode=RBAC".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        "--service-cluster-ip-range=10.99.0.0/24".into(),
        // No pod here ever needs an account.
        "--disable-admission-plugins=ServiceAccount".into(),
    ]);
    live(server, folder, "kube-apiserver").await;
    let far = kubeconfig(&format!("https://{FAR_ADDRESS}:6443"), &authority.pem, &admin, &admin_key);
    let strange =
        kubeconfig(&format!("https://{FAR_ADDRESS}:6443"), &Authority::new("other CA").pem, &admin, &admin_key);
    let near = kubeconfig(&format!("https://127.0.0.1:{port}"), &authority.pem, &admin, &admin_key);
    let cluster = Cluster::connect(&near, Route::Direct).await.unwrap();
    let own = Condition::EndpointsNonEmpty { namespace: "default".into(), service: "kubernetes".into() };
    cluster.wait(&own, Duration::from_secs(120), |_| ()).await.unwrap();
    let near = write("near.kubeconfig", &near);
    let manager = Program::new(crate::program("kube-controller-manager")).words([
        format!("--kubeconfig={}", near.display()),
        "--controllers=*,-serviceaccount-token-controller".into(),
        "--leader-elect=false".into(),
        format!("--secure-port={}", free_port()),
        "--use-service-account-credentials=false".into(),
    ]);
    live(manager, folder, "kube-controller-manager").await;
    Api { port, far, strange }
}

async fn live(program: Program, folder: &Path, name: &str) {
    let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
    let mut command = program.command();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    // Not waited for: it is killed by the kernel when this test program ends.
    std::mem::forget(spawn(command).await.unwrap());
}

fn kubeconfig(server: &str, ca: &str, certificate: &str, key: &str) -> String {
    let data = |text: &str| k8s_openapi::ByteString(text.as_bytes().to_vec());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": data(ca)}}],
        "users": [{"name": "admin", "user": {"client-certificate-data": data(certificate), "client-key-data": data(key)}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
    });
    config.to_string()
}
