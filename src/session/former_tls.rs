//! What there is of a former TLS set-up: objects, mounts, a certificate of another issuer, pods that know older files.

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, FIELD_MANAGER, ObjectRef};
use crate::failure::Failure;
use crate::plan::leftovers::{candidates, has_part_of_ours, part};
use crate::plan::rancher::{
    LISTENER_SECRET, ListenerLeaf, NAMESPACE, RANCHER, READ_AT_START, RancherFound, RancherWanted,
};
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::Inputs;
use crate::tls::{self, INGRESS_SECRET, Origin, Sense, Variant};

/// Adds it to what was found of the wanted objects.
pub async fn look(
    inputs: &Inputs<'_>,
    reached: &ClusterApi,
    wanted: &RancherWanted<'_>,
    found: &mut RancherFound,
) -> Result<(), Failure> {
    let cluster = &reached.cluster;
    let release = crate::facts::inhabitants::release(cluster, NAMESPACE, RANCHER).await.map_err(unseen)?.is_some();
    let looks = candidates(wanted).into_iter().map(async |object| {
        let metadata = cluster.metadata(&object).await?;
        Ok::<_, ClusterError>(metadata.map(|metadata| (object, metadata)))
    });
    let there = futures::future::try_join_all(looks).await.map_err(unseen)?;
    found.leftovers = part(&inputs.picture, release, there.into_iter().flatten().collect());
    let extends = inputs.picture.objects.iter().any(|object| object.manifest["kind"] == "Deployment");
    let deployment = ObjectRef::new("apps/v1", "Deployment", Some(NAMESPACE), RANCHER);
    let deployment = cluster.metadata(&deployment).await.map_err(unseen)?;
    found.leftovers.mounts = !extends && deployment.as_ref().is_some_and(has_part_of_ours);
    found.stale = stale(inputs, cluster, found).await.map_err(unseen)?;
    found.unread = unread(inputs, cluster).await.map_err(unseen)?;
    found.listener_leaf = listener_leaf(inputs, cluster).await.map_err(unseen)?;
    Ok(())
}

/// Why cert-manager has to be asked for a certificate although one is there. It would keep a CA's that was replaced, and
/// files that were given before: it writes its marks upon them before it looks whose they are (seen with v1.11.5).
async fn stale(inputs: &Inputs<'_>, cluster: &Cluster, found: &RancherFound) -> Result<Option<String>, ClusterError> {
    let Sense::Makes(recipe) = inputs.picture.cell.sense else { return Ok(None) };
    let Some(chain) = public_part(cluster, INGRESS_SECRET).await? else { return Ok(None) };
    let secret = ObjectRef::new("v1", "Secret", Some(NAMESPACE), INGRESS_SECRET);
    let given = cluster.metadata(&secret).await?.as_ref().is_some_and(is_given);
    let not_of = |ca: &[u8]| tls::signed_by(&chain, ca) == Some(false);
    let because = match recipe.origin {
        Origin::CaIssuer | Origin::AcmeIssuer | Origin::ChartIssuer if given => {
            "the one that is there was given as a file"
        }
        Origin::CaIssuer if inputs.material.ca().is_some_and(|ca| not_of(ca.as_bytes())) => {
            "the one that is there is not from the CA that is given now"
        }
        Origin::AcmeIssuer if another_server(inputs, cluster, found).await? => {
            "the one that is there is from another ACME server"
        }
        Origin::ChartIssuer => match another_source(inputs, cluster, &chain).await? {
            Some(because) => because,
            None => return Ok(None),
        },
        Origin::CaIssuer
        | Origin::AcmeIssuer
        | Origin::Files
        | Origin::Balancer
        | Origin::PodFiles
        | Origin::PodCa
        | Origin::PodOwn => return Ok(None),
    };
    Ok(Some(because.into()))
}

/// With passthrough clients see what Rancher's own listener signed, with the given CA or the one that Rancher made.
async fn listener_leaf(inputs: &Inputs<'_>, cluster: &Cluster) -> Result<ListenerLeaf, ClusterError> {
    let ca = match inputs.picture.cell.recipe().map(|recipe| recipe.origin) {
        Some(Origin::PodCa) => inputs.material.ca().map(|ca| ca.as_bytes().to_vec()),
        Some(Origin::PodOwn) => public_part(cluster, "tls-rancher").await?,
        Some(
            Origin::CaIssuer
            | Origin::AcmeIssuer
            | Origin::ChartIssuer
            | Origin::Files
            | Origin::Balancer
            | Origin::PodFiles,
        )
        | None => None,
    };
    let Some(ca) = ca else { return Ok(ListenerLeaf::Absent) };
    let Some(leaf) = public_part(cluster, LISTENER_SECRET).await? else { return Ok(ListenerLeaf::Absent) };
    Ok(if tls::signed_by(&leaf, &ca) == Some(false) { ListenerLeaf::OfAnother } else { ListenerLeaf::OfTheCa })
}

