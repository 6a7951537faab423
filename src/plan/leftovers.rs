//! What a former TLS set-up left behind. RKE applies a changed addon but deletes nothing, and nobody but cowhand knows
//! the objects that it makes beside the chart. Looked for by name among all that the TLS table can make; removed only
//! when cowhand made it.

use serde_json::{Map, Value};

use super::rancher_wanted::{NAMESPACE, RANCHER, RancherWanted, identity};
use crate::cluster::{FIELD_MANAGER, ObjectRef};
use crate::inventory::Delivery;
use crate::tls::{INGRESS_SECRET, MAKEABLE, Origin, Picture, Sense};

/// By what an object is known as cowhand's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// cowhand applied it, and nobody else but cert-manager wrote it.
    Cowhand,
    /// It bears Helm's marks of release `rancher`, and no such release is there: the addon brought it.
    Addon,
    /// cert-manager made it for Rancher's Ingress.
    Ingress,
    /// cert-manager put into this Secret what the Certificate of Rancher's name asked for.
    Certificate,
    Somebody,
}

/// What is there of what the wanted set-up does without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// To go before anything is written: they would change it again.
    pub first: Vec<ObjectRef>,
    /// To go when what is wanted stands.
    pub last: Vec<ObjectRef>,
    /// Rancher's Deployment still mounts the certificate files of a former set-up.
    pub mounts: bool,
    /// cert-manager makes a certificate for Rancher's Ingress, as its annotations ask, and nothing wants it any more.
    pub by_ingress: bool,
    /// Told, and left as they are: somebody else made them or changed them.
    pub foreign: Vec<ObjectRef>,
}

/// The objects to look for: all that could have been made and are not wanted.
pub fn candidates(wanted: &RancherWanted<'_>) -> Vec<ObjectRef> {
    let own = wanted.picture.objects.iter().map(|object| &object.manifest);
    let mut names: Vec<String> = own.chain(wanted.addon).chain(&wanted.later).map(identity).collect();
    names.extend(wanted.picture.secrets.iter().map(|secret| format!("Secret/{}", secret.name)));
    if matches!(origin(wanted.picture), Some(Origin::CaIssuer | Origin::AcmeIssuer | Origin::ChartIssuer)) {
        names.push(format!("Secret/{INGRESS_SECRET}"));
    }
    let charts = |kind: &str, name: &str| name == RANCHER && ["Ingress", "Issuer"].contains(&kind);
    MAKEABLE
        .iter()
        // Helm takes away by itself what its chart no longer has.
        .filter(|(_, kind, name)| wanted.inventory.rancher.delivery == Delivery::Addon || !charts(kind, name))
        .filter(|(_, kind, name)| !names.contains(&format!("{kind}/{name}")))
        .map(|(api, kind, name)| ObjectRef::new(api, kind, Some(NAMESPACE), name))
        .collect()
}

/// Parts what was found of the candidates, each with its metadata. `release`: Helm has a release `rancher`.
pub fn part(picture: &Picture, release: bool, found: Vec<(ObjectRef, Value)>) -> Leftovers {
    let mut leftovers = Leftovers::default();
    for (object, metadata) in found {
        let maker = maker(&metadata, release);
        let is = |kind: &str, name: &str| object.kind == kind && object.name == name;
        leftovers.by_ingress |=
            maker == Maker::Ingress && object.kind == "Certificate" && origin(picture) != Some(Origin::ChartIssuer);
        let list = match maker {
            // Rancher makes this one itself.
            Maker::Somebody if is("Secret", "tls-rancher") => continue,
            Maker::Somebody => &mut leftovers.foreign,
            Maker::Ingress if origin(picture) == Some(Origin::ChartIssuer) => continue,
            // cert-manager would write the Secret again; Rancher would take the CA that it finds there.
            _ if object.kind == "Certificate" || is("Secret", "tls-rancher") => &mut leftovers.first,
            Maker::Cowhand | Maker::Addon | Maker::Ingress | Maker::Certificate => &mut leftovers.last,
        };
        list.push(object);
    }
    leftovers
}

fn origin(picture: &Picture) -> Option<Origin> {
    match picture.cell.sense {
        Sense::Makes(recipe) => Some(recipe.origin),
        Sense::Refused { .. } => None,
    }
}

