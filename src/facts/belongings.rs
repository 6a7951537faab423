//! Who made what is in a namespace, told by what the API keeps of each object: its owners and the writers of its fields.

use serde_json::Value;

use crate::cluster::{FIELD_MANAGER, Inhabitant};

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Made by cowhand, and by nobody else.
    Cowhand,
    /// Made at run time by the program that a release of ours brought: Rancher, cert-manager's webhook.
    Program,
    /// What Kubernetes puts into every namespace, and what goes with its owner.
    Kubernetes,
    /// Made by cert-manager for a Certificate or an Issuer of ours.
    Certificate,
    Other,
}

/// The field manager that a program without a name of its own gets.
const NAMELESS: &str = "unknown";

/// What else is in the namespace, as far as it tells whose an object is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// Names of the Certificates that are ours or Rancher's.
    pub certificates: Vec<String>,
    /// Somebody else has an Issuer there, whose account may be in any Secret that cert-manager wrote.
    pub issuers_of_others: bool,
}

impl Around {
    /// Looks over everything in a namespace; `usual` is the Certificate that goes with Rancher's own Ingress.
    pub fn of(all: &[Inhabitant], usual: &str) -> Around {
        let is_ours = |one: &&Inhabitant| whose(one, &Around::default()) == Whose::Cowhand;
        let ours = all.iter().filter(|one| one.object.kind == "Certificate").filter(is_ours);
        let certificates = ours.map(|one| one.object.name.clone()).chain([usual.to_owned()]).collect();
        let mut issuers = all.iter().filter(|one| one.object.kind == "Issuer");
        Around { certificates, issuers_of_others: !issuers.all(|one| is_ours(&one)) }
    }
}

