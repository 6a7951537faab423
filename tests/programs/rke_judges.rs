//! The real rke is the judge of what an inventory may ask of it. `rke up --init` reads and validates a cluster.yml and
//! reaches no machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use cowhand::engine::rke::cluster_yml as rke;
use cowhand::engine::rke::cluster_yml::Additions;
use cowhand::inventory::merge;
use cowhand::inventory::{BucketCa, Engine, Environment, Inventory, Mistakes, parse, schema};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

const CASES: u64 = 220;

/// The inventory with these keys of cluster.yml; JSON is YAML.
fn inventory(kubernetes: &str, ingress: &str, cluster: &Value) -> Result<Inventory, Mistakes> {
    let document = json!({
        "name": "lab", "ssh": {"user": "ubuntu"}, "nodes": ["10.0.0.11", "10.0.0.12", "10.0.0.13"],
        "engine": {"rke": {"version": "v1.8.0", "kubernetes": kubernetes, "cluster": cluster}},
        "ingress": {"provider": ingress},
        "rancher": {"hostname": "rancher.example.com", "version": "2.11.3", "tls": {"mode": "ingress", "issuer": "ca"}},
    });
    let environment = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
    parse(&document.to_string(), Path::new("inventory.yml"), &environment)
}

/// The cluster.yml that cowhand would give to rke.
fn cluster_yml(inventory: &Inventory) -> Map<String, Value> {
    let Engine::Rke(rke) = &inventory.engine else { panic!("no rke") };
    let bucket_ca = match &rke.bucket_ca {
        Some(BucketCa::Text(text)) => Some(text.clone()),
        Some(BucketCa::File(_)) | None => None,
    };
    rke::cluster_yml(inventory, rke, &Additions { bucket_ca, ..Additions::default() })
}

/// What rke says of a cluster.yml: the state that it writes, or its last words.
fn rke_says(cluster_yml: &Map<String, Value>) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cluster.rkestate"), certificates()).unwrap();
    init(folder.path(), cluster_yml)
}

/// A state with all certificates: making them anew would cost a second for each case.
fn certificates() -> &'static str {
    static STATE: OnceLock<String> = OnceLock::new();
    STATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        // Without a state rke asks the nodes whether they have one; without a key it gives that up at once.
        let mut nowhere = cluster_yml(&plain());
        nowhere.shift_remove("ssh_agent_auth");
        nowhere.insert("ssh_key_path".into(), json!(folder.path().join("none")));
        init(folder.path(), &nowhere).unwrap().to_string()
    })
}

fn plain() -> Inventory {
    inventory("v1.32.2-rancher1-1", "nginx", &json!({})).unwrap()
}

fn init(folder: &Path, cluster_yml: &Map<String, Value>) -> Result<Value, String> {
    let file = folder.join("cluster.yml");
    std::fs::write(&file, serde_yaml::to_string(cluster_yml).unwrap()).unwrap();
    let mut rke = Command::new(crate::program("rke"));
    let ran = rke
        .args(["up", "--init", "--config"])
        .arg(&file)
        .current_dir(folder)
        .env_remove("SSH_AUTH_SOCK")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    match ran.status.success() {
        true => Ok(serde_json::from_slice(&std::fs::read(folder.join("cluster.rkestate")).unwrap()).unwrap()),
        false => Err(log.lines().find(|line| line.contains("level=fatal")).unwrap_or(&log).to_owned()),
    }
}

/// Makes values that fit a schema, and now and then one that rke refuses.
struct Maker {
    random: StdRng,
    /// The keys that were given, each with those above it.
    keys: BTreeSet<String>,
}

