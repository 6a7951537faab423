//! The system images that rke uses for an inventory: those that it names, and for the others rke's own of that version
//! (rancher/rke v1.8.0: types/rke_types.go, RKESystemImages; cluster/defaults.go).

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::inventory::versions::KubernetesVersion;
use crate::inventory::{IngressProvider, Inventory, Rke};
use crate::local::{Program, capture};

const LIMIT: Duration = Duration::from_secs(20);

/// A key of `system_images`, and what the name of rke's own image for it contains.
type Key = (&'static str, &'static str);

const ALWAYS: [Key; 7] = [
    ("etcd", "coreos-etcd:"),
    ("alpine", "rke-tools:"),
    ("nginx_proxy", "rke-tools:"),
    ("cert_downloader", "rke-tools:"),
    ("kubernetes_services_sidecar", "rke-tools:"),
    ("kubernetes", "hyperkube:"),
    ("pod_infra_container", "mirrored-pause:"),
];
const COREDNS: [Key; 2] = [("coredns", "coredns-coredns:"), ("coredns_autoscaler", "proportional-autoscaler:")];
const KUBE_DNS: [Key; 4] = [
    ("kubedns", "dns-kube-dns:"),
    ("dnsmasq", "dns-dnsmasq-nanny:"),
    ("kubedns_sidecar", "dns-sidecar:"),
    ("kubedns_autoscaler", "proportional-autoscaler:"),
];
const FLANNEL: [Key; 2] = [("flannel", "flannel-flannel:"), ("flannel_cni", "flannel-cni:")];
const CALICO: [Key; 4] = [
    ("calico_node", "calico-node:"),
    ("calico_cni", "calico-cni:"),
    ("calico_controllers", "calico-kube-controllers:"),
    ("calico_flexvol", "pod2daemon-flexvol:"),
];
const CANAL: [Key; 5] = [
    ("canal_node", "calico-node:"),
    ("canal_cni", "calico-cni:"),
    ("canal_controllers", "calico-kube-controllers:"),
    ("canal_flannel", "flannel-flannel:"),
    ("canal_flexvol", "pod2daemon-flexvol:"),
];
const NGINX: [Key; 2] = [("ingress", "nginx-ingress-controller:"), ("ingress_webhook", "webhook-certgen:")];

const NGINX_BACKEND: Key = ("ingress_backend", "ingress-controller-defaultbackend:");

/// What is known of the images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// Each once.
    pub names: Vec<String>,
    /// Why some are not known.
    pub unknown: Option<String>,
}

/// The keys whose images the nodes of this inventory use.
fn keys(inventory: &Inventory, rke: &Rke) -> Result<Vec<Key>, String> {
    let word =
        |pointer: &str| Value::Object(rke.cluster.clone()).pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut keys = ALWAYS.to_vec();
    match word("/dns/provider").as_deref() {
        None | Some("coredns") => keys.extend(COREDNS),
        Some("kube-dns") => keys.extend(KUBE_DNS),
        Some(_) => {}
    }
    if word("/dns/nodelocal/ip_address").is_some() {
        keys.push(("nodelocal", "dns-node-cache:"));
    }
    if word("/monitoring/provider").as_deref() != Some("none") {
        keys.push(("metrics_server", "metrics-server:"));
    }
    let backend = rke.cluster.get("ingress").and_then(|ingress| ingress.get("default_backend")?.as_bool());
    match inventory.ingress.provider {
        IngressProvider::Nginx => {
            keys.extend(NGINX);
            keys.extend((backend != Some(false)).then_some(NGINX_BACKEND));
        }
        IngressProvider::Traefik | IngressProvider::Existing => {}
    }
    match word("/network/plugin").as_deref() {
        None | Some("canal") => keys.extend(CANAL),
        Some("flannel") => keys.extend(FLANNEL),
        Some("calico") => keys.extend(CALICO),
        Some("none") => {}
        Some(other) => return Err(format!("which images the network plugin {other} uses is not in cowhand's table")),
    }
    Ok(keys)
}

