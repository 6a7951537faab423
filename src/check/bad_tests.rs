//! For each check a world that it complains of.

use super::world::*;
use super::*;
use crate::facts::existing::ClusterObserved;
use crate::facts::owner::{Claim, Mark, Pin, Pinned};
use crate::facts::rights::{Answered, Place};
use crate::facts::{self, ClockOffset, Outcome, Unseen};

/// Changes the good world for the worse.
type Harm = fn() -> World;

fn harmed(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::good();
    change(&mut world);
    world
}

/// A world in which the check complains, how loudly, and a word of its evidence.
const BAD: &[(&str, Harm, Verdict, &str)] = &[
    ("nodes.all-planes", || harmed(|w| w.inventory.nodes[2].roles.worker = false), Verdict::Fail, "2 of 3"),
    ("etcd.odd", || harmed(|w| w.inventory.nodes[2].roles.etcd = false), Verdict::Fail, "2 etcd"),
    ("rke.end-of-life", World::good, Verdict::Warn, "31 July 2025"),
    ("versions.rke-kubernetes", || harmed(|w| w.rke().kubernetes = "v1.33.1-rancher1-1".into()), Verdict::Fail, "1.33"),
    (
        "inventory.secrets",
        || harmed(|w| drop(w.inventory.rancher.values.insert("token".into(), "CANARY".into()))),
        Verdict::Warn,
        "rancher.values.token",
    ),
    (
        "versions.images",
        || harmed(|w| w.rke().kubernetes = "v1.32.13-rancher1-3".into()),
        Verdict::Warn,
        "subscription",
    ),
    (
        "versions.rancher-rke",
        || harmed(|w| w.inventory.rancher.version = semver::Version::new(2, 12, 0)),
        Verdict::Fail,
        "2.12.0",
    ),
    (
        "versions.rancher-kubernetes",
        || harmed(|w| w.inventory.rancher.version = semver::Version::new(2, 10, 3)),
        Verdict::Fail,
        "up to 1.31",
    ),
    (
        "versions.cert-manager",
        || harmed(|w| w.inventory.cert_manager.chart.version = "1.11.5".into()),
        Verdict::Warn,
        "1.11.5",
    ),
    (
        "cluster.members",
        || built(|w| w.inventory.nodes[1].address = "10.0.0.99".into()),
        Verdict::Fail,
        "not in the inventory",
    ),
    (
        "etcd.healthy",
        || {
            built(|w| {
                let etcd = &mut w.members.as_mut().unwrap().etcd;
                etcd[1].answer = Err(Unseen("there is no container etcd".into()));
                for answer in etcd.iter_mut().filter_map(|one| one.answer.as_mut().ok()) {
                    answer.health[1] = health("10.0.0.12", false);
                }
            })
        },
        Verdict::Warn,
        "there is no container etcd",
    ),
    (
        "etcd.one-change",
        || built(|w| w.inventory.nodes[1..].iter_mut().for_each(|node| node.roles.etcd = false)),
        Verdict::Fail,
        "n2 and n3 leave, in one run",
    ),
    ("ssh.reachable", unreachable, Verdict::Fail, "refuses connections"),
    (
        "ssh.tcp-forwarding",
        || harmed(|w| w.n2().tcp_forwarding = Err(Unseen("administratively prohibited".into()))),
        Verdict::Fail,
        "prohibited",
    ),
    ("ssh.docker-socket", || World::with("quirk-docker-permission"), Verdict::Fail, "permission denied"),
    (
        "ssh.root-on-rhel",
        || {
            let mut world = World::with("rhel-9");
            world.n2().docker_through_ssh = Err(Unseen("administratively prohibited".into()));
            world
        },
        Verdict::Fail,
        "Red Hat",
    ),
    (
        "ssh.max-sessions",
        || harmed(|w| w.n2().facts.sshd.as_mut().unwrap().max_sessions = Some(1)),
        Verdict::Warn,
        "1 session",
    ),
    (
        "node.sudo-or-docker-group",
        || {
            harmed(|w| {
                w.n2().facts.user.as_mut().unwrap().groups = vec!["users".into()];
                w.n2().facts.root = Err(Unseen("sudo: a password is required".into()));
            })
        },
        Verdict::Fail,
        "a password is required",
    ),
    ("docker.present", || World::with("quirk-no-docker"), Verdict::Fail, "no docker command"),
    ("docker.version", || World::with("quirk-docker-29"), Verdict::Fail, "29.1.0"),
    ("docker.too-new", || World::with("quirk-docker-29"), Verdict::Fail, "1.44"),
    (
        "docker.storage",
        || harmed(|w| w.n2().facts.docker.as_mut().unwrap().storage_driver = "vfs".into()),
        Verdict::Fail,
        "vfs",
    ),
    ("docker.snap", || World::with("quirk-snap-docker"), Verdict::Fail, "/var/snap"),
    (
        "docker.log-driver",
        || harmed(|w| w.n2().facts.docker.as_mut().unwrap().log_driver = "journald".into()),
        Verdict::Warn,
        "journald",
    ),
    (
        "docker.images",
        || {
            harmed(|w| {
                let images = vec![("lab/etcd:1".to_owned(), facts::images::Place::Nowhere("denied".into()))];
                w.images.as_mut().unwrap().nodes = vec![("n2".into(), Ok(images))];
            })
        },
        Verdict::Fail,
        "lab/etcd:1",
    ),
    ("node.architecture", || harmed(|w| w.n2().facts.architecture = Ok("aarch64".into())), Verdict::Fail, "aarch64"),
    ("node.cpu", || harmed(|w| w.n2().facts.cpus = Ok(1)), Verdict::Fail, "1 processor"),
    (
        "node.memory",
        || harmed(|w| w.n2().facts.memory.as_mut().unwrap().total = 2_000_000_000),
        Verdict::Fail,
        "2.0 GB",
    ),
    ("node.swap", || World::with("ubuntu-24.04"), Verdict::Warn, "4.2 GB"),
    ("disk.images", || harmed(|w| set_free(w.n2(), facts::Place::Images, 9_000_000_000)), Verdict::Fail, "9.0 GB"),
    ("disk.etcd", || harmed(|w| set_free(w.n2(), facts::Place::Etcd, 1_000_000_000)), Verdict::Fail, "1.0 GB"),
    ("mount.propagation", || World::with("alpine-3.20"), Verdict::Fail, "/ is private"),
    (
        "node.kernel-modules",
        || harmed(|w| w.n2().facts.kernel_modules.loaded.retain(|name| name != "vxlan")),
        Verdict::Warn,
        "vxlan",
    ),
    ("node.selinux", || World::with("rhel-9"), Verdict::Warn, "SELinux"),
    ("node.nm-cloud-setup", || World::with("rhel-9"), Verdict::Warn, "timer"),
    (
        "hostname.valid",
        || harmed(|w| w.n2().facts.hostname = Ok("localhost.localdomain".into())),
        Verdict::Fail,
        "localhost",
    ),
    ("hostname.unique", || harmed(|w| w.n2().facts.hostname = Ok("n3".into())), Verdict::Fail, "n3"),
    ("machine-id.unique", || harmed(|w| w.n2().facts.machine_id = Ok(format!("{:032x}", 3))), Verdict::Fail, "clone"),
    (
        "address.unique",
        || harmed(|w| w.inventory.nodes[1].internal_address = "10.0.0.13".parse().ok()),
        Verdict::Fail,
        "10.0.0.13",
    ),
    (
        "clock.skew",
        || harmed(|w| w.n2().clock = Ok(ClockOffset { seconds: -45.0, uncertainty: 0.1 })),
        Verdict::Fail,
        "45.",
    ),
    ("clock.laptop", || harmed(|w| each_clock(w, 40.0)), Verdict::Fail, "behind the nodes"),
    ("clock.ntp", || World::with("sles-15"), Verdict::Warn, "not synchronised"),
    ("ports.free", || harmed(|w| listen(w.n2(), 80, Some("apache2"))), Verdict::Fail, "tcp 80 is taken by apache2"),
    (
        "resolver.loopback",
        || harmed(|w| w.n2().facts.resolver.as_mut().unwrap().nameservers = vec!["127.0.0.11".parse().unwrap()]),
        Verdict::Fail,
        "127.0.0.11",
    ),
    ("dns.laptop", || harmed(|w| w.name = Err("no such name".into())), Verdict::Warn, "no such name"),
    ("dns.round-robin", World::good, Verdict::Warn, "3 addresses"),
    ("dns.nodes", || harmed(|w| w.n2().facts.rancher_addresses = Ok(vec![])), Verdict::Warn, "does not resolve"),
    ("net.bridge-netfilter", || World::with("ubuntu-24.04"), Verdict::Warn, "br_netfilter is not loaded"),
    ("net.ip-forward", || harmed(|w| w.n2().facts.kernel_settings.ip_forward = Ok(false)), Verdict::Fail, "0"),
    ("firewall.firewalld", || World::with("rhel-9"), Verdict::Warn, "runs"),
    ("firewall.input-policy", || World::with("ubuntu-24.04"), Verdict::Warn, "ufw"),
    ("cluster.foreign", || World::on("debian-13-cluster"), Verdict::Fail, "52:de"),
    (
        "containers.foreign",
        || harmed(|w| contain_foreign(w.n2(), "cert-deployer", facts::ContainerState::Stopped)),
        Verdict::Fail,
        "cert-deployer (image somebody/web:1)",
    ),
    (
        "cluster.certificates",
        || harmed(|w| w.workspace.first_leaf = Some(("kube-proxy".into(), "1970-02-01T00:00:00Z".parse().unwrap()))),
        Verdict::Warn,
        "kube-proxy ends on 1970-02-01, in 31 days",
    ),
    ("leftover.cluster", || harmed(|w| leave(w.n2(), "/var/lib/etcd")), Verdict::Fail, "/var/lib/etcd"),
    ("node.other-distribution", || World::with("quirk-rke2"), Verdict::Fail, "/etc/rancher/rke2"),
    (
        "kubeconfig.usable",
        || {
            inhabited(|w| {
                w.kubeconfig.as_mut().unwrap().usable = Err(Unseen("it has no context x; it has prod".into()));
            })
        },
        Verdict::Fail,
        "kubeconfig: it has no context x",
    ),
    ("kubeconfig.credentials", || inhabited(|w| w.prove(certificate(-1))), Verdict::Fail, "expired on 1969-12-31"),
    (
        "existing.reachable",
        || {
            inhabited(|w| {
                let reason = "no answer from https://10.0.0.11:6443: timed out".into();
                w.cluster = Some(ClusterObserved::Unreachable { reason, hint: None });
            })
        },
        Verdict::Fail,
        "timed out",
    ),
    ("existing.kubernetes", || inhabited(|w| w.cluster().version = "v1.33.1".into()), Verdict::Fail, "up to 1.32"),
    (
        "existing.rights",
        || {
            inhabited(|w| {
                let own = Place::Namespace("cattle-system");
                let secrets = |one: &&mut Answered| one.needed.resource == "secrets" && one.needed.place == own;
                w.cluster().rights.as_mut().unwrap().iter_mut().find(secrets).unwrap().denied = vec!["create", "patch"];
            })
        },
        Verdict::Fail,
        "may not create and patch secrets in cattle-system",
    ),
    (
        "existing.pinned",
        || {
            inhabited(|w| {
                let pin =
                    Pin { context: "prod".into(), server: "https://10.0.0.9:6443".into(), cluster: "u-other".into() };
                w.workspace.pinned = Some(Pinned { path: "prod.pin.json".into(), pin });
            })
        },
        Verdict::Fail,
        "leads to the cluster with the UID u-prod",
    ),
    (
        "existing.mark",
        || {
            inhabited(|w| {
                w.cluster().claim = Ok(Claim::Another(Mark { inventory: "testing".into(), uid: "u2".into() }));
            })
        },
        Verdict::Fail,
        "the mark of inventory `testing`",
    ),
    (
        "existing.nodes",
        || inhabited(|w| w.cluster().nodes.as_mut().unwrap()[1].ready = false),
        Verdict::Fail,
        "2 of 3 nodes are Ready and take Rancher's pods",
    ),
    (
        "existing.aggregation",
        || inhabited(|w| w.cluster().api_services.as_mut().unwrap()[0].unavailable = Some("no endpoints".into())),
        Verdict::Fail,
        "metrics.k8s.io is not available: no endpoints",
    ),
    (
        "existing.ingress-class",
        || inhabited(|w| w.cluster().classes.as_mut().unwrap()[0].default = false),
        Verdict::Fail,
        "none of the ingress classes is the default one: nginx",
    ),
    (
        "existing.cert-manager",
        || inhabited(|w| w.cluster().cert_manager.as_mut().unwrap().crds = false),
        Verdict::Fail,
        "not cowhand's is there without its definitions",
    ),
    (
        "existing.rancher",
        || {
            inhabited(|w| {
                w.cluster().rancher.as_mut().unwrap().release = Some(release("cattle-system", "rancher", false));
            })
        },
        Verdict::Fail,
        "somebody else",
    ),
    (
        "existing.leftovers",
        || {
            inhabited(|w| {
                let webhook = "validatingwebhookconfiguration/rancher.cattle.io".into();
                w.cluster().former.as_mut().unwrap().webhooks = vec![webhook];
            })
        },
        Verdict::Fail,
        "rancher.cattle.io",
    ),
];

