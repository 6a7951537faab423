//! The captured outputs of tests/data/facts, parsed; and the real script under real shells.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

fn captured(name: &str) -> NodeFacts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/facts").join(format!("{name}.txt"));
    parse(&std::fs::read_to_string(path).unwrap())
}

fn reason<T: std::fmt::Debug>(fact: &Fact<T>) -> &str {
    &fact.as_ref().unwrap_err().0
}

#[test]
fn a_node_while_rke_builds_a_cluster_on_it() {
    let facts = captured("debian-13-during-rke-up");
    assert_eq!(facts.hostname.as_deref(), Ok("lab3"));
    assert_eq!(facts.architecture.as_deref(), Ok("x86_64"));
    assert_eq!(facts.os.as_ref().unwrap().id, "debian");
    assert_eq!(facts.cpus, Ok(2));
    assert_eq!(facts.memory.as_ref().unwrap().total, 24_684_096 * 1024);
    assert!(facts.user.as_ref().unwrap().in_docker_group());
    assert_eq!(facts.root, Ok(()));
    let docker = facts.docker.as_ref().unwrap();
    assert_eq!(docker.api.release(), Some((26, 1)));
    assert_eq!(docker.api.oldest_api(), Some((1, 24)));
    assert_eq!((docker.storage_driver.as_str(), docker.root.as_str()), ("overlay2", "/var/lib/docker"));
    assert!(facts.container_runs("etcd") && facts.container_runs("kube-apiserver") && !facts.container_runs("kubelet"));
    assert!(facts.runs_cluster());
    let ca = CaFingerprint::from_pem(include_str!("../../tests/data/facts/kube-ca.pem")).unwrap();
    assert_eq!(facts.authority, Ok(Some(ca)));
    let etcd = facts.listening.as_ref().unwrap().iter().find(|one| one.port == 2379).unwrap();
    assert_eq!((etcd.address, etcd.process.as_deref()), (None, Some("etcd")));
    assert_eq!(facts.disk(Place::Etcd).unwrap().mount, "/var/lib/etcd");
    assert_eq!(facts.disk(Place::Images).unwrap().path, "/var/lib/docker");
    assert!(facts.kubelet_mount.as_ref().unwrap().shared);
    assert_eq!(facts.rancher_addresses.as_ref().unwrap().len(), 3);
    assert_eq!(facts.has_address("172.31.77.13".parse().unwrap()), Ok(true));
    assert_eq!(facts.time_synchronised, Ok(false));
    assert_eq!(facts.sshd.as_ref().unwrap().max_sessions, Some(10));
    assert_eq!(facts.input_policy, Ok(InputPolicy::Accept));
    assert_eq!(facts.kernel_settings.ip_forward, Ok(true));
}

#[test]
fn a_machine_whose_docker_does_not_run() {
    let facts = captured("debian-12");
    assert!(reason(&facts.docker).starts_with("Cannot connect to the Docker daemon"));
    assert_eq!(facts.docker_command.as_deref(), Ok("/usr/local/bin/docker"));
    assert!(reason(&facts.containers).starts_with("Cannot connect"));
    assert_eq!(facts.authority, Ok(None));
    assert!(!facts.kubelet_mount.as_ref().unwrap().shared);
    assert!(reason(&facts.time_synchronised).contains("timedatectl"));
    assert!(facts.disk(Place::Images).is_some());
}

#[test]
fn nothing_but_busybox() {
    let facts = captured("busybox");
    assert_eq!(reason(&facts.machine_id), "the machine gave no machine-id");
    assert_eq!(reason(&facts.os), "there is no os-release");
    assert_eq!(reason(&facts.docker), "there is no docker command");
    assert_eq!(facts.listening.as_ref().unwrap()[0].port, 2024);
    assert_eq!(facts.time_synchronised, Ok(false));
    assert_eq!(facts.user.as_ref().unwrap().groups, ["root"]);
    assert_eq!(facts.clock.unwrap().resolution, 0.5);
    assert!(reason(&facts.disks).contains("df"));
}

