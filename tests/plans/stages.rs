//! The stages after the cluster, from an empty one, for TLS set-ups that differ most.

use crate::world::{Cluster, Given, World};
use crate::{by_helm, existing, inventory, text};

pub const TRAEFIK: &str = "ingress: {provider: traefik}\n";
pub const BALANCER: &str = "load_balancers: [10.0.0.5]\n";
pub const MADE_CA: &str = "mode: ingress, issuer: ca";
pub const FILES: &str = "mode: ingress, issuer: blank, certificate: chain.pem, key: leaf.key, ca: root.pem";
pub const POD_FILES: &str =
    "mode: rancher, issuer: blank, passthrough: true, certificate: chain.pem, key: leaf.key, ca: root.pem";
const OWN_ACME: &str = "mode: ingress, issuer: acme, ca: root.pem, \
    acme: {email: ops@example.com, server: 'https://acme.example.com/directory', server_ca: root.pem}";
const LETS_ENCRYPT: &str = "mode: ingress, issuer: acme, acme: {email: ops@example.com, environment: staging}";
const EXTERNAL: &str = "mode: external, issuer: blank";

/// Name, inventory and TLS files: the set-ups that every law is held against.
pub fn set_ups() -> Vec<(&'static str, String, Given)> {
    let beside_nodes =
        |ingress: &str| format!("ssh: {{user: rancher}}\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n{ingress}");
    let class = |name: &str| format!("ingress: {{class: {name}}}\n");
    vec![
        ("ingress_ca_made", inventory(MADE_CA, ""), Given::CA),
        ("ingress_ca_made_traefik_helm", by_helm(MADE_CA, TRAEFIK), Given::CA),
        ("ingress_ca_existing", existing(MADE_CA, &beside_nodes(&class("nginx"))), Given::CA),
        ("existing_default_class", existing(MADE_CA, ""), Given::CA),
        ("existing_named_class", existing(FILES, &class("f5")), Given::FILES),
        ("existing_own_traefik", existing(MADE_CA, TRAEFIK), Given::CA),
        ("existing_external", existing(EXTERNAL, &format!("{BALANCER}{}", class("internal"))), Given::NOTHING),
        ("existing_acme", existing(OWN_ACME, &beside_nodes(&class("internal"))), Given::OWN_ACME),
        ("existing_lets_encrypt", existing(LETS_ENCRYPT, &class("web")), Given::NOTHING),
        ("existing_reencrypt", existing("mode: rancher, issuer: ca", &beside_nodes("")), Given::CA),
        ("existing_passthrough_nginx", existing(POD_FILES, &class("nginx")), Given::FILES),
        ("existing_passthrough", existing("mode: rancher, issuer: ca, passthrough: true", ""), Given::CA),
        ("rke_ingress_of_others", inventory(MADE_CA, "ingress: {provider: existing, class: traefik}\n"), Given::CA),
        ("ingress_blank_private_ca", inventory(FILES, ""), Given::FILES),
        ("ingress_blank_rancher_makes", inventory("mode: ingress, issuer: blank", ""), Given::NOTHING),
        ("ingress_acme_own_server", inventory(OWN_ACME, TRAEFIK), Given::OWN_ACME),
        ("external_blank", inventory(EXTERNAL, &format!("{BALANCER}{TRAEFIK}")), Given::NOTHING),
        ("rancher_ca_nginx", inventory("mode: rancher, issuer: ca", ""), Given::CA),
        ("rancher_ca_traefik", inventory("mode: rancher, issuer: ca", TRAEFIK), Given::CA),
        ("rancher_passthrough_files", inventory(POD_FILES, ""), Given::FILES),
        ("rancher_passthrough", by_helm("mode: rancher, issuer: blank, passthrough: true", TRAEFIK), Given::NOTHING),
    ]
}

#[test]
fn from_an_empty_cluster_each_set_up_has_its_plan() {
    for (name, inventory, given) in set_ups() {
        let world = World::new(&inventory, given);
        insta::assert_snapshot!(format!("stages_{name}"), text(&world.plan(&Cluster::default())));
    }
}

#[test]
fn of_a_cluster_that_is_there_neither_the_ingress_nor_a_node_is_touched() {
    let there = set_ups().into_iter().filter(|(_, inventory, _)| inventory.contains("existing: {kubeconfig"));
    for (name, inventory, given) in there {
        let own = inventory.contains(TRAEFIK);
        let ingress = &World::new(&inventory, given).plan(&Cluster::default())[0];
        assert_eq!(ingress.steps.iter().any(cowhand::plan::Step::changes), own, "{name}: {:?}", ingress.steps);
        if !own && !inventory.contains("class: ") {
            assert_eq!(ingress.notes, ["the ingress class `web` that is there serves Rancher"], "{name}");
        }
    }
}

#[test]
fn a_plan_is_the_same_before_its_ca_is_made_and_after() {
    // `plan` before the first `up` must show what `up` then does, not something else once the CA is there.
    let before = World::new(&inventory(MADE_CA, ""), Given::NOTHING);
    let after = World::new(&inventory(MADE_CA, ""), Given::CA);
    assert_eq!(text(&before.plan(&Cluster::default())), text(&after.plan(&Cluster::default())));
}

#[test]
fn what_is_made_comes_before_what_needs_it() {
    for (name, inventory, given) in set_ups() {
        let world = World::new(&inventory, given);
        let plans = world.plan(&Cluster::default());
        let heads: Vec<String> = plans[2].steps.iter().map(ToString::to_string).collect();
        let at = |word: &str| heads.iter().position(|head| head.contains(word));
        let namespace = at("apply the namespace").unwrap_or_else(|| panic!("{name}: no namespace in {heads:#?}"));
        for later in ["create secret", "issuers", "helm upgrade", "restart", "wait until"] {
            assert!(at(later).is_none_or(|place| namespace < place), "{name}: {later} in {heads:#?}");
        }
        let bootstrap = at("cattle-system/bootstrap-secret").unwrap_or_else(|| panic!("{name}: no password"));
        assert!(at("helm upgrade").is_none_or(|helm| bootstrap < helm), "{name}: {heads:#?}");
        assert!(
            plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.to_string().contains("restart")).count() == 0
        );
    }
}