/// The images of this inventory; `listed` is rke's own list, or why there is none. It is asked only when the inventory
/// leaves one open.
pub async fn images(
    inventory: &Inventory,
    rke: &Rke,
    listed: impl Future<Output = Result<Vec<String>, String>>,
) -> Images {
    let mut images = Images::default();
    let keys = keys(inventory, rke).unwrap_or_else(|why| {
        images.unknown = Some(why);
        ALWAYS.to_vec()
    });
    let own = |key: &str| rke.cluster.get("system_images")?.get(key)?.as_str().filter(|image| !image.is_empty());
    let (given, open): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|(key, _)| own(key).is_some());
    images.names = given.iter().filter_map(|(key, _)| own(key)).map(str::to_owned).collect();
    if !open.is_empty() {
        match listed.await {
            Ok(list) => images.take(rke, &open, &list),
            Err(why) => images.unknown = Some(why),
        }
    }
    images.names.sort();
    images.names.dedup();
    images
}

impl Images {
    fn take(&mut self, rke: &Rke, open: &[Key], list: &[String]) {
        for (key, part) in open {
            match list.iter().find(|image| image.contains(part)) {
                Some(image) => self.names.push(from_default_registry(rke, image)),
                None => self.unknown = Some(format!("rke's list for {} has no {key}", rke.kubernetes)),
            }
        }
    }
}

/// rke puts the default registry before its own images, and before no others.
fn from_default_registry(rke: &Rke, image: &str) -> String {
    let default = registries(rke).find(|one| one.get("is_default").and_then(Value::as_bool) == Some(true));
    match default.and_then(|one| one.get("url")?.as_str()) {
        Some(url) => format!("{}/{image}", url.trim_end_matches('/')),
        None => image.to_owned(),
    }
}

/// The entries of `private_registries`.
pub fn registries(rke: &Rke) -> impl Iterator<Item = &Value> {
    rke.cluster.get("private_registries").and_then(Value::as_array).into_iter().flatten()
}

/// What `rke config --system-images` lists for a version: one line of its log, then an image a line. It asks nobody.
pub async fn listed(binary: &Path, kubernetes: &str) -> Result<Vec<String>, String> {
    let program = Program::new(binary).words(["config", "--system-images", "--version", kubernetes]);
    let captured = capture(&program, None, LIMIT).await.map_err(|error| error.to_string())?;
    let text =
        captured.success().map_err(|(ended, _)| format!("rke has no list of images for {kubernetes} ({ended})"))?;
    Ok(String::from_utf8_lossy(&text).lines().filter(|line| is_image(line)).map(str::to_owned).collect())
}

/// Every version of Kubernetes that an rke has images for, oldest first: `rke config --list-version --all`. It asks nobody.
pub async fn known_versions(binary: &Path) -> Result<Vec<String>, String> {
    let program = Program::new(binary).words(["config", "--list-version", "--all"]);
    let captured = capture(&program, None, LIMIT).await.map_err(|error| error.to_string())?;
    let text = captured.success().map_err(|(ended, _)| format!("rke does not list its versions ({ended})"))?;
    Ok(versions_in(&String::from_utf8_lossy(&text)))
}

fn versions_in(text: &str) -> Vec<String> {
    let read = |line: &str| Some((KubernetesVersion::read(line)?, line.to_owned()));
    let mut found: Vec<_> = text.lines().map(str::trim).filter(|line| line.starts_with('v')).filter_map(read).collect();
    found.sort();
    found.into_iter().map(|(_, line)| line).collect()
}

fn is_image(line: &str) -> bool {
    line.contains(':') && !line.contains([' ', '"', '='])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Environment, parse};

    /// What rke v1.8.0 prints, in part.
    const LIST: &str =
        "time=\"2026-11-30T07:49:17Z\" level=info msg=\"Generating images list for version [v1.32.2-rancher1-1]:\"
