//! The law of the checksum: what cowhand predicts of a CA file is what an agent computes from what the lab's stand-in for
//! Rancher really serves, over TLS, for files of all kinds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cowhand::facts::outside::provider;
use cowhand::tls::{ca_checksum, survives_secret};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAME: &str = "rancher.test";

/// How a CA file looks besides its certificates.
#[derive(Debug, Clone)]
struct Shape {
    certificates: usize,
    windows: bool,
    before: String,
    between: String,
    after: String,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let comment =
        prop_oneof![Just(String::new()), "# [ -~äß]{0,30}\n", "subject=CN = [a-z]{1,12}\n", "\n{1,3}", "[ \t]{1,4}\n"];
    let blanks = "[ \t\r\n]{0,6}";
    (1usize..4, any::<bool>(), blanks, comment.clone(), (comment, blanks)).prop_map(
        |(certificates, windows, before, between, (comment, blanks))| Shape {
            certificates,
            windows,
            before,
            between,
            after: format!("{comment}{blanks}"),
        },
    )
}

impl Shape {
    fn text(&self, pool: &[String]) -> String {
        let certificates = pool[..self.certificates].join(&self.between);
        let text = format!("{}{certificates}{}", self.before, self.after);
        if self.windows { text.replace('\n', "\r\n") } else { text }
    }
}

/// Certificates whose texts differ in length.
fn pool() -> Vec<String> {
    let make = |length: usize| {
        let name = format!("{}.test", "a".repeat(length));
        CertificateParams::new(vec![name]).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    };
    [1, 20, 60].map(make).to_vec()
}

/// The stand-in is a package of its own; it is built where `tests/run` builds it.
fn stand_in() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/rancher");
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("COWHAND_LAB_CACHE").unwrap_or_else(|| {
        let caches = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        caches.expect("neither COWHAND_LAB_CACHE nor HOME is set").join("cowhand-lab")
    });
    let target = cache.join("target-stand-in");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--bin", "lab-rancher"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .status();
    assert!(build.unwrap().success(), "the stand-in does not build");
    target.join("debug/lab-rancher")
}

struct Server {
    child: Child,
    https: String,
}

impl Server {
    fn start(program: &Path, ssl: &Path) -> Server {
        let mut child = Command::new(program)
            .env_clear()
            .args(["--http-listen-port=0", "--https-listen-port=0", "--add-local=true"])
            .env("LAB_RANCHER_BIND", "127.0.0.1")
            .env("LAB_RANCHER_SSL_DIR", ssl)
            .env("CATTLE_BOOTSTRAP_PASSWORD", "of no use here")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut entries = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let entry = entries.find(|entry| entry["msg"] == "listening").expect("the server ended");
        Server { child, https: entry["https"].as_str().unwrap().to_string() }
    }

    /// The body of a page, by a client that trusts only this certificate.
    async fn get(&self, trust: &str, page: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trust.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let tcp = tokio::net::TcpStream::connect(&self.https).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(ServerName::try_from(NAME).unwrap(), tcp).await.unwrap();
        let request = format!("GET {page} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // the server may go without a farewell; what it said before counts
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        let length = format!("content-length: {}", body.len());
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(&length), "{head}");
        body.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // ended already after a failure, and then there is nothing to kill
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `jq -r .value | sha256sum`, as run.sh does.
fn as_an_agent(value: &str) -> String {
    Sha256::digest(format!("{value}\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_predicted_checksum_is_the_served_one() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (program, pool) = (stand_in(), pool());
    let own = rcgen::generate_simple_self_signed(vec![NAME.to_string()]).unwrap();
    // A case is a server's whole life; a failing one is told in full, so none is kept beside the sources.
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let law = runner.run(&shapes(), |shape| {
        let folder = tempfile::tempdir().unwrap();
        let text = shape.text(&pool);
        for (name, content) in
            [("cacerts.pem", &text), ("cert.pem", &own.cert.pem()), ("key.pem", &own.signing_key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let server = Server::start(&program, folder.path());
        let trust = own.cert.pem();
        let (body, setting) = runtime.block_on(async {
            (server.get(&trust, "/cacerts").await, server.get(&trust, "/v3/settings/cacerts").await)
        });
        let setting: Value = serde_json::from_str(&setting).unwrap();
        prop_assert_eq!(survives_secret(text.as_bytes()), Ok(()));
        prop_assert_eq!(ca_checksum(&text), as_an_agent(setting["value"].as_str().unwrap()));
        prop_assert_eq!(ca_checksum(&text), ca_checksum(&body));
        Ok(())
    });
    law.unwrap();
}
