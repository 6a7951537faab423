//! What checks say of whole worlds.

use std::path::PathBuf;

use super::world::*;
use super::*;
use crate::facts::kubeconfig::Proof;
use crate::facts::{self, CaFingerprint, DockerApi, StateFile, Unseen};
use crate::inventory::*;

#[test]
fn in_the_good_world_every_check_has_its_say_and_only_what_the_good_world_cannot_help_warns() {
    let report = World::good().report();
    for check in ALL.iter().filter(|check| !is_for_existing(check.id)) {
        assert!(report.findings.iter().any(|finding| finding.check == check.id), "{} says nothing", check.id);
    }
    let loud: Vec<_> = report.findings.iter().filter(|finding| finding.verdict != Verdict::Pass).collect();
    assert_eq!(
        loud.iter().map(|finding| finding.check).collect::<Vec<_>>(),
        ["dns.round-robin", "rke.end-of-life"],
        "{loud:#?}"
    );
    assert!(gate(report).is_ok());
}

pub(super) fn is_for_existing(id: &str) -> bool {
    id.starts_with("existing.") || id.starts_with("kubeconfig.")
}

#[test]
fn in_a_good_cluster_that_is_there_exactly_its_own_checks_have_their_say() {
    let report = World::existing().report();
    // The name has to lead somewhere whoever built the cluster.
    for check in ALL.iter().filter(|check| !check.id.starts_with("dns.")) {
        let says = report.findings.iter().any(|finding| finding.check == check.id);
        assert_eq!(says, is_for_existing(check.id), "{}", check.id);
    }
    let loud: Vec<_> = report.findings.iter().filter(|finding| finding.verdict != Verdict::Pass).collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn offline_the_kubeconfig_itself_is_judged() {
    let mut world = World::existing();
    world.prove(Proof::NoProgram { command: "aws".into(), install_hint: None });
    let offline = Context { observed: None, cluster: None, ..world.context() };
    let report = run_all(&offline, &Skips::default());
    let about: Vec<_> = report.findings.iter().map(|finding| (finding.check, finding.verdict)).collect();
    assert_eq!(about, [("kubeconfig.credentials", Verdict::Fail), ("kubeconfig.usable", Verdict::Pass)]);
}

#[test]
fn a_client_certificate_that_ends_soon_warns_and_one_that_ended_fails() {
    for (days, verdict) in [(-1, Verdict::Fail), (3, Verdict::Warn), (30, Verdict::Pass)] {
        let mut world = World::existing();
        world.prove(certificate(days));
        assert_eq!(world.say("kubeconfig.credentials")[0].verdict, verdict, "{days} days");
    }
}

#[test]
fn rancher_there_is_told_apart_by_who_installed_it() {
    let say = |image: Option<&str>, ours: Option<bool>, managed: bool| {
        let mut world = World::existing();
        let there = world.cluster().rancher.as_mut().unwrap();
        there.image = image.map(str::to_owned);
        there.release = ours.map(|ours| release("cattle-system", "rancher", ours));
        there.managed = managed;
        world.say("existing.rancher")[0].verdict
    };
    assert_eq!(say(None, None, false), Verdict::Pass);
    assert_eq!(say(Some("rancher/rancher:v2.11.3"), Some(true), false), Verdict::Pass);
    assert_eq!(say(Some("rancher/rancher:v2.11.3"), Some(false), false), Verdict::Fail);
    assert_eq!(say(Some("rancher/rancher:v2.11.3"), None, false), Verdict::Fail);
    assert_eq!(say(None, Some(false), false), Verdict::Fail);
    assert_eq!(say(None, None, true), Verdict::Fail);
    assert_eq!(Skips::new(["existing.rancher"]), Err(SkipError::Never { id: "existing.rancher" }));
}

#[test]
fn an_ingress_that_is_there_is_used_and_none_is_installed_beside_it() {
    let say = |world: &World| world.say("existing.ingress-class")[0].clone();
    let mut world = World::existing();
    assert!(say(&world).seen.contains("class nginx, the cluster's default"));
    world.cluster().controllers = Ok(vec![("nginx".into(), Some(0))]);
    assert_eq!(say(&world).verdict, Verdict::Fail);
    world.cluster().controllers = Ok(vec![("nginx".into(), None)]);
    assert_eq!(say(&world).verdict, Verdict::Warn);
    world.inventory.ingress.class = "internal".into();
    assert!(say(&world).seen.contains("no ingress class `internal`; there are: nginx"));
    world.inventory.ingress.provider = IngressProvider::Traefik;
    world.inventory.ingress.class = "traefik".into();
    assert!(say(&world).fix.contains("class: nginx"));
    world.cluster().classes = Ok(vec![class("traefik", true)]);
    assert_eq!(say(&world).verdict, Verdict::Fail);
    world.cluster().releases = Ok(vec![release("traefik", "traefik", true)]);
    assert_eq!(say(&world).verdict, Verdict::Pass);
    world.cluster().classes = Ok(vec![]);
    world.cluster().releases = Ok(vec![]);
    assert_eq!(say(&world).verdict, Verdict::Pass);
}

#[test]
fn cert_manager_that_is_there_is_used_when_it_can_be() {
    let say = |world: &World| world.say("existing.cert-manager")[0].verdict;
    let mut world = World::existing();
    world.cluster().cert_manager.as_mut().unwrap().controller.as_mut().unwrap().version = "v1.11.5".into();
    assert_eq!(say(&world), Verdict::Warn);
    world.cluster().cert_manager.as_mut().unwrap().serves_v1 = false;
    assert_eq!(say(&world), Verdict::Fail);
    world.cluster().cert_manager = Ok(facts::inhabitants::CertManagerSeen::default());
    assert_eq!(say(&world), Verdict::Pass);
    world.cluster().releases = Ok(vec![release("cert-manager", "cert-manager", false)]);
    assert_eq!(say(&world), Verdict::Fail);
    world.cluster().releases = Ok(vec![release("cert-manager", "cert-manager", true)]);
    assert_eq!(say(&world), Verdict::Pass);
    world.cluster().releases = Ok(vec![]);
    world.inventory.cert_manager.install = CertManagerInstall::Never;
    assert_eq!(say(&world), Verdict::Fail);
    world.inventory.rancher.tls.issuer = TlsIssuer::Blank;
    world.inventory.rancher.tls.certificate = Some("chain.pem".into());
    assert_eq!(say(&world), Verdict::Pass);
}

#[test]
fn what_an_older_rancher_left_is_weighed() {
    let say = |change: fn(&mut facts::inhabitants::FormerRancher)| {
        let mut world = World::existing();
        change(world.cluster().former.as_mut().unwrap());
        world.say("existing.leftovers")[0].verdict
    };
    assert_eq!(say(|left| left.definitions = vec!["clusters.management.cattle.io".into()]), Verdict::Fail);
    assert_eq!(say(|left| left.definitions = vec!["bundles.fleet.cattle.io".into()]), Verdict::Warn);
    assert_eq!(say(|left| left.namespaces = vec!["cattle-fleet-system".into()]), Verdict::Warn);
    assert_eq!(say(|left| left.namespaces = vec!["cattle-system".into()]), Verdict::Pass);
    assert_eq!(say(|left| left.stuck = vec!["cattle-system (held)".into()]), Verdict::Fail);
}

#[test]
fn rancher_2_12_wants_aggregation_and_no_rke() {
    let mut world = World::existing();
    world.cluster().aggregation = Ok(false);
    world.cluster().built_by_rke = Ok(true);
    assert_eq!(world.say("existing.aggregation")[0].verdict, Verdict::Warn);
    assert_eq!(world.say("existing.kubernetes")[0].verdict, Verdict::Pass);
    world.inventory.rancher.version = semver::Version::new(2, 12, 0);
    assert_eq!(world.say("existing.aggregation")[0].verdict, Verdict::Fail);
    assert_eq!(world.say("existing.kubernetes")[0].verdict, Verdict::Fail);
}

#[test]
fn of_nodes_in_a_cluster_that_is_there_only_what_is_true_of_any_machine_is_judged() {
    let mut world = World::with("rhel-9");
    world.inventory.engine = Engine::Existing(Existing { kubeconfig: "kubeconfig".into(), context: None });
    let report = world.report();
    let about: std::collections::BTreeSet<_> = report.findings.iter().map(|finding| finding.check).collect();
    let expected = ["clock.laptop", "clock.ntp", "clock.skew", "dns.laptop", "dns.round-robin", "ssh.reachable"];
    assert_eq!(about.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_could_not_be_seen_blocks_and_is_no_pass() {
    let world = World::with("quirk-cut-off");
    let report = world.report();
    let about_n2 = |verdict: Verdict| {
        let of = |finding: &&Finding| finding.subject.as_deref() == Some("n2") && finding.verdict == verdict;
        report.findings.iter().filter(of).map(|finding| finding.check).collect::<Vec<_>>()
    };
    let unknown = about_n2(Verdict::Unknown);
    for id in
        ["docker.version", "docker.storage", "net.ip-forward", "ports.free", "resolver.loopback", "cluster.foreign"]
    {
        assert!(unknown.contains(&id), "{id} is not among {unknown:?}");
    }
    // what the first half of the output showed, and what the connection itself did
    let passed = about_n2(Verdict::Pass);
    for id in ["node.cpu", "node.memory", "ssh.reachable", "ssh.tcp-forwarding"] {
        assert!(passed.contains(&id), "{id} is not among {passed:?}");
    }
    assert!(gate(report).is_err());
}

#[test]
fn our_own_cluster_passes_another_does_not() {
    let mut world = World::on("debian-13-cluster");
    let said = &world.say("cluster.foreign")[0];
    assert!(said.seen.contains("no cluster.rkestate") && said.fix.contains("recover-state"), "{said:?}");

    world.know(vec![authority()]);
    let report = world.report();
    let loud: Vec<_> = report.findings.iter().filter(|finding| finding.blocks()).collect();
    assert!(loud.is_empty(), "{loud:#?}");
    assert!(world.say("ports.free")[0].seen.contains("held by the cluster itself"));

    // the state of another cluster
    let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    world.know(vec![CaFingerprint::from_pem(other).unwrap()]);
    assert_eq!(world.say("cluster.foreign")[0].verdict, Verdict::Fail);
    world.workspace.state = StateFile::Unreadable { path: PathBuf::from("cluster.rkestate"), reason: "EOF".into() };
    assert!(world.say("cluster.foreign")[0].seen.contains("cannot be read: EOF"));
}

#[test]
fn a_cluster_whose_ca_cannot_be_read_is_unknown() {
    let mut world = World::on("debian-13-cluster");
    world.know(vec![authority()]);
    world.n2().facts.authority = Err(Unseen("the login user may not read it".into()));
    assert_eq!(world.say("cluster.foreign")[0].verdict, Verdict::Unknown);
}

#[test]
fn an_interrupted_rke_is_no_obstacle_to_the_next_one() {
    // killed while its port check ran: containers of the check hold the ports
    let mut world = World::good();
    contain(world.n2(), "rke-etcd-port-listener", facts::ContainerState::Running);
    listen(world.n2(), 2379, Some("docker-proxy"));
    contain(world.n2(), "cluster-state-deployer", facts::ContainerState::Stopped);
    assert!(gate(world.report()).is_ok());
    // killed after the certificates: the state file in the workspace knows them
    let mut world = World::good();
    leave(world.n2(), "/etc/kubernetes");
    world.n2().facts.authority = Ok(Some(authority()));
    assert!(gate(world.report()).is_err());
    world.know(vec![authority()]);
    assert!(gate(world.report()).is_ok());
}

#[test]
fn remains_are_told_apart_by_the_harm_they_do() {
    let mut world = World::good();
    leave(world.n2(), "/etc/cni/net.d");
    assert_eq!(world.say("leftover.cluster")[0].verdict, Verdict::Warn);
    contain(world.n2(), "etcd", facts::ContainerState::Stopped);
    let said = &world.say("leftover.cluster")[0];
    assert_eq!(said.verdict, Verdict::Fail);
    assert_eq!(
        said.fix,
        "if nothing of it is needed any more and nobody is building a cluster there, on n2: `docker rm -fv etcd && sudo rm -rf /etc/cni/net.d`"
    );
}

#[test]
fn ports_held_by_processes_that_only_root_sees() {
    let mut world = World::good();
    listen(world.n2(), 6443, None);
    assert!(world.say("ports.free")[0].seen.contains("only root sees"));
    contain(world.n2(), "kube-apiserver", facts::ContainerState::Running);
    assert_eq!(world.say("ports.free")[0].verdict, Verdict::Pass);
    // an interface that flannel left, and one of somebody else's
    let mut world = World::with("alpine-3.20");
    assert!(world.say("ports.free")[0].seen.contains("udp 8472"));
    let flannel = facts::Address { interface: "flannel.1".into(), ip: "10.42.1.0".parse().unwrap() };
    world.n2().facts.addresses.as_mut().unwrap().push(flannel);
    assert_eq!(world.say("ports.free")[0].verdict, Verdict::Pass);
    // a worker's own port is nobody's business on a node without that role
    let mut world = World::good();
    listen(world.n2(), 2379, Some("etcd"));
    assert_eq!(world.say("ports.free")[0].verdict, Verdict::Fail);
    world.inventory.nodes[1].roles.etcd = false;
    assert_eq!(world.say("ports.free")[0].verdict, Verdict::Pass);
}

#[test]
fn docker_29_that_was_told_to_speak_old_is_not_too_new() {
    let mut world = World::with("quirk-docker-29");
    world.n2().facts.docker.as_mut().unwrap().api.minimum_api = "1.24".into();
    assert_eq!(world.say("docker.too-new")[0].verdict, Verdict::Pass);
    assert_eq!(world.say("docker.version")[0].verdict, Verdict::Fail);
}

#[test]
fn docker_is_seen_by_any_way_that_shows_it() {
    let mut world = World::with("quirk-no-docker");
    let api = DockerApi { version: "26.1.5".into(), api: "1.45".into(), minimum_api: "1.24".into() };
    world.n2().docker_through_ssh = Ok(api);
    assert_eq!(world.say("docker.version")[0].verdict, Verdict::Pass);
    assert_eq!(World::with("quirk-docker-permission").say("docker.version")[0].verdict, Verdict::Pass);
    assert_eq!(World::with("quirk-docker-hangs").say("docker.version")[0].verdict, Verdict::Unknown);
}

#[test]
fn fixes_name_what_is_wrong_on_this_very_node() {
    let mut world = World::good();
    world.n2().facts.sshd.as_mut().unwrap().allow_tcp_forwarding = Some("no".into());
    world.n2().tcp_forwarding = Err(Unseen("administratively prohibited".into()));
    let fix = &world.say("ssh.tcp-forwarding")[0].fix;
    assert_eq!(fix, "in /etc/ssh/sshd_config of n2 set `AllowTcpForwarding yes`, then `sudo systemctl reload sshd`");
    let fix = &World::with("quirk-docker-permission").say("ssh.docker-socket")[0].fix;
    assert_eq!(fix, "on n2, `sudo usermod -aG docker rancher`; it counts from the next login on");
    assert!(World::with("quirk-no-docker").say("ssh.docker-socket")[0].fix.starts_with("install Docker on n2"));
}

/// A channel to port 22 may open all the same; rke needs others.
#[test]
fn channels_that_may_not_lead_everywhere_are_found() {
    let mut world = World::good();
    world.n2().facts.sshd.as_mut().unwrap().permit_open = Some("10.0.0.12:22 localhost:80".into());
    let found = &world.say("ssh.tcp-forwarding")[0];
    assert_eq!(
        (found.verdict, found.seen.as_str()),
        (Verdict::Fail, "sshd opens TCP channels to 10.0.0.12:22 localhost:80 only (PermitOpen)")
    );
    assert_eq!(found.fix, "in /etc/ssh/sshd_config of n2 set `PermitOpen any`, then `sudo systemctl reload sshd`");
}

#[test]
fn systemd_resolved_is_looked_behind() {
    assert_eq!(World::with("ubuntu-22.04").say("resolver.loopback")[0].verdict, Verdict::Pass);
}

#[test]
fn every_distribution_can_be_judged() {
    for capture in ["ubuntu-22.04", "ubuntu-24.04", "rhel-9", "sles-15", "debian-13-during-rke-up"] {
        let report = World::with(capture).report();
        let unknown: Vec<_> = report.findings.iter().filter(|one| one.verdict == Verdict::Unknown).collect();
        assert!(unknown.is_empty(), "{capture}: {unknown:#?}");
    }
}

#[test]
fn names_in_the_place_of_addresses() {
    let mut world = World::good();
    for node in &mut world.inventory.nodes {
        node.address = format!("{}.example.com", node.name);
    }
    assert_eq!(world.say("address.unique")[0].verdict, Verdict::Pass);
    world.n2().facts.ssh_address = Ok("10.0.0.13".parse().unwrap());
    assert_eq!(world.say("address.unique")[0].verdict, Verdict::Fail);
}

#[test]
fn certificates_of_acme_need_the_name() {
    let mut world = World::good();
    world.n2().facts.rancher_addresses = Ok(vec![]);
    world.inventory.rancher.tls.issuer = TlsIssuer::Acme;
    assert_eq!(world.say("dns.nodes")[0].verdict, Verdict::Fail);
    world.n2().facts.rancher_addresses = Ok(vec!["192.0.2.7".parse().unwrap()]);
    assert!(world.say("dns.nodes")[0].seen.contains("192.0.2.7"));
    world.inventory.load_balancers = vec!["192.0.2.7".parse().unwrap()];
    let said = world.say("dns.nodes");
    assert_eq!(said.last().unwrap().subject.as_deref(), Some("n2"), "the others come past the balancer: {said:#?}");
}

#[test]
fn a_secret_in_the_inventorys_values_is_a_warning_without_the_secret() {
    let mut world = World::good();
    assert_eq!(world.say("inventory.secrets")[0].verdict, Verdict::Pass);
    world.inventory.rancher.values.insert("proxy".into(), "http://me:CANARY@proxy.test".into());
    world
        .rke()
        .cluster
        .insert("private_registries".into(), serde_json::json!([{"url": "r.test", "password": "CANARY"}]));
    let findings = world.say("inventory.secrets");
    assert_eq!(findings[0].verdict, Verdict::Warn);
    assert!(
        findings[0].seen.starts_with("rancher.values.proxy and engine.rke.cluster.private_registries[0].password is"),
        "{findings:?}"
    );
    assert!(!format!("{findings:?}").contains("CANARY"), "{findings:?}");
}
