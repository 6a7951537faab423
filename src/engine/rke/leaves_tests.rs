use super::*;

/// A CA and one leaf of it, which ends so many days from now.
fn pair(days: i64) -> (String, String) {
    let key = || rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = key();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::from_params(&ca, &ca_key);
    let mut leaf = rcgen::CertificateParams::new(vec!["n1".to_owned()]).unwrap();
    leaf.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days) + time::Duration::hours(1);
    (ca_pem, leaf.signed_by(&key(), &issuer).unwrap().pem())
}

#[test]
fn every_leaf_is_renewed_and_no_ca() {
    let ((ca, soon), (_, late)) = (pair(20), pair(3000));
    let state = [
        ("kube-ca", ca.as_str()),
        ("kube-proxy", &late),
        ("kube-etcd-10-0-0-1", &soon),
        ("kube-service-account-token", &soon),
    ];
    let seen = leaves(&state, &[], Timestamp::now()).unwrap();
    let told: Vec<(&str, i64, bool)> =
        seen.iter().map(|leaf| (leaf.name.as_str(), leaf.days_left, leaf.renewed)).collect();
    assert_eq!(told, [("kube-etcd-10-0-0-1", 20, true), ("kube-proxy", 3000, true)]);
    let one = leaves(&state, &[Service::Etcd], Timestamp::now()).unwrap();
    assert_eq!(one.iter().map(|leaf| leaf.renewed).collect::<Vec<_>>(), [true, false]);
    assert!(leaves(&[("kube-proxy", "nonsense")], &[], Timestamp::now()).unwrap_err().starts_with("kube-proxy: "));
}

#[test]
fn a_service_has_its_own_leaves_only() {
    for (service, has, not) in [
        (Service::Etcd, "kube-etcd-10-0-0-1", "kube-etcd-client"),
        (Service::KubeApiserver, "kube-apiserver", "kube-apiserver-proxy-client"),
        (Service::Kubelet, "kube-node", "kube-proxy"),
        (Service::KubeScheduler, "kube-scheduler", "kube-node"),
    ] {
        assert!(service.has(has) && !service.has(not), "{service:?}");
    }
}
