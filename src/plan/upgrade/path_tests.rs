use super::*;
use crate::inventory::versions::rke_list;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn running(rancher: &str, kubernetes: &str, cert_manager: &str) -> Running {
    Running {
        kubernetes: KubernetesVersion::read(kubernetes).unwrap(),
        rancher: Some(version(rancher)),
        cert_manager: (!cert_manager.is_empty()).then(|| cert_manager.to_owned()),
    }
}

fn on_rke() -> Bounds {
    Bounds {
        rke: Some("v1.8.0".into()),
        rke_list: Some(rke_list("v1.8.0").unwrap().iter().map(|one| (*one).to_owned()).collect()),
        own_images: false,
        chart_at_path: false,
        delivery: Delivery::Addon,
        cert_manager: CertManagerBy::RancherLine,
    }
}

fn shared() -> Bounds {
    Bounds { rke: None, rke_list: None, delivery: Delivery::Helm, ..on_rke() }
}

fn asked(words: &str) -> Targets {
    targets(words.split(','), &on_rke().rke_list.unwrap()).unwrap()
}

/// Each step as `product to`, `+` for what comes along.
fn steps(from: &Running, to: &str, bounds: &Bounds) -> Vec<String> {
    let path = path(from, &asked(to), bounds).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    path.iter()
        .map(|one| format!("{}{} {}", if one.with_next { "+" } else { "" }, one.product.word(), one.to))
        .collect()
}

fn refused(from: &Running, to: &str, bounds: &Bounds) -> Refusal {
    path(from, &asked(to), bounds).unwrap_err()
}

#[test]
fn paths_go_one_minor_at_a_time_and_fit_at_every_step() {
    let rows: &[(&str, &str, &str, &str, &[&str])] = &[
        ("2.11.3", "v1.32.2", "v1.17.4", "rancher=2.11.5", &["rancher 2.11.5"]),
        ("2.11.5", "v1.32.2", "v1.17.4", "rancher=2.11.5", &[]),
        ("2.11.5", "v1.32.2", "v1.17.4", "rancher=2.11.5,kubernetes=v1.32.2-rancher1-1", &[]),
        ("2.10.3", "v1.31.6", "v1.16.5", "rancher=2.11.5", &["+cert-manager v1.17.4", "rancher 2.11.5"]),
        // Over two minors: the newest patch of the one between.
        (
            "2.9.3",
            "v1.30.2",
            "v1.16.5",
            "rancher=2.11.5",
            &["rancher 2.10.12", "+cert-manager v1.17.4", "rancher 2.11.5"],
        ),
        ("2.11.5", "v1.30.2", "v1.17.4", "kubernetes=v1.31.2-rancher2-1", &["kubernetes v1.31.2-rancher2-1"]),
        ("2.11.5", "v1.30.2", "v1.17.4", "kubernetes=v1.30.10-rancher1-1", &["kubernetes v1.30.10-rancher1-1"]),
        (
            "2.11.5",
            "v1.30.2",
            "v1.17.4",
            "kubernetes=v1.32.2-rancher1-1",
            &["kubernetes v1.31.6-rancher1-1", "kubernetes v1.32.2-rancher1-1"],
        ),
        // 2.9 takes up to 1.30, 2.10 up to 1.31: each waits for the other.
        (
            "2.9.3",
            "v1.30.2",
            "v1.16.5",
            "rancher=2.11.5,kubernetes=v1.32.2-rancher1-1",
            &[
                "rancher 2.10.12",
                "+cert-manager v1.17.4",
                "rancher 2.11.5",
                "kubernetes v1.31.6-rancher1-1",
                "kubernetes v1.32.2-rancher1-1",
            ],
        ),
        // 2.11 needs 1.30: Kubernetes has to go first, within 2.10's range.
        (
            "2.10.3",
            "v1.29.9",
            "v1.16.5",
            "rancher=2.11.5,kubernetes=v1.30.2-rancher1-1",
            &["kubernetes v1.30.2-rancher1-1", "+cert-manager v1.17.4", "rancher 2.11.5"],
        ),
        (
            "2.11.5",
            "v1.32.2",
            "v1.16.5",
            "cert-manager=1.17.4,rancher=2.11.6",
            &["cert-manager v1.17.4", "rancher 2.11.6"],
        ),
        // Without cert-manager nothing comes along.
        ("2.10.3", "v1.31.6", "", "rancher=2.11.5", &["rancher 2.11.5"]),
    ];
    for (rancher, kubernetes, cert_manager, to, wanted) in rows {
        let from = running(rancher, kubernetes, cert_manager);
        assert_eq!(steps(&from, to, &on_rke()), *wanted, "{rancher} on {kubernetes} -> {to}");
    }
}