#[test]
fn distributions() {
    let ubuntu = captured("ubuntu-24.04");
    assert_eq!(ubuntu.os.as_ref().unwrap().name, "Ubuntu 24.04.3 LTS");
    assert_eq!(ubuntu.services.ufw_enabled, Some(true));
    assert!(matches!(ubuntu.input_policy, Ok(InputPolicy::Drop(_))));
    let resolver = ubuntu.resolver.unwrap();
    assert!(resolver.nameservers[0].is_loopback() && resolver.behind_systemd.unwrap().len() == 2);
    assert!(ubuntu.kernel_modules.available.contains(&"vxlan".to_owned()));
    assert!(reason(&ubuntu.kernel_settings.bridge_iptables).contains("bridge-nf-call-iptables"));
    assert_eq!(ubuntu.memory.unwrap().swap, 4_194_300 * 1024);
    assert_eq!(captured("ubuntu-22.04").services.ufw_enabled, Some(false));

    let rhel = captured("rhel-9");
    assert!(rhel.os.as_ref().unwrap().is_rhel() && rhel.user.as_ref().unwrap().is_root());
    assert_eq!(rhel.services.firewalld, Ok(true));
    assert_eq!(rhel.selinux, Some(SeLinux::Enforcing));
    assert_eq!(rhel.kubelet_mount.as_ref().unwrap().point, "/var");
    assert_eq!(rhel.time_synchronised, Ok(true));
    assert!(rhel.services.nm_cloud_setup);

    let sles = captured("sles-15");
    assert_eq!(sles.time_synchronised, Ok(false));
    assert_eq!(reason(&sles.root), "sudo: a password is required");
    assert_eq!(reason(&sles.sshd), "only root sees it");
    assert_eq!(sles.listening.as_ref().unwrap()[0].process, None);
    assert!(!sles.os.unwrap().is_rhel());

    let alpine = captured("alpine-3.20");
    assert_eq!(alpine.time_synchronised, Ok(true));
    let ports: Vec<_> = alpine.listening.unwrap().iter().map(|one| (one.protocol, one.port)).collect();
    assert_eq!(ports, [(Protocol::Tcp, 22), (Protocol::Udp, 8472)]);
    assert!(!alpine.kubelet_mount.unwrap().shared);
}

#[test]
fn quirks() {
    let noisy = captured("quirk-motd-and-crlf");
    assert_eq!(noisy.hostname.as_deref(), Ok("n1"));
    assert_eq!(noisy.kernel.as_deref(), Ok("6.12.43+deb13-amd64"));

    let cut = captured("quirk-cut-off");
    assert_eq!(cut.cpus, Ok(4));
    assert!(reason(&cut.docker).contains("ended before"), "{:?}", cut.docker);
    assert!(cut.clock.is_err() && cut.authority.is_err());

    let refused = captured("quirk-docker-permission");
    assert!(reason(&refused.docker).starts_with("permission denied"));
    assert_eq!(refused.docker_as_root.unwrap().version, "26.1.5+dfsg1");
    assert_eq!(reason(&captured("quirk-docker-hangs").docker), "docker did not answer within 10 s");

    let no_ip = captured("quirk-no-ip");
    assert_eq!(no_ip.has_address("10.0.0.11".parse().unwrap()), Ok(true));
    assert_eq!(no_ip.has_address("fe80::5054:ff:fe12:3456".parse().unwrap()), Ok(true));
    assert_eq!(no_ip.has_address("10.0.0.255".parse().unwrap()), Ok(false));

    assert!(captured("quirk-rke2").traces.unwrap().iter().any(|trace| trace.running));
    assert!(captured("quirk-no-machine-id").machine_id.is_err());
    assert_eq!(captured("quirk-docker-29").docker.unwrap().api.oldest_api(), Some((1, 44)));
}

