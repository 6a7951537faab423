//! What checks say of clusters that are there.

use super::world::*;
use super::*;
use crate::cluster::Taint;
use crate::facts;
use crate::facts::kubeconfig::Proof;
use crate::facts::owner::{Claim, Mark, Pin, Pinned};
use crate::inventory::*;

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
        world.cluster().claim = Ok(self::ours());
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
fn a_mark_of_another_inventory_blocks_and_names_what_takes_it_over() {
    let say = |claim: facts::Fact<Claim>| {
        let mut world = World::existing();
        world.cluster().claim = claim;
        world.cluster().releases = Ok(vec![release("cattle-system", "rancher", true)]);
        world.cluster().rancher.as_mut().unwrap().release = Some(release("cattle-system", "rancher", true));
        // One cause is told once.
        assert_eq!(world.say("existing.rancher")[0].verdict, Verdict::Pass);
        world.say("existing.mark")[0].clone()
    };
    assert_eq!(say(Ok(ours())).verdict, Verdict::Pass);
    assert_eq!(say(Ok(Claim::Older)).verdict, Verdict::Pass);
    let said = say(Ok(Claim::Another(Mark { inventory: "testing".into(), uid: "u2".into() })));
    assert_eq!(said.verdict, Verdict::Fail);
    assert!(said.seen.contains("inventory `testing`") && !said.fix.contains("--take-over"), "{said:?}");
    let said = say(Ok(Claim::Another(Mark { inventory: "prod".into(), uid: "u2".into() })));
    assert_eq!(said.verdict, Verdict::Fail);
    assert!(said.seen.contains("inventory `prod`, UID u2") && said.fix.contains("--take-over u2"), "{said:?}");
    let said = say(Ok(Claim::OtherHost(Some("other.example.com".into()))));
    assert_eq!(said.verdict, Verdict::Fail);
    assert!(said.seen.contains("other.example.com") && said.seen.contains("rancher.example.com"), "{said:?}");
    assert_eq!(say(Err(facts::Unseen("forbidden".into()))).verdict, Verdict::Unknown);
    assert_eq!(Skips::new(["existing.mark"]), Err(SkipError::Never { id: "existing.mark" }));
}

#[test]
fn another_cluster_than_the_pinned_one_blocks() {
    let pin = |uid: &str| {
        let pin = Pin { context: "prod".into(), server: "https://10.0.0.11:6443".into(), cluster: uid.into() };
        Some(Pinned { path: "prod.pin.json".into(), pin })
    };
    let say = |pinned: Option<Pinned>| {
        let mut world = World::existing();
        world.workspace.pinned = pinned;
        world.say("existing.pinned")[0].clone()
    };
    let unpinned = say(None);
    assert_eq!(unpinned.verdict, Verdict::Pass);
    assert!(unpinned.seen.starts_with("context prod, the kubeconfig's current one, leads to https://10.0.0.11:6443"));
    assert_eq!(say(pin("u-prod")).verdict, Verdict::Pass);
    let said = say(pin("u-other"));
    assert!(said.verdict == Verdict::Fail && said.seen.contains("u-other") && said.seen.contains("u-prod"), "{said:?}");
    let mut world = World::existing();
    world.cluster().uid = Err(facts::Unseen("forbidden".into()));
    assert_eq!(world.say("existing.pinned")[0].verdict, Verdict::Unknown);
    assert_eq!(Skips::new(["existing.pinned"]), Err(SkipError::Never { id: "existing.pinned" }));
}

