//! What `engine.rke.cluster` cannot ask for: what rke itself refuses, most of it in the middle of a run
//! (rancher/rke v1.8.0: cluster/validation.go, cluster/defaults.go, services/node_util.go), and what it takes without a
//! word and without effect.

use std::net::IpAddr;

use serde_json::Value;

use crate::inventory::judge::Judge;
use crate::inventory::model::{IngressProvider, Rke, Values};
use crate::inventory::path::KeyPath;
use crate::inventory::syntax;
use crate::inventory::versions::{self, KubernetesVersion, version_of_image};
use crate::inventory::wrong::quoted;

/// rke's own choices where the inventory says nothing (cluster/defaults.go).
const PLUGIN: &str = "canal";
const HTTP_PORT: i64 = 80;
const HTTPS_PORT: i64 = 443;

pub(super) fn judge(rke: &Rke, ingress: IngressProvider, judge: &mut Judge) {
    let asked = Asked(&rke.cluster);
    old_snapshots(&asked, judge);
    certificate_names(&asked, judge);
    network(&asked, judge);
    ingress_ports(&asked, judge);
    upgrade(&asked, judge);
    no_dockershim(&asked, judge);
    images(rke, &asked, ingress, judge);
    pinned_version(rke, &asked, judge);
}

/// `engine.rke.cluster`, asked by dotted keys.
pub(super) struct Asked<'a>(pub(super) &'a Values);

impl Asked<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        let mut keys = key.split('.');
        let first = self.0.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_i64()
    }
}

pub(super) fn place(key: &str) -> KeyPath {
    KeyPath::from(format!("engine.rke.cluster.{key}").as_str())
}

/// `creation: 6h` and `retention: 24h`: rke goes by them only without backup_config, which cowhand always writes.
fn old_snapshots(asked: &Asked, judge: &mut Judge) {
    let keys = ["creation", "retention"].map(|key| format!("services.etcd.{key}"));
    let [creation, retention] = keys.each_ref().map(|key| asked.text(key));
    // rke's own: DefaultEtcdBackupCreationPeriod and DefaultEtcdBackupRetentionPeriod.
    let minutes = |text: Option<&str>, default: i64| {
        let given = text.and_then(|text| text.parse::<jiff::SignedDuration>().ok());
        given.map_or(default, |given| given.as_mins()).max(1)
    };
    let (each, kept) = (minutes(creation, 12 * 60), minutes(retention, 72 * 60));
    let rounded = |whole: i64, part: i64| (whole + part - 1) / part;
    let (hours, count) = (rounded(each, 60), rounded(kept, each));
    for key in keys.iter().filter(|key| asked.text(key).is_some()) {
        judge.mistake(
            &place(key),
            format!(
                "is old, and without effect beside backup_config; the equal lines are `backup_config: {{interval_hours: {hours}, \
                 retention: {count}}}` (retention is a number of snapshots)"
            ),
        );
    }
}

/// They go into the API's certificate: with others rke cannot make it (pki/services.go), or it fits nobody.
fn certificate_names(asked: &Asked, judge: &mut Judge) {
    let name = |text: &str| syntax::dns_name(&text.strip_prefix("*.").unwrap_or(text).to_ascii_lowercase());
    let sans = asked.get("authentication.sans").and_then(Value::as_array);
    for (index, text) in sans.into_iter().flatten().enumerate().filter_map(|(index, one)| Some((index, one.as_str()?)))
    {
        if text.parse::<IpAddr>().is_err()
            && let Err(reason) = name(text)
        {
            let message = format!("{} is neither an IP address nor a host name: it {reason}", quoted(text));
            judge.mistake(&place("authentication.sans").index(index), message);
        }
    }
    const DOMAIN: &str = "services.kubelet.cluster_domain";
    if let Some(text) = asked.text(DOMAIN)
        && let Err(reason) = syntax::dns_name(text)
    {
        judge.mistake(&place(DOMAIN), format!("{} {reason}; allowed: a name such as cluster.local", quoted(text)));
    }
}

fn network(asked: &Asked, judge: &mut Judge) {
    let plugin = asked.text("network.plugin").unwrap_or(PLUGIN);
    if plugin == "flannel" && asked.number("network.mtu").is_some() {
        judge.mistake(
            &place("network.mtu"),
            "rke refuses an MTU with flannel; remove it, or choose canal or calico as network.plugin",
        );
    }
    let ranges = ["services.kube-api.service_cluster_ip_range", "services.kube-controller.cluster_cidr"];
    for key in ranges {
        let families = asked.text(key).map_or(1, |text| text.split(',').count());
        if families > 1 && plugin != "calico" {
            judge.mistake(
                &place(key),
                format!(
                    "two address families go with network.plugin calico only, and here it is {plugin}; give one range, or \
                     choose calico"
                ),
            );
        }
    }
}

