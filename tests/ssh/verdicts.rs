//! Whom the real ssh lets through and whom cowhand does: the same servers, the same configuration, row by row.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cowhand::remote::{ConnectOptions, Target};

use crate::world::{Sshd, World, connect_with, public, run, user};

/// What has to come out, of both.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Accept,
    Refuse,
    /// ssh goes on and cowhand does not, for this reason.
    Stricter(&'static str),
}

use Verdict::{Accept, Refuse, Stricter};

/// Servers with host keys of several kinds, and what is needed to speak of them.
struct Servers {
    world: World,
    ed25519: Sshd,
    /// Also has the key of `ed25519` kind.
    rsa: Sshd,
    other: String,
    authority: PathBuf,
    rsa_authority: PathBuf,
}

impl Servers {
    fn new() -> Servers {
        let world = World::new();
        let rsa_key = world.key("rsa-host", &["-t", "rsa", "-b", "2048", "-N", ""]);
        Servers {
            ed25519: world.unknown_sshd(""),
            rsa: world.unknown_sshd(&format!("HostKey {}", rsa_key.display())),
            other: public(&world.key("other-host", &["-t", "ed25519", "-N", ""])),
            authority: world.key("authority", &["-t", "ed25519", "-N", ""]),
            rsa_authority: world.key("rsa-authority", &["-t", "rsa", "-b", "2048", "-N", ""]),
            world,
        }
    }

    /// A server with a certificate for its host key, and that key.
    fn certified(&self, name: &str, authority: &Path, options: &[&str]) -> (Sshd, String) {
        let key = self.world.key(name, &["-t", "ed25519", "-N", ""]);
        let mut words = vec!["-q", "-s", authority.to_str().unwrap(), "-I", name, "-h"];
        words.extend(options);
        let half = format!("{}.pub", key.display());
        words.push(&half);
        run("ssh-keygen", &words);
        let sshd = self.world.unknown_sshd(&format!("HostKey {0}\nHostCertificate {0}-cert.pub", key.display()));
        (sshd, public(&key))
    }

    /// Whether the real ssh goes through, and whether cowhand does.
    async fn both(&self, sshd: &Sshd, known: &str, config: &str) -> (bool, Option<String>) {
        let text = format!(
            "{config}\nHost node\n HostName 127.0.0.1\n Port {}\n User {}\n IdentityFile {}\n IdentitiesOnly yes\n \
             IdentityAgent none\n UserKnownHostsFile {}\n GlobalKnownHostsFile /dev/null\n BatchMode yes\n UpdateHostKeys no\n",
            sshd.port,
            user(),
            self.world.key.display(),
            self.world.path("known").display(),
        );
        let file = self.world.write("verdicts", &text);
        self.world.write("known", known);
        let ssh =
            Command::new("ssh").arg("-F").arg(&file).args(["node", "true"]).stdin(Stdio::null()).output().unwrap();
        self.world.write("known", known);
        let target = Target { config: Some(file), ..Target::new("node", "node") };
        let ours = connect_with(target, ConnectOptions::default()).await;
        (ssh.status.success(), ours.err().map(|error| error.to_string()))
    }

    async fn judge(&self, what: &str, sshd: &Sshd, known: &str, config: &str, expected: Verdict) {
        let (ssh, ours) = self.both(sshd, known, config).await;
        let found = match (ssh, &ours) {
            (true, None) => Accept,
            (false, Some(_)) => Refuse,
            (true, Some(_)) if matches!(expected, Stricter(_)) => expected,
            (_, _) => panic!("{what}: ssh goes through: {ssh}; cowhand: {ours:?}\n{config}\n{known}"),
        };
        assert_eq!(found, expected, "{what}: {ours:?}\n{config}\n{known}");
    }
}

