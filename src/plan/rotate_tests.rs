use super::*;
use crate::inventory::{Environment, parse};

fn nodes(roles: &[&str]) -> Vec<Node> {
    let node =
        |(n, roles): (usize, &&str)| format!("  - {{name: n{n}, address: 10.0.0.{n}, roles: [{roles}]}}\n", n = n + 1);
    let nodes: String = roles.iter().enumerate().map(node).collect();
    let text = format!(
        "name: prod\nnodes:\n{nodes}engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
         rancher: {{hostname: r.example.com, version: 2.11.3, tls: {{mode: ingress, issuer: ca}}}}\n"
    );
    let surroundings = Environment { home: None, folder: "/w".into(), variable: &|_| None };
    parse(&text, std::path::Path::new("/w/prod.yml"), &surroundings).unwrap().nodes
}

#[test]
fn what_restarts_is_told_in_rkes_order() {
    let all = "controlplane, etcd, worker";
    let told = |services: &[Service], roles: &[&str]| {
        let Rotation { restarts, notes, .. } = rotation(Vec::new(), services, &nodes(roles));
        restarts.iter().map(ToString::to_string).chain(notes).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        told(&[], &[all, all, all]),
        "etcd on n1, n2, n3: one at a time, the next when the one before is back\n\
         kube-apiserver on n1, n2, n3: one at a time, the next when the one before is back\n\
         kube-controller-manager, kube-scheduler on n1, n2, n3: each after its kube-apiserver\n\
         kubelet, kube-proxy on n1, n2, n3: all at once\n\
         the CA, and with it the ca.crt in pods, kubeconfigs of others and all tokens stay valid"
    );
    assert!(!told(&[Service::Kubelet], &[all, all, all]).contains("etcd"));
}
