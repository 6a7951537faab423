//! The texts of `cowhand lb`, judged by the programs that they are for.

use std::path::{Path, PathBuf};
use std::process::Command;

use cowhand::balancer::{Floating, Front, TlsFiles, haproxy, keepalived, nginx};
use cowhand::inventory::{Environment, Inventory, parse};

const MODES: [&str; 3] = ["mode: ingress, issuer: ca", "mode: external, issuer: blank", "mode: rancher, issuer: ca"];

fn inventory(tls: &str) -> Inventory {
    let text = format!(
        "name: prod\nnodes: [10.0.0.11, {{address: 10.0.0.12, name: second}}, 10.0.0.13]\nload_balancers: [10.0.0.5, 10.0.0.6]\n\
         engine: {{rke: {{}}}}\nrancher: {{hostname: rancher.example.com, version: 2.11.5, tls: {{{tls}}}}}\n"
    );
    let environment = Environment { home: None, folder: "/srv/prod".into(), variable: &|_| None };
    parse(&text, Path::new("prod.yml"), &environment).unwrap()
}

/// A folder that every user may enter, with a certificate and its key beside it.
fn folder() -> (tempfile::TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
    let place = |name: &str| folder.path().join(name).display().to_string().parse().unwrap();
    std::fs::copy(data.join("chain.pem"), folder.path().join("rancher.pem")).unwrap();
    std::fs::copy(data.join("leaf.key"), folder.path().join("rancher.pem.key")).unwrap();
    let files = TlsFiles { certificate: Some(place("rancher.pem")), key: None };
    (folder, files)
}

fn files_of(tls: &str, files: &TlsFiles) -> TlsFiles {
    if tls.contains("external") { files.clone() } else { TlsFiles::default() }
}

/// What Debian keeps beyond a user's PATH.
fn server(name: &str) -> PathBuf {
    let beyond = Path::new("/usr/sbin").join(name);
    if beyond.is_file() { beyond } else { crate::program(name) }
}

fn accepted(program: &str, words: &[&str], text: &str) {
    let done = Command::new(server(program)).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{program} refuses:\n{said}\nin\n{text}");
    let lowered = said.to_lowercase();
    assert!(!lowered.contains("warn"), "{program} warns:\n{said}\nin\n{text}");
}

#[test]
fn haproxy_accepts_its_text_for_each_mode() {
    for tls in MODES {
        let (folder, files) = folder();
        let inventory = inventory(tls);
        let text = haproxy(&Front::new(&inventory, "prod.yml").unwrap(), &files_of(tls, &files)).unwrap();
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, &text).unwrap();
        accepted("haproxy", &["-c", "-f", file.to_str().unwrap()], &text);
    }
}

#[test]
fn nginx_accepts_its_text_for_each_mode() {
    for tls in MODES {
        let (folder, files) = folder();
        let inventory = inventory(tls);
        let text = nginx(&Front::new(&inventory, "prod.yml").unwrap(), &files_of(tls, &files)).unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, &text).unwrap();
        accepted("nginx", &["-t", "-c", file.to_str().unwrap()], &text);
    }
}

/// keepalived looks for the interface, and takes no loopback.
fn interface() -> String {
    let names = std::fs::read_dir("/sys/class/net").unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "lo").min_by_key(String::len).expect("this test needs a network interface besides lo")
}

#[test]
fn keepalived_accepts_its_text_for_each_machine() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = inventory(MODES[0]);
    let front = Front::new(&inventory, "prod.yml").unwrap();
    for on in ["10.0.0.5", "10.0.0.6"] {
        let on = Some(on.parse().unwrap());
        let floating = Floating { address: "10.0.0.100".parse().unwrap(), interface: interface(), on };
        let text = keepalived(&front, &floating).unwrap();
        let file = folder.path().join("keepalived.conf");
        std::fs::write(&file, &text).unwrap();
        accepted("keepalived", &["-t", "-f", file.to_str().unwrap()], &text);
    }
}