/// The Certificate stays, and the Issuer of the same name is another one, or was one when this certificate was asked for: a
/// run that was killed after the Issuer's change left the former certificate.
async fn another_server(inputs: &Inputs<'_>, cluster: &Cluster, found: &RancherFound) -> Result<bool, ClusterError> {
    let as_wanted = |name: &str| found.objects_as_wanted.iter().any(|one| one == name);
    if !as_wanted(&format!("Certificate/{INGRESS_SECRET}")) {
        return Ok(false);
    }
    let issuer = ObjectRef::new("cert-manager.io/v1", "Issuer", Some(NAMESPACE), "cattle-issuer-acme");
    if !as_wanted("Issuer/cattle-issuer-acme") {
        return Ok(cluster.metadata(&issuer).await?.is_some());
    }
    let there = cluster.get(&issuer).await?;
    let account = there.as_ref().and_then(|issuer| issuer.pointer("/status/acme/uri")?.as_str());
    let server = inputs.project.inventory.rancher.tls.acme.as_ref().and_then(|acme| acme.server.as_deref());
    let known: Vec<&str> = server.into_iter().chain(account).collect();
    let requests = records(cluster, "cert-manager.io/v1", "CertificateRequest").await?;
    let orders = records(cluster, "acme.cert-manager.io/v1", "Order").await?;
    Ok(is_of_another_server(&known, &requests, &orders))
}

/// cert-manager's records; none where the user may not read them, since nothing else needs that right.
async fn records(cluster: &Cluster, api: &str, kind: &str) -> Result<Vec<Value>, ClusterError> {
    match cluster.list(api, kind, Some(NAMESPACE), None).await {
        Err(error) if error.is_forbidden() => Ok(Vec::new()),
        other => other,
    }
}

/// The Order that the newest request for the certificate led to is on another host than the directory and the account, each
/// of which may have a place of its own (RFC 8555, 7.1).
fn is_of_another_server(known: &[&str], requests: &[Value], orders: &[Value]) -> bool {
    let annotation = |one: &Value, name: &str| {
        one.pointer("/metadata/annotations")?.get(format!("cert-manager.io/{name}"))?.as_str().map(str::to_string)
    };
    let revision = |one: &Value| annotation(one, "certificate-revision").and_then(|text| text.parse::<u64>().ok());
    let ours = requests.iter().filter(|one| annotation(one, "certificate-name").as_deref() == Some(INGRESS_SECRET));
    let Some(newest) = ours.max_by_key(|one| revision(one)) else { return false };
    let owned = |order: &&Value| {
        let owners = order.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners.into_iter().flatten().any(|owner| owner["uid"] == newest["metadata"]["uid"])
    };
    let url = orders.iter().find(owned).and_then(|order| order.pointer("/status/url")?.as_str());
    url.is_some_and(|url| known.iter().all(|one| authority(one) != authority(url)))
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The chart gives all its Issuers one name.
async fn another_source(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    chain: &[u8],
) -> Result<Option<&'static str>, ClusterError> {
    let issuer = tls::issuer_name(chain).unwrap_or_default();
    let (lets_encrypt, staging) = (issuer.contains("Let's Encrypt"), issuer.contains("(STAGING)"));
    let by_rancher = public_part(cluster, "tls-rancher").await?.map(|ca| tls::signed_by(chain, &ca));
    // Let's Encrypt's own names tell staging and production apart.
    Ok(match inputs.picture.cell.variant {
        Variant::ChartCa if by_rancher == Some(Some(false)) => {
            Some("the one that is there is not from Rancher's own CA")
        }
        Variant::Staging | Variant::Production if by_rancher == Some(Some(true)) => {
            Some("the one that is there is from Rancher's own CA")
        }
        Variant::Staging if lets_encrypt && !staging => Some("the one that is there is not from staging"),
        Variant::Production if staging => Some("the one that is there is from staging"),
        Variant::ChartCa
        | Variant::Staging
        | Variant::Production
        | Variant::PublicCa
        | Variant::PrivateCa
        | Variant::OwnCa
        | Variant::MadeCa
        | Variant::OwnAcme => None,
    })
}

/// Whether cowhand wrote the certificate in this Secret, and nobody another one since.
fn is_given(metadata: &Value) -> bool {
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let mut own = entries.filter(|entry| entry["manager"] == FIELD_MANAGER);
    own.any(|entry| entry.pointer("/fieldsV1/f:data/f:tls.crt").is_some())
}

