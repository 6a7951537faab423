use super::*;

fn hear(log: &str) -> (RkeLog, Vec<Progress>) {
    let names = ["n1", "n2", "n3"].iter().zip(11..).map(|(name, end)| (format!("172.31.77.{end}"), (*name).to_owned()));
    let mut heard = RkeLog::new(names.collect());
    let told = log.lines().filter_map(|line| heard.hear(&RkeLine::parse(line))).collect();
    (heard, told)
}

macro_rules! captured {
    ($name:literal) => {
        include_str!(concat!("../../../tests/data/rke/", $name, ".log"))
    };
}

#[test]
fn both_forms_of_a_line_say_the_same() {
    let line = |level, message: &str| RkeLine { level, message: message.into() };
    assert_eq!(
        RkeLine::parse(r#"time="2026-11-23T04:11:52Z" level=warning msg="Get \"http://x\": no""#),
        line(Level::Warning, r#"Get "http://x": no"#)
    );
    assert_eq!(RkeLine::parse("time=\"x\" level=info msg=done"), line(Level::Info, "done"));
    assert_eq!(RkeLine::parse("INFO[0012] [dialer] Setup tunnel "), line(Level::Info, "[dialer] Setup tunnel"));
    assert_eq!(RkeLine::parse("\x1b[31mFATA\x1b[0m[0003] no space"), line(Level::Fatal, "no space"));
    assert_eq!(RkeLine::parse("goroutine 1 [running]:"), line(Level::Bare, "goroutine 1 [running]:"));
    assert_eq!(RkeLine::parse(""), line(Level::Bare, ""));
}

#[test]
fn a_fresh_up_goes_forward_to_the_end() {
    let (log, told) = hear(captured!("up-fresh"));
    assert!(log.is_finished() && log.fatal().is_none());
    assert_eq!(log.troubles(), [], "the warnings of a first run are usual");
    assert_eq!(log.state_writes(), 2);
    assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done), "progress fell");
    assert!(told.windows(2).all(|pair| pair[0].percent <= pair[1].percent), "progress fell");
    let at = |text: &str| told.iter().find(|one| one.text == text).map(|one| one.percent);
    // By seconds, not by milestones: etcd begins at the eleventh of 25, 26 s into 120.
    assert_eq!((at("starting etcd"), at("done")), (Some(21), Some(100)));
    let last = told.last().unwrap();
    assert_eq!((last.done, last.text.as_str()), (last.of, "done"));
    assert!(told.iter().any(|one| one.text == "kube-apiserver is healthy on n3"));
    assert!(told.iter().any(|one| one.text == "waiting for addon rke-network-plugin"));
}

#[test]
fn an_up_with_an_addon_file_is_a_success() {
    let (log, told) = hear(captured!("up-addons-include"));
    assert!(log.is_finished() && log.troubles().is_empty());
    assert!(told.iter().any(|one| one.text == "waiting for addon rke-user-includes-addons"));
}

#[test]
fn nodes_that_are_not_ready_end_it_with_an_explanation() {
    let (log, _) = hear(captured!("up-nodes-not-ready-failed"));
    assert!(!log.is_finished());
    assert_eq!(log.fatal(), Some("[controlPlane] Failed to upgrade Control Plane: [[host n1 not ready]]"));
    assert!(log.explained().unwrap().remedy.contains("cni config uninitialized"));
    assert!(log.troubles().contains(&Trouble::NodeNotReady { node: "n2".into() }));
}

#[test]
fn refused_ssh_names_every_host_twice() {
    let (log, _) = hear(captured!("up-ssh-refused"));
    let dropped = |trouble: &&Trouble| matches!(trouble, Trouble::Dropped { .. });
    assert_eq!(log.troubles().iter().filter(dropped).count(), 3);
    let Trouble::Unreachable { host, why } = &log.troubles()[0] else { panic!("{:?}", log.troubles()) };
    assert_eq!(host, "172.31.77.11");
    assert!(why.starts_with("Can't retrieve Docker Info") && why.ends_with("ssh: no key found"), "{why}");
    assert!(log.explained().unwrap().why.starts_with("where rke looks for the private key there is none"));
}

#[test]
fn a_new_ca_over_a_living_cluster_shows_at_etcd() {
    let (log, _) = hear(captured!("up-without-state-over-living-cluster"));
    assert!(!log.is_finished());
    let Some(Trouble::EtcdUnhealthy { host, why }) = log.troubles().first() else { panic!("{:?}", log.troubles()) };
    assert_eq!(host, "172.31.77.11");
    assert!(why.contains("unknown certificate authority"), "{why}");
}

#[test]
fn exit_0_with_a_failed_addon_is_no_success() {
    // As cluster/addons.go and k8s/job.go of rke v1.8.0 write it.
    let (log, _) = hear(concat!(
        "time=\"x\" level=warning msg=\"Failed to deploy addon execute job [rke-user-addon]: Failed to get job complete status for job rke-user-addon-deploy-job in namespace kube-system\"\n",
        "time=\"x\" level=warning msg=\"[addons] Unable to determine if rancher.yaml is a file path or url, skipping\"\n",
        "time=\"x\" level=info msg=\"Finished building Kubernetes cluster successfully\"\n",
    ));
    assert!(log.is_finished());
    let [failed, skipped] = log.troubles() else { panic!("{:?}", log.troubles()) };
    assert!(failed.is_failure() && skipped.is_failure());
    assert_eq!(skipped.to_string(), "addon file rancher.yaml was left out: rke could not read it");
    assert!(failed.to_string().starts_with("addon rke-user-addon failed: Failed to get job complete status"));
}

#[test]
fn a_flood_of_warnings_is_kept_within_bounds_and_what_decides_is_never_dropped() {
    let mut log = RkeLog::new(Vec::new());
    for number in 0..20_000 {
        log.hear(&RkeLine { level: Level::Warning, message: format!("no {number}") });
        log.hear(&RkeLine { level: Level::Warning, message: "the same".into() });
    }
    log.hear(&RkeLine { level: Level::Warning, message: "Removing host [10.0.0.9] from node lists".into() });
    assert_eq!(log.troubles().len(), MOST_TROUBLES + 1);
    assert_eq!(log.troubles().last(), Some(&Trouble::Dropped { host: "10.0.0.9".into() }));
    assert_eq!(log.troubles().iter().filter(|one| one.to_string() == "the same").count(), 1);
}

#[test]
fn a_panic_is_the_end() {
    let (log, _) = hear("panic: runtime error: invalid memory address or nil pointer dereference\n");
    assert!(log.fatal().unwrap().starts_with("panic: "));
}

#[test]
fn secrets_do_not_reach_the_kept_log() {
    let key = "A".repeat(120);
    for secret in ["-----BEGIN RSA PRIVATE KEY-----", "msg=\"password: x\"", &key] {
        assert!(redact(secret).contains("left out"), "{secret}");
    }
    let s3 = redact("from bucket [b] using accesskey [AKIA123] now");
    assert_eq!(s3, "from bucket [b] using accesskey [left out] now");
    for plain in captured!("up-fresh").lines() {
        assert_eq!(redact(plain), plain);
    }
}

/// It restarted three etcd and three API servers, each in its turn, and says nothing else at its end.
#[test]
fn a_rotation_of_certificates_ends_with_the_workers() {
    let whole = captured!("rotate");
    let (log, _) = hear(whole);
    assert!(log.is_finished() && log.fatal().is_none());
    assert_eq!((log.troubles(), log.state_writes()), (&[][..], 2));
    let (cut, _) = whole.trim_end().rsplit_once('\n').unwrap();
    assert!(!hear(cut).0.is_finished());
}
