//! Who lives in a cluster already: Helm releases, ingress controllers, cert-manager, a Rancher, or what one left.

use serde_json::Value;

use super::cluster::{NAMESPACE, RANCHER};
use crate::cluster::{Cluster, ClusterError, Inhabitant, MADE_BY, ObjectRef};

/// A Helm release as its newest record tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseSeen {
    pub namespace: String,
    pub name: String,
    pub revision: u64,
    /// Helm's word: `deployed`, `failed`…
    pub status: String,
    /// cowhand installed it: its record has our label, which Helm hands on to later revisions. For which inventory,
    /// [`super::owner::Claim::covers`] tells.
    pub by_cowhand: bool,
}

/// All releases, by namespace and name. Their contents are not read.
pub async fn releases(cluster: &Cluster) -> Result<Vec<ReleaseSeen>, ClusterError> {
    Ok(newest(&cluster.secrets_by_label("", "owner=helm").await?))
}

/// The release of that name, if there is one.
pub async fn release(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<ReleaseSeen>, ClusterError> {
    let records = cluster.secrets_by_label(namespace, &format!("owner=helm,name={name}")).await?;
    Ok(newest(&records).into_iter().next())
}

fn newest(records: &[Inhabitant]) -> Vec<ReleaseSeen> {
    let mut newest: Vec<ReleaseSeen> = Vec::new();
    for record in records {
        let label = |key: &str| record.metadata["labels"][key].as_str().unwrap_or_default().to_owned();
        let seen = ReleaseSeen {
            namespace: record.object.namespace.clone().unwrap_or_default(),
            name: label("name"),
            revision: label("version").parse().unwrap_or(0),
            status: label("status"),
            by_cowhand: label(MADE_BY.0) == MADE_BY.1,
        };
        match newest.iter_mut().find(|one| one.namespace == seen.namespace && one.name == seen.name) {
            Some(older) if older.revision < seen.revision => *older = seen,
            Some(_) => {}
            None => newest.push(seen),
        }
    }
    newest
}

/// What there is of cert-manager, by whomever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertManagerSeen {
    /// Its definitions are there.
    pub crds: bool,
    /// `cert-manager.io/v1` is served.
    pub serves_v1: bool,
    pub controller: Option<CertManagerPlace>,
}

/// Where its controller runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertManagerPlace {
    pub namespace: String,
    /// Of the controller's Deployment.
    pub name: String,
    /// From its image's tag or its label, e.g. `v1.17.4`; empty when neither says it.
    pub version: String,
    pub ready: bool,
}

pub async fn cert_manager(cluster: &Cluster) -> Result<CertManagerSeen, ClusterError> {
    let definition =
        ObjectRef::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "certificates.cert-manager.io");
    let definition = cluster.get(&definition).await?;
    let versions = definition.as_ref().and_then(|found| found.pointer("/spec/versions")?.as_array());
    let serves_v1 = versions.is_some_and(|all| all.iter().any(|one| one["name"] == "v1" && one["served"] == true));
    let deployments = cluster.list("apps/v1", "Deployment", None, None).await?;
    let controller = deployments.iter().find_map(cert_manager_place);
    Ok(CertManagerSeen { crds: definition.is_some(), serves_v1, controller })
}

/// Told by its image or its labels, whatever it was installed with.
fn cert_manager_place(deployment: &Value) -> Option<CertManagerPlace> {
    let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let image = text("/spec/template/spec/containers/0/image");
    let by_image = image.contains("cert-manager-controller");
    let by_label = text("/metadata/labels/app.kubernetes.io~1name") == "cert-manager"
        && text("/metadata/labels/app.kubernetes.io~1component") == "controller";
    if !by_image && !by_label {
        return None;
    }
    let version = tag(image).unwrap_or_else(|| text("/metadata/labels/app.kubernetes.io~1version"));
    let ready = deployment.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or_default() > 0;
    Some(CertManagerPlace {
        namespace: text("/metadata/namespace").to_owned(),
        name: text("/metadata/name").to_owned(),
        version: version.to_owned(),
        ready,
    })
}

/// A Rancher in the cluster, or an agent of one elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RancherThere {
    /// Image of the Deployment `cattle-system/rancher`.
    pub image: Option<String>,
    pub release: Option<ReleaseSeen>,
    /// `cattle-cluster-agent` runs: the cluster is managed by a Rancher that is not in it.
    pub managed: bool,
}

