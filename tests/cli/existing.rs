//! A cluster that is there, played by a small server that knows no more of Kubernetes than these commands ask of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Said, cowhand};

/// What may be listed or read: API, kind, plural, and whether it lives in namespaces.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("v1", "Node", "nodes", false),
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Pod", "pods", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("batch/v1", "Job", "jobs", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    ("networking.k8s.io/v1", "IngressClass", "ingressclasses", false),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices", false),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", false),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
];

/// The cluster and a workspace for it.
struct There {
    folder: tempfile::TempDir,
    /// `GET /api/v1/nodes`…
    asked: Arc<Mutex<Vec<String>>>,
}

/// What tells one played cluster from another.
#[derive(Clone, Default)]
pub struct Played {
    /// Of its default ingress class `web`, of which one pod runs.
    pub controller: &'static str,
    /// Of namespace kube-system.
    pub uid: &'static str,
    /// Inventory and UID.
    pub mark: Option<(&'static str, &'static str)>,
    /// The node of each of Rancher's ready replicas; without any there is no Rancher.
    pub rancher_on: &'static [&'static str],
    /// Host name of the Rancher in it.
    pub hostname: Option<&'static str>,
}

/// What was asked of it: `GET /api/v1/nodes`…
pub type Asked = Arc<Mutex<Vec<String>>>;

/// The port of a played cluster, and what is asked of it.
pub fn play(played: Played) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    std::thread::spawn(move || {
        for wire in listener.incoming().flatten() {
            let heard = heard.clone();
            let played = played.clone();
            std::thread::spawn(move || serve(wire, &played, &heard));
        }
    });
    (port, asked)
}

/// Its default ingress class is `web`, of this controller, of which one pod runs.
fn there(controller: &'static str, ingress: &str, tls: &str) -> There {
    there_is(Played { controller, uid: "u-there", ..Played::default() }, ingress, tls)
}

fn there_is(played: Played, ingress: &str, tls: &str) -> There {
    let (port, asked) = play(played);
    let names = no_names();
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: u, user: {{token: x}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
    );
    let inventory = format!(
        "name: shared\nengine: {{existing: {{kubeconfig: ./kubeconfig}}}}\nhelm: ./helm\n{ingress}\
         rancher: {{hostname: rancher.example.test, version: 2.11.5, tls: {{{tls}}}}}\ndns: {{server: '127.0.0.1:{names}'}}\n"
    );
    let folder = super::folder(&[("kubeconfig", &kubeconfig), ("inventory.yml", &inventory), ("helm", HELM)]);
    let helm = folder.path().join("helm");
    std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o700)).unwrap();
    There { folder, asked }
}

/// The port of a name server that knows no name (RFC 1035, 4.1.1: QR and RCODE 3).
pub fn no_names() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, whence)) = socket.recv_from(&mut packet) {
            packet[2] |= 0x80;
            packet[3] = 0x83;
            let _ = socket.send_to(&packet[..length], whence);
        }
    });
    port
}

/// Answers as helm does where nothing is installed, and writes down what it was asked.
pub const HELM: &str = r#"#!/bin/sh
echo "$*" >>"$(dirname "$0")/helm.log"
case "$1" in
version) echo v3.18.6 ;;
list) echo '[]' ;;
show) echo 'name: cert-manager'; echo 'version: v1.17.4' ;;
*) echo "not here: $*" >&2; exit 1 ;;
esac
"#;

impl There {
    fn cow(&self, words: &[&str]) -> Said {
        cowhand(self.folder.path(), words)
    }

    /// What was asked of the API besides reading, and what one may.
    fn written(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        written(&asked)
    }
}

pub fn written(asked: &[String]) -> Vec<String> {
    let reads = |line: &&String| line.starts_with("GET ") || line.ends_with("/selfsubjectaccessreviews");
    asked.iter().filter(|line| !reads(line)).cloned().collect()
}