/// A cluster of this workspace's on the three nodes.
fn built(change: impl FnOnce(&mut World)) -> World {
    harmed(|world| {
        world.know(vec![authority()]);
        change(world);
    })
}

fn inhabited(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::existing();
    change(&mut world);
    world
}

fn unreachable() -> World {
    harmed(|world| {
        world.observed.nodes[1].outcome = Outcome::Unreachable {
            reason: "n2 (10.0.0.12:22) refuses connections".into(),
            hint: Some("see whether sshd runs".into()),
        };
    })
}

#[test]
fn every_check_can_complain_with_evidence_and_a_way_out() {
    for check in ALL {
        let (_, world, verdict, evidence) =
            BAD.iter().find(|(id, ..)| *id == check.id).unwrap_or_else(|| panic!("no bad world for {}", check.id));
        let worst = &world().say(check.id)[0];
        assert_eq!(worst.verdict, *verdict, "{}: {}", check.id, worst.seen);
        assert!(worst.seen.contains(evidence), "{}: {}", check.id, worst.seen);
        assert!(!worst.fix.is_empty() && !worst.seen.contains('\n') && !worst.fix.contains('\n'), "{worst:?}");
        if worst.subject.is_some() && !check.id.starts_with("existing.") {
            assert_eq!(worst.subject.as_deref(), Some("n2").filter(|_| check.id != "cluster.foreign").or(Some("n1")));
        }
    }
    assert_eq!(BAD.len(), ALL.len(), "a bad world for a check that is not there");
}
