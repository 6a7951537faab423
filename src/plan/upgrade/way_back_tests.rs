use super::*;
use crate::facts::rollout::RolloutPod;

fn stored(versions: &[&str]) -> Stored {
    let versions = versions.iter().map(|one| (*one).to_owned()).collect();
    BTreeMap::from([("clusters.management.cattle.io".to_owned(), versions)])
}

/// An upgrade by helm whose image is nowhere.
fn unpulled() -> Evidence {
    let last = LastStep {
        product: Product::Rancher,
        from: "2.11.3".into(),
        to: "2.11.5".into(),
        revision: Some(4),
        stored: stored(&["v3"]),
    };
    let pod = RolloutPod {
        name: "rancher-new".into(),
        ready: false,
        never_ran: Ok("its image is not on n1 (ImagePullBackOff)".into()),
    };
    let rollout = Rollout {
        version: Version::parse("2.11.5").ok(),
        wanted: 3,
        new: vec![pod],
        old: vec!["rancher-old".into()],
        old_ready: 3,
        alone: false,
    };
    let taken = "2026-12-01T03:00:00Z".parse().unwrap();
    let lost = Lost { kind: "user", name: "ada".into(), made: "2026-12-01T03:10:00Z".parse().unwrap() };
    Evidence {
        delivery: Delivery::Helm,
        last: Some(last),
        rollout: Some(rollout),
        revision: Some(5),
        stored: stored(&["v3"]),
        backup: Some(Saved { path: "backups/prod.cowhand".into(), taken, level: "belongs together".into() }),
        lost: vec![lost],
    }
}

#[test]
fn helm_leads_back_only_where_nothing_of_the_new_version_has_run() {
    let WayBack::Helm { revision, from, to, because } = way_back(&unpulled()) else { panic!() };
    assert_eq!((revision, from.as_str(), to.as_str()), (4, "2.11.5", "2.11.3"));
    assert!(because.iter().any(|line| line.contains("rancher-new has never run")), "{because:?}");
    type Harm = (&'static str, fn(&mut Evidence));
    let harms: &[Harm] = &[
        ("pod rancher-new has run, or may have: it runs", |seen| {
            seen.rollout.as_mut().unwrap().new[0].never_ran = Err("it runs".into());
        }),
        ("stored as v3, v4, before v3", |seen| seen.stored = stored(&["v3", "v4"])),
        ("stored as absent, before v3", |seen| seen.stored = BTreeMap::from([("other".into(), vec![])])),
        ("is not on record", |seen| seen.last.as_mut().unwrap().stored.clear()),
        ("was 4 before the upgrade and is 6 now", |seen| seen.revision = Some(6)),
        ("was 4 before the upgrade and is none now", |seen| seen.revision = None),
        ("was none before the upgrade", |seen| seen.last.as_mut().unwrap().revision = None),
        ("no pod of the new version", |seen| seen.rollout.as_mut().unwrap().new.clear()),
        ("no ReplicaSet of the version before", |seen| seen.rollout.as_mut().unwrap().alone = true),
        ("the Deployment is of 2.11.9", |seen| seen.rollout.as_mut().unwrap().version = Version::parse("2.11.9").ok()),
        ("the Deployment is of another version", |seen| seen.rollout.as_mut().unwrap().version = None),
        ("is not there", |seen| seen.rollout = None),
        ("RKE's addon keeps no revision", |seen| seen.delivery = Delivery::Addon),
        ("etcd's data", |seen| seen.last.as_mut().unwrap().product = Product::Kubernetes),
        ("its definitions do not go back", |seen| seen.last.as_mut().unwrap().product = Product::CertManager),
    ];
    for (wanted, harm) in harms {
        let mut seen = unpulled();
        harm(&mut seen);
        let WayBack::Restore { why, backup, lost } = way_back(&seen) else { panic!("{wanted}: {:?}", way_back(&seen)) };
        assert!(why.iter().any(|line| line.contains(wanted)), "{wanted}: {why:?}");
        assert_eq!(backup.path, "backups/prod.cowhand");
        assert_eq!(lost[0].to_string(), "user ada, made 2026-12-01 03:10:00Z");
    }
}

#[test]
fn where_nothing_is_safe_nothing_is_offered() {
    let mut seen = unpulled();
    seen.rollout.as_mut().unwrap().new[0].never_ran = Err("it runs".into());
    seen.backup = None;
    let WayBack::None { why, remedy } = way_back(&seen) else { panic!() };
    assert!(
        why.iter().any(|line| line.contains("no good backup")) && remedy.contains("go forward"),
        "{why:?} {remedy}"
    );
    seen.last = None;
    let WayBack::None { why, .. } = way_back(&seen) else { panic!() };
    assert!(why[0].contains("on record"), "{why:?}");
}
