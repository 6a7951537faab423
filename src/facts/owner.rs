//! Whose a cluster that was there before is: its own identity, and the mark that an inventory leaves in it.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cluster::{NAMESPACE, RANCHER};
use super::inhabitants::{ReleaseSeen, release};
use crate::cluster::{Cluster, ClusterError, MADE_BY, MARK, ObjectRef, unpacked_record};

/// The cluster that an inventory was first run on; no other one is taken for it from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Of the kubeconfig; meant where the inventory names none.
    pub context: String,
    /// e.g. `https://10.0.0.11:6443`.
    pub server: String,
    /// UID of namespace kube-system: as old as the cluster, and of no other one.
    pub cluster: String,
}

/// The pin as it lies in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    pub path: PathBuf,
    pub pin: Pin,
}

impl Pinned {
    /// What was seen and what to do about it, where this way leads to another cluster than the pinned one.
    pub fn refusal(&self, context: &str, server: &str, uid: &str) -> Option<(String, String)> {
        let Pinned { path, pin } = self;
        if pin.cluster == uid {
            return None;
        }
        let seen = format!(
            "context {context} ({server}) leads to the cluster with the UID {uid}, but this inventory works on the cluster \
             with the UID {} (context {}, {})",
            pin.cluster, pin.context, pin.server
        );
        let fix = format!(
            "give engine.existing.context a context that leads to {}, or put the kubeconfig right; for another cluster, use an \
             inventory with another name. If that cluster is gone for good, remove {}: the next `cowhand up` pins anew",
            pin.server,
            path.display()
        );
        Some((seen, fix))
    }
}

/// The inventory of this run, as a mark names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub inventory: String,
    /// Made once for each inventory of a workspace; `None` before its first run that changes something.
    pub uid: Option<String>,
    /// Of Rancher.
    pub hostname: String,
    /// `uid` was typed, to take over the mark of another workspace.
    pub taking: bool,
}

/// What an inventory leaves in a cluster that was there before, as long as something of its own is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub inventory: String,
    pub uid: String,
}

impl Mark {
    pub fn object() -> ObjectRef {
        ObjectRef::new("v1", "ConfigMap", Some(MARK.0), MARK.1)
    }

    pub fn manifest(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": MARK.1, "namespace": MARK.0, "labels": {MADE_BY.0: MADE_BY.1}},
            "data": {"inventory": self.inventory, "uid": self.uid},
        })
    }

    fn read(found: &Value) -> Option<Mark> {
        let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let inventory = text("/data/inventory").unwrap_or("without a name").to_owned();
        Some(Mark { inventory, uid: text("/data/uid")?.to_owned() })
    }
}

/// Whose what cowhand made in the cluster is. The only rule: `check`, `plan`, `up` and `down` go by it, for releases,
/// namespaces and objects alike, since a cluster has one Rancher and so one inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// RKE's state proves the whole cluster to be this workspace's.
    Built,
    /// The mark is this inventory's.
    Ours(Mark),
    /// An older cowhand, which left no mark, installed the Rancher there, and that has this inventory's host name.
    Older,
    /// No mark, and no Rancher of cowhand's.
    Free,
    /// The mark is another inventory's.
    Another(Mark),
    /// The mark of an inventory with this name, and another UID than the one that was typed.
    NotTaken { mark: Mark, typed: String },
    /// An older cowhand's Rancher with another host name, or with none.
    OtherHost(Option<String>),
}

impl Claim {
    /// By the mark, else by the host name of a Rancher that an older cowhand installed.
    fn of(owner: &Owner, mark: Option<Mark>, older: Option<Option<String>>) -> Claim {
        match (mark, older) {
            // The UID alone does not do: with `--take-over` it is whatever somebody typed.
            (Some(mark), _) if owner.uid.as_ref() == Some(&mark.uid) && owner.inventory == mark.inventory => {
                Claim::Ours(mark)
            }
            (Some(mark), _) if owner.taking && owner.inventory == mark.inventory => {
                Claim::NotTaken { mark, typed: owner.uid.clone().unwrap_or_default() }
            }
            (Some(mark), _) => Claim::Another(mark),
            (None, Some(Some(hostname))) if hostname.eq_ignore_ascii_case(&owner.hostname) => Claim::Older,
            (None, Some(hostname)) => Claim::OtherHost(hostname),
            (None, None) => Claim::Free,
        }
    }

