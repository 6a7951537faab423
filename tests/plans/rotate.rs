//! What a rotation of RKE's certificates would do, as people read it.

use cowhand::engine::rke::leaves::{Leaf, Service};
use cowhand::plan::rotate::{Rotation, rotation};
use cowhand::report::{Look, rotate};

use crate::{inventory, read};

fn planned(services: &[Service]) -> Rotation {
    let leaf = |name: &str, days_left: i64, renewed: bool| Leaf {
        name: name.into(),
        ends: "2027-01-19T20:00:00Z".parse().unwrap(),
        days_left,
        renewed,
        fingerprint: String::new(),
    };
    let all = services.is_empty();
    let leaves = vec![leaf("kube-etcd-10-0-0-11", 50, true), leaf("kube-admin", 50, all), leaf("kube-node", 3650, all)];
    rotation(leaves, services, &read(&inventory("mode: ingress, issuer: ca", "")).nodes)
}

#[test]
fn a_rotation_says_what_ends_when_and_what_restarts_in_which_order() {
    insta::assert_snapshot!("rotate_all", rotate::text(&planned(&[]), &Look::PLAIN));
    insta::assert_snapshot!("rotate_etcd", rotate::text(&planned(&[Service::Etcd]), &Look::PLAIN));
}

#[test]
fn scripts_get_the_same_as_data() {
    let data = serde_json::to_value(planned(&[Service::Etcd])).unwrap();
    assert_eq!(
        data["restarts"][0],
        serde_json::json!({
            "containers": ["etcd"], "nodes": ["n1", "n2", "n3"], "when": "one-by-one",
        })
    );
    assert_eq!(data["leaves"][1]["renewed"], false);
    assert!(data["leaves"][0].get("fingerprint").is_none());
}
