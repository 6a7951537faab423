//! One change in the inventory or on the laptop, and exactly the steps that follow from it.

use cowhand::plan::Step;

use crate::again::{differences, state};
use crate::stages::{BALANCER, FILES, MADE_CA, POD_FILES, TRAEFIK, set_ups};
use crate::world::{Cluster, Given, World};
use crate::{by_helm, inventory};

/// What `rke up` would be run for, going from one inventory to the other.
fn rke(before: &str, after: &str) -> Vec<String> {
    let world = |text: &str| World::new(text, Given::CA).cluster_yml().0;
    differences(&state(&world(before)), &world(after))
}

/// Heads of all steps after the cluster stage, waits left out, with the reasons of a helm run.
fn steps(before: &World, after: &World) -> Vec<String> {
    let plans = after.plan(&Cluster::after(before));
    let steps = plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.changes());
    steps
        .map(|step| match step {
            Step::Helm(wanted) => format!("helm {}: {}", wanted.release, wanted.because.join("; ")),
            step => step.to_string(),
        })
        .collect()
}

/// `text` with one thing replaced, which has to be there.
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

fn helm(after: impl Fn(&str) -> String) -> Vec<String> {
    let before = by_helm(MADE_CA, TRAEFIK);
    steps(&World::new(&before, Given::CA), &World::new(&after(&before), Given::CA))
}

const NONE: [String; 0] = [];

#[test]
fn another_hostname_is_a_new_certificate_and_an_upgrade() {
    assert_eq!(
        helm(|text| with(text, "rancher.example.com", "other.example.com")),
        ["helm rancher: value hostname changes", "apply the certificate (1 object)"]
    );
}

#[test]
fn another_hostname_in_the_addon_is_for_rke() {
    let before = inventory(MADE_CA, "");
    let after = with(&before, "rancher.example.com", "other.example.com");
    let [only] = &rke(&before, &after)[..] else { panic!("{:?}", rke(&before, &after)) };
    assert_eq!(
        only,
        r#"addon ~ Ingress cattle-system/rancher spec.rules: [{"host":"rancher.example.com"}] -> [{"host":"other.example.com"}]"#
    );
    let (before, after) = (World::new(&before, Given::CA), World::new(&after, Given::CA));
    assert_eq!(steps(&before, &after), ["apply the certificate (1 object)"]);
}

#[test]
fn other_replicas_are_an_upgrade() {
    let replicas = |text: &str| with(text, "  version: 2.11.5\n", "  version: 2.11.5\n  replicas: 5\n");
    assert_eq!(helm(replicas), ["helm rancher: value replicas changes"]);
    let before = inventory(MADE_CA, "");
    assert_eq!(rke(&before, &replicas(&before)).len(), 1);
}

#[test]
fn another_rancher_is_an_upgrade() {
    let after = helm(|text| with(text, "version: 2.11.5", "version: 2.11.16"));
    assert_eq!(after, ["helm rancher: chart version: 2.11.5 -> 2.11.16"]);
}

#[test]
fn another_traefik_is_an_upgrade_of_traefik_alone() {
    let chart = "{repository: 'https://traefik.github.io/charts', name: traefik, version: 37.4.0}";
    let traefik = |text: &str| with(text, "{provider: traefik}", &format!("{{provider: traefik, chart: {chart}}}"));
    assert_eq!(helm(traefik), ["helm traefik: chart version: 37.3.0 -> 37.4.0"]);
}

#[test]
fn values_of_the_user_are_an_upgrade_that_shows_names_only() {
    let values =
        |value: &str| format!("  version: 2.11.5\n  values: {{proxy: 'http://u:{value}@p', antiAffinity: required}}\n");
    let before = with(&by_helm(MADE_CA, ""), "  version: 2.11.5\n", &values("old"));
    let after = with(&before, "u:old@", "u:new@");
    let (before, after) = (World::new(&before, Given::CA), World::new(&after, Given::CA));
    assert_eq!(steps(&before, &after), ["helm rancher: value proxy changes"]);
}

