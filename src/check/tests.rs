//! What checks say of whole worlds.

use std::path::PathBuf;

use super::world::*;
use super::*;
use crate::facts::{self, CaFingerprint, DockerApi, StateFile, Unseen};
use crate::failure::Hint;
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

#[test]
fn rke_takes_what_is_in_its_list_and_one_whose_list_is_not_known_stays_usable() {
    let say = |rke: &str, kubernetes: &str, images: bool| {
        let mut world = World::good();
        world.rke().version = rke.into();
        world.rke().kubernetes = kubernetes.into();
        if images {
            world.rke().cluster.insert("system_images".into(), serde_json::json!({"etcd": "own/etcd:v3.5.16"}));
        }
        world.say("versions.rke-kubernetes")[0].clone()
    };
    assert_eq!(say("v1.8.0", "v1.32.2-rancher1-1", false).verdict, Verdict::Pass);
    let unknown = say("v1.8.0", "v1.32.99-rancher1-1", false);
    assert_eq!(
        (unknown.verdict, unknown.seen.as_str()),
        (Verdict::Fail, "rke v1.8.0 does not know v1.32.99-rancher1-1")
    );
    assert!(
        unknown.fix.contains("v1.30.10-rancher1-1, v1.31.2-rancher2-1") && unknown.fix.ends_with("v1.32.2-rancher1-1")
    );
    assert_eq!(say("v1.8.0", "v1.32.2-rancher9-9", false).verdict, Verdict::Fail);
    assert_eq!(say("v1.8.0", "v1.32.99-rancher1-1", true).verdict, Verdict::Warn);
    assert_eq!(say("v1.8.0", "v1.29.14-rancher1-1", false).verdict, Verdict::Fail);
    // Later ones carry longer lists, and one after the table is not known at all.
    assert_eq!(say("v1.8.4", "v1.32.5-rancher1-1", false).verdict, Verdict::Pass);
    assert_eq!(say("v1.9.0", "v1.33.1-rancher1-1", false).verdict, Verdict::Warn);
}

#[test]
fn ids_are_unique_and_every_check_has_its_texts() {
    let rows = listed();
    for (index, row) in rows.iter().enumerate() {
        let word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        assert!(row.id.split('.').count() == 2 && row.id.split('.').all(word), "{}", row.id);
        assert!(rows[..index].iter().all(|other| other.id != row.id), "{} twice", row.id);
        for text in [row.what, row.why, row.fix] {
            assert!(text.len() > 10 && !text.ends_with('.') && !text.contains('\n'), "{}: {text}", row.id);
        }
    }
}

#[test]
fn findings_stand_by_node_and_then_by_id() {
    let findings = World::good().report().findings;
    let places: Vec<_> = findings.iter().map(|finding| (finding.subject.clone(), finding.check)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(places[0].0, None);
}

#[test]
fn without_machines_only_what_needs_none_is_asked() {
    let world = World::good();
    let offline = Context { observed: None, ..world.context() };
    let report = run_all(&offline, &Skips::default());
    assert!(report.findings.iter().all(|finding| finding.subject.is_none()));
    let asked = ALL.iter().filter(|check| check.offline && !is_for_existing(check.id)).count();
    assert_eq!(report.findings.len(), asked);
    assert!(asked >= 8);
}

#[test]
fn skipping_is_by_known_ids_and_never_for_what_guards_a_cluster() {
    let world = World::with("quirk-docker-29");
    let skips = Skips::new(["docker.version", "docker.too-new", "docker.storage"]).unwrap();
    let report = run_all(&world.context(), &skips);
    let skipped = report.findings.iter().filter(|finding| finding.skipped && finding.verdict == Verdict::Fail);
    assert_eq!(skipped.count(), 2);
    assert!(gate(report).is_ok());

    let error = Skips::new(["docker.to-new"]).unwrap_err();
    assert_eq!(error.to_string(), "there is no check `docker.to-new` to skip");
    assert_eq!(error.hint().unwrap(), "did you mean `docker.too-new`?");
    assert_eq!(Skips::new(["too-new"]).unwrap_err().hint().unwrap(), "did you mean `docker.too-new`?");
    assert!(Skips::new(["xyz"]).unwrap_err().hint().unwrap().contains("check --list"));
    for id in ["ssh.reachable", "cluster.foreign"] {
        assert_eq!(Skips::new([id]), Err(SkipError::Never { id }));
    }
}

#[test]
fn the_gate_names_what_blocks() {
    let report = World::with("quirk-docker-29").report();
    let blocked = gate(report).unwrap_err();
    assert_eq!(
        blocked.to_string(),
        format!(
            "2 of {} checks must be put right first: docker.too-new, docker.version",
            blocked.report.findings.len()
        )
    );
    assert!(blocked.hint().unwrap().contains("docker.too-new"));
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

    // On machines without a cluster it is no obstacle, and no secret either.
    let mut world = World::good();
    world.workspace.broken = Some(("cluster.rkestate is empty".into(), "`cowhand up` moves it aside".into()));
    let said = world.say("cluster.foreign");
    let warned: Vec<_> = said.iter().filter(|finding| finding.verdict == Verdict::Warn).collect();
    assert!(warned.len() == 1 && warned[0].seen.contains("is empty") && warned[0].fix.contains("aside"), "{said:?}");
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
        "a cluster that only stands still is started by `docker start etcd`, and its files come back by `cowhand recover-state` or \
         `cowhand adopt`; if nothing of it is needed any more and nobody is building a cluster there, on n2: `docker rm -fv etcd && \
         sudo rm -rf --one-file-system /etc/cni/net.d`"
    );
    let mut world = World::good();
    leave(world.n2(), "/var/lib/etcd");
    let fix = &world.say("leftover.cluster")[0].fix;
    assert!(fix.find("look whose it is") < fix.find("rm -rf") && fix.contains("another machine"), "{fix}");
}