pub async fn rancher(cluster: &Cluster) -> Result<RancherThere, ClusterError> {
    let deployment = |name: &str| ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), name);
    let rancher = cluster.get(&deployment(RANCHER)).await?;
    let image = rancher.map(|found| {
        let image = found.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
        image.unwrap_or("an unknown image").to_owned()
    });
    Ok(RancherThere {
        image,
        release: release(cluster, NAMESPACE, RANCHER).await?,
        managed: cluster.get(&deployment("cattle-cluster-agent")).await?.is_some(),
    })
}

/// The tag of an image; `None` when only a digest, or nothing, says which one it is.
fn tag(image: &str) -> Option<&str> {
    Some(image.rsplit('/').next()?.split('@').next()?.split_once(':')?.1)
}

/// The version of the Rancher in the cluster, ready or not; `None` without one, or when nothing tells it.
pub async fn rancher_version(cluster: &Cluster) -> Result<Option<semver::Version>, ClusterError> {
    let deployment = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    Ok(cluster.get(&deployment).await?.as_ref().and_then(version_of_rancher))
}

/// By the tag of its image, else by the chart that made it (the published chart's label `chart: rancher-2.11.3`).
pub(super) fn version_of_rancher(deployment: &Value) -> Option<semver::Version> {
    let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str);
    let read = |text: &str| semver::Version::parse(text.trim_start_matches('v')).ok();
    let by_image = text("/spec/template/spec/containers/0/image").and_then(tag).and_then(read);
    let chart = || text("/metadata/labels/chart").or_else(|| text("/metadata/labels/helm.sh~1chart"));
    by_image.or_else(|| read(chart()?.strip_prefix("rancher-")?))
}

/// Whether cowhand made the namespace, for whichever inventory.
pub async fn namespace_by_cowhand(cluster: &Cluster, namespace: &str) -> Result<bool, ClusterError> {
    let found = cluster.get(&ObjectRef::new("v1", "Namespace", None, namespace)).await?;
    Ok(found.as_ref().and_then(|found| found.pointer("/metadata/labels")?.get(MADE_BY.0)?.as_str()) == Some(MADE_BY.1))
}

/// What a Rancher leaves that was taken away without its cleanup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormerRancher {
    /// Definitions of Rancher's own groups.
    pub definitions: Vec<String>,
    /// `ValidatingWebhookConfiguration/rancher.cattle.io`…
    pub webhooks: Vec<String>,
    /// cattle-* and fleet-*.
    pub namespaces: Vec<String>,
    /// Namespaces that cannot go away, with what holds them.
    pub stuck: Vec<String>,
}

/// k3s and rke2 have groups of that family for themselves.
const NOT_RANCHERS: [&str; 4] = ["helm.cattle.io", "k3s.cattle.io", "k3s.io", "upgrade.cattle.io"];

pub async fn former(cluster: &Cluster) -> Result<FormerRancher, ClusterError> {
    let definitions = cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, None).await?;
    let mut found = FormerRancher { definitions: ranchers(&definitions), ..FormerRancher::default() };
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let webhooks = cluster.list("admissionregistration.k8s.io/v1", kind, None, None).await?;
        let names = webhooks.iter().filter_map(|webhook| webhook["metadata"]["name"].as_str());
        let ranchers = names.filter(|name| name.ends_with("cattle.io"));
        found.webhooks.extend(ranchers.map(|name| format!("{}/{name}", kind.to_lowercase())));
    }
    for namespace in cluster.list("v1", "Namespace", None, None).await? {
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
        if name.starts_with("cattle-") || name.starts_with("fleet-") {
            found.namespaces.push(name.to_owned());
            found.stuck.extend(stuck(name, &namespace));
        }
    }
    Ok(found)
}

fn ranchers(definitions: &[Value]) -> Vec<String> {
    let groups = |one: &&Value| {
        let group = one.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default();
        group.ends_with("cattle.io") && !NOT_RANCHERS.contains(&group)
    };
    let names = definitions.iter().filter(groups).filter_map(|one| one["metadata"]["name"].as_str());
    names.map(str::to_owned).collect()
}

