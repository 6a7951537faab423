//! What stands in front of the nodes: each kind of text for each mode, and what must hold for all of them.

use std::net::IpAddr;

use cowhand::balancer::{Floating, Front, Refused, TlsFiles, aws, haproxy, keepalived, nginx};
use cowhand::failure::Hint;
use cowhand::inventory::Inventory;

use crate::stages::TRAEFIK;
use crate::{inventory, read};

const PAIR: &str = "load_balancers: [10.0.0.5, 10.0.0.6]\n";
const MODES: [(&str, &str); 3] = [
    ("ingress", "mode: ingress, issuer: ca"),
    ("external", "mode: external, issuer: blank"),
    ("rancher", "mode: rancher, issuer: ca"),
];

fn wanted(tls: &str) -> Inventory {
    read(&inventory(tls, &format!("{PAIR}{TRAEFIK}")))
}

fn front(inventory: &Inventory) -> Front<'_> {
    Front::new(inventory, "prod.yml").unwrap()
}

fn floating(address: &str, on: Option<&str>) -> Floating {
    let address: IpAddr = address.parse().unwrap();
    Floating { address, interface: "eth0".into(), on: on.map(|on| on.parse().unwrap()) }
}

fn files(certificate: Option<&str>, key: Option<&str>) -> TlsFiles {
    TlsFiles { certificate: certificate.map(|it| it.parse().unwrap()), key: key.map(|it| it.parse().unwrap()) }
}