#[test]
fn a_node_of_another_distribution_is_not_to_be_cleaned_by_hand() {
    let mut world = World::good();
    leave(world.n2(), "/etc/kubernetes");
    let path = "/etc/kubernetes/manifests/kube-apiserver.yaml".to_owned();
    world.n2().facts.traces.as_mut().unwrap().push(facts::Trace { path, running: false });
    let said = &world.say("leftover.cluster")[0];
    assert_eq!(said.verdict, Verdict::Fail);
    assert_eq!(said.fix, "see node.other-distribution first: that one's own removal cleans n2");
    assert!(world.say("node.other-distribution")[0].fix.contains("kubeadm reset"));
}

#[test]
fn the_ca_of_what_somebody_left_is_named_and_no_risk_is_offered() {
    let mut world = World::good();
    leave(world.n2(), "/etc/kubernetes");
    world.n2().facts.authority = Ok(Some(authority()));
    let seen = &world.say("leftover.cluster")[0].seen;
    assert!(seen.contains(&format!("of a cluster with the CA {}", authority().short())), "{seen}");
    let hint = gate(world.report()).unwrap_err().hint().unwrap();
    assert_eq!(hint, "`cowhand explain leftover.cluster` tells more");
}

#[test]
fn a_port_that_a_container_publishes_is_freed_by_stopping_that_container() {
    let mut world = World::good();
    listen(world.n2(), 443, Some("docker-proxy"));
    assert_eq!(
        world.say("ports.free")[0].fix,
        "on n2, a container publishes it: `docker ps --filter publish=443`, stop that one"
    );
    let mut world = World::good();
    listen(world.n2(), 443, Some("apache2"));
    assert!(world.say("ports.free")[0].fix.contains("disable --now apache2"));
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
fn a_user_whom_docker_refuses_is_told_once_and_of_the_group() {
    let refused = Unseen("permission denied while trying to connect to the Docker daemon socket".into());
    let mut world = World::with("quirk-docker-permission");
    let reached = world.n2();
    reached.facts.root = Err(Unseen("sudo: a password is required".into()));
    (reached.facts.docker, reached.facts.containers) = (Err(refused.clone()), Err(refused.clone()));
    reached.facts.docker_as_root = Err(refused);
    reached.facts.authority = Err(Unseen("the login user may not read it".into()));
    reached.docker_through_ssh = Err(Unseen("nothing answers there".into()));
    assert!(world.say("node.sudo-or-docker-group")[0].fix.contains("usermod -aG docker"));
    for id in [
        "docker.present",
        "docker.version",
        "docker.too-new",
        "docker.storage",
        "docker.log-driver",
        "ssh.docker-socket",
        "cluster.foreign",
    ] {
        let said = &world.say(id)[0];
        assert_eq!(said.fix, "see node.sudo-or-docker-group", "{said:?}");
        assert!(said.seen.ends_with("is not in the group docker") && said.verdict != Verdict::Fail, "{said:?}");
    }
    // with sudo the socket is where it is told
    world.n2().facts.root = Ok(());
    let said = &world.say("ssh.docker-socket")[0];
    assert!(said.seen.starts_with("permission denied") && said.fix.contains("usermod -aG docker"), "{said:?}");
    assert_eq!(world.say("docker.storage")[0].fix, "see ssh.docker-socket");
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
fn a_group_of_checks_is_not_skipped_but_listed() {
    let hint = Skips::new(["net"]).unwrap_err().hint().unwrap_or_default();
    assert!(hint.starts_with("each is skipped by itself: net."), "{hint}");
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