#[test]
fn another_kubernetes_is_one_difference_and_touches_no_stage_after() {
    let before = inventory(MADE_CA, "");
    let after = with(&before, "v1.32.2-rancher1-1", "v1.32.4-rancher1-1");
    assert_eq!(rke(&before, &after), ["kubernetes_version: v1.32.2-rancher1-1 -> v1.32.4-rancher1-1"]);
    assert_eq!(steps(&World::new(&before, Given::CA), &World::new(&after, Given::CA)), NONE);
}

#[test]
fn nodes_that_come_and_go_are_named() {
    let three = inventory(MADE_CA, "");
    let four = with(&three, "10.0.0.13]", "10.0.0.13, {name: n4, address: 10.0.0.14, roles: [worker]}]");
    assert_eq!(rke(&three, &four), ["nodes[10.0.0.14]: new"]);
    assert_eq!(rke(&four, &three), ["nodes: 10.0.0.14 is a node for RKE, and not in the inventory"]);
    let replaced = with(&three, "10.0.0.13]", "{name: n3, address: 10.0.0.23}]");
    assert_eq!(
        rke(&three, &replaced),
        ["nodes[10.0.0.23]: new", "nodes: 10.0.0.13 is a node for RKE, and not in the inventory"]
    );
}

#[test]
fn another_order_of_nodes_is_no_difference() {
    let before = inventory(MADE_CA, "");
    let named = |nodes: &str| with(&before, "[10.0.0.11, 10.0.0.12, 10.0.0.13]", nodes);
    let [n1, n2, n3] = [1, 2, 3].map(|n| format!("{{name: n{n}, address: 10.0.0.1{n}}}"));
    assert_eq!(rke(&named(&format!("[{n1}, {n2}, {n3}]")), &named(&format!("[{n3}, {n1}, {n2}]"))), NONE);
}