/// The certificates of a TLS Secret, never its key.
pub(crate) async fn public_part(cluster: &Cluster, name: &str) -> Result<Option<Vec<u8>>, ClusterError> {
    let data = cluster.read_secret(NAMESPACE, name).await?;
    Ok(data.and_then(|data| data.get("tls.crt").map(|bytes| bytes.expose_secret().to_vec())))
}

/// Secrets that cowhand wrote after one of Rancher's running pods had started: a run was ended before the restart.
async fn unread(inputs: &Inputs<'_>, cluster: &Cluster) -> Result<Vec<String>, ClusterError> {
    let mut unread = Vec::new();
    let pods = cluster.list("v1", "Pod", Some(NAMESPACE), Some("app=rancher")).await?;
    let Some(oldest) = pods.iter().filter_map(started).min() else { return Ok(unread) };
    let wanted = inputs.picture.secrets.iter().filter(|secret| READ_AT_START.contains(&secret.name));
    for secret in wanted {
        let object = ObjectRef::new("v1", "Secret", Some(NAMESPACE), secret.name);
        let metadata = cluster.metadata(&object).await?;
        if metadata.as_ref().and_then(written).is_some_and(|written| written > oldest) {
            unread.push(secret.name.to_string());
        }
    }
    Ok(unread)
}

fn time(value: &Value) -> Option<jiff::Timestamp> {
    value.as_str()?.parse().ok()
}

/// When the container of a running pod started.
fn started(pod: &Value) -> Option<jiff::Timestamp> {
    let containers = pod.pointer("/status/containerStatuses")?.as_array()?;
    containers.iter().filter_map(|one| time(one.pointer("/state/running/startedAt")?)).min()
}

/// When cowhand last changed the object.
fn written(metadata: &Value) -> Option<jiff::Timestamp> {
    let entries = metadata["managedFields"].as_array()?;
    let own = entries.iter().filter(|entry| entry["manager"] == FIELD_MANAGER);
    own.filter_map(|entry| time(&entry["time"])).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_given_certificate_is_known_by_who_wrote_it() {
        let by = |manager: &str, field: &str| json!({"managedFields": [{"manager": manager, "fieldsV1": {"f:data": {field: {}}}}]});
        assert!(is_given(&by("cowhand", "f:tls.crt")));
        assert!(!is_given(&by("cowhand", "f:ca.crt")));
        assert!(!is_given(&by("cert-manager-certificates-issuing", "f:tls.crt")));
    }

    #[test]
    fn a_pod_that_started_before_the_secret_was_written_has_not_read_it() {
        let pod =
            json!({"status": {"containerStatuses": [{"state": {"running": {"startedAt": "2026-11-23T10:00:05Z"}}}]}});
        let entry = |manager: &str, time: &str| json!({"manager": manager, "time": time});
        let secret =
            json!({"managedFields": [entry("cowhand", "2026-11-23T10:00:06Z"), entry("x", "2026-11-23T11:00:00Z")]});
        assert!(written(&secret).unwrap() > started(&pod).unwrap());
        assert_eq!(started(&json!({"status": {"containerStatuses": [{"state": {"waiting": {}}}]}})), None);
    }

    #[test]
    fn an_order_tells_which_server_the_certificate_is_from() {
        let request = |uid: &str, of: &str, revision: &str| {
            json!({"metadata": {"uid": uid, "annotations": {
                "cert-manager.io/certificate-name": of, "cert-manager.io/certificate-revision": revision,
            }}})
        };
        let order =
            |owner: &str, url: &str| json!({"metadata": {"ownerReferences": [{"uid": owner}]}, "status": {"url": url}});
        let requests =
            [request("new", INGRESS_SECRET, "10"), request("old", INGRESS_SECRET, "9"), request("other", "x", "11")];
        let orders = [
            order("new", "https://new.test:14000/order/1"),
            order("old", "https://old.test/order/2"),
            order("other", "https://old.test/order/3"),
        ];
        let another = |directory: &str| is_of_another_server(&[directory], &requests, &orders);
        assert!(!another("https://new.test:14000/dir"));
        assert!(another("https://old.test/directory"));
        assert!(another("https://new.test:15000/dir"));
        assert!(!is_of_another_server(
            &["https://directory.test", "https://new.test:14000/account/7"],
            &requests,
            &orders
        ));
        // What nobody wrote down is no reason to ask for a certificate again at each run.
        assert!(!is_of_another_server(&["https://old.test/directory"], &requests, &[]));
        assert!(!is_of_another_server(&["https://old.test/directory"], &[], &orders));
    }
}