rancher/mirrored-coreos-etcd:v3.5.16
rancher/rke-tools:v0.1.111
rancher/mirrored-cluster-proportional-autoscaler:v1.8.9
rancher/mirrored-coredns-coredns:1.11.3
rancher/hyperkube:v1.32.2-rancher1
rancher/mirrored-flannel-flannel:v0.26.4
rancher/flannel-cni:v1.4.1-rancher1
rancher/mirrored-calico-node:v3.29.0
rancher/calico-cni:v3.29.0-rancher1
rancher/mirrored-calico-kube-controllers:v3.29.0
rancher/mirrored-calico-pod2daemon-flexvol:v3.29.0
rancher/mirrored-pause:3.7
rancher/nginx-ingress-controller:nginx-1.12.0-rancher1
rancher/mirrored-nginx-ingress-controller-defaultbackend:1.5-rancher2
rancher/mirrored-ingress-nginx-kube-webhook-certgen:v1.4.1
rancher/mirrored-metrics-server:v0.7.2
noiro/cnideploy:6.1.1.2.81c2369";

    #[test]
    fn versions_come_oldest_first() {
        let told = "time=\"x\" level=info msg=\"v\"\nv1.31.10-rancher1-1\nv1.30.14-rancher1-1\nv1.31.9-rancher1-1\n";
        assert_eq!(versions_in(told), ["v1.30.14-rancher1-1", "v1.31.9-rancher1-1", "v1.31.10-rancher1-1"]);
    }

    async fn of(cluster: &str, list: Result<&str, &str>) -> Images {
        let text = format!(
            "name: prod\nssh: {{user: me}}\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n\
             engine: {{rke: {{kubernetes: v1.32.2-rancher1-1, cluster: {{{cluster}}}}}}}\n\
             rancher: {{hostname: r.example.com, version: 2.11.5, tls: {{mode: ingress, issuer: ca}}}}\n"
        );
        let environment = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
        let inventory = parse(&text, Path::new("x.yml"), &environment).unwrap();
        let list = list.map(|list| list.lines().filter(|line| is_image(line)).map(str::to_owned).collect());
        images(&inventory, inventory.engine.rke_settings().unwrap(), async { list.map_err(str::to_owned) }).await
    }

    #[tokio::test]
    async fn rkes_own_images_are_those_of_the_plugins_that_are_wanted() {
        let usual = of("", Ok(LIST)).await;
        assert_eq!((usual.names.len(), usual.unknown), (15, None), "{:#?}", usual.names);
        assert!(!usual.names.iter().any(|image| image.contains("flannel-cni") || image.contains("noiro")));
        let flannel = of("network: {plugin: flannel}, monitoring: {provider: none}", Ok(LIST)).await.names;
        assert!(flannel.iter().any(|image| image.contains("flannel-cni")), "{flannel:#?}");
        assert!(!flannel.iter().any(|image| image.contains("calico") || image.contains("metrics")), "{flannel:#?}");
    }

    #[tokio::test]
    async fn the_inventorys_images_go_first_and_the_default_registry_stands_before_rkes_own() {
        let own = "system_images: {etcd: 'own/etcd:1'}, private_registries: [{url: r.example.com, is_default: true}]";
        let names = of(own, Ok(LIST)).await.names;
        assert!(names.contains(&"own/etcd:1".to_owned()), "{names:#?}");
        assert!(names.contains(&"r.example.com/rancher/hyperkube:v1.32.2-rancher1".to_owned()), "{names:#?}");
        assert!(!names.iter().any(|image| image.contains("coreos-etcd")), "{names:#?}");
    }

    #[tokio::test]
    async fn a_list_that_is_not_known_is_told() {
        let unknown = of("system_images: {etcd: 'own/etcd:1'}", Err("rke is not here")).await;
        assert_eq!(unknown, Images { names: vec!["own/etcd:1".into()], unknown: Some("rke is not here".into()) });
        let short = of("", Ok("rancher/rke-tools:v0.1.111")).await;
        assert!(short.unknown.unwrap().contains("has no"), "{:?}", short.names);
    }
}
