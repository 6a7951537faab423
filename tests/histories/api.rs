//! The Kubernetes API of a played cluster: its nodes, the namespaces that every cluster has, and nothing else. It takes no
//! writes, so no history comes further than the stage cluster, which is where state, CA, members and locks are decided.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::said::{Request, request, response};
use crate::world::{Book, World};

/// Serves one connection to the API server of this machine.
pub async fn serve(world: Arc<World>, node: usize, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let config = {
        let book = world.book();
        let Some(cluster) = book.cluster_of(node) else { return };
        let names = ["127.0.0.1".to_owned()].into_iter().chain(world.nodes.iter().map(|node| node.address.clone()));
        cluster.authority.server(&names.collect::<Vec<_>>())
    };
    let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else { return };
    while let Some(asked) = request(&mut stream).await {
        let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let answer = match asked.method.as_str() {
            _ if path.starts_with(LEASES) => lease(&mut world.book(), &asked),
            "GET" => get(&world.book(), node, path),
            _ => Err((403, "this cluster takes no writes")),
        };
        let text = match answer {
            Ok(body) if path == "/readyz" => response(200, "text/plain", body.as_str().unwrap_or_default()),
            Ok(body) => response(200, "application/json", &body.to_string()),
            Err((code, why)) => {
                let reason = match code {
                    404 => "NotFound",
                    409 => "Conflict",
                    _ => "Forbidden",
                };
                let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": why, "reason": reason, "code": code});
                response(code, "application/json", &status.to_string())
            }
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

/// The one object that it takes: the lock of a cluster that was there before, with the API's own guard against two writers.
fn lease(book: &mut Book, asked: &Request) -> Answer {
    let there = book.lease.clone();
    let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
    let wanted = || serde_json::from_str::<Value>(&asked.body).map_err(|_| (400, "no JSON"));
    match (asked.method.as_str(), there) {
        ("GET", Some(there)) => Ok(there),
        ("POST", None) => {
            let mut wanted = wanted()?;
            wanted["metadata"]["resourceVersion"] = "1".into();
            Ok(book.lease.insert(wanted).clone())
        }
        ("PUT", Some(there)) => {
            let mut wanted = wanted()?;
            if version(&wanted) != version(&there) {
                return Err((409, "the object has been modified"));
            }
            let next = version(&there).parse::<u64>().unwrap_or_default() + 1;
            wanted["metadata"]["resourceVersion"] = next.to_string().into();
            Ok(book.lease.insert(wanted).clone())
        }
        ("DELETE", Some(there)) => {
            book.lease = None;
            Ok(there)
        }
        ("POST", Some(_)) => Err((409, "already exists")),
        _ => Err((404, "not found")),
    }
}

type Answer = Result<Value, (u16, &'static str)>;

/// Plural, kind, and whether it lives in namespaces.
type Kinds = &'static [(&'static str, &'static str, bool)];

const KINDS: &[(&str, Kinds)] = &[
    (
        "/api/v1",
        &[
            ("nodes", "Node", false),
            ("namespaces", "Namespace", false),
            ("secrets", "Secret", true),
            ("configmaps", "ConfigMap", true),
            ("pods", "Pod", true),
            ("services", "Service", true),
            ("endpoints", "Endpoints", true),
        ],
    ),
    ("/apis/apps/v1", &[("deployments", "Deployment", true), ("daemonsets", "DaemonSet", true)]),
    ("/apis/batch/v1", &[("jobs", "Job", true)]),
    ("/apis/networking.k8s.io/v1", &[("ingresses", "Ingress", true), ("ingressclasses", "IngressClass", false)]),
    ("/apis/apiextensions.k8s.io/v1", &[("customresourcedefinitions", "CustomResourceDefinition", false)]),
    ("/apis/apiregistration.k8s.io/v1", &[("apiservices", "APIService", false)]),
];

fn get(book: &Book, node: usize, path: &str) -> Answer {
    let version = || json!({"major": "1", "minor": "32", "gitVersion": "v1.32.2", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
    match path {
        "/version" => return Ok(version()),
        "/readyz" => return Ok(json!("ok")),
        "/api/v1/nodes" => return Ok(list(nodes(book, node))),
        "/api/v1/namespaces" => return Ok(list(vec![namespace()])),
        "/api/v1/namespaces/kube-system" => return Ok(namespace()),
        "/apis/batch/v1/namespaces/kube-system/jobs/rke-network-plugin-deploy-job" => {
            let metadata = json!({"name": "rke-network-plugin-deploy-job", "namespace": "kube-system"});
            return Ok(
                json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": {"succeeded": 1}}),
            );
        }
        _ => {}
    }
    let Some((group, kinds)) = KINDS.iter().find(|(group, _)| path.starts_with(group)) else {
        return Err((404, "the server could not find the requested resource"));
    };
    if path == *group {
        let resources = kinds.iter().map(|(name, kind, namespaced)| {
            json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]})
        });
        let version = group.rsplit("apis/").next().unwrap_or(group).trim_start_matches("/api/");
        let resources = resources.collect::<Vec<_>>();
        return Ok(
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}),
        );
    }
    match kinds.iter().any(|(name, ..)| path.ends_with(&format!("/{name}"))) {
        true => Ok(list(Vec::new())),
        false => Err((404, "not found")),
    }
}

fn list(items: Vec<Value>) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "u-played"}})
}

fn nodes(book: &Book, node: usize) -> Vec<Value> {
    let Some(cluster) = book.cluster_of(node) else { return Vec::new() };
    let one = |(name, (address, roles)): (&String, &(String, Vec<String>))| {
        let labels = roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), json!("true")));
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels.collect::<serde_json::Map<_, _>>()},
            "status": {
                "nodeInfo": {"kubeletVersion": "v1.32.2"},
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}],
            },
        })
    };
    cluster.nodes.iter().map(one).collect()
}
