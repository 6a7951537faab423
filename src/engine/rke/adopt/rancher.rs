//! What cluster.yml itself says of Rancher: the addon of Rancher's own first how-tos.

use serde_json::Value;

use super::model::RancherPart;
use crate::cluster::parse_documents;

/// The namespace that Rancher insists on.
const NAMESPACE: &str = "cattle-system";

/// Rancher as an addon of RKE has it; `None` when the addon is not Rancher's.
pub fn in_addons(text: &str) -> Option<RancherPart> {
    let objects = parse_documents(text).ok()?;
    let of_rancher = |object: &&Value| object.pointer("/metadata/namespace") == Some(&Value::from(NAMESPACE));
    let of_kind = |kind: &str| objects.iter().filter(of_rancher).find(|object| object["kind"] == kind);
    let ingress = of_kind("Ingress");
    ingress.or(of_kind("Deployment"))?;
    let hostname =
        ingress.and_then(|ingress| ingress.pointer("/spec/rules/0/host")).and_then(Value::as_str).map(str::to_owned);
    Some(RancherPart { hostname, ..RancherPart::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rancher_in_an_addon_is_known_by_its_ingress() {
        let ingress = |namespace: &str| {
            format!(
                "kind: Namespace\n---\nkind: Ingress\nmetadata: {{namespace: {namespace}}}\nspec: {{rules: [{{host: r.example.com}}]}}\n"
            )
        };
        assert_eq!(in_addons(&ingress("cattle-system")).unwrap().hostname.as_deref(), Some("r.example.com"));
        assert_eq!(in_addons(&ingress("other")), None);
        assert_eq!(in_addons("kind: [CANARY"), None);
    }
}
