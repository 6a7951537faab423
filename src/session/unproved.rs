//! What cowhand made in a cluster where no mark tells for which inventory: it stays, and is named.

use crate::cluster::{Cluster, Inhabitant, ObjectRef};
use crate::facts::belongings::{Around, Whose, whose};
use crate::facts::inhabitants;
use crate::failure::Failure;
use crate::plan::rancher::NAMESPACE;
use crate::play::Tell;
use crate::session::cluster_api::unseen;

/// Names the releases `beside` Rancher's, each in a namespace of its own name, and in all of these namespaces the Secrets
/// with keys or passwords.
pub async fn tell(cluster: &Cluster, beside: &[&str], tell: &Tell) -> Result<(), Failure> {
    for name in beside {
        let release = inhabitants::release(cluster, name, name).await.map_err(unseen)?;
        if release.is_some_and(|release| release.by_cowhand) {
            tell.note(format!(
                "release {name}/{name} is kept: cowhand installed it, but no mark tells for which inventory"
            ));
        }
    }
    for namespace in std::iter::once(&NAMESPACE).chain(beside) {
        let there = cluster.get(&ObjectRef::new("v1", "Namespace", None, namespace)).await.map_err(unseen)?;
        if there.is_none() {
            continue;
        }
        let secrets = cluster.secrets_by_label(namespace, "").await.map_err(unseen)?;
        if let Some(said) = secrets_kept(namespace, &secrets) {
            tell.warning(said);
        }
    }
    Ok(())
}

/// What to say of the Secrets that cowhand wrote itself, or cert-manager for it.
fn secrets_kept(namespace: &str, secrets: &[Inhabitant]) -> Option<String> {
    let around = Around::of(secrets, crate::tls::INGRESS_SECRET);
    let own = secrets.iter().filter(|one| match whose(one, &around) {
        Whose::Cowhand | Whose::Certificate => true,
        Whose::Program | Whose::Kubernetes | Whose::Other => false,
    });
    let names: Vec<&str> = own.map(|one| one.object.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "kept: secrets with keys or passwords in namespace {namespace}: {}. cowhand made them, but no mark tells for which \
             inventory; if nobody needs them, `kubectl --namespace {namespace} delete secret {}`",
            names.join(", "),
            names.join(" ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_with_keys_that_stay_are_named() {
        let secret = |name: &str, hand: &str| Inhabitant {
            object: ObjectRef::new("v1", "Secret", Some(NAMESPACE), name),
            metadata: json!({"managedFields": [{"manager": hand, "fieldsV1": {"f:data": {}}}]}),
        };
        let all = [secret("tls-ca", "cowhand"), secret("theirs", "kubectl"), secret("cattle-issuer-ca", "cowhand")];
        let said = secrets_kept(NAMESPACE, &all).unwrap();
        assert!(said.contains("namespace cattle-system: tls-ca, cattle-issuer-ca."), "{said}");
        assert!(said.contains("delete secret tls-ca cattle-issuer-ca`") && !said.contains("theirs"), "{said}");
        assert_eq!(secrets_kept(NAMESPACE, &all[1..2]), None);
    }
}