    /// Whether what cowhand made in the cluster is this inventory's to change and to remove.
    pub fn is_ours(&self) -> bool {
        match self {
            Claim::Built | Claim::Ours(_) | Claim::Older => true,
            Claim::Free | Claim::Another(_) | Claim::NotTaken { .. } | Claim::OtherHost(_) => false,
        }
    }

    /// Whether this release is: cowhand installed it, for this inventory. The namespace does not tell: somebody may have
    /// put a release of his own into one that cowhand made.
    pub fn covers(&self, release: Option<&ReleaseSeen>) -> bool {
        self.is_ours() && release.is_some_and(|release| release.by_cowhand)
    }
}

/// Looks for the mark, and where there is none at the Rancher that an older cowhand installed.
pub async fn claim(cluster: &Cluster, owner: &Owner) -> Result<Claim, ClusterError> {
    let mark = mark(cluster).await?;
    if mark.is_some() {
        return Ok(Claim::of(owner, mark, None));
    }
    let older = match release(cluster, NAMESPACE, RANCHER).await?.filter(|release| release.by_cowhand) {
        Some(release) => Some(hostname(cluster, &release).await?),
        None => None,
    };
    Ok(Claim::of(owner, None, older))
}

/// The host name that the Rancher of release `rancher` was given, as Helm's record has it; `None` without one.
pub async fn rancher_hostname(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    match release(cluster, NAMESPACE, RANCHER).await? {
        Some(release) => hostname(cluster, &release).await,
        None => Ok(None),
    }
}

async fn mark(cluster: &Cluster) -> Result<Option<Mark>, ClusterError> {
    let object = Mark::object();
    let Some(found) = cluster.get(&object).await? else { return Ok(None) };
    let unread = || ClusterError::Answer { doing: format!("read {object}"), why: "it has no data.uid".into() };
    Mark::read(&found).map(Some).ok_or_else(unread)
}

/// UID of namespace kube-system.
pub async fn cluster_uid(cluster: &Cluster) -> Result<String, ClusterError> {
    let object = ObjectRef::new("v1", "Namespace", None, "kube-system");
    let metadata = cluster.metadata(&object).await?;
    let uid = metadata.as_ref().and_then(|metadata| metadata["uid"].as_str()).filter(|uid| !uid.is_empty());
    let unread = || ClusterError::Answer { doing: format!("read {object}"), why: "it has no UID".into() };
    uid.map(str::to_owned).ok_or_else(unread)
}

/// The value `hostname` that the release was given. Of the record nothing else is looked at.
async fn hostname(cluster: &Cluster, release: &ReleaseSeen) -> Result<Option<String>, ClusterError> {
    let name = format!("sh.helm.release.v1.{}.v{}", release.name, release.revision);
    let data = cluster.read_secret(&release.namespace, &name).await?;
    let record = data.as_ref().and_then(|data| data.get("release"));
    let unread = || ClusterError::Answer { doing: format!("read {name}"), why: "it is no record of a release".into() };
    given_hostname(record.ok_or_else(unread)?.expose_secret()).ok_or_else(unread)
}

