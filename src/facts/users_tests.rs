use serde_json::json;

use super::*;

fn found(kind: &str, namespace: Option<&str>, name: &str, value: Value) -> Found {
    Found { object: ObjectRef::new("v1", kind, namespace, name), value }
}

fn ingress(spec: Value, annotations: Value) -> Found {
    found("Ingress", Some("theirs"), "web", json!({"metadata": {"annotations": annotations}, "spec": spec}))
}

#[test]
fn an_ingress_uses_traefik_by_its_class_or_by_having_none() {
    let class =
        |name: &str, controller: &str| found("IngressClass", None, name, json!({"spec": {"controller": controller}}));
    let classes = classes(&[class("web", INGRESS_CONTROLLER), class("nginx", "k8s.io/ingress-nginx")], "own");
    let uses = |spec: Value, annotations: Value| names_class(&ingress(spec, annotations), &classes);
    for class in ["web", "own", "traefik"] {
        assert!(uses(json!({"ingressClassName": class}), json!({})), "{class}");
        assert!(uses(json!({}), json!({CLASS: class})), "{class}");
    }
    assert!(uses(json!({}), json!({})), "without a class");
    assert!(!uses(json!({"ingressClassName": "nginx"}), json!({})) && !uses(json!({}), json!({CLASS: "nginx"})));
}

#[test]
fn a_service_uses_traefik_by_its_class_or_beside_its_pods() {
    let classes = ["traefik".to_owned()];
    let service = |namespace: &str, spec: Value| {
        leads_to_traefik(&found("Service", Some(namespace), "s", json!({"metadata": {}, "spec": spec})), &classes)
    };
    assert!(service("theirs", json!({"type": "LoadBalancer", "loadBalancerClass": "traefik"})));
    assert!(!service("theirs", json!({"type": "LoadBalancer", "loadBalancerClass": "metallb"})));
    assert!(!service("theirs", json!({"type": "ClusterIP", "selector": {"app": "web"}})));
    assert!(service("traefik", json!({"type": "LoadBalancer", "selector": {"app.kubernetes.io/name": "traefik"}})));
    assert!(!service("traefik", json!({"type": "ExternalName"})));
}

#[test]
fn a_route_uses_traefik_through_a_gateway_of_its_class() {
    let class = |name: &str, controller: &str| {
        found("GatewayClass", None, name, json!({"spec": {"controllerName": controller}}))
    };
    let gateway =
        |name: &str, class: &str| found("Gateway", Some("edge"), name, json!({"spec": {"gatewayClassName": class}}));
    let route = |kind: &str, namespace: &str, name: &str, parent: Value| {
        found(kind, Some(namespace), name, json!({"spec": {"parentRefs": [parent]}}))
    };
    let all = vec![
        class("traefik", GATEWAY_CONTROLLER),
        class("other", "example.com/other"),
        gateway("ours", "traefik"),
        gateway("theirs", "other"),
        route("HTTPRoute", "web", "through", json!({"name": "ours", "namespace": "edge"})),
        route("TCPRoute", "edge", "beside", json!({"name": "ours"})),
        route("GRPCRoute", "web", "same-name", json!({"name": "ours"})),
        route("TLSRoute", "web", "elsewhere", json!({"name": "theirs", "namespace": "edge"})),
    ];
    let names: Vec<String> = through_gateways(all).map(|one| one.object.name).collect();
    assert_eq!(names, ["ours", "through", "beside"]);
}

#[test]
fn an_annotation_asks_cert_manager_for_a_certificate() {
    let asks = |annotations: Value| asks_for_certificate(&ingress(json!({}), annotations));
    assert!(asks(json!({"cert-manager.io/cluster-issuer": "x"})));
    assert!(asks(json!({"acme.cert-manager.io/http01-edit-in-place": "true"})));
    assert!(asks(json!({"kubernetes.io/tls-acme": "true"})) && !asks(json!({"kubernetes.io/tls-acme": "false"})));
    assert!(!asks(json!({"nginx.ingress.kubernetes.io/x": "y"})) && !asks(Value::Null));
}

#[test]
fn a_definition_is_listed_in_a_version_that_is_served() {
    let definition = |group: &str, versions: Value| json!({"spec": {"group": group, "names": {"kind": "IngressRoute"}, "versions": versions}});
    let versions = json!([{"name": "v1alpha1", "served": false}, {"name": "v1", "served": true}]);
    let served_as = |group: &str| served(&definition(group, versions.clone()), &TRAEFIKS);
    for group in ["traefik.io", "traefik.containo.us"] {
        assert_eq!(served_as(group), Some((format!("{group}/v1"), "IngressRoute".into())));
    }
    assert_eq!(served_as("example.com"), None);
    assert_eq!(served(&definition("traefik.io", json!([{"name": "v1", "served": false}])), &TRAEFIKS), None);
}

#[test]
fn what_cowhand_and_its_charts_made_is_no_user() {
    let chart = |namespace: &str, name: &str| json!({"metadata": {"annotations": {"meta.helm.sh/release-namespace": namespace, "meta.helm.sh/release-name": name}}});
    let by = |hand: &str| json!({"metadata": {"managedFields": [{"manager": hand, "fieldsV1": {"f:spec": {}}}]}});
    let own = [("cattle-system", "rancher"), ("traefik", "traefik")];
    let is_own = |namespace: Option<&str>, value: Value| found("Issuer", namespace, "x", value).is_own(&own);
    assert!(is_own(Some("cattle-system"), chart("cattle-system", "rancher")));
    assert!(is_own(None, chart("traefik", "traefik")), "its GatewayClass");
    assert!(!is_own(Some("theirs"), chart("theirs", "traefik")));
    assert!(is_own(Some("cattle-system"), by("cowhand")));
    // A release of somebody else's.
    assert!(!is_own(Some("cert-manager"), chart("cert-manager", "cert-manager")));
    // Another inventory's, or somebody's of that name: not where this one works.
    assert!(!is_own(Some("theirs"), by("cowhand")));
    assert!(!is_own(Some("cattle-system"), by("kubectl-client-side-apply")));
    let owned = json!({"metadata": {"ownerReferences": [{"kind": "Certificate"}]}});
    assert!(is_own(Some("cattle-system"), owned.clone()) && !is_own(Some("theirs"), owned));
}

#[test]
fn what_was_not_seen_counts_as_used() {
    let words = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let reason = |found: &[&str], unseen: &[&str]| Users { found: words(found), unseen: words(unseen) }.reason();
    assert_eq!(reason(&[], &[]), None);
    assert_eq!(reason(&["ingress a/b"], &["x: y"]).unwrap(), "others use it: ingress a/b");
    assert_eq!(
        reason(&[], &["Ingress: forbidden"]).unwrap(),
        "whether others use it could not be seen: Ingress: forbidden"
    );
    assert_eq!(reason(&["1", "2", "3", "4", "5", "6"], &[]).unwrap(), "others use it: 1, 2, 3, 4, 5 and 1 more");
}