fn name(sshd: &Sshd) -> String {
    format!("[127.0.0.1]:{}", sshd.port)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_known_hosts() {
    let servers = Servers::new();
    let (sshd, world) = (&servers.ed25519, &servers.world);
    let (known, changed) = (sshd.known_line(), format!("{} {}", name(sshd), servers.other));
    let revoked = format!("@revoked * {}", sshd.host_key());
    let second = world.write("second", &format!("{known}\n")).display().to_string();
    let second_revoked = world.write("second-revoked", &format!("{revoked}\n")).display().to_string();
    let first = world.path("known").display().to_string();
    let rows: [(&str, &str, &str, Verdict); 19] = [
        ("known", &known, "", Accept),
        ("unknown", "", "", Refuse),
        ("unknown, strict", "", "StrictHostKeyChecking yes", Refuse),
        ("unknown, accept-new", "", "StrictHostKeyChecking accept-new", Accept),
        ("unknown, no", "", "StrictHostKeyChecking no", Accept),
        ("changed", &changed, "", Refuse),
        ("changed, accept-new", &changed, "StrictHostKeyChecking accept-new", Refuse),
        ("changed, no", &changed, "StrictHostKeyChecking no", Stricter("a changed key is never taken")),
        ("revoked", &format!("{known}\n{revoked}"), "", Refuse),
        (
            "revoked, no",
            &format!("{known}\n{revoked}"),
            "StrictHostKeyChecking no",
            Stricter("a revoked key is never taken"),
        ),
        ("in the second file", "", &format!("UserKnownHostsFile {first} {second}"), Accept),
        ("revoked in the second", &known, &format!("UserKnownHostsFile {first} {second_revoked}"), Refuse),
        ("in the global file", "", &format!("GlobalKnownHostsFile {second}"), Accept),
        ("only the global file", "", &format!("UserKnownHostsFile none\nGlobalKnownHostsFile {second}"), Accept),
        ("no file at all", &known, "UserKnownHostsFile none", Refuse),
        ("the alias", &format!("lab-node {}", sshd.host_key()), "HostKeyAlias lab-node", Accept),
        ("not the alias", &known, "HostKeyAlias lab-node", Refuse),
        ("hashed", &hashed(world, &known), "", Accept),
        (
            "this machine, unknown",
            "",
            "NoHostAuthenticationForLocalhost yes",
            Stricter("a port on loopback may lead anywhere, as Vagrant's do"),
        ),
    ];
    for (what, known, config, expected) in rows {
        servers.judge(what, sshd, known, config, expected).await;
    }
}

fn hashed(world: &World, line: &str) -> String {
    let file = world.write("hashed", &format!("{line}\n")).display().to_string();
    run("ssh-keygen", &["-q", "-H", "-f", &file]);
    fs::read_to_string(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_revoked_keys() {
    let servers = Servers::new();
    let (sshd, world) = (&servers.ed25519, &servers.world);
    let list = |file: &str, text: &str| format!("RevokedHostKeys {}", world.write(file, text).display());
    let krl = |file: &str, key: &str| {
        let path = world.path(file).display().to_string();
        run("ssh-keygen", &["-q", "-k", "-f", &path, &world.write("of-krl", key).display().to_string()]);
        format!("RevokedHostKeys {path}")
    };
    let rows = [
        ("this key", list("this", &format!("# gone\n{} comment\n", sshd.host_key())), Refuse),
        ("another key", list("another", &servers.other), Accept),
        ("no key", list("none", "\n# nothing\n"), Accept),
        ("no such file", "RevokedHostKeys /no/such/file".into(), Refuse),
        ("no list", list("rubbish", "rubbish\n"), Refuse),
        ("this key, binary", krl("krl-this", &sshd.host_key()), Refuse),
        (
            "another key, binary",
            krl("krl-other", &servers.other),
            Stricter("a binary list is refused by name, not read"),
        ),
    ];
    for (what, config, expected) in rows {
        servers.judge(what, sshd, &sshd.known_line(), &config, expected).await;
    }
    let (certified, key) = servers.certified("revoked-ca", &servers.authority, &["-n", "127.0.0.1"]);
    let authority = format!("@cert-authority * {}\n{} {key}", public(&servers.authority), name(&certified));
    let config = list("authority-list", &public(&servers.authority));
    servers.judge("its authority", &certified, &authority, &config, Refuse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_that_are_left() {
    let servers = Servers::new();
    let rsa_line = format!("{} {}", name(&servers.rsa), public(&servers.world.path("rsa-host")));
    let (ed25519, rsa) = (servers.ed25519.known_line(), servers.rsa.known_line());
    let only = servers.world.unknown_sshd("Ciphers aes256-ctr\nKexAlgorithms curve25519-sha256\nMACs hmac-sha2-512");
    let rows: [(&str, &Sshd, &str, &str, Verdict); 16] = [
        ("a kind it has", &servers.rsa, &rsa_line, "HostKeyAlgorithms rsa-sha2-512", Accept),
        ("its other kind", &servers.rsa, &rsa, "HostKeyAlgorithms ssh-ed25519", Accept),
        ("not the known kind", &servers.rsa, &rsa_line, "HostKeyAlgorithms ssh-ed25519", Refuse),
        ("a kind it has not", &servers.ed25519, &ed25519, "HostKeyAlgorithms rsa-sha2-512", Refuse),
        ("taken from the list", &servers.ed25519, &ed25519, "HostKeyAlgorithms -ssh-ed25519", Refuse),
        ("RSA, long enough", &servers.rsa, &rsa_line, "RequiredRSASize 2048\nHostKeyAlgorithms rsa-sha2-256", Accept),
        ("RSA, too short", &servers.rsa, &rsa_line, "RequiredRSASize 3072\nHostKeyAlgorithms rsa-sha2-256", Refuse),
        ("not RSA", &servers.ed25519, &ed25519, "RequiredRSASize 3072", Accept),
        ("its cipher", &only, &only.known_line(), "Ciphers aes128-ctr,aes256-ctr", Accept),
        ("not its cipher", &only, &only.known_line(), "Ciphers aes128-ctr", Refuse),
        ("its key exchange", &only, &only.known_line(), "KexAlgorithms curve25519-sha256", Accept),
        ("not its key exchange", &only, &only.known_line(), "KexAlgorithms diffie-hellman-group16-sha512", Refuse),
        ("its MAC", &only, &only.known_line(), "MACs hmac-sha2-512", Accept),
        ("not its MAC", &only, &only.known_line(), "MACs hmac-sha2-256", Refuse),
        ("nothing of ours", &servers.rsa, &rsa_line, "HostKeyAlgorithms ssh-rsa", Refuse),
        (
            "SHA-1 added",
            &servers.world.unknown_sshd(&sha1(&servers)),
            &format!("* {}", public(&servers.world.path("rsa-host"))),
            "HostKeyAlgorithms +ssh-rsa",
            Stricter("signatures with SHA-1 are not safe"),
        ),
    ];
    for (what, sshd, known, config, expected) in rows {
        servers.judge(what, sshd, known, config, expected).await;
    }
}

/// A server that signs with SHA-1 only.
fn sha1(servers: &Servers) -> String {
    format!("HostKey {}\nHostKeyAlgorithms ssh-rsa", servers.world.path("rsa-host").display())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_know_hosts() {
    let servers = Servers::new();
    let (sshd, world) = (&servers.ed25519, &servers.world);
    let known = sshd.known_line();
    let file = |name: &str, text: &str| world.write(name, &format!("{text}\n")).display().to_string();
    let here = file("here", &known);
    let rows = [
        ("it knows", String::new(), format!("KnownHostsCommand /bin/cat {here}"), Accept),
        (
            "it knows another",
            String::new(),
            format!("KnownHostsCommand /bin/cat {}", file("there", &format!("{} {}", name(sshd), servers.other))),
            Refuse,
        ),
        ("it knows nothing", String::new(), "KnownHostsCommand /bin/true".into(), Refuse),
        ("beside a file", known.clone(), "KnownHostsCommand /bin/true".into(), Accept),
        ("it fails", known.clone(), "KnownHostsCommand /bin/false".into(), Refuse),
        (
            "it is not there",
            known.clone(),
            "KnownHostsCommand /no/such/command".into(),
            Stricter("it might have revoked the key, as one that fails might"),
        ),
        ("no absolute path", String::new(), format!("KnownHostsCommand cat {here}"), Refuse),
        (
            "it revokes",
            known.clone(),
            format!("KnownHostsCommand /bin/cat {}", file("gone", &format!("@revoked * {}", sshd.host_key()))),
            Refuse,
        ),
        ("tokens", String::new(), format!("KnownHostsCommand /bin/echo %H {}", sshd.host_key()), Accept),
        ("tokens of the key", String::new(), "KnownHostsCommand /bin/echo %H %t %K".into(), Accept),
        (
            "a quoted script",
            String::new(),
            format!("KnownHostsCommand /bin/sh -c \"test %I = ORDER || cat '{here}'\""),
            Accept,
        ),
    ];
    for (what, known, config, expected) in rows {
        servers.judge(what, sshd, &known, &config, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_certificates() {
    let servers = Servers::new();
    let named = ["-n", "127.0.0.1"];
    let ca = format!("@cert-authority * {}", public(&servers.authority));
    let rsa_ca = format!("@cert-authority * {}", public(&servers.rsa_authority));
    let gone = format!("@revoked * {}", public(&servers.authority));
    let with =
        |name: &str, options: &[&str]| servers.certified(name, &servers.authority, &[&named[..], options].concat());
    let (good, good_key) = with("good", &[]);
    let (critical, critical_key) = with("critical", &["-O", "critical:place=here"]);
    let (old, old_key) = with("old", &["-V", "20200101:20200102"]);
    let (elsewhere, _) = servers.certified("elsewhere", &servers.authority, &["-n", "example.com"]);
    let (nameless, _) = servers.certified("nameless", &servers.authority, &[]);
    let (by_rsa, _) =
        servers.certified("by-rsa", &servers.rsa_authority, &[&named[..], &["-t", "rsa-sha2-256"]].concat());
    let bare = |key: &str| format!("* {key}");
    let rows = [
        ("good", &good, ca.clone(), "", Accept),
        ("no authority known", &good, String::new(), "", Refuse),
        ("another authority", &good, rsa_ca.clone(), "", Refuse),
        ("critical option", &critical, ca.clone(), "", Refuse),
        ("critical option, bare key known", &critical, format!("{ca}\n{}", bare(&critical_key)), "", Accept),
        ("out of its time", &old, ca.clone(), "", Refuse),
        ("out of its time, bare key known", &old, format!("{ca}\n{}", bare(&old_key)), "", Accept),
        ("made out to another", &elsewhere, ca.clone(), "", Refuse),
        ("made out to nobody", &nameless, ca.clone(), "", Stricter("it would be good for every host")),
        ("authority revoked", &good, format!("{ca}\n{gone}"), "", Refuse),
        ("authority revoked, bare key known", &good, format!("{gone}\n{}", bare(&good_key)), "", Refuse),
        ("key revoked", &good, format!("{ca}\n@revoked * {good_key}"), "", Refuse),
        ("alias", &good, ca.clone(), "HostKeyAlias 127.0.0.1", Accept),
        ("not made out to the alias", &good, ca.clone(), "HostKeyAlias lab-node", Refuse),
        ("signed by RSA", &by_rsa, rsa_ca.clone(), "", Accept),
        ("signed as allowed", &by_rsa, rsa_ca.clone(), "CASignatureAlgorithms rsa-sha2-256", Accept),
        ("signed otherwise", &by_rsa, rsa_ca.clone(), "CASignatureAlgorithms ssh-ed25519", Refuse),
        ("certificates not wanted", &good, ca.clone(), "HostKeyAlgorithms ssh-ed25519", Refuse),
        ("nothing but certificates wanted", &good, ca, "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com", Accept),
    ];
    for (what, sshd, known, config, expected) in rows {
        servers.judge(what, sshd, &known, config, expected).await;
    }
}