fn ingress_ports(asked: &Asked, judge: &mut Judge) {
    let host_port = asked.text("ingress.network_mode").is_none_or(|mode| mode == "hostPort");
    let http = asked.number("ingress.http_port").unwrap_or(HTTP_PORT);
    let https = asked.number("ingress.https_port").unwrap_or(HTTPS_PORT);
    if host_port && http == https {
        let given = if asked.number("ingress.https_port").is_some() { "https_port" } else { "http_port" };
        judge.mistake(
            &place(&format!("ingress.{given}")),
            format!("http and https would both have port {http} (rke's own are 80 and 443); give them different ones"),
        );
    }
}

/// rke reads these only when it upgrades.
fn upgrade(asked: &Asked, judge: &mut Judge) {
    for key in ["max_unavailable_worker", "max_unavailable_controlplane"] {
        let key = format!("upgrade_strategy.{key}");
        let Some(text) = asked.text(&key) else { continue };
        let number = text.strip_suffix('%').unwrap_or(text);
        if !number.bytes().all(|byte| byte.is_ascii_digit()) || !number.parse::<i32>().is_ok_and(|number| number > 0) {
            judge.mistake(
                &place(&key),
                format!(
                    "{} is neither a number of nodes nor a share of them; allowed: 1 or more, or such as 10%",
                    quoted(text)
                ),
            );
        }
    }
}

fn no_dockershim(asked: &Asked, judge: &mut Judge) {
    if asked.get("enable_cri_dockerd") == Some(&Value::Bool(false)) {
        judge.mistake(
            &place("enable_cri_dockerd"),
            "Kubernetes has no other way to Docker since 1.24; remove it, cowhand writes true",
        );
    }
}

/// For a Kubernetes that is not in rke's list, rke has no image of its own.
fn images(rke: &Rke, asked: &Asked, ingress: IngressProvider, judge: &mut Judge) {
    let unknown = versions::rke_list(&rke.version).is_some_and(|list| !list.contains(&rke.kubernetes.as_str()));
    let Some(given) = asked.get("system_images").and_then(Value::as_object).filter(|_| unknown) else { return };
    let missing: Vec<&str> = needed(asked, ingress).into_iter().filter(|name| !given.contains_key(*name)).collect();
    if !missing.is_empty() {
        judge.mistake(
            &place("system_images"),
            format!(
                "rke {} has no images of its own for {}, so that each has to be named here; missing: {}",
                rke.version,
                rke.kubernetes,
                missing.join(", ")
            ),
        );
    }
}

/// Without these rke refuses to begin (validateSystemImages).
fn needed(asked: &Asked, ingress: IngressProvider) -> Vec<&'static str> {
    let mut names = vec![
        "etcd",
        "kubernetes",
        "pod_infra_container",
        "alpine",
        "nginx_proxy",
        "cert_downloader",
        "kubernetes_services_sidecar",
    ];
    names.extend(match asked.text("network.plugin").unwrap_or(PLUGIN) {
        "canal" => vec!["canal_node", "canal_cni", "canal_flannel"],
        "flannel" => vec!["flannel", "flannel_cni"],
        "calico" => vec!["calico_node", "calico_cni", "calico_ctl", "calico_controllers"],
        _ => vec![],
    });
    if asked.text("dns.provider") != Some("none") {
        names.extend(["coredns", "coredns_autoscaler"]);
    }
    if asked.get("dns.nodelocal").is_some() {
        names.push("nodelocal");
    }
    if asked.text("monitoring.provider") != Some("none") {
        names.push("metrics_server");
    }
    match ingress {
        IngressProvider::Nginx => names.extend(["ingress", "ingress_backend", "ingress_webhook"]),
        IngressProvider::Traefik | IngressProvider::Existing => {}
    }
    names
}

/// The image decides what runs. Told otherwise, rke notes a version in its state that no node has, and from then on
/// every step up or down is judged by that.
fn pinned_version(rke: &Rke, asked: &Asked, judge: &mut Judge) {
    const IMAGE: &str = "system_images.kubernetes";
    let Some(image) = asked.text(IMAGE) else { return };
    let (Some(pinned), Some(named)) = (version_of_image(image), KubernetesVersion::read(&rke.kubernetes)) else {
        return;
    };
    if pinned != named {
        judge.mistake(
            &place(IMAGE),
            format!(
                "{image} is Kubernetes {}, and engine.rke.kubernetes says {}; the image is what runs: give both the same \
                 version",
                pinned.whole(),
                rke.kubernetes
            ),
        );
    }
}
