//! What is read from the examples, with every default chosen.

use crate::{file, read};
use cowhand::inventory::{
    AgentTlsMode, ChartSource, Delivery, Engine, IngressProvider, Inventory, Roles, TlsIssuer, TlsMode, Tool,
};

fn good(path: &str) -> Inventory {
    read(&file(path)).unwrap_or_else(|mistakes| panic!("{path} is refused:\n{mistakes}"))
}

#[test]
fn the_shortest_one_gets_every_default() {
    let inventory = good("inventory/ha.yml");
    assert_eq!(inventory.name, "prod");
    let names: Vec<_> = inventory.nodes.iter().map(|node| (node.name.as_str(), node.address.as_str())).collect();
    assert_eq!(names, [("n1", "10.0.0.11"), ("n2", "10.0.0.12"), ("n3", "10.0.0.13")]);
    let node = &inventory.nodes[0];
    assert_eq!(node.roles, Roles::ALL);
    assert_eq!(node.ssh.user.as_deref(), Some("rancher"));
    assert_eq!((node.ssh.port, &node.ssh.jump, &node.ssh.connect_timeout), (None, &None, &None));
    assert_eq!(node.docker_socket, "/var/run/docker.sock");
    let Engine::Rke(rke) = &inventory.engine else { panic!("{:?}", inventory.engine) };
    assert_eq!((rke.version.as_str(), &rke.binary), ("v1.8.0", &Tool::Search));
    assert_eq!((inventory.ingress.provider, inventory.ingress.class.as_str()), (IngressProvider::Nginx, "nginx"));
    assert_eq!(inventory.rancher.version.to_string(), "2.11.3");
    assert_eq!((inventory.rancher.replicas, inventory.rancher.delivery), (3, Delivery::Addon));
    assert_eq!(inventory.rancher.chart.version, "2.11.3");
    assert_eq!(inventory.cert_manager.chart.version, "v1.17.4");
    assert_eq!((inventory.rancher.tls.mode, inventory.rancher.tls.issuer), (TlsMode::Ingress, TlsIssuer::Ca));
    assert_eq!(inventory.rancher.tls.agent_tls_mode, None);
}

#[test]
fn the_full_one_is_read_as_it_says() {
    let inventory = good("inventory/full.yml");
    let [first, second, .., last] = inventory.nodes.as_slice() else { panic!("{:?}", inventory.nodes) };
    assert_eq!(first.ssh.identity_file.as_deref(), Some("/home/me/.ssh/id_ed25519".as_ref()));
    assert_eq!(first.ssh.config.as_deref(), Some("/srv/prod/ssh_config".as_ref()));
    assert_eq!(first.ssh.jump.as_deref(), Some(["me@bastion.example.com:2222".to_owned()].as_slice()));
    assert_eq!((second.ssh.host.as_deref(), second.ssh.port), (Some("n2-by-vpn"), Some(2222)));
    assert_eq!(second.ssh.jump.as_deref(), Some([].as_slice()), "an empty list is kept: it means none at all");
    assert_eq!(second.ssh.known_hosts, first.ssh.known_hosts, "what a node does not say, all nodes' ssh says");
    assert_eq!(last.roles, Roles { controlplane: false, etcd: false, worker: true });
    assert_eq!(last.taints.len(), 1);
    assert_eq!(inventory.rancher.tls.agent_tls_mode, Some(AgentTlsMode::Strict));
    assert_eq!(
        inventory.rancher.tls.acme.as_ref().unwrap().server_ca.as_deref().unwrap().to_str(),
        Some("/srv/prod/tls/acme-server-ca.pem")
    );
    assert_eq!(inventory.dns_server.unwrap().to_string(), "10.0.0.2:53");
    assert_eq!(inventory.rancher.values["antiAffinity"], "required");
}

#[test]
fn the_lab_takes_its_paths_from_the_environment() {
    let inventory = good("inventory/lab.yml");
    assert_eq!(inventory.nodes[2].ssh.identity_file.as_deref(), Some("/run/lab/id".as_ref()));
    assert_eq!(inventory.cert_manager.chart.source, ChartSource::Path("/cache/charts/cert-manager".into()));
    assert_eq!(inventory.rancher.chart.source, ChartSource::Path("/cache/charts/rancher".into()));
    let Engine::Rke(rke) = &inventory.engine else { panic!("{:?}", inventory.engine) };
    assert_eq!(rke.cluster["services"]["kubeproxy"]["extra_args"]["conntrack-max-per-core"], "0");
    assert_eq!(rke.cluster["system_images"]["kubernetes"], "lab/hyperkube:v1.32.2-lab1");
    assert_eq!(
        rke.cluster.keys().next().map(String::as_str),
        Some("addon_job_timeout"),
        "the order of the file is kept"
    );
}

#[test]
fn vagrant_is_reached_by_alias_and_built_by_address() {
    let inventory = good("inventory/vagrant.yml");
    let node = &inventory.nodes[1];
    assert_eq!((node.address.as_str(), node.ssh.host.as_deref()), ("192.168.56.12", Some("node2")));
    assert_eq!(node.ssh.config.as_deref(), Some("/srv/prod/vagrant-ssh-config".as_ref()));
}