fn serve(wire: TcpStream, played: &Played, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(wire.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    lines.read_exact(&mut body).unwrap();
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let path = target.split('?').next().unwrap();
    asked.lock().unwrap().push(format!("{method} {path}"));
    let (status, answer) = match answer(path, played) {
        Some(answer) => ("200 OK", answer),
        None => (
            "404 Not Found",
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": "NotFound", "code": 404, "message": "not found"}),
        ),
    };
    let text = answer.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let _ = (&wire).write_all(format!("{head}Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
}

fn answer(path: &str, played: &Played) -> Option<Value> {
    if path == "/version" {
        let none = ["buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"];
        let mut info = json!({"major": "1", "minor": "32", "gitVersion": "v1.32.2"});
        none.iter().for_each(|key| info[*key] = json!(""));
        return Some(info);
    }
    if path.ends_with("/selfsubjectaccessreviews") {
        return Some(
            json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
            "spec": {}, "status": {"allowed": true}}),
        );
    }
    if path.ends_with("/kube-system/configmaps/extension-apiserver-authentication") {
        return Some(json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"},
            "data": {"requestheader-client-ca-file": "PEM"}}));
    }
    if path.ends_with("/v1/namespaces/kube-system") {
        return Some(
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": played.uid}}),
        );
    }
    if path.ends_with("/kube-system/configmaps/cowhand") {
        let (inventory, uid) = played.mark?;
        return Some(json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "cowhand"},
            "data": {"inventory": inventory, "uid": uid}}));
    }
    if path.ends_with("/cattle-system/deployments/rancher") && !played.rancher_on.is_empty() {
        return Some(deployment(played.rancher_on.len()));
    }
    if path.ends_with("/cattle-system/ingresses/rancher") {
        return Some(json!({"kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "rancher"},
            "spec": {"rules": [{"host": played.hostname?}]}}));
    }
    let path = path.strip_prefix("/apis/").or(path.strip_prefix("/api/"))?;
    let of = |api: &str| KINDS.iter().filter(move |(found, ..)| *found == api).collect::<Vec<_>>();
    let kinds = of(path);
    if !kinds.is_empty() {
        let resources = kinds.iter().map(|(_, kind, plural, namespaced)| {
            json!({"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]})
        });
        return Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": path,
            "resources": resources.collect::<Vec<_>>()}));
    }
    let (api, kind, plural, _) = KINDS
        .iter()
        .find(|(api, _, plural, _)| path.strip_prefix(api).is_some_and(|rest| rest.ends_with(&format!("/{plural}"))))?;
    let items = match *plural {
        "nodes" => (1..=3).map(node).collect(),
        "secrets" if !played.rancher_on.is_empty() => vec![release()],
        "pods" if path.contains("/cattle-system/") => played.rancher_on.iter().copied().map(replica).collect(),
        "pods" => vec![json!({"metadata": {"name": "p", "namespace": "theirs", "uid": "1", "labels": {
            "app.kubernetes.io/name": "traefik", "app": "nginx-ingress"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})],
        "ingressclasses" => vec![json!({"metadata": {"name": "web", "annotations": {
            "ingressclass.kubernetes.io/is-default-class": "true"}}, "spec": {"controller": played.controller}})],
        _ => Vec::new(),
    };
    Some(json!({"kind": format!("{kind}List"), "apiVersion": api, "metadata": {}, "items": items}))
}

fn node(index: u8) -> Value {
    json!({"metadata": {"name": format!("k{index}")}, "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.32.2"}}})
}

/// Helm's record of a Rancher that cowhand installed.
fn release() -> Value {
    let labels = json!({"owner": "helm", "name": "rancher", "version": "1", "status": "deployed",
        "app.kubernetes.io/managed-by": "cowhand"});
    json!({"metadata": {"name": "sh.helm.release.v1.rancher.v1", "namespace": "cattle-system", "labels": labels}})
}

fn deployment(replicas: usize) -> Value {
    let containers = json!([{"name": "rancher", "image": "rancher/rancher:v2.11.5"}]);
    json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "rancher", "namespace": "cattle-system"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
        "status": {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas}})
}

