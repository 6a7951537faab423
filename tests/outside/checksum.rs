//! The law of the checksum: what `check` and `plan` predict of a CA file is what an agent computes from what the lab's stand-in
//! for Rancher really serves, over TLS, when it is given what `up` sends: for files of all kinds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cowhand::facts::outside::provider;
use cowhand::inventory::{self, Environment};
use cowhand::tls::{Files, Material, Predicted, Request, ca_checksum, judge, picture, survives_secret};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAME: &str = "rancher.test";

/// One certificate as it stands in a file, made anew for each case.
#[derive(Debug, Clone)]
struct One {
    rsa: bool,
    /// Of its name, so that the texts differ in length.
    length: usize,
    before: String,
}

/// How a CA file looks.
#[derive(Debug, Clone)]
struct Shape {
    bom: bool,
    certificates: Vec<One>,
    after: String,
    /// The ends of its lines, over and over.
    ends: Vec<&'static str>,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let comment = prop_oneof![
        Just(String::new()),
        "# [ -~äß]{0,30}\n",
        "Bag Attributes\n    friendlyName: [a-zé ]{1,12}\n",
        "\n{1,3}",
        "[ \t]{1,4}\n"
    ];
    let one =
        (any::<bool>(), 1usize..60, comment.clone()).prop_map(|(rsa, length, before)| One { rsa, length, before });
    let end = prop::sample::select(vec!["\n", "\r\n", "\r", " \n", "\t\r\n"]);
    (any::<bool>(), prop::collection::vec(one, 1..4), comment, prop::collection::vec(end, 1..4))
        .prop_map(|(bom, certificates, after, ends)| Shape { bom, certificates, after, ends })
}

impl Shape {
    fn bytes(&self) -> Vec<u8> {
        let certificates = self.certificates.iter().map(|one| format!("{}{}", one.before, one.pem()));
        let text = certificates.collect::<String>() + &self.after;
        let lines = text.lines().zip(self.ends.iter().cycle()).map(|(line, end)| format!("{line}{end}"));
        format!("{}{}", if self.bom { "\u{feff}" } else { "" }, lines.collect::<String>()).into_bytes()
    }
}

impl One {
    fn pem(&self) -> String {
        let key = if self.rsa {
            // ring makes no RSA keys; the certificate is another one each time all the same
            KeyPair::from_pem(include_str!("../data/tls/key-rsa2048.key")).unwrap()
        } else {
            KeyPair::generate().unwrap()
        };
        let mut params = CertificateParams::new(vec![format!("{}.test", "a".repeat(self.length))]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let serial = KeyPair::generate().unwrap().public_key_raw()[1..17].to_vec();
        params.serial_number = Some(serial.into());
        params.self_signed(&key).unwrap().pem()
    }
}

/// What `up` would put into Secret `tls-ca` for these files, and what `plan` says of it.
fn sent_and_predicted(ca: &[u8], also: Option<&[u8]>) -> (String, Predicted) {
    let also_key = if also.is_some() { ", also_trust: ./also.pem" } else { "" };
    let text = format!(
        "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\nengine: {{rke: {{}}}}\nrancher: {{hostname: {NAME}, tls: {{mode: \
         ingress, issuer: blank, certificate: ./c.pem, key: ./k.pem, ca: ./ca.pem{also_key}}}}}\n"
    );
    let environment = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
    let inventory = inventory::parse(&text, Path::new("inventory.yml"), &environment).unwrap();
    let (certificate, key): (&[u8], &[u8]) =
        (include_bytes!("../data/tls/chain.pem"), include_bytes!("../data/tls/leaf.key"));
    let files =
        Files { certificate: Some(certificate), key: Some(key), ca: Some(ca), also_trust: also, ..Files::default() };
    let material = Material::read(&files).unwrap();
    let picture = picture(&inventory, &material).unwrap();
    let secret = picture.secrets.iter().find(|secret| secret.name == "tls-ca").unwrap();
    let [(key, source)] = secret.entries[..] else { panic!("{secret:?}") };
    assert_eq!(key, "cacerts.pem");
    (material.text(source).unwrap().expose_secret().to_owned(), picture.predicted)
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
    let program = stand_in();
    let own = rcgen::generate_simple_self_signed(vec![NAME.to_string()]).unwrap();
    // A case is a server's whole life; a failing one is told in full, so none is kept beside the sources.
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let law = runner.run(&(shapes(), prop::option::of(shapes())), |(ca, also)| {
        let (bytes, also) = (ca.bytes(), also.map(|also| also.bytes()));
        let (sent, predicted) = sent_and_predicted(&bytes, also.as_deref());
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in
            [("cacerts.pem", &sent), ("cert.pem", &own.cert.pem()), ("key.pem", &own.signing_key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let server = Server::start(&program, folder.path());
        let trust = own.cert.pem();
        let (body, setting) = runtime.block_on(async {
            (server.get(&trust, "/cacerts").await, server.get(&trust, "/v3/settings/cacerts").await)
        });
        let setting: Value = serde_json::from_str(&setting).unwrap();
        let value = setting["value"].as_str().unwrap();
        let all = ca.certificates.len() + also.as_deref().map_or(0, count);
        prop_assert_eq!(count(value.as_bytes()), all);
        prop_assert_eq!(survives_secret(sent.as_bytes()), Ok(()));
        prop_assert_eq!(&predicted, &Predicted::Checksum(as_an_agent(value)));
        prop_assert_eq!(&predicted, &Predicted::Checksum(ca_checksum(&body)));
        // what `check` says is the same
        let files = Files { ca: Some(&bytes), also_trust: also.as_deref(), ..Files::default() };
        let request = Request { files, ..Request::default() };
        let said = judge(&request).into_iter().find(|one| one.rule.id == "tls.ca-checksum").unwrap().seen;
        prop_assert!(said.starts_with(&format!("agents will compute {}", as_an_agent(value))), "{}", said);
        Ok(())
    });
    law.unwrap();
}

fn count(text: &[u8]) -> usize {
    text.windows(17).filter(|window| window == b"BEGIN CERTIFICATE").count()
}