impl Maker {
    fn one_in(&mut self, chance: u32) -> bool {
        self.random.random_range(0..chance) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.random_range(0..from.len())]
    }

    fn value(&mut self, schema: &Value, path: &str) -> Value {
        if let Some(words) = schema["enum"].as_array() {
            return words[self.random.random_range(0..words.len())].clone();
        }
        if schema["type"].is_array() {
            return if self.one_in(2) { json!(self.random.random_range(0..9)) } else { json!("25%") };
        }
        match schema["type"].as_str().unwrap() {
            "object" => self.map(schema, path),
            "array" => (0..self.random.random_range(0..3)).map(|_| self.value(&schema["items"], path)).collect(),
            "string" => json!(self.text(path)),
            "boolean" => json!(self.one_in(2)),
            "integer" => json!(self.whole(schema)),
            "number" => json!(f64::from(self.random.random_range(0..400)) / 4.0),
            other => panic!("{path}: a schema of type {other}"),
        }
    }

    fn map(&mut self, schema: &Value, path: &str) -> Value {
        let mut map = Map::new();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let needed = required.contains(&key.as_str());
            let wanted = if needed { !self.one_in(20) } else { self.one_in(4) };
            if !wanted || inner.get("not").is_some() || inner.get("deprecated").is_some() {
                continue;
            }
            let path = format!("{path}.{key}");
            map.insert(key.clone(), self.value(inner, &path));
            self.keys.insert(path);
        }
        match &schema["additionalProperties"] {
            Value::Object(_) => drop(map.insert("some-key".into(), self.value(&schema["additionalProperties"], path))),
            Value::Bool(true) if self.one_in(2) => drop(map.insert("some-key".into(), json!({"a": [1, true, "b"]}))),
            _ => {}
        }
        Value::Object(map)
    }

    fn whole(&mut self, schema: &Value) -> i64 {
        let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap_or(100_000));
        if self.one_in(3) { least } else { self.random.random_range(least..=most) }
    }

    fn text(&mut self, path: &str) -> &'static str {
        let key = path.rsplit('.').next().unwrap();
        if path.contains(".system_images.") {
            return if key == "kubernetes" { "r/hyperkube:v1.32.2-rancher1" } else { "r/x:1" };
        }
        let from: &[&str] = match key {
            "service_cluster_ip_range" | "cluster_cidr" if self.one_in(12) => {
                &["10.43.0.0/16, fd98::/108", "10.43.0.0", "10.43.0.0/33", "all", "10.43.0.0/16,fd98::/108"]
            }
            "service_cluster_ip_range" => &["10.43.0.0/16", "10.43.0.0/20"],
            "cluster_cidr" => &["10.42.0.0/16", "10.44.0.0/15"],
            "cluster_dns_server" => &["10.43.0.10", "10.43.0.53"],
            "sans" | "cluster_domain" if !self.one_in(12) => &["api.example.com", "cluster.local"],
            "max_unavailable_worker" | "max_unavailable_controlplane" => &["1", "3", "10%"],
            "custom_ca" => &[CERTIFICATE],
            _ => &["a", "true", "1", "0755", "yes", "a: b", "- c", "ä", "null", "1e3", "~"],
        };
        self.pick(from)
    }
}

const CERTIFICATE: &str = include_str!("../data/facts/kube-ca.pem");

/// Two address families, where the network plugin is there for them or not.
fn sometimes_two_families(maker: &mut Maker, cluster: &mut Value) {
    if maker.one_in(8) {
        cluster["network"]["plugin"] = json!(maker.pick(&["calico", "canal"]));
        cluster["services"]["kube-api"]["service_cluster_ip_range"] = json!("10.43.0.0/16,fd98::/108");
        cluster["services"]["kube-controller"]["cluster_cidr"] = json!("10.42.0.0/16,fd01::/64");
    }
}

/// A Kubernetes that rke has no images for, with all of them named, or all but one.
fn sometimes_own_images(maker: &mut Maker, images: &Value, cluster: &mut Value) -> &'static str {
    if !maker.one_in(5) {
        return "v1.32.2-rancher1-1";
    }
    let mut named = Map::new();
    for name in images["properties"].as_object().unwrap().keys() {
        let image = if name == "kubernetes" { "r/hyperkube:v1.32.9-rancher1" } else { "r/x:1" };
        named.insert(name.clone(), json!(image));
    }
    if maker.one_in(2) {
        let names: Vec<String> = named.keys().cloned().collect();
        named.shift_remove(&names[maker.random.random_range(0..names.len())]);
    }
    cluster["system_images"] = Value::Object(named);
    "v1.32.9-rancher1-1"
}

/// The keys of the case, when cowhand accepts it; then rke has to do the same.
fn judged(seed: u64, keys: &Value) -> Option<BTreeSet<String>> {
    let mut maker = Maker { random: StdRng::seed_from_u64(seed), keys: BTreeSet::new() };
    let mut cluster = maker.value(keys, "");
    sometimes_two_families(&mut maker, &mut cluster);
    let kubernetes = sometimes_own_images(&mut maker, &keys["properties"]["system_images"], &mut cluster);
    let ingress = maker.pick(&["nginx", "traefik"]);
    let asked = cluster_yml(&inventory(kubernetes, ingress, &cluster).ok()?);
    if let Err(why) = rke_says(&asked) {
        panic!("seed {seed}: accepted, and rke says\n{why}\nof\n{cluster:#}");
    }
    Some(maker.keys)
}

#[test]
fn what_cowhand_accepts_rke_accepts() {
    const WORKERS: u64 = 4;
    let schema = schema();
    let keys = &schema["$defs"]["RkeCluster"];
    let work =
        |worker: u64| (worker..CASES).step_by(WORKERS as usize).map(|seed| judged(seed, keys)).collect::<Vec<_>>();
    let cases: Vec<Option<BTreeSet<String>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let accepted = cases.iter().flatten().count();
    let met: BTreeSet<&String> = cases.iter().flatten().flatten().collect();
    // What is accepted has to come near every key, else the property says nothing.
    assert!(accepted >= 100 && cases.len() - accepted >= 40, "{accepted} of {} accepted", cases.len());
    assert!(met.len() >= 150, "only {} keys were tried", met.len());
}