fn replica(node: &str) -> Value {
    json!({"metadata": {"name": "rancher", "namespace": "cattle-system", "labels": {"app": "rancher"}},
        "spec": {"nodeName": node, "containers": [{"name": "rancher", "image": "rancher/rancher:v2.11.5"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
}

const THROUGH: &str = "mode: rancher, issuer: ca, passthrough: true";

#[test]
fn with_the_clusters_default_class_passthrough_is_checked_planned_and_verified_alike() {
    let there = there("traefik.io/ingress-controller", "", THROUGH);
    let said = there.cow(&["check", "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let served = "class web, the cluster's default, of controller traefik.io/ingress-controller: 1 of its pods ready";
    assert!(said.out.contains(served) && said.out.contains("none is needed"), "{}", said.all());
    let said = there.cow(&["plan", "-v"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.out.contains("kind: IngressRouteTCP") && said.out.contains("ingressClassName: web"), "{}", said.all());
    // Nothing is installed there yet: verify cannot be content, but it has no quarrel with the set-up.
    let said = there.cow(&["verify"]);
    assert!(said.code != 3 && !said.all().contains("TLS set-up"), "{}", said.all());
    assert_eq!(there.written(), Vec::<String>::new());
}

#[test]
fn a_class_whose_controller_passes_nothing_through_is_refused_by_each_with_its_name() {
    let there = there("nginx.org/ingress-controller", "ingress: {class: web}\n", THROUGH);
    for words in [["check"], ["plan"], ["up"], ["verify"]] {
        let said = there.cow(&words);
        assert_eq!(said.code, 3, "{words:?}: {}", said.all());
        assert!(said.err.contains("`nginx.org/ingress-controller`"), "{words:?}: {}", said.err);
    }
    assert_eq!(there.written(), Vec::<String>::new());
}

#[test]
fn no_traefik_is_planned_beside_an_ingress_that_is_there_though_the_check_is_skipped() {
    let there = there("traefik.io/ingress-controller", "ingress: {provider: traefik}\n", "mode: ingress, issuer: ca");
    let said = there.cow(&["plan"]);
    assert_eq!(said.code, 5, "{}", said.all());
    assert!(said.all().contains("existing.ingress-class"), "{}", said.all());
    let said = there.cow(&["plan", "--skip", "existing.ingress-class"]);
    assert_eq!(said.code, 5, "{}", said.all());
    assert!(said.err.contains("an ingress is in the cluster already: class web"), "{}", said.err);
}

#[test]
fn a_rancher_that_is_all_on_one_node_is_planned_to_be_spread() {
    let planned = |rancher_on: &'static [&'static str]| {
        let mark = Some(("shared", super::ownership::UID));
        let played =
            Played { controller: "traefik.io/ingress-controller", uid: "u-there", mark, rancher_on, hostname: None };
        let there = there_is(played, "", "mode: ingress, issuer: ca");
        let said = there.cow(&["plan", "--take-over", super::ownership::UID]);
        assert_eq!(said.code, 0, "{}", said.all());
        said.out
    };
    let spread = "restart cattle-system/rancher: all its replicas are on k2";
    let said = planned(&["k2", "k2", "k2"]);
    assert!(said.contains(spread) && said.contains("the pods are replaced one after the other"), "{said}");
    for nodes in [&["k1", "k2", "k3"][..], &["k2", "k2", "k3"], &["k2", "k2"]] {
        let said = planned(nodes);
        assert!(!said.contains("restart "), "{nodes:?}: {said}");
    }
}

#[test]
fn a_node_that_is_down_is_named_and_what_needs_only_the_api_goes_on() {
    let there = there("traefik.io/ingress-controller", NOBODY, "mode: ingress, issuer: ca");
    let said = there.cow(&["check"]);
    assert_eq!(said.code, 4, "{}", said.all());
    let said = there.cow(&["plan"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.out.contains("away is not reached (") && said.out.contains("goes on without it"), "{}", said.all());
    assert!(said.out.contains("helm upgrade --install rancher"), "{}", said.all());
}

/// A node whose port nobody listens on.
const NOBODY: &str = "ssh: {user: nobody}\nnodes: [{name: away, address: 10.0.0.1, ssh: {host: 127.0.0.1, port: 1}}]\n";

#[test]
fn a_plan_asks_for_each_chart_once() {
    let there = there("traefik.io/ingress-controller", "", "mode: ingress, issuer: ca");
    let said = there.cow(&["plan"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let log = std::fs::read_to_string(there.folder.path().join("helm.log")).unwrap();
    let shown: Vec<&str> = log.lines().filter(|line| line.starts_with("show chart")).collect();
    assert_eq!(shown.len(), 1, "{log}");
    assert!(shown[0].contains("cert-manager"), "{log}");
}

#[test]
fn a_plan_that_helm_fails_says_that_nothing_was_changed() {
    let there = there("traefik.io/ingress-controller", "", "mode: ingress, issuer: ca");
    let failing = HELM.replace("show) ", "show) echo 'the repository is away' >&2; exit 1;");
    std::fs::write(there.folder.path().join("helm"), failing).unwrap();
    let said = there.cow(&["plan"]);
    assert_eq!(said.code, 5, "{}", said.all());
    assert!(said.err.contains("the repository is away"), "{}", said.err);
    // One that does not resolve is no connection: 4, as for a machine.
    let away = "dial tcp: lookup charts.test: no such host";
    let failing = HELM.replace("show) ", &format!("show) echo '{away}' >&2; exit 1;"));
    std::fs::write(there.folder.path().join("helm"), failing).unwrap();
    let said = there.cow(&["plan"]);
    assert!(said.code == 4 && said.err.contains(away), "{}", said.all());
}