#[test]
fn an_ingress_that_is_there_is_used_and_none_is_installed_beside_it() {
    let say = |world: &World| world.say("existing.ingress-class")[0].clone();
    let mut world = World::existing();
    assert!(say(&world).seen.contains("class nginx, the cluster's default"));
    world.cluster().controllers = Ok(vec![]);
    assert_eq!(say(&world).verdict, Verdict::Fail);
    world.cluster().classes.as_mut().unwrap()[0].controller = "ingress.k8s.aws/alb".into();
    assert_eq!(say(&world).verdict, Verdict::Warn);
    world.inventory.ingress.class = "internal".into();
    assert!(say(&world).seen.contains("no ingress class `internal`; there are: nginx"));
    world.inventory.ingress.provider = IngressProvider::Traefik;
    world.inventory.ingress.class = "traefik".into();
    assert!(say(&world).fix.contains("class: nginx"));
    world.cluster().classes = Ok(vec![class("traefik", true)]);
    assert_eq!(say(&world).verdict, Verdict::Fail);
    world.cluster().releases = Ok(vec![release("traefik", "traefik", true)]);
    assert_eq!(say(&world).verdict, Verdict::Fail, "for whichever inventory");
    world.cluster().claim = Ok(ours());
    assert_eq!(say(&world).verdict, Verdict::Pass);
    world.cluster().classes = Ok(vec![]);
    world.cluster().releases = Ok(vec![]);
    assert_eq!(say(&world).verdict, Verdict::Pass);
    // No class names it, and it has the ports all the same.
    world.cluster().controllers = Ok(vec![serving("traefik.io/ingress-controller", "kube-system", 3)]);
    assert!(say(&world).seen.contains("in kube-system, which no class names"), "{}", say(&world).seen);
    world.cluster().controllers = Ok(vec![]);
    world.cluster().releases = Ok(vec![release("traefik", "traefik", false)]);
    assert_eq!((say(&world).verdict, say(&world).seen.contains("somebody else")), (Verdict::Fail, true));
    world.cluster().releases = Err(facts::Unseen("forbidden".into()));
    assert_eq!(say(&world).verdict, Verdict::Unknown);
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
    assert_eq!(say(&world), Verdict::Fail, "for whichever inventory");
    world.cluster().claim = Ok(ours());
    assert_eq!(say(&world), Verdict::Pass);
    world.cluster().releases = Ok(vec![]);
    world.inventory.cert_manager.install = CertManagerInstall::Never;
    assert_eq!(say(&world), Verdict::Fail);
    world.inventory.rancher.tls.issuer = TlsIssuer::Blank;
    world.inventory.rancher.tls.certificate = Some("chain.pem".into());
    assert_eq!(say(&world), Verdict::Pass);
}