/// The host name that was given to a release, by its record; `None` when it is no record.
fn given_hostname(record: &[u8]) -> Option<Option<String>> {
    #[derive(Deserialize)]
    struct Record {
        config: Option<Values>,
    }
    #[derive(Deserialize)]
    struct Values {
        hostname: Option<String>,
    }
    let record: Record = serde_json::from_slice(&unpacked_record(record)?).ok()?;
    Some(record.config.and_then(|values| values.hostname))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn owner(uid: Option<&str>) -> Owner {
        let (inventory, hostname) = ("prod".into(), "rancher.example.com".into());
        Owner { inventory, uid: uid.map(str::to_owned), hostname, taking: false }
    }

    fn marked(inventory: &str, uid: &str) -> Mark {
        Mark { inventory: inventory.into(), uid: uid.into() }
    }

    #[test]
    fn a_mark_is_ours_by_its_uid_and_its_name() {
        for (uid, mark, ours) in [
            (Some("u1"), marked("prod", "u1"), true),
            // Whoever read the UID off a refusal and typed it under another name.
            (Some("u1"), marked("former", "u1"), false),
            // Another workspace with an inventory of the same name.
            (Some("u1"), marked("prod", "u2"), false),
            (None, marked("prod", "u1"), false),
        ] {
            let claim = Claim::of(&owner(uid), Some(mark.clone()), None);
            assert_eq!(claim.is_ours(), ours, "{uid:?} {mark:?}");
            assert_eq!(claim, if ours { Claim::Ours(mark) } else { Claim::Another(mark) });
        }
    }

    #[test]
    fn a_uid_that_was_typed_wrongly_is_told_apart_from_none() {
        let taking = Owner { taking: true, ..owner(Some("u9")) };
        let mark = marked("prod", "u1");
        let claim = Claim::of(&taking, Some(mark.clone()), None);
        assert!(!claim.is_ours());
        assert_eq!(claim, Claim::NotTaken { mark, typed: "u9".into() });
        let other = marked("former", "u1");
        assert_eq!(Claim::of(&taking, Some(other.clone()), None), Claim::Another(other));
    }

    #[test]
    fn without_a_mark_the_host_name_decides() {
        let of = |older| Claim::of(&owner(Some("u1")), None, older);
        assert_eq!(of(None), Claim::Free);
        assert_eq!(of(Some(Some("Rancher.example.com".into()))), Claim::Older);
        assert_eq!(of(Some(Some("other.example.com".into()))), Claim::OtherHost(Some("other.example.com".into())));
        assert_eq!(of(Some(None)), Claim::OtherHost(None));
        assert!(
            of(Some(Some("rancher.example.com".into()))).is_ours() && !of(None).is_ours() && !of(Some(None)).is_ours()
        );
    }

    #[test]
    fn a_release_is_ours_when_cowhand_installed_it_and_the_cluster_is_ours() {
        let release = |by_cowhand| ReleaseSeen {
            namespace: "traefik".into(),
            name: "traefik".into(),
            revision: 1,
            status: "deployed".into(),
            by_cowhand,
        };
        let ours = Claim::Ours(marked("prod", "u1"));
        assert!(ours.covers(Some(&release(true))) && Claim::Built.covers(Some(&release(true))));
        assert!(!ours.covers(Some(&release(false))) && !ours.covers(None));
        for other in [Claim::Free, Claim::Another(marked("prod", "u2")), Claim::OtherHost(None)] {
            assert!(!other.covers(Some(&release(true))), "{other:?}");
        }
    }

    #[test]
    fn another_cluster_than_the_pinned_one_is_refused_with_both_named() {
        let pin = Pin { context: "prod".into(), server: "https://a:6443".into(), cluster: "u-a".into() };
        let pinned = Pinned { path: "x.pin.json".into(), pin };
        // The address may change, and the context may be renamed.
        assert_eq!(pinned.refusal("other", "https://b:6443", "u-a"), None);
        let (seen, fix) = pinned.refusal("prod", "https://b:6443", "u-b").unwrap();
        for part in ["context prod (https://b:6443)", "UID u-b", "UID u-a", "(context prod, https://a:6443)"] {
            assert!(seen.contains(part), "{part} in {seen}");
        }
        assert!(fix.contains("leads to https://a:6443") && fix.contains("remove x.pin.json"), "{fix}");
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let mark = marked("prod", "u1");
        assert_eq!(Mark::read(&mark.manifest()), Some(mark));
        assert_eq!(Mark::read(&json!({"data": {"inventory": "prod", "uid": ""}})), None);
    }

    #[test]
    fn the_host_name_of_a_release_is_read_from_its_record() {
        let record = |text: &str| {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            packed.write_all(text.as_bytes()).unwrap();
            let bytes = k8s_openapi::ByteString(packed.finish().unwrap());
            serde_json::to_value(bytes).unwrap().as_str().unwrap().as_bytes().to_vec()
        };
        let read = |text: &str| given_hostname(&record(text));
        assert_eq!(
            read(r#"{"name": "rancher", "config": {"hostname": "a.test", "replicas": 3}}"#),
            Some(Some("a.test".into()))
        );
        assert_eq!(read(r#"{"name": "rancher", "config": {"replicas": 3}}"#), Some(None));
        assert_eq!(read(r#"{"name": "rancher"}"#), Some(None));
        assert_eq!((read("x"), given_hostname(b"not base64")), (None, None));
    }
}