#[test]
fn a_certificate_that_may_not_be_read_is_not_a_machine_without_one() {
    let hidden = "==sudo\n!sudo: a password is required\n==leftovers\nfull /etc/kubernetes\n==end\n";
    assert!(reason(&parse(hidden).authority).contains("kube-ca.pem"));
    let none = "==sudo\nroot\n==leftovers\nfull /etc/kubernetes\n==end\n";
    assert_eq!(parse(none).authority, Ok(None));
}

#[test]
fn a_packet_filter_that_nobody_asked_is_not_one_that_accepts() {
    let policy = |lines: &str| parse(&format!("==input-policy\n{lines}==end\n")).input_policy;
    assert_eq!(reason(&policy("")), "no packet filter answered");
    assert_eq!(reason(&policy("!neither nft nor iptables answers\n")), "neither nft nor iptables answers");
    assert_eq!(policy("-P INPUT DROP\nasked iptables\n"), Ok(InputPolicy::Drop("-P INPUT DROP".into())));
    assert_eq!(policy("-P INPUT ACCEPT\nasked iptables\n"), Ok(InputPolicy::Accept));
}

/// What the script sees for root where `nft` and `iptables` are these scripts; it looks into no /sys/module.
fn policy_with(nft: &str, iptables: &str) -> Fact<InputPolicy> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let id = "[ \"$1\" != -un ] || exec echo root; echo 'uid=0(root) gid=0(root) groups=0(root)'";
    for (name, text) in [("id", id), ("nft", nft), ("iptables", iptables), ("iptables-legacy", "exit 1")] {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    parse(&run(&["env", &format!("PATH={path}"), "dash"], "localhost")).input_policy
}

#[test]
fn the_script_asks_the_packet_filter_itself() {
    let dropping = "echo '-P INPUT DROP'";
    assert_eq!(policy_with("exit 1", dropping), Ok(InputPolicy::Drop("-P INPUT DROP".into())));
    let chain = "type filter hook input priority filter; policy drop;";
    assert_eq!(policy_with(&format!("echo '{chain}'"), "exit 1"), Ok(InputPolicy::Drop(chain.into())));
    assert_eq!(policy_with("exit 0", "exit 1"), Ok(InputPolicy::Accept));
    assert_eq!(reason(&policy_with("exit 1", "exit 1")), "neither nft nor iptables answers");
}

/// The script as it is sent: on stdin of the shell, with its two words.
fn run(shell: &[&str], name: &str) -> String {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-s", "--", name, "/nonexistent/docker.sock"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", shell[0]));
    child.stdin.take().unwrap().write_all(include_str!("probe.sh").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?} complained");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_script_runs_under_every_shell_that_a_node_may_have() {
    for shell in [&["dash"] as &[&str], &["bash", "--posix"], &["bash"], &["busybox", "sh"]] {
        let output = run(shell, "localhost");
        let facts = parse(&output);
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(facts.hostname.as_deref(), Ok(hostname.trim()), "{shell:?}");
        let forwards = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
        assert_eq!(facts.kernel_settings.ip_forward, Ok(forwards.trim() != "0"), "{shell:?}");
        assert!(facts.clock.is_ok() && facts.os.is_ok() && facts.user.is_ok() && facts.disks.is_ok(), "{output}");
        assert!(facts.rancher_addresses.as_ref().unwrap().iter().any(|ip| ip.is_loopback()), "{shell:?}:\n{output}");
        assert!(facts.docker.is_err(), "{shell:?} found Docker at a path that is not there");
    }
}

#[test]
fn a_name_with_a_shell_in_it_stays_a_name() {
    let output = run(&["dash"], "$(echo ==cpu; echo 999); `id`\"'");
    let facts = parse(&output);
    assert!(facts.clock.is_ok() && facts.cpus != Ok(999), "{output}");
    assert_eq!(facts.rancher_addresses, Ok(vec![]));
}