#[test]
fn what_the_inventory_pins_does_not_come_along() {
    let pinned = Bounds { cert_manager: CertManagerBy::Inventory, ..on_rke() };
    assert_eq!(steps(&running("2.10.3", "v1.31.6", "v1.16.5"), "rancher=2.11.5", &pinned), ["rancher 2.11.5"]);
}

#[test]
fn a_cluster_that_was_there_takes_a_rancher_beyond_rke() {
    let from = running("2.11.5", "v1.32.2", "v1.17.4");
    assert_eq!(
        steps(&from, "rancher=2.13.8", &shared()),
        ["+cert-manager v1.18.6", "rancher 2.12.12", "+cert-manager v1.19.4", "rancher 2.13.8"]
    );
}

#[test]
fn refusals_name_the_reason_and_the_remedy() {
    let fine = || running("2.11.5", "v1.32.2", "v1.17.4");
    let rows: &[(Running, &str, Bounds, &str, &str)] = &[
        (fine(), "rancher=2.11.3", on_rke(), "2.11.3 is older", "cowhand rollback"),
        (fine(), "rancher=2.12.1", on_rke(), "2.11 is the last that does", "RKE2"),
        (
            fine(),
            "rancher=2.14.4",
            shared(),
            "Rancher 2.14.4 takes Kubernetes 1.33 to 1.35, not 1.32",
            "--to kubernetes=",
        ),
        (fine(), "rancher=2.16.0", shared(), "is not in the table", "--what"),
        (fine(), "kubernetes=v1.31.6-rancher1-1", on_rke(), "v1.31.6-rancher1-1 is older", "cowhand rollback"),
        (
            fine(),
            "kubernetes=v1.33.1-rancher1-1",
            on_rke(),
            "has no v1.33.1-rancher1-1 in its list",
            "v1.32.2-rancher1-1",
        ),
        (fine(), "kubernetes=v1.32.2-rancher1-1", shared(), "was there before", "whoever built it"),
        (
            running("2.10.3", "v1.31.6", ""),
            "kubernetes=v1.32.2-rancher1-1",
            on_rke(),
            "takes Kubernetes 1.28 to 1.31, not 1.32",
            "--to rancher=",
        ),
        (
            running("2.10.3", "v1.29.9", ""),
            "rancher=2.11.5",
            on_rke(),
            "takes Kubernetes 1.30 to 1.32, not 1.29",
            "at least 1.30",
        ),
        (
            running("2.9.3", "v1.30.2", ""),
            "rancher=2.11.5",
            Bounds { chart_at_path: true, ..on_rke() },
            "2.9.3 -> 2.10.12 -> 2.11.5",
            "next minor's chart",
        ),
        (
            running("2.11.5", "v1.30.2", ""),
            "kubernetes=v1.32.2-rancher1-1",
            Bounds { own_images: true, ..on_rke() },
            "names the images of one version",
            "first",
        ),
        (
            running("2.11.5", "v1.30.2", ""),
            "kubernetes=v1.32.9-rancher1-1",
            Bounds { rke_list: None, rke: Some("v1.8.9".into()), ..on_rke() },
            "not known to have a 1.31",
            "engine.rke.version",
        ),
        (
            running("2.11.5", "v1.31.2", "v1.14.2"),
            "kubernetes=v1.32.2-rancher1-1",
            Bounds { cert_manager: CertManagerBy::Inventory, ..on_rke() },
            "cert-manager v1.14.2 was not tested with Kubernetes 1.32",
            "--to cert-manager=",
        ),
        (fine(), "cert-manager=v1.16.5", on_rke(), "v1.16.5 is older", "leave it"),
        (
            fine(),
            "cert-manager=v1.18.6",
            Bounds { cert_manager: CertManagerBy::Others, ..on_rke() },
            "brings no cert-manager",
            "whoever",
        ),
        (Running { rancher: None, ..fine() }, "rancher=2.11.5", on_rke(), "no Rancher runs", "cowhand up"),
    ];
    for (from, to, bounds, why, remedy) in rows {
        let refusal = refused(from, to, bounds);
        assert!(refusal.why.contains(why) && refusal.remedy.contains(remedy), "{to}: {refusal:?}");
    }
}