fn stuck(name: &str, namespace: &Value) -> Option<String> {
    namespace.pointer("/metadata/deletionTimestamp")?;
    let list = |pointer: &str| -> Vec<&str> {
        namespace.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let conditions = namespace.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let held = conditions
        .filter(|one| one["status"] == "True")
        .filter(|one| one["type"] == "NamespaceFinalizersRemaining" || one["type"] == "NamespaceContentRemaining")
        .filter_map(|one| one["message"].as_str())
        .next();
    let own = list("/metadata/finalizers").join(", ");
    let held = held.map_or_else(|| if own.is_empty() { "not yet gone".to_owned() } else { own }, str::to_owned);
    Some(format!("{name} ({held})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(version: &str, ours: bool) -> Inhabitant {
        let mut labels = json!({"owner": "helm", "name": "rancher", "version": version, "status": "deployed"});
        if ours {
            labels[MADE_BY.0] = json!(MADE_BY.1);
        }
        Inhabitant {
            object: ObjectRef::new(
                "v1",
                "Secret",
                Some("cattle-system"),
                &format!("sh.helm.release.v1.rancher.v{version}"),
            ),
            metadata: json!({"labels": labels}),
        }
    }

    #[test]
    fn the_newest_record_of_a_release_counts() {
        let releases = newest(&[record("2", true), record("10", false), record("9", true)]);
        assert_eq!(releases.len(), 1);
        assert_eq!((releases[0].revision, releases[0].by_cowhand), (10, false));
    }

    #[test]
    fn cert_manager_is_told_by_image_or_label_wherever_it_is() {
        let deployment = |image: &str, labels: Value| {
            json!({"metadata": {"name": "cm", "namespace": "security", "labels": labels},
                   "spec": {"template": {"spec": {"containers": [{"image": image}]}}}, "status": {"readyReplicas": 1}})
        };
        let place =
            cert_manager_place(&deployment("quay.io/jetstack/cert-manager-controller:v1.17.4@sha256:ab", json!({})));
        assert_eq!(
            place,
            Some(CertManagerPlace {
                namespace: "security".into(),
                name: "cm".into(),
                version: "v1.17.4".into(),
                ready: true
            })
        );
        let labels = json!({"app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller",
                            "app.kubernetes.io/version": "v1.16.1"});
        assert_eq!(cert_manager_place(&deployment("own/registry", labels)).unwrap().version, "v1.16.1");
        assert_eq!(cert_manager_place(&deployment("quay.io/jetstack/cert-manager-webhook:v1", json!({}))), None);
    }

    #[test]
    fn definitions_of_k3s_are_not_ranchers() {
        let definition = |name: &str, group: &str| json!({"metadata": {"name": name}, "spec": {"group": group}});
        let all = [
            definition("addons.k3s.cattle.io", "k3s.cattle.io"),
            definition("clusters.management.cattle.io", "management.cattle.io"),
            definition("certificates.cert-manager.io", "cert-manager.io"),
        ];
        assert_eq!(ranchers(&all), ["clusters.management.cattle.io"]);
    }

    #[test]
    fn a_namespace_that_cannot_go_says_what_holds_it() {
        let held = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"conditions": [
            {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "controller.cattle.io/x in 2 resources"}]}});
        assert_eq!(stuck("cattle-system", &held).unwrap(), "cattle-system (controller.cattle.io/x in 2 resources)");
        assert_eq!(stuck("cattle-system", &json!({"metadata": {}})), None);
    }

    #[test]
    fn the_version_of_rancher_is_its_image_s_else_its_chart_s() {
        let of = |image: &str, labels: Value| {
            let deployment = json!({"metadata": {"labels": labels},
                "spec": {"template": {"spec": {"containers": [{"image": image}]}}}});
            version_of_rancher(&deployment).map(|version| version.to_string())
        };
        assert_eq!(of("rancher/rancher:v2.11.3", json!({"chart": "rancher-2.11.2"})).as_deref(), Some("2.11.3"));
        assert_eq!(of("r:5000/rancher@sha256:ab", json!({"chart": "rancher-2.11.2"})).as_deref(), Some("2.11.2"));
        assert_eq!(of("r:5000/rancher:head", json!({"helm.sh/chart": "rancher-2.11.4"})).as_deref(), Some("2.11.4"));
        assert_eq!(of("r:5000/rancher:head", json!({})), None);
    }
}