/// Where a key of cluster.yml is refused, and what is asked for there.
fn refusals() -> Vec<(&'static str, Value)> {
    let audit = json!({"enabled": true, "configuration": {"policy": {"rules": [{"level": "None"}]}}});
    vec![
        ("network.plugin", json!({"network": {"plugin": "weave"}})),
        ("network.mtu", json!({"network": {"plugin": "flannel", "mtu": 1450}})),
        (
            "services.kube-api.service_cluster_ip_range",
            json!({"network": {"plugin": "canal"}, "services": {"kube-api": {"service_cluster_ip_range": "10.43.0.0/16,fd98::/108"}}}),
        ),
        (
            "services.kube-controller.cluster_cidr",
            json!({"network": {"plugin": "flannel"}, "services": {"kube-controller": {"cluster_cidr": "10.42.0.0/16,fd01::/64"}}}),
        ),
        (
            "services.kube-api.service_cluster_ip_range",
            json!({"services": {"kube-api": {"service_cluster_ip_range": "10.43.0.0"}}}),
        ),
        ("cloud_provider.name", json!({"cloud_provider": {"name": "aws"}})),
        ("cloud_provider.name", json!({"cloud_provider": {"name": "azure"}})),
        ("authentication.strategy", json!({"authentication": {"strategy": "webhook"}})),
        ("authentication.strategy", json!({"authentication": {"strategy": "x509|ldap"}})),
        ("authentication.sans[0]", json!({"authentication": {"sans": ["ä.example.com"]}})),
        ("services.kubelet.cluster_domain", json!({"services": {"kubelet": {"cluster_domain": "ä"}}})),
        ("authorization.mode", json!({"authorization": {"mode": "none"}})),
        ("ingress.dns_policy", json!({"ingress": {"dns_policy": "ClusterLast"}})),
        ("ingress.network_mode", json!({"ingress": {"network_mode": "bridge"}})),
        ("ingress.http_port", json!({"ingress": {"http_port": 70000}})),
        ("ingress.https_port", json!({"ingress": {"https_port": 80}})),
        ("ingress.http_port", json!({"ingress": {"http_port": 443}})),
        ("ingress.extra_volumes[0].hostPath", json!({"ingress": {"extra_volumes": [{"name": "a", "hostPath": "/b"}]}})),
        (
            "services.kube-api.pod_security_configuration",
            json!({"services": {"kube-api": {"pod_security_configuration": "baseline"}}}),
        ),
        (
            "services.kube-api.admission_configuration",
            json!({"services": {"kube-api": {"admission_configuration": {"plugins": [{"name": "PodSecurity"}]}}}}),
        ),
        ("services.kube-api.audit_log", json!({"services": {"kube-api": {"audit_log": audit}}})),
        (
            "services.etcd.backup_config.s3backupconfig.endpoint",
            json!({"services": {"etcd": {"backup_config": {"s3backupconfig": {"bucket_name": "b"}}}}}),
        ),
        (
            "services.etcd.backup_config.s3backupconfig.bucket_name",
            json!({"services": {"etcd": {"backup_config": {"s3backupconfig": {"endpoint": "e"}}}}}),
        ),
        (
            "network.update_strategy.rollingUpdate.maxUnavailable",
            json!({"network": {"update_strategy": {"strategy": "RollingUpdate", "rollingUpdate": {"maxUnavailable": true}}}}),
        ),
        ("monitoring.replicas", json!({"monitoring": {"replicas": 4_294_967_296_u64}})),
    ]
}

#[test]
fn what_rke_refuses_is_refused_before_it_with_its_place() {
    for (key, cluster) in refusals() {
        let mistakes = inventory("v1.32.2-rancher1-1", "nginx", &cluster).expect_err(&cluster.to_string());
        let named = mistakes.list.iter().any(|one| one.key.starts_with(&format!("engine.rke.cluster.{key}")));
        assert!(named, "{cluster} is refused, but not at {key}:\n{mistakes}");
        let mut asked = cluster_yml(&plain());
        merge(&mut asked, cluster.as_object().unwrap());
        let said = rke_says(&asked).map(|_| ()).expect_err(&format!("rke takes {cluster}"));
        assert!(!said.contains("panic:"), "{cluster}: {said}");
    }
}

#[test]
fn what_rke_drops_without_a_word_is_refused() {
    let toleration = |key: &str| json!({"network": {"tolerations": [{"key": "a", "operator": "Exists", key: 300}]}});
    let kept = |cluster: &Value| {
        let mut asked = cluster_yml(&plain());
        merge(&mut asked, cluster.as_object().unwrap());
        let state = rke_says(&asked).unwrap();
        state.pointer("/desiredState/rkeConfig/network").unwrap().clone()
    };
    let dropped = toleration("tolerationSeconds");
    assert!(!kept(&dropped).to_string().contains("300"), "{}", kept(&dropped));
    assert!(inventory("v1.32.2-rancher1-1", "nginx", &dropped).is_err());
    let read = toleration("tolerationseconds");
    assert!(kept(&read).to_string().contains("300"), "{}", kept(&read));
    assert!(inventory("v1.32.2-rancher1-1", "nginx", &read).is_ok());
    let route = json!({"network": {"canal_network_provider": {"iface": "eth1", "blackhole_route": "true"}}});
    assert!(!kept(&route).to_string().contains("lackhole"), "{}", kept(&route));
    assert!(inventory("v1.32.2-rancher1-1", "nginx", &route).is_err());
}