#[test]
fn a_cert_manager_is_judged_by_rancher_too_whoever_installs_it() {
    let mut world = World::existing();
    world.inventory.rancher.version = semver::Version::new(2, 14, 0);
    world.cluster().version = "v1.31.4".into();
    let older = |world: &World| {
        let said = world.say("existing.cert-manager")[0].clone();
        (said.verdict, said.seen.contains("the 1.15 that the chart of Rancher 2.14.0 asks for"))
    };
    world.cluster().cert_manager.as_mut().unwrap().controller.as_mut().unwrap().version = "v1.14.7".into();
    assert_eq!(older(&world), (Verdict::Warn, true));
    world.cluster().cert_manager.as_mut().unwrap().controller.as_mut().unwrap().version = "v1.19.4".into();
    assert_eq!(older(&world), (Verdict::Pass, false));
    world.cluster().cert_manager = Ok(facts::inhabitants::CertManagerSeen::default());
    world.inventory.cert_manager.chart.version = "v1.13.6".into();
    assert_eq!(older(&world), (Verdict::Warn, true));
    world.inventory.rancher.version = semver::Version::new(2, 13, 0);
    assert_eq!(older(&world), (Verdict::Warn, false), "not tested with this Kubernetes");
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

/// What is missing when nothing at all is allowed: `patch certificates/status.cert-manager.io in cattle-system`…
fn missing(change: impl FnOnce(&mut World)) -> Vec<String> {
    let mut world = World::existing();
    for one in world.cluster().rights.as_mut().unwrap() {
        one.denied = one.needed.verbs.to_vec();
    }
    change(&mut world);
    world.say("existing.rights").into_iter().map(|said| said.seen).collect()
}

#[test]
fn the_rights_that_are_asked_for_go_by_the_set_up_and_by_what_is_there() {
    let says = |all: &[String], what: &str| all.iter().any(|seen| seen.contains(what));
    let theirs = missing(|_| ());
    for needed in [
        "may not patch certificates/status.cert-manager.io in cattle-system",
        "may not list secrets in the whole cluster",
        "may not list deployments.apps in the whole cluster",
        "may not list mutatingwebhookconfigurations.admissionregistration.k8s.io in the whole cluster",
        "may not list jobs.batch in kube-system",
        "may not get configmaps/extension-apiserver-authentication in kube-system",
        "may not list clusters.management.cattle.io in the whole cluster",
        "may not create and patch issuers.cert-manager.io in cert-manager's namespace",
        "clusterroles.rbac.authorization.k8s.io/cluster-admin",
    ] {
        assert!(says(&theirs, needed), "{needed} in {theirs:#?}");
    }
    // nginx serves, and the cert-manager that is there is somebody else's.
    for not_needed in ["traefik", "in cert-manager:", "daemonsets", "roles.rbac.authorization.k8s.io in"] {
        assert!(
            !theirs.iter().any(|seen| seen.contains(not_needed) && !seen.contains("clusterroles")),
            "{not_needed} in {theirs:#?}"
        );
    }
    let installs = missing(|world| {
        world.cluster().cert_manager = Ok(facts::inhabitants::CertManagerSeen::default());
    });
    assert!(
        says(&installs, "secrets in cert-manager")
            && says(&installs, "clusterissuers.cert-manager.io in the whole cluster")
    );
    // Whose it is, and whether it is there, could not be seen: then it may have to be installed.
    let unseen = missing(|world| {
        world.cluster().cert_manager = Err(facts::Unseen("forbidden".into()));
    });
    assert!(says(&unseen, "create, patch, update and delete customresourcedefinitions"), "{unseen:#?}");
    let traefik = |passthrough: bool| {
        missing(move |world| {
            world.cluster().classes.as_mut().unwrap()[0].controller = "traefik.io/ingress-controller".into();
            world.inventory.rancher.tls.mode = TlsMode::Rancher;
            world.inventory.rancher.tls.passthrough = passthrough;
        })
    };
    assert!(
        says(&traefik(false), "delete middlewares.traefik.io") && !says(&traefik(false), "delete ingressroutetcps")
    );
    assert!(says(&traefik(true), "delete ingressroutetcps.traefik.io") && !says(&traefik(true), "delete middlewares"));
    let own = missing(|world| world.inventory.ingress.provider = IngressProvider::Traefik);
    assert!(says(&own, "daemonsets.apps in traefik") && says(&own, "create, patch, update and delete ingressclasses"));
    let external = missing(|world| {
        world.inventory.rancher.tls.mode = TlsMode::External;
        world.inventory.rancher.tls.issuer = TlsIssuer::Blank;
        world.cluster().cert_manager = Ok(facts::inhabitants::CertManagerSeen::default());
    });
    assert!(!says(&external, "cert-manager.io"), "{external:#?}");
}

#[test]
fn nodes_that_keep_ranchers_pods_away_do_not_count() {
    let taint = |key: &str, value: &str| Taint { key: key.into(), value: value.into(), effect: "NoSchedule".into() };
    let mut world = World::existing();
    for node in &mut world.cluster().nodes.as_mut().unwrap()[..2] {
        node.taints = vec![taint("node-role.kubernetes.io/control-plane", "")];
    }
    let said = &world.say("existing.nodes")[0];
    assert_eq!(said.verdict, Verdict::Fail);
    assert!(
        said.seen.starts_with("1 of 3 nodes are Ready and take Rancher's pods; k1 keeps them away"),
        "{}",
        said.seen
    );
    let tolerates = serde_json::json!([{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]);
    world.inventory.rancher.values.insert("extraTolerations".into(), tolerates);
    assert_eq!(world.say("existing.nodes")[0].verdict, Verdict::Pass);
    // This one the chart tolerates by itself.
    world.cluster().nodes.as_mut().unwrap()[2].taints = vec![taint("cattle.io/os", "linux")];
    assert_eq!(world.say("existing.nodes")[0].verdict, Verdict::Pass);
}

#[test]
fn a_default_storage_class_is_told_and_never_asked_for() {
    let mut world = World::existing();
    assert!(world.say("existing.reachable")[0].seen.ends_with("it has no default StorageClass, and none is needed"));
    world.cluster().storage = Ok(Some("local-path".into()));
    let said = &world.say("existing.reachable")[0];
    assert!(said.verdict == Verdict::Pass && said.seen.contains("is local-path, and none is needed"), "{}", said.seen);
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
fn every_rancher_has_a_lowest_kubernetes() {
    for (rancher, kubernetes, verdict) in [
        ("2.9.12", "v1.26.15", Verdict::Warn),
        ("2.9.12", "v1.27.16", Verdict::Pass),
        ("2.10.12", "v1.27.16", Verdict::Warn),
        ("2.11.16", "v1.29.14", Verdict::Warn),
        ("2.13.8", "v1.31.4", Verdict::Warn),
        ("2.15.0", "v1.34.8", Verdict::Pass),
        ("2.15.0", "v1.37.0", Verdict::Fail),
        ("2.16.0", "v1.37.0", Verdict::Warn),
    ] {
        let mut world = World::existing();
        world.inventory.rancher.version = rancher.parse().unwrap();
        world.cluster().version = kubernetes.into();
        assert_eq!(world.say("existing.kubernetes")[0].verdict, verdict, "{rancher} on {kubernetes}");
    }
}

#[test]
fn of_nodes_in_a_cluster_that_is_there_only_what_is_true_of_any_machine_is_judged() {
    let mut world = World::with("rhel-9");
    world.inventory.engine = Engine::Existing(Existing { kubeconfig: "kubeconfig".into(), context: None });
    let report = world.report();
    let about: std::collections::BTreeSet<_> = report.findings.iter().map(|finding| finding.check).collect();
    let expected =
        ["clock.laptop", "clock.ntp", "clock.skew", "dns.laptop", "dns.nodes", "dns.round-robin", "ssh.reachable"];
    assert_eq!(about.into_iter().collect::<Vec<_>>(), expected);
    // Agents and ACME come by the name from there, whoever built the cluster.
    world.n2().facts.rancher_addresses = Ok(vec![]);
    assert_eq!(world.say("dns.nodes")[0].subject.as_deref(), Some("n2"));
}