#[test]
fn an_existing_cluster_needs_no_nodes() {
    let text = "name: prod\nengine: {existing: {kubeconfig: kube.yml}}\ningress: {class: nginx}\n\
                rancher: {hostname: r.example.com, version: 2.15.0, tls: {mode: ingress, issuer: blank}}\n";
    let inventory = read(text.as_bytes()).unwrap();
    assert!(inventory.nodes.is_empty());
    assert_eq!(inventory.ingress.provider, IngressProvider::Existing);
    assert_eq!(inventory.rancher.delivery, Delivery::Helm);
    assert_eq!(inventory.cert_manager.chart.version, "v1.21.1");
}

#[test]
fn an_existing_cluster_says_its_default_ingress_class_itself() {
    let text = "name: prod\nengine: {existing: {kubeconfig: kube.yml}}\n\
                rancher: {hostname: r.example.com, tls: {mode: ingress, issuer: ca}}\n";
    let inventory = read(text.as_bytes()).unwrap();
    assert_eq!((inventory.ingress.provider, inventory.ingress.class.as_str()), (IngressProvider::Existing, ""));
    assert_eq!(inventory.ingress.controller, None, "only the cluster can say");
    let fitted = inventory.with_class("web", "traefik.io/ingress-controller").ingress;
    assert_eq!((fitted.class.as_str(), fitted.controller.as_deref()), ("web", Some("traefik.io/ingress-controller")));
}

#[test]
fn what_yaml_leaves_open_is_read_kindly() {
    // No value where a map may stand, numbers and truths where text is wanted, upper case in names, a leading v.
    let text = "name: 2024\nssh:\nnodes: [N1.Example.com, n2.example.com, {address: n3.example.com, labels: {gpu: true}}]\n\
                engine:\n  rke:\nrancher:\n  hostname: Rancher.Example.com\n  version: v2.11.3\n  tls: {mode: ingress, issuer: ca}\n";
    let inventory = read(text.as_bytes()).unwrap();
    assert_eq!((inventory.name.as_str(), inventory.nodes[0].name.as_str()), ("2024", "n1"));
    assert_eq!(inventory.nodes[2].labels["gpu"], "true");
    assert_eq!(inventory.rancher.hostname, "rancher.example.com");
    assert_eq!(inventory.rancher.chart.version, "2.11.3");
}

#[test]
fn a_byte_order_mark_and_dos_lines_change_nothing() {
    let text = String::from_utf8(file("inventory/full.yml")).unwrap();
    let dos = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(format!("{:?}", read(dos.as_bytes())), format!("{:?}", read(text.as_bytes())));
}

#[test]
fn anchors_and_merges_work() {
    let text = "name: prod\nnodes:\n  - &base {address: 10.0.0.1, ssh: {user: me}}\n  - {<<: *base, address: 10.0.0.2}\n\
                \x20 - {<<: *base, address: 10.0.0.3}\nengine: {rke: {}}\nrancher: {hostname: r.example.com, tls: {mode: ingress, issuer: ca}}\n";
    let inventory = read(text.as_bytes()).unwrap();
    let seen: Vec<_> =
        inventory.nodes.iter().map(|node| (node.address.as_str(), node.ssh.user.as_deref().unwrap())).collect();
    assert_eq!(seen, [("10.0.0.1", "me"), ("10.0.0.2", "me"), ("10.0.0.3", "me")]);
}

/// The sensible cells of mode × issuer, with what may stand in them.
#[test]
fn every_sensible_tls_set_up_is_accepted() {
    let files = "certificate: ./c.pem, key: ./k.pem";
    let account = "acme: {email: ops@example.com}";
    let cells = [
        ("ingress", "blank", "".to_owned()),
        ("ingress", "blank", "agent_tls_mode: strict".to_owned()),
        ("ingress", "blank", files.to_owned()),
        ("ingress", "blank", format!("{files}, ca: ./ca.pem, agent_tls_mode: strict")),
        ("ingress", "ca", "".to_owned()),
        ("ingress", "ca", "ca: ./ca.pem, ca_key: ./ca-key.pem, agent_tls_mode: strict".to_owned()),
        ("ingress", "acme", account.to_owned()),
        ("ingress", "acme", "acme: {email: ops@example.com, environment: staging}, ca: ./staging.pem".to_owned()),
        (
            "ingress",
            "acme",
            "acme: {email: ops@example.com, server: 'https://acme.lab.test/dir', server_ca: ./a.pem}".to_owned(),
        ),
        ("external", "blank", "".to_owned()),
        ("external", "blank", "ca: ./ca.pem, agent_tls_mode: strict".to_owned()),
        ("external", "blank", "agent_tls_mode: system-store".to_owned()),
        ("rancher", "blank", files.to_owned()),
        ("rancher", "blank", format!("{files}, passthrough: true")),
        ("rancher", "blank", "passthrough: true".to_owned()),
        ("rancher", "ca", "".to_owned()),
        ("rancher", "ca", "passthrough: true".to_owned()),
        ("rancher", "acme", account.to_owned()),
    ];
    for (mode, issuer, more) in cells {
        let comma = if more.is_empty() { "" } else { ", " };
        let text = format!(
            "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {{rke: {{}}}}\nload_balancers: [10.0.0.9]\n\
             rancher: {{hostname: r.example.com, version: 2.11.5, tls: {{mode: {mode}, issuer: {issuer}{comma}{more}}}}}\n"
        );
        if let Err(mistakes) = read(text.as_bytes()) {
            panic!("{mode} × {issuer} with {more:?} is refused:\n{mistakes}");
        }
    }
}
