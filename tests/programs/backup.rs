//! etcd's own snapshot stream and its database, from a real etcd behind TLS.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cowhand::backup::{Contents, Snapshot, Spool, Tls, status};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use super::api::{Authority, free_port};

/// An etcd of one member that asks for certificates; it ends with the test.
struct Etcd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    ca: String,
    pair: (String, String),
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Etcd {
    fn start() -> Etcd {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("etcd's CA");
        let (certificate, key) = authority.sign("etcd", "test", &["127.0.0.1"]);
        let pair = authority.sign("system:node", "system:nodes", &[]);
        let files = [
            ("ca.pem", &authority.pem),
            ("etcd.pem", &certificate),
            ("etcd.key", &key),
            ("node.pem", &pair.0),
            ("node.key", &pair.1),
        ];
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        let (port, peers) = (free_port(), free_port());
        let (url, peer) = (format!("https://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
        let child = Command::new(crate::program("etcd"))
            .current_dir(folder.path())
            .args(["--data-dir", "data", "--cert-file", "etcd.pem", "--key-file", "etcd.key", "--client-cert-auth"])
            .args(["--trusted-ca-file", "ca.pem", "--unsafe-no-fsync"])
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ca = authority.pem.clone();
        Etcd { child, port, folder, ca, pair }
    }

    fn tls(&self) -> Tls<'_> {
        Tls { ca: &self.ca, certificate: &self.pair.0, key: &self.pair.1 }
    }

    async fn wire(&self) -> Box<tokio::net::TcpStream> {
        Box::new(tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.unwrap())
    }

    async fn is_there(&self) {
        for _ in 0..150 {
            if let Ok(stream) = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await
                && status(Box::new(stream), self.tls()).await.is_ok_and(|status| status.leader != 0)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("etcd did not come up");
    }

    fn ask(&self, what: &str, body: &str) {
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let mut child = Command::new("curl")
            .args(["-sSf", "--cacert", &place("ca.pem"), "--cert", &place("node.pem"), "--key", &place("node.key")])
            .args(["-d", "@-", &format!("https://127.0.0.1:{}/v3/kv/{what}", self.port)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{what}");
    }

    fn put(&self, key: &str, value: &[u8]) {
        let (key, value) = (BASE64.encode(key.as_bytes()), BASE64.encode(value));
        self.ask("put", &format!(r#"{{"key":"{key}","value":"{value}"}}"#));
    }

    async fn snapshot(&self, folder: &Path) -> (cowhand::backup::Spooled, u64) {
        let mut spool = Spool::in_folder(folder).unwrap();
        let mut snapshot = Snapshot::begin(self.wire().await, self.tls()).await.unwrap();
        let mut promised = None;
        while let Some((bytes, left)) = snapshot.piece().await.unwrap() {
            promised.get_or_insert(bytes.len() as u64 + left);
            spool.write(&bytes).unwrap();
        }
        (spool.finish().unwrap(), promised.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_real_etcd_is_read_to_its_last_page() {
    let etcd = Etcd::start();
    etcd.is_there().await;
    for number in 0..120 {
        etcd.put(&format!("/registry/configmaps/many/m{number}"), &vec![b'a' + number as u8 % 20; 9_000]);
    }
    for number in 0..30 {
        let key = BASE64.encode(format!("/registry/configmaps/many/m{number}").as_bytes());
        etcd.ask("deleterange", &format!(r#"{{"key":"{key}"}}"#));
    }
    // Freed pages are used again: the tree is no longer in the order of the file.
    etcd.ask("compaction", r#"{"revision":"140","physical":true}"#);
    for number in 0..40 {
        etcd.put(&format!("/registry/management.cattle.io/clusters/c-{number}"), b"{\"kind\":\"Cluster\"}");
    }
    let seen = status(etcd.wire().await, etcd.tls()).await.unwrap();
    assert!(seen.leads() && seen.version.starts_with('3') && seen.revision == 191, "{seen:?}");
    let folder = tempfile::tempdir().unwrap();
    let (mut spooled, promised) = etcd.snapshot(folder.path()).await;
    assert_eq!(spooled.length, promised + 32, "the database, and etcd's hash");
    let length = spooled.length;
    let contents = Contents::read(spooled.open().unwrap(), length).unwrap();
    assert_eq!((contents.revision, contents.keys), (191, 130));
    assert_eq!((contents.objects["configmaps"], contents.objects["management.cattle.io/clusters"]), (90, 40));
    assert_eq!(contents.members, ["default"]);
    // etcd's hash is that of its database.
    let mut reader = spooled.open().unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    let (database, hash) = bytes.split_at(bytes.len() - 32);
    assert_eq!(Sha256::digest(database)[..], *hash);
    reader.seek(SeekFrom::Start(0)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_ca_and_a_stranger_are_refused() {
    let etcd = Etcd::start();
    etcd.is_there().await;
    let other = Authority::new("another CA");
    let why = status(etcd.wire().await, Tls { ca: &other.pem, ..etcd.tls() }).await.unwrap_err();
    assert!(why.contains("certificate"), "the CA of another state did not sign what the node bears: {why}");
    let (certificate, key) = other.sign("system:node", "system:nodes", &[]);
    let stranger = Tls { certificate: &certificate, key: &key, ..etcd.tls() };
    assert!(status(etcd.wire().await, stranger).await.is_err());
}

/// Whatever single bit of a real database is turned, it is found or changes nothing that is counted.
#[tokio::test(flavor = "multi_thread")]
async fn turned_bits_in_a_real_database_are_found_or_lie_in_what_nobody_can_judge() {
    let etcd = Etcd::start();
    etcd.is_there().await;
    for number in 0..200 {
        etcd.put(&format!("/registry/pods/a/p{number}"), b"{}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut spooled, _) = etcd.snapshot(folder.path()).await;
    let mut whole = Vec::new();
    std::io::Read::read_to_end(&mut spooled.open().unwrap(), &mut whole).unwrap();
    let length = whole.len() as u64;
    let read = |bytes: &[u8]| Contents::read(std::io::Cursor::new(bytes), length);
    let good = read(&whole).unwrap();
    let headers = (2..whole.len() / 4096).map(|page| page * 4096).filter(|page| u16::from(whole[page + 8]) & 3 != 0);
    let mut found = 0;
    for page in headers {
        let mut turned = whole.clone();
        turned[page] ^= 1;
        // A page that nothing leads to any more is nobody's loss.
        match read(&turned) {
            Err(_) => found += 1,
            Ok(contents) => assert_eq!((contents.revision, contents.keys), (good.revision, good.keys)),
        }
    }
    assert!(found >= 3, "{found}");
}