#[test]
fn a_label_a_taint_and_a_role_are_differences() {
    let before =
        with(&inventory(MADE_CA, ""), "10.0.0.13]", "10.0.0.13, {name: n4, address: 10.0.0.14, roles: [worker]}]");
    let node = |more: &str| with(&before, "roles: [worker]", more);
    assert_eq!(
        rke(&before, &node("roles: [worker], labels: {a: b}")),
        [r#"nodes[10.0.0.14].labels: (unset) -> {"a":"b"}"#]
    );
    assert_eq!(
        rke(&before, &node("roles: [worker], taints: [{key: k, value: v, effect: NoExecute}]")),
        [r#"nodes[10.0.0.14].taints: (unset) -> [{"key":"k","value":"v","effect":"NoExecute"}]"#]
    );
    assert_eq!(
        rke(&before, &node("roles: [worker, controlplane]")),
        [r#"nodes[10.0.0.14].role: ["worker"] -> ["controlplane","worker"]"#]
    );
}

#[test]
fn a_load_balancer_in_front_of_nginx_is_for_rke() {
    let differences = rke(&inventory(MADE_CA, ""), &inventory("mode: external, issuer: blank", BALANCER));
    assert!(differences[0].starts_with("ingress.options: (unset) -> "), "{differences:?}");
}

#[test]
fn a_replaced_ca_is_its_secrets_a_new_certificate_and_a_restart() {
    let text = inventory(MADE_CA, "");
    let (before, after) = (World::new(&text, Given::CA), World::new(&text, Given::OTHER_CA));
    assert_eq!(
        steps(&before, &after),
        [
            "replace secret cattle-system/cattle-issuer-ca (kubernetes.io/tls)",
            "replace secret cattle-system/tls-ca (Opaque)",
            "issue certificate cattle-system/tls-rancher-ingress anew",
            "restart cattle-system/rancher: its pods read certificates only when they start",
        ]
    );
}

/// Rancher's listener keeps the certificate that it made, also when the CA is another one; so it is taken away, but not before
/// all pods know the new CA: the old ones would write theirs back.
#[test]
fn a_replaced_ca_in_ranchers_pods_is_a_new_leaf_too() {
    let text = by_helm("mode: rancher, issuer: ca, passthrough: true", TRAEFIK);
    let (before, after) = (World::new(&text, Given::CA), World::new(&text, Given::OTHER_CA));
    assert_eq!(
        steps(&before, &after),
        [
            "replace secret cattle-system/tls-rancher (kubernetes.io/tls)",
            "restart cattle-system/rancher: its pods read certificates only when they start",
            "remove secret cattle-system/serving-cert",
            "restart cattle-system/rancher: Rancher makes its own certificate anew only when it starts without one",
        ]
    );
    // carried out, it arrives: the new CA's leaf is served, and a further run has nothing to do
    let mut cluster = Cluster::after(&before);
    cluster.become_as(&after);
    let again = after.plan(&cluster);
    assert!(again.iter().flat_map(|plan| &plan.steps).all(|step| !step.changes()), "{again:?}");
    // a run that was ended after its first restart left the old leaf
    let mut cluster = Cluster::after(&before);
    for step in after.plan(&cluster).into_iter().flat_map(|plan| plan.steps) {
        let ended = matches!(step, Step::Restart { .. });
        cluster.carry_out(&after, step);
        if ended {
            break;
        }
    }
    let rest = after.plan(&cluster);
    let rest: Vec<String> =
        rest.iter().flat_map(|plan| &plan.steps).filter(|step| step.changes()).map(ToString::to_string).collect();
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert_eq!(rest[0], "remove secret cattle-system/serving-cert");
}

#[test]
fn a_replaced_certificate_at_the_ingress_is_its_secret_alone() {
    let other = Given { certificate: Some("leaf.pem"), ..Given::FILES };
    let text = inventory(FILES, "");
    let (before, after) = (World::new(&text, Given::FILES), World::new(&text, other));
    assert_eq!(steps(&before, &after), ["replace secret cattle-system/tls-rancher-ingress (kubernetes.io/tls)"]);
}

#[test]
fn a_replaced_certificate_in_ranchers_pods_needs_a_restart() {
    // cert.pem and key.pem are mounted by subPath, as cacerts.pem is: running pods never see new ones.
    let other = Given { certificate: Some("leaf.pem"), ..Given::FILES };
    let text = inventory(POD_FILES, "");
    let (before, after) = (World::new(&text, Given::FILES), World::new(&text, other));
    let steps = steps(&before, &after);
    assert!(steps.contains(&"replace secret cattle-system/cattle-server-keys (Opaque)".to_owned()), "{steps:?}");
    assert!(steps.iter().any(|step| step.starts_with("restart cattle-system/rancher")), "{steps:?}");
}

/// Going from any set-up to any other, nothing of the former one stays, and nothing is done twice.
#[test]
fn from_each_set_up_to_each_other_nothing_of_the_former_stays() {
    for (from, former, given) in set_ups() {
        for (to, text, new) in set_ups().into_iter().filter(|(name, ..)| *name != from) {
            let (before, after) = (World::new(&former, given), World::new(&text, new));
            // Another way of delivery is another story.
            if before.inventory.rancher.delivery != after.inventory.rancher.delivery {
                continue;
            }
            let mut cluster = Cluster::after(&before);
            cluster.become_as(&after);
            let mut names = cluster.names();
            let mut wanted = Cluster::after(&after).names();
            names.sort();
            wanted.sort();
            assert_eq!(names, wanted, "{from} -> {to}");
            let rest: Vec<String> = after.plan(&cluster).iter().flat_map(crate::changing).collect();
            assert_eq!(rest, NONE, "{from} -> {to}, planned again");
        }
    }
}

#[test]
fn cert_manager_lets_go_of_a_secret_before_files_are_put_into_it() {
    let (before, after) =
        (World::new(&inventory(MADE_CA, ""), Given::CA), World::new(&inventory(FILES, ""), Given::FILES));
    let steps = steps(&before, &after);
    assert_eq!(
        steps,
        [
            "remove certificate cattle-system/tls-rancher-ingress",
            "replace secret cattle-system/tls-rancher-ingress (kubernetes.io/tls)",
            "remove 2 objects of a former TLS set-up",
        ]
    );
}

#[test]
fn an_ingress_that_helm_will_change_asks_for_no_certificate_while_it_still_could() {
    let steps = |text: fn(&str) -> String| {
        let before = World::new(&text("mode: ingress, issuer: blank"), Given::NOTHING);
        steps(&before, &World::new(&text(FILES), Given::FILES))
    };
    let removed = "remove certificate cattle-system/tls-rancher-ingress";
    let by_helm = steps(|tls| by_helm(tls, TRAEFIK));
    let unmarked = "take annotations cert-manager.io/issuer* off ingress cattle-system/rancher";
    assert_eq!(by_helm[..2], [unmarked, removed], "{by_helm:#?}");
    assert!(by_helm.iter().any(|step| step.starts_with("helm rancher")), "{by_helm:#?}");
    assert_eq!(steps(|tls| inventory(tls, TRAEFIK))[0], removed, "RKE has changed the addon's Ingress before");
}

#[test]
fn what_takes_traffic_goes_only_when_the_new_stands() {
    let before = World::new(&inventory(FILES, TRAEFIK), Given::FILES);
    let passthrough = "mode: rancher, issuer: blank, passthrough: true";
    let after = World::new(&inventory(passthrough, TRAEFIK), Given::NOTHING);
    let plans = after.plan(&Cluster::after(&before));
    let heads: Vec<String> = plans[2].steps.iter().map(ToString::to_string).collect();
    assert_eq!(heads.last().unwrap(), "remove 3 objects of a former TLS set-up", "{heads:#?}");
    let text = plans[2].steps.last().unwrap().text();
    assert!(text.contains("ingress cattle-system/rancher\n"), "{text}");
}

#[test]
fn routes_past_the_ingress_go_before_ranchers_pods_give_up_their_certificate() {
    let (before, after) = (
        World::new(&inventory(POD_FILES, TRAEFIK), Given::FILES),
        World::new(&inventory(FILES, TRAEFIK), Given::FILES),
    );
    let steps = steps(&before, &after);
    let at =
        |word: &str| steps.iter().position(|step| step.contains(word)).unwrap_or_else(|| panic!("{word}: {steps:#?}"));
    let (secret, routes) = (at("tls-rancher-ingress"), at("remove 2 objects"));
    let (mounts, keys) =
        (at("without the former certificate files"), at("remove secret cattle-system/cattle-server-keys"));
    assert!(secret < routes && routes < mounts && mounts < keys, "{steps:#?}");
}

#[test]
fn replicas_that_are_all_on_one_node_are_spread_and_then_left_alone() {
    for text in [inventory(MADE_CA, ""), by_helm(MADE_CA, TRAEFIK)] {
        let world = World::new(&text, Given::CA);
        let mut cluster = Cluster::after(&world);
        cluster.crowded = Some("n2".into());
        let plan = world.rancher(&cluster);
        let heads: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        let restart = "restart cattle-system/rancher: all its replicas are on n2, and its loss would stop Rancher; other nodes take pods";
        let at = heads.iter().position(|head| head == restart).unwrap_or_else(|| panic!("{heads:#?}"));
        assert!(heads[at..].contains(&"wait until deployment cattle-system/rancher is ready".to_owned()), "{heads:#?}");
        assert_eq!(crate::changing(&plan), [restart]);
        plan.steps.into_iter().for_each(|step| cluster.carry_out(&world, step));
        assert_eq!(crate::changing(&world.rancher(&cluster)), NONE);
    }
}

#[test]
fn nothing_is_awaited_on_a_node_that_is_not_reached() {
    let world = World::new(&by_helm(MADE_CA, TRAEFIK), Given::CA);
    let away = ["n3".to_owned()];
    let plans = world.plan(&Cluster::default()).into_iter().map(|plan| plan.without(&away));
    let waits: Vec<String> =
        plans.flat_map(|plan| plan.steps).filter(|step| !step.changes()).map(|step| step.to_string()).collect();
    assert!(
        waits.contains(&"wait until daemonset traefik/traefik is ready on all nodes but n3".to_owned()),
        "{waits:#?}"
    );
    let nodes = Step::Wait(cowhand::plan::Wait::NodesReady { names: vec!["n1".into(), "n3".into()] });
    let plan = cowhand::plan::StagePlan { stage: cowhand::plan::Stage::Cluster, steps: vec![nodes], notes: Vec::new() };
    assert_eq!(plan.without(&away).steps[0].to_string(), "wait until nodes n1 are Ready");
}
