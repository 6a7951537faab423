//! The stages after the cluster, from an empty one, for TLS set-ups that differ most.

use crate::world::{Cluster, Given, World};
use crate::{by_helm, inventory, text};

pub const TRAEFIK: &str = "ingress: {provider: traefik}\n";
pub const BALANCER: &str = "load_balancers: [10.0.0.5]\n";
pub const MADE_CA: &str = "mode: ingress, issuer: ca";
pub const FILES: &str = "mode: ingress, issuer: blank, certificate: chain.pem, key: leaf.key, ca: root.pem";
pub const POD_FILES: &str =
    "mode: rancher, issuer: blank, passthrough: true, certificate: chain.pem, key: leaf.key, ca: root.pem";
const OWN_ACME: &str = "mode: ingress, issuer: acme, ca: root.pem, \
    acme: {email: ops@example.com, server: 'https://acme.example.com/directory', server_ca: root.pem}";
const EXTERNAL: &str = "mode: external, issuer: blank";

/// Name, inventory and TLS files: the set-ups that every law is held against.
pub fn set_ups() -> Vec<(&'static str, String, Given)> {
    let existing = by_helm(MADE_CA, "ingress: {class: nginx}\n")
        .replace("engine: {rke: {kubernetes: v1.32.2-rancher1-1}}", "engine: {existing: {kubeconfig: kubeconfig}}");
    vec![
        ("ingress_ca_made", inventory(MADE_CA, ""), Given::CA),
        ("ingress_ca_made_traefik_helm", by_helm(MADE_CA, TRAEFIK), Given::CA),
        ("ingress_ca_existing", existing, Given::CA),
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