/// Kind and text, for one inventory.
fn texts(inventory: &Inventory) -> [(&'static str, Result<String, Refused>); 4] {
    let front = front(inventory);
    [
        ("haproxy", haproxy(&front, &TlsFiles::default())),
        ("nginx", nginx(&front, &TlsFiles::default())),
        ("keepalived", keepalived(&front, &floating("10.0.0.100", None))),
        ("aws", aws(&front)),
    ]
}

#[test]
fn each_kind_has_its_text_for_each_mode() {
    for (mode, tls) in MODES {
        for (kind, text) in texts(&wanted(tls)) {
            insta::assert_snapshot!(format!("balancer_{kind}_{mode}"), text.unwrap());
        }
    }
}

#[test]
fn every_text_says_first_where_it_comes_from_and_how_it_is_tried() {
    for (mode, tls) in MODES {
        for (kind, text) in texts(&wanted(tls)) {
            let text = text.unwrap();
            let heading: String = text.lines().take_while(|line| line.starts_with('#')).collect();
            let tried = match kind {
                "haproxy" => "haproxy -c -f",
                "nginx" => "nginx -t",
                "keepalived" => "keepalived -t -f",
                _ => "NOT RUN",
            };
            for said in ["prod.yml", "rancher.example.com", &format!("Mode {mode}"), tried] {
                assert!(heading.contains(said), "{kind} {mode} does not say `{said}`:\n{heading}");
            }
        }
    }
}

#[test]
fn only_mode_external_names_a_certificate() {
    for (mode, tls) in MODES {
        for (kind, text) in texts(&wanted(tls)) {
            let text = text.unwrap();
            let named = ["ssl crt", "ssl_certificate ", "certificate_arn"].iter().any(|word| text.contains(word));
            assert_eq!(named, mode == "external" && kind != "keepalived", "{kind} {mode}");
        }
    }
    let external = wanted(MODES[1].1);
    let said = files(Some("/srv/tls/chain.pem"), Some("/srv/tls/chain.pem.key"));
    assert!(haproxy(&front(&external), &said).unwrap().contains("ssl crt /srv/tls/chain.pem alpn"));
    let text = nginx(&front(&external), &files(Some("/srv/chain.pem"), Some("/srv/leaf.key"))).unwrap();
    assert!(text.contains("ssl_certificate /srv/chain.pem;") && text.contains("ssl_certificate_key /srv/leaf.key;"));
}

#[test]
fn traffic_goes_to_workers_by_the_addresses_that_clients_use() {
    let nodes = "nodes: [10.0.0.11, {address: n2.example.com, internal_address: 192.168.0.12}, '2001:db8::13', \
                 {address: 10.0.0.14, roles: [worker]}, {address: 10.0.0.15, roles: [controlplane]}]";
    let text = inventory(MODES[0].1, "load_balancers: ['2001:db8::5']\n");
    let inventory = read(&text.replace("nodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]", nodes));
    let text = haproxy(&front(&inventory), &TlsFiles::default()).unwrap();
    for line in [
        "server n1 10.0.0.11:443 check",
        "server n2 n2.example.com:443",
        "server n3 [2001:db8::13]:443",
        "server n4 10.0.0.14:80",
        "bind :::443 v6only",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(!text.contains("10.0.0.15"), "{text}");
    assert!(nginx(&front(&inventory), &TlsFiles::default()).unwrap().contains("listen [::]:443;"));
    assert!(aws(&front(&inventory)).unwrap().contains("\"n2\" = \"192.168.0.12\""), "targets are addresses");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place_and_a_remedy() {
    let (ingress, external) = (wanted(MODES[0].1), wanted(MODES[1].1));
    let one = read(&inventory(MODES[1].1, "load_balancers: [10.0.0.5, 10.0.0.100]\n"));
    let alone = read(&inventory(MODES[0].1, ""));
    let names = read(&inventory(MODES[0].1, "").replace("10.0.0.12", "n2.example.com"));
    let none = read(
        &crate::by_helm(MODES[0].1, "ingress: {class: nginx}\n")
            .replace("engine: {rke: {kubernetes: v1.32.2-rancher1-1}}", "engine: {existing: {kubeconfig: kubeconfig}}")
            .replace("nodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n", "")
            .replace("ssh: {user: rancher}\n", ""),
    );
    let mut unbalanced = external.clone();
    unbalanced.load_balancers.clear();
    let certificate = files(Some("/srv/tls/chain.pem"), None);
    let share = |inventory, address, on| keepalived(&front(inventory), &floating(address, on));
    let refusals = [
        Front::new(&none, "prod.yml").map(drop),
        Front::new(&unbalanced, "prod.yml").map(drop),
        haproxy(&front(&ingress), &certificate).map(drop),
        nginx(&front(&ingress), &certificate).map(drop),
        haproxy(&front(&external), &files(Some("/srv/tls/chain.pem"), Some("/srv/tls/leaf.key"))).map(drop),
        share(&one, "10.0.0.100", None).map(drop),
        share(&alone, "10.0.0.11", None).map(drop),
        share(&alone, "2001:db8::1", None).map(drop),
        share(&ingress, "10.0.0.100", Some("10.0.0.7")).map(drop),
        share(&names, "10.0.0.100", None).map(drop),
        aws(&front(&names)).map(drop),
    ];
    let told: Vec<String> = refusals
        .into_iter()
        .map(|one| one.unwrap_err())
        .map(|refusal| format!("{refusal}\n  {}", refusal.hint().unwrap()))
        .collect();
    insta::assert_snapshot!("balancer_refusals", told.join("\n"));
}

#[test]
fn an_address_floats_between_balancers_or_else_between_nodes() {
    let balancers = wanted(MODES[0].1);
    let second = keepalived(&front(&balancers), &floating("10.0.0.100", Some("10.0.0.6"))).unwrap();
    assert!(second.contains("unicast_src_ip 10.0.0.6\n") && second.contains("        10.0.0.5\n"), "{second}");
    assert!(second.contains("priority 99\n"), "{second}");
    let nodes = read(&inventory(MODES[0].1, ""));
    let text = keepalived(&front(&nodes), &floating("10.0.0.100", None)).unwrap();
    assert!(text.contains("unicast_src_ip 10.0.0.11\n") && text.contains("        10.0.0.12\n        10.0.0.13\n"));
    // The floating address may stand among the balancers, so that `verify` walks it; it is none of the machines.
    let with_it = read(&inventory(MODES[0].1, "load_balancers: [10.0.0.5, 10.0.0.6, 10.0.0.100]\n"));
    let text = keepalived(&front(&with_it), &floating("10.0.0.100", None)).unwrap();
    assert!(text.contains("    unicast_peer {\n        10.0.0.6\n    }\n"), "{text}");
}

/// What Terraform would be given, read by a parser of its language.
fn parsed(tls: &str) -> hcl::Body {
    let inventory = wanted(tls);
    hcl::parse(&aws(&front(&inventory)).unwrap()).unwrap()
}

/// Attribute of the one block with these words, e.g. `resource aws_lb rancher`; a further word leads into a block inside.
fn attribute<'a>(body: &'a hcl::Body, words: &[&str], name: &str) -> &'a hcl::Expression {
    let (kind, labels) = words.split_first().unwrap();
    let fits = |block: &&hcl::Block| {
        let own: Vec<&str> = block.labels().iter().map(hcl::BlockLabel::as_str).collect();
        block.identifier() == *kind && labels.starts_with(&own)
    };
    let block = body.blocks().find(fits).unwrap_or_else(|| panic!("no {words:?}"));
    let rest = &labels[block.labels().len()..];
    if !rest.is_empty() {
        return attribute(block.body(), rest, name);
    }
    let found = block.body().attributes().find(|attribute| attribute.key() == name);
    found.unwrap_or_else(|| panic!("{words:?} has no {name}")).expr()
}

#[test]
fn terraform_is_text_that_terraform_can_read() {
    let text = |text: &str| hcl::Expression::from(text);
    for (mode, tls) in MODES {
        let body = parsed(tls);
        let external = mode == "external";
        let kind = if external { "application" } else { "network" };
        assert_eq!(*attribute(&body, &["resource", "aws_lb", "rancher"], "load_balancer_type"), text(kind), "{mode}");
        let group = if external { "http" } else { "https" };
        let health = ["resource", "aws_lb_target_group", group, "health_check"];
        assert_eq!(*attribute(&body, &health, "path"), text("/ping"), "{mode}");
        let matcher = attribute(&body, &health, "matcher").to_string();
        assert!(matcher.contains("rancher_is_asked") && matcher.contains("200,404"), "{mode}: {matcher}");
        let asked = attribute(&body, &["variable", "rancher_is_asked"], "default");
        assert_eq!(*asked, hcl::Expression::from(false), "{mode}");
        let record = ["resource", "aws_route53_record", "rancher", "alias"];
        assert_eq!(*attribute(&body, &record, "evaluate_target_health"), hcl::Expression::from(true), "{mode}");
        let asked = ["resource", "aws_route53_health_check", "rancher"];
        assert_eq!(*attribute(&body, &asked, "search_string"), text("pong"), "{mode}");
        let nodes = attribute(&body, &["locals"], "nodes").to_string();
        for address in ["10.0.0.11", "10.0.0.12", "10.0.0.13"] {
            assert!(nodes.contains(address), "{mode}: {nodes}");
        }
        let certificate = body.blocks().any(|block| {
            block.identifier() == "variable"
                && block.labels().first().is_some_and(|it| it.as_str() == "certificate_arn")
        });
        assert_eq!(certificate, external, "{mode}");
    }
}

#[test]
fn the_ingress_that_lets_rancher_answer_aws_is_an_object_that_kubernetes_takes() {
    for (mode, tls) in MODES {
        let text = aws(&front(&wanted(tls))).unwrap();
        let start = text.find("# apiVersion: networking.k8s.io/v1").unwrap();
        let lines = text[start..].lines().map_while(|line| line.strip_prefix("# "));
        let object = &cowhand::cluster::parse_documents(&lines.collect::<Vec<_>>().join("\n")).unwrap()[0];
        let path = object.pointer("/spec/rules/0/http/paths/0").unwrap();
        let port = if mode == "rancher" { 443 } else { 80 };
        assert_eq!(path.pointer("/backend/service/port/number").unwrap(), port, "{mode}: {object}");
        assert!(object.pointer("/spec/rules/0/host").is_none() && path["path"] == "/ping", "{mode}: {object}");
        let annotation = object.pointer("/metadata/annotations/nginx.ingress.kubernetes.io~1backend-protocol");
        assert_eq!(annotation.is_some(), mode == "rancher", "{mode}: {object}");
    }
}