/// Every pair of the table that a path leads through is allowed by Rancher's own range.
#[test]
fn no_path_leads_through_a_pair_that_does_not_fit() {
    let ranchers = ["2.9.3", "2.10.3", "2.11.3"];
    let targets = ["2.10.12", "2.11.5"];
    let list = on_rke().rke_list.unwrap();
    let mut paths = 0;
    for from in ranchers {
        for kubernetes in ["v1.28.9", "v1.29.9", "v1.30.2", "v1.31.2", "v1.32.2"] {
            for (rancher, wanted) in targets.iter().flat_map(|one| list.iter().map(move |wanted| (*one, wanted))) {
                let start = running(from, kubernetes, "");
                let asked =
                    Targets { rancher: Some(version(rancher)), kubernetes: Some(wanted.clone()), cert_manager: None };
                let Ok(path) = path(&start, &asked, &on_rke()) else { continue };
                paths += 1;
                let (mut at_rancher, mut at_minor) = (version(from), start.kubernetes.minor);
                for one in &path {
                    match one.product {
                        Product::Rancher => {
                            let to = version(&one.to);
                            assert!(to > at_rancher && to.minor <= at_rancher.minor + 1, "{path:?}");
                            at_rancher = to;
                        }
                        Product::Kubernetes => {
                            let to = KubernetesVersion::read(&one.to).unwrap().minor;
                            assert!(to == at_minor || to == at_minor + 1, "{path:?}");
                            at_minor = to;
                        }
                        Product::CertManager => panic!("{path:?}"),
                    }
                    let line = crate::inventory::versions::rancher_line(&at_rancher).unwrap();
                    assert!(at_minor <= line.highest, "{start:?} {path:?}");
                    assert!(at_minor >= line.lowest || start.kubernetes.minor < line.lowest, "{start:?} {path:?}");
                }
            }
        }
    }
    assert!(paths > 50, "{paths}");
}

#[test]
fn an_offer_goes_as_far_as_the_rules_and_says_what_holds() {
    let told = |from: &Running, bounds: &Bounds| {
        let offer = offer(from, bounds);
        let steps: Vec<String> = offer.path.iter().map(|one| format!("{} {}", one.product.word(), one.to)).collect();
        let limits: Vec<String> =
            offer.limits.iter().map(|one| format!("{}: {}", one.product.word(), one.why)).collect();
        (steps.join(", "), limits.join("; "))
    };
    let (steps, limits) = told(&running("2.10.3", "v1.31.2", "v1.16.5"), &on_rke());
    assert_eq!(steps, "cert-manager v1.17.4, rancher 2.11.16, kubernetes v1.32.2-rancher1-1");
    assert!(
        limits.contains("2.11 is the last that does")
            && limits.contains("kubernetes: rke v1.8.0 has none that is newer"),
        "{limits}"
    );
    let (steps, limits) = told(&running("2.11.16", "v1.32.2", "v1.17.4"), &on_rke());
    assert_eq!(steps, "");
    assert!(limits.contains("2.11 is the last"), "{limits}");
    let (steps, limits) = told(&running("2.11.5", "v1.32.2", "v1.17.4"), &shared());
    assert_eq!(steps, "cert-manager v1.18.6, rancher 2.12.12, cert-manager v1.19.4, rancher 2.13.8");
    assert!(limits.contains("takes Kubernetes 1.33 to 1.35, not 1.32") && limits.contains("whoever built"), "{limits}");
    let (steps, _) = told(&running("2.11.5", "v1.31.2", "v1.17.4"), &Bounds { own_images: true, ..on_rke() });
    assert_eq!(steps, "rancher 2.11.16", "whose images are the user's, the user names");
}

#[test]
fn each_word_of_to_is_judged_with_what_was_meant() {
    let list = on_rke().rke_list.unwrap();
    let read = |words: &str| targets(words.split(','), &list);
    assert_eq!(read("rancher=v2.11.5,cert-manager=1.17.4").unwrap().cert_manager.as_deref(), Some("v1.17.4"));
    for (words, why, remedy) in [
        ("ranchr=2.11.5", "`ranchr`", "did you mean rancher?"),
        ("rancher", "without a version", "--to rancher="),
        ("rancher=2.11", "no version of Rancher", "three numbers"),
        ("kubernetes=1.32.2", "no Kubernetes `1.32.2`", "did you mean v1.32.2-rancher1-1?"),
        ("kubernetes=v1.32.2-rancher1", "no Kubernetes", "did you mean v1.32.2-rancher1-1?"),
        ("kubernetes=newest", "no version of Kubernetes", "v1.32.2"),
        ("rancher=2.11.5,rancher=2.11.6", "twice", "once"),
        ("cert-manager=x", "no version of cert-manager", "v1.17.4"),
        ("traefik=37.0.0", "`traefik`", "ingress.chart.version"),
    ] {
        let refused = read(words).unwrap_err();
        assert!(refused.why.contains(why) && refused.remedy.contains(remedy), "{words}: {refused:?}");
    }
}