pub fn whose(one: &Inhabitant, around: &Around) -> Whose {
    let name = one.object.name.as_str();
    let metadata = &one.metadata;
    let owned = metadata["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty());
    let every_namespace = matches!(
        (one.object.kind.as_str(), name),
        ("ConfigMap", "kube-root-ca.crt")
            | ("ServiceAccount", "default")
            | ("Endpoints" | "EndpointSlice" | "Event", _)
    );
    if owned || every_namespace {
        return Whose::Kubernetes;
    }
    let certificate = metadata["annotations"]["cert-manager.io/certificate-name"].as_str();
    if certificate.is_some_and(|certificate| around.certificates.iter().any(|ours| ours == certificate)) {
        return Whose::Certificate;
    }
    let hands = writers(metadata);
    let account = one.object.kind == "Secret" && certificate.is_none() && !hands.is_empty();
    if account && !around.issuers_of_others && hands.iter().all(|hand| hand.starts_with("cert-manager-")) {
        return Whose::Certificate;
    }
    if hands.contains(&FIELD_MANAGER) && hands.iter().all(|hand| *hand == FIELD_MANAGER) {
        return Whose::Cowhand;
    }
    if is_programs(one, &hands) { Whose::Program } else { Whose::Other }
}

/// Who wrote more than metadata and status: `spec`, `data`, `type`…
fn writers(metadata: &Value) -> Vec<&str> {
    let entries = metadata["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let contents = |entry: &&Value| {
        let fields = entry["fieldsV1"].as_object();
        fields.is_some_and(|fields| fields.keys().any(|key| key != "f:metadata" && key != "f:status"))
    };
    entries.iter().filter(contents).filter_map(|entry| entry["manager"].as_str()).collect()
}

/// Rancher's programs by their names, and what they and the chart are known to make
/// (rancher/rancher v2.11: pkg/tls/tls.go, chart/templates/secret.yaml).
fn is_programs(one: &Inhabitant, hands: &[&str]) -> bool {
    let known = ["rancher", "agent", "rancher-webhook", "fleetcontroller"];
    let by_name = !hands.is_empty() && hands.iter().all(|hand| known.contains(hand));
    let secret = one.object.kind == "Secret"
        && (one.object.name.starts_with("tls-rancher")
            || one.object.name == "bootstrap-secret"
            || one.object.name == "serving-cert");
    let chart = hands.iter().all(|hand| ["helm", FIELD_MANAGER, NAMELESS, "rancher"].contains(hand));
    let keys = [&one.metadata["labels"], &one.metadata["annotations"]];
    let marked =
        keys.iter().any(|map| map.as_object().is_some_and(|map| map.keys().any(|key| key.contains("cattle.io/"))));
    // cert-manager's webhook keeps its own CA so (cert-manager v1.11: pkg/server/tls/authority).
    let webhook =
        metadata_is(one, "cert-manager.io/allow-direct-injection") && one.object.name.ends_with("-webhook-ca");
    webhook
        || by_name
        || (secret && chart)
        || (marked && hands.iter().all(|hand| known.contains(hand) || *hand == NAMELESS))
}

fn metadata_is(one: &Inhabitant, annotation: &str) -> bool {
    one.metadata["annotations"][annotation] == "true"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ObjectRef;
    use serde_json::json;

    fn one(kind: &str, name: &str, metadata: Value) -> Inhabitant {
        Inhabitant { object: ObjectRef::new("v1", kind, Some("cattle-system"), name), metadata }
    }

    fn written(by: &[(&str, &str)]) -> Value {
        let entries: Vec<Value> =
            by.iter().map(|(hand, field)| json!({"manager": hand, "fieldsV1": {*field: {}}})).collect();
        json!({"managedFields": entries})
    }

    #[test]
    fn what_only_cowhand_wrote_is_cowhands() {
        let whose = |metadata: Value| whose(&one("Secret", "tls-ca", metadata), &Around::default());
        assert_eq!(whose(written(&[("cowhand", "f:data")])), Whose::Cowhand);
        assert_eq!(whose(written(&[("cowhand", "f:data"), ("cowhand-marks", "f:metadata")])), Whose::Cowhand);
        assert_eq!(whose(written(&[("cowhand", "f:data"), ("manager", "f:status")])), Whose::Cowhand);
        // Made by hand, later written over.
        assert_eq!(whose(written(&[("kubectl-create", "f:type"), ("cowhand", "f:data")])), Whose::Other);
        assert_eq!(whose(written(&[("kubectl-create", "f:data")])), Whose::Other);
        assert_eq!(whose(json!({})), Whose::Other);
    }

    #[test]
    fn an_account_goes_with_our_issuer_but_not_where_others_have_one() {
        let account = one("Secret", "acme-account", written(&[("cert-manager-issuers", "f:data")]));
        assert_eq!(whose(&account, &Around::default()), Whose::Certificate);
        let issuer =
            |hand: &str| one("Issuer", "x", written(&[(hand, "f:spec"), ("cert-manager-issuers", "f:status")]));
        let shared = Around::of(&[issuer("cowhand"), issuer("kubectl-create")], "tls-rancher-ingress");
        assert_eq!(whose(&account, &shared), Whose::Other);
        assert!(!Around::of(&[issuer("cowhand")], "x").issuers_of_others);
    }

    #[test]
    fn what_rancher_and_kubernetes_make_by_themselves_is_told_apart() {
        let helm = || written(&[("helm", "f:data")]);
        assert_eq!(
            whose(&one("Secret", "tls-rancher", written(&[("unknown", "f:data")])), &Around::default()),
            Whose::Program
        );
        assert_eq!(whose(&one("Secret", "bootstrap-secret", helm()), &Around::default()), Whose::Program);
        assert_eq!(
            whose(&one("Secret", "bootstrap-secret", written(&[("kubectl-create", "f:data")])), &Around::default()),
            Whose::Other
        );
        assert_eq!(whose(&one("ConfigMap", "theirs", helm()), &Around::default()), Whose::Other);
        assert_eq!(whose(&one("ConfigMap", "kube-root-ca.crt", json!({})), &Around::default()), Whose::Kubernetes);
        let pod = one("Pod", "x", json!({"ownerReferences": [{"kind": "ReplicaSet"}]}));
        assert_eq!(whose(&pod, &Around::default()), Whose::Kubernetes);
    }

    #[test]
    fn a_certificates_secret_goes_with_its_certificate() {
        let secret =
            one("Secret", "x", json!({"annotations": {"cert-manager.io/certificate-name": "tls-rancher-ingress"}}));
        let around = Around { certificates: vec!["tls-rancher-ingress".into()], issuers_of_others: false };
        assert_eq!(whose(&secret, &around), Whose::Certificate);
        assert_eq!(whose(&secret, &Around::default()), Whose::Other);
    }
}
