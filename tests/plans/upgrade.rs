//! What an upgrade would do, what a cluster could take, and what leads back, as people read it. A Kubernetes upgrade is played
//! nowhere yet: its plan is held here.

use cowhand::inventory::Delivery;
use cowhand::inventory::versions::{KubernetesVersion, rke_list};
use cowhand::plan::upgrade::way_back::{Lost, Saved, WayBack};
use cowhand::plan::upgrade::{
    Before, Bounds, CertManagerBy, Running, Runs, UpgradePlan, What, Written, offer, path, targets,
};
use cowhand::report::{Look, upgrade as shown};

fn running() -> Running {
    Running {
        kubernetes: KubernetesVersion::read("v1.30.4").unwrap(),
        rancher: semver::Version::parse("2.10.3").ok(),
        cert_manager: Some("v1.16.5".into()),
    }
}

fn bounds() -> Bounds {
    Bounds {
        rke: Some("v1.8.0".into()),
        rke_list: rke_list("v1.8.0").map(|list| list.iter().map(|one| (*one).to_owned()).collect()),
        own_images: false,
        chart_at_path: false,
        delivery: Delivery::Addon,
        cert_manager: CertManagerBy::RancherLine,
    }
}

fn runs() -> Runs {
    Runs {
        kubernetes: vec![("v1.30.4".into(), ["n1", "n2", "n3"].map(str::to_owned).to_vec())],
        rancher: Some("2.10.3".into()),
        delivery: "addon",
        cert_manager: Some("v1.16.5".into()),
        ingress: vec!["class nginx of k8s.io/ingress-nginx".into()],
        unfinished: Vec::new(),
    }
}

fn plan(before: Before) -> UpgradePlan {
    let words = ["rancher=2.11.5", "kubernetes=v1.32.2-rancher1-1"];
    let wanted = targets(words, &bounds().rke_list.unwrap()).unwrap();
    let path = path(&running(), &wanted, &bounds()).unwrap();
    let line = |key, from: &str, to: &str| Written { key, from: from.into(), to: to.into() };
    let inventory =
        vec![line("rancher.version", "2.10.3", "2.11.5"), line("engine.rke.kubernetes", "", "v1.32.2-rancher1-1")];
    UpgradePlan { runs: runs(), before, path, inventory, notes: Vec::new() }
}

#[test]
fn an_upgrade_says_each_step_its_reason_and_what_restarts() {
    let backup = Before::Backup { to: vec!["/srv/prod/backups".into()] };
    insta::assert_snapshot!("upgrade_both", shown::plan(&plan(backup), &Look::PLAIN));
    let bare = shown::plan(&plan(Before::NoBackup), &Look::PLAIN);
    assert!(bare.contains("no backup first (--no-backup)"), "{bare}");
    let nothing = UpgradePlan { path: Vec::new(), inventory: Vec::new(), ..plan(Before::NoBackup) };
    assert!(shown::plan(&nothing, &Look::PLAIN).contains("nothing to do"));
}

#[test]
fn what_could_be_taken_is_said_with_what_holds() {
    let what = What { runs: runs(), offer: offer(&running(), &bounds()), notes: Vec::new() };
    insta::assert_snapshot!("upgrade_what", shown::what(&what, &Look::PLAIN));
}

#[test]
fn a_way_back_is_said_with_what_shows_it_and_what_is_lost() {
    let helm = WayBack::Helm {
        revision: 4,
        from: "2.11.5".into(),
        to: "2.11.3".into(),
        because: vec!["pod rancher-x has never run: its image is not on n1 (ImagePullBackOff)".into()],
    };
    let restore = WayBack::Restore {
        why: vec!["pod rancher-x has run, or may have: rancher on n1 has an image".into()],
        backup: Saved {
            path: "/srv/prod/backups/prod-20261201T030000Z.cowhand".into(),
            taken: "2026-12-01T03:00:00Z".parse().unwrap(),
            level: "level 3 (belongs together)".into(),
        },
        lost: vec![Lost { kind: "user", name: "ada (u-1)".into(), made: "2026-12-01T03:10:00Z".parse().unwrap() }],
    };
    let text = format!("{}\n{}", shown::way_back(&helm, &Look::PLAIN), shown::way_back(&restore, &Look::PLAIN));
    insta::assert_snapshot!("rollback", text);
}