/// Reads the marks in an object's metadata.
pub fn maker(metadata: &Value, release: bool) -> Maker {
    let text = |pointer: &str| metadata.pointer(pointer).and_then(Value::as_str);
    let helm = text("/labels/app.kubernetes.io~1managed-by") == Some("Helm")
        && text("/annotations/meta.helm.sh~1release-name") == Some(RANCHER)
        && text("/annotations/meta.helm.sh~1release-namespace") == Some(NAMESPACE);
    if helm {
        return if release { Maker::Somebody } else { Maker::Addon };
    }
    let owners = metadata.pointer("/ownerReferences").and_then(Value::as_array);
    let of_ingress =
        |owner: &Value| owner["kind"] == "Ingress" && owner["name"] == RANCHER && owner["controller"] == true;
    if owners.into_iter().flatten().any(of_ingress) {
        return Maker::Ingress;
    }
    let writers = writers(metadata);
    let known = |writer: &&str| writer.starts_with(FIELD_MANAGER) || writer.starts_with("cert-manager");
    if !writers.iter().all(known) {
        return Maker::Somebody;
    }
    if writers.contains(&FIELD_MANAGER) {
        return Maker::Cowhand;
    }
    match text("/annotations/cert-manager.io~1certificate-name") {
        Some(INGRESS_SECRET) => Maker::Certificate,
        Some(_) | None => Maker::Somebody,
    }
}

/// Who wrote fields of it, status aside.
fn writers(metadata: &Value) -> Vec<&str> {
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let own = entries.filter(|entry| entry["subresource"].as_str().is_none_or(str::is_empty));
    own.filter_map(|entry| entry["manager"].as_str()).collect()
}

/// Whether cowhand applied a part of an object that somebody else made.
pub fn has_part_of_ours(metadata: &Value) -> bool {
    writers(metadata).contains(&FIELD_MANAGER)
}

/// Rancher's Deployment with nothing in it: applied, it takes back every field that cowhand applied before.
pub fn bare_deployment() -> Value {
    let mut manifest = Map::new();
    manifest.insert("apiVersion".into(), "apps/v1".into());
    manifest.insert("kind".into(), "Deployment".into());
    manifest.insert("metadata".into(), serde_json::json!({"name": RANCHER, "namespace": NAMESPACE}));
    Value::Object(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written_by(managers: &[&str]) -> Value {
        json!({"managedFields": managers.iter().map(|manager| json!({"manager": manager})).collect::<Vec<_>>()})
    }

    #[test]
    fn only_what_cowhand_made_alone_is_cowhands() {
        assert_eq!(maker(&written_by(&["cowhand"]), false), Maker::Cowhand);
        assert_eq!(maker(&written_by(&["cowhand", "cert-manager-certificates-issuing"]), false), Maker::Cowhand);
        assert_eq!(maker(&written_by(&["cowhand", "kubectl-edit"]), false), Maker::Somebody);
        assert_eq!(maker(&written_by(&["kubectl-create"]), false), Maker::Somebody);
        assert_eq!(maker(&json!({}), false), Maker::Somebody);
        let mut status = written_by(&["cowhand"]);
        status["managedFields"].as_array_mut().unwrap().push(json!({"manager": "traefik", "subresource": "status"}));
        assert_eq!(maker(&status, false), Maker::Cowhand);
    }

    #[test]
    fn what_the_addon_brought_is_ours_until_helm_takes_it_over() {
        let marks = json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations":
            {"meta.helm.sh/release-name": "rancher", "meta.helm.sh/release-namespace": "cattle-system"}});
        assert_eq!(maker(&marks, false), Maker::Addon);
        assert_eq!(maker(&marks, true), Maker::Somebody);
        let mut other = marks;
        other["annotations"]["meta.helm.sh/release-name"] = json!("other");
        assert_eq!(maker(&other, false), Maker::Somebody);
    }

    #[test]
    fn what_cert_manager_made_for_us_is_known_by_its_marks() {
        let owner = json!({"kind": "Ingress", "name": "rancher", "controller": true});
        assert_eq!(maker(&json!({"ownerReferences": [owner]}), false), Maker::Ingress);
        let mut secret = written_by(&["cert-manager-certificates-issuing"]);
        assert_eq!(maker(&secret, false), Maker::Somebody);
        secret["annotations"] = json!({"cert-manager.io/certificate-name": "tls-rancher-ingress"});
        assert_eq!(maker(&secret, false), Maker::Certificate);
    }
}
