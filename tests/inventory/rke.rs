//! What people bring from a cluster.yml, read as rke reads it.

use cowhand::inventory::{BucketCa, Engine, Rke};

use crate::{file, read};

fn rke(name: &str) -> Rke {
    let path = format!("tests/data/inventory/rke/{name}.yml");
    let inventory = read(&file(&path)).unwrap_or_else(|mistakes| panic!("{name} is refused:\n{mistakes}"));
    let Engine::Rke(rke) = inventory.engine else { panic!("{name} has no rke") };
    rke
}

#[test]
fn every_key_that_rke_has_and_cowhand_does_not_refuse_is_taken() {
    let cluster = rke("every-key-of-v1.8.0").cluster;
    assert_eq!(cluster["ingress"]["extra_args"]["enable-ssl-passthrough"], "", "an empty value of a free key is one");
    assert_eq!(cluster["upgrade_strategy"]["node_drain_input"]["grace_period"], -1);
    let registry = &cluster["private_registries"][1];
    assert_eq!(registry["ecr_credential_plugin"], serde_json::json!({}), "rke asks only whether it is there");
    let rolling = &cluster["network"]["update_strategy"]["rollingUpdate"];
    assert!(rolling["maxUnavailable"].is_number(), "as text, Kubernetes would not take it: {rolling}");
}

#[test]
fn the_ca_of_a_bucket_is_text_or_a_file() {
    let text = rke("bucket-with-its-own-ca");
    let Some(BucketCa::Text(pem)) = &text.bucket_ca else { panic!("{:?}", text.bucket_ca) };
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && pem.ends_with("-----END CERTIFICATE-----\n"), "{pem}");
    let inline = String::from_utf8(file("tests/data/inventory/rke/bucket-with-its-own-ca.yml")).unwrap();
    let (before, _) = inline.split_once("custom_ca: |").unwrap();
    let after = inline.split_once("-----END CERTIFICATE-----\n").unwrap().1;
    let by_path = format!("{before}custom_ca: ./tls/bucket.pem\n{after}");
    let inventory = read(by_path.as_bytes()).unwrap();
    let Engine::Rke(rke) = &inventory.engine else { panic!("no rke") };
    assert_eq!(rke.bucket_ca, Some(BucketCa::File("/srv/prod/tls/bucket.pem".into())));
    for one in [rke, &text] {
        let bucket = &one.cluster["services"]["etcd"]["backup_config"]["s3backupconfig"];
        assert_eq!(bucket.get("custom_ca"), None, "it is put in where the file is read");
    }
}

#[test]
fn what_rke_config_writes_says_only_what_is_not_empty() {
    let cluster = serde_json::Value::Object(rke("what-rke-config-writes").cluster);
    let expected = serde_json::json!({
        "services": {
            "etcd": {},
            "kube-api": {"service_cluster_ip_range": "10.43.0.0/16", "always_pull_images": false},
            "kube-controller": {"cluster_cidr": "10.42.0.0/16", "service_cluster_ip_range": "10.43.0.0/16"},
            "kubelet": {"cluster_domain": "cluster.local", "cluster_dns_server": "10.43.0.10", "fail_swap_on": false,
                "generate_serving_certificate": false},
        },
        "network": {"plugin": "canal"},
        "authentication": {"strategy": "x509"},
        "authorization": {"mode": "rbac"},
    });
    // A map of nothing but empty values is nothing, too.
    assert_eq!(without_empty(cluster), without_empty(expected));
}

fn without_empty(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let kept = map.into_iter().map(|(key, value)| (key, without_empty(value)));
            kept.filter(|(_, value)| *value != serde_json::json!({})).collect::<serde_json::Map<_, _>>().into()
        }
        other => other,
    }
}
