//! The way back from cluster.yml to an inventory: a cluster that plain rke built, taken over as it runs.
//!
//! The reverse of `cluster_yml`. Whatever the file says stands in the inventory again, in a file that the inventory
//! names, or in the list of what is named with its reason. What only a running cluster may have, and no new one may ask
//! for, is found by reading the inventory that comes out: what the reader refuses of `cluster` goes into `kept`.

mod cluster;
mod from_state;
mod model;
mod nodes;
mod rancher;
mod running;
mod secrets;
mod snapshots;
mod text;

use std::path::Path;

use secrecy::ExposeSecret;

use super::cluster_yml::{Additions, cluster_yml, noted_digest};
use crate::inventory::{Engine, Environment, Foreign, Mistakes, Values, versions};

pub use from_state::{NoConfiguration, from_state};
pub use model::{Adopted, Fate, Given, Named, NotAdoptable, RancherPart, SecretFile};
pub use rancher::in_addons;
pub use running::{Certificate, Running, TLS_FOLDER, TlsFiles, part as running, secret_places};
pub use snapshots::rhythm;

/// Makes the inventory.
///
/// # Errors
/// When the file is not rke's, or says something of nodes or names that no inventory can say.
pub fn adopt(given: &Given<'_>) -> Result<Adopted, NotAdoptable> {
    refuse(given.file)?;
    let mut rest = given.file.config.clone();
    let mut named: Vec<Named> = given.file.unknown.iter().map(|key| unknown(key)).collect();
    let name = cluster::text(&mut rest, "cluster_name").unwrap_or_else(|| "local".into());
    let kubernetes = cluster::text(&mut rest, "kubernetes_version");
    let kubernetes = given.kubernetes.map(str::to_owned).or(kubernetes);
    let mut secrets = Vec::new();
    let mut machines = nodes::machines(&mut rest, given.folder, &mut secrets, &mut named)?;
    machines.ssh.extend(given.known_hosts.map(|file| ("known_hosts".to_owned(), file.into())));
    cluster::orders(&mut rest, &mut named);
    let nginx = cluster::is_nginx(&mut rest);
    snapshots::renew(&mut rest, &mut named);
    cluster::includes(&mut rest, given.folder, &mut named);
    let addons = rest.get("addons").and_then(serde_json::Value::as_str).and_then(in_addons);
    let files = secrets::take_out(&mut rest, &mut secrets, &mut named);
    let draft = text::Draft {
        name,
        rke: kubernetes.as_deref().map(rke_for),
        kubernetes,
        machines,
        cluster: rest,
        kept: Values::new(),
        files,
        nginx,
        rancher: given.rancher.clone(),
    };
    let mut warnings = warnings(&draft);
    warnings.extend(addons.map(|_| {
        "`addons` hold Rancher itself: `up` refuses to install one by helm over it, until it was brought to Helm"
            .to_owned()
    }));
    let name = draft.name.clone();
    let addresses = draft.machines.nodes.iter().filter_map(|node| Some(node.get("address")?.as_str()?.to_owned()));
    let addresses = addresses.collect();
    let Settled { inventory, filled, open, digest } = settle(draft, &secrets, &mut named)?;
    Ok(Adopted { inventory, filled, secrets, named, open, warnings, name, addresses, digest })
}

/// The digest that cluster.yml will bear; nothing of Rancher is in it.
fn digest(draft: &text::Draft, secrets: &[SecretFile]) -> Option<String> {
    draft.kubernetes.as_ref()?;
    let inventory = read(&draft.filled()).ok()?;
    let Engine::Rke(rke) = &inventory.engine else { return None };
    let value = |path: &str| {
        let secret = secrets.iter().find(|one| Path::new("/").join(&one.path) == Path::new(path))?;
        let text = secret.text.expose_secret();
        if path.ends_with(".json") { serde_json::from_str(text).ok() } else { Some(serde_json::Value::from(text)) }
    };
    let files = rke.files.iter().map(|one| Some((one.key.clone(), value(one.file.to_str()?)?)));
    let additions = Additions { files: files.collect::<Option<_>>()?, ..Additions::default() };
    noted_digest(&cluster_yml(&inventory, rke, &additions)).map(str::to_owned)
}

fn read(text: &str) -> Result<crate::inventory::Inventory, Mistakes> {
    let nowhere = Environment { home: Some("/".into()), folder: "/".into(), variable: &|_| None };
    crate::inventory::parse(text, Path::new("inventory.yml"), &nowhere)
}

fn refuse(file: &Foreign) -> Result<(), NotAdoptable> {
    let has = |key: &str| file.config.contains_key(key);
    if file.unknown.iter().any(|key| key == "rancher_kubernetes_engine_config") {
        return Err(NotAdoptable::OfRancher);
    }
    if !has("nodes") {
        return Err(NotAdoptable::NoNodes);
    }
    match file.config.get("services").and_then(|services| services.get("etcd")?.get("external_urls")) {
        Some(_) => Err(NotAdoptable::EtcdElsewhere),
        None => Ok(()),
    }
}

fn unknown(key: &str) -> Named {
    let why = "rke knows no such key and passes over it without a word".into();
    Named { key: key.to_owned(), fate: Fate::Left, why }
}

/// The last public release that carries this Kubernetes (github.com/rancher-archives/rke releases).
fn rke_for(kubernetes: &str) -> &'static str {
    use crate::inventory::defaults::RKE_VERSION;
    let minor = versions::KubernetesVersion::read(kubernetes).map(|version| version.minor);
    let carries = versions::rke_list(RKE_VERSION).is_some_and(|list| list.contains(&kubernetes));
    match minor {
        Some(27) => "v1.6.9",
        Some(28 | 29) => "v1.7.3",
        Some(..27) => "v1.5.14",
        Some(30..) if carries => RKE_VERSION,
        Some(30..) | None => RKE_VERSION,
    }
}

/// An inventory in which nothing is wrong but what is open.
struct Settled {
    inventory: String,
    filled: String,
    open: Vec<String>,
    digest: Option<String>,
}

impl Settled {
    fn of(draft: &text::Draft, secrets: &[SecretFile], open: Vec<String>) -> Settled {
        Settled { inventory: draft.text(), filled: draft.filled(), open, digest: digest(draft, secrets) }
    }
}

/// Moves what the reader refuses of `cluster` into `kept`, until the rest is an inventory or nothing can be moved.
fn settle(mut draft: text::Draft, secrets: &[SecretFile], named: &mut Vec<Named>) -> Result<Settled, NotAdoptable> {
    const CLUSTER: &str = "engine.rke.cluster.";
    loop {
        let text = draft.text();
        let Err(mistakes) = read(&text) else { return Ok(Settled::of(&draft, secrets, Vec::new())) };
        let mut moved = false;
        for mistake in &mistakes.list {
            let Some(key) = mistake.key.strip_prefix(CLUSTER) else { continue };
            if let Some(key) = cluster::keep(&mut draft.cluster, &mut draft.kept, key) {
                named.push(Named { key, fate: Fate::Kept, why: mistake.message.clone() });
                moved = true;
            }
        }
        if !moved {
            let (open, wrong): (Vec<_>, Vec<_>) =
                mistakes.list.iter().cloned().partition(|one| draft.is_open(&one.key));
            if wrong.is_empty() {
                let open = open.iter().map(|one| one.key.clone()).collect();
                return Ok(Settled::of(&draft, secrets, open));
            }
            return Err(NotAdoptable::Mistakes(Mistakes { list: wrong, ..mistakes }));
        }
    }
}

/// What no check is needed for to see.
fn warnings(draft: &text::Draft) -> Vec<String> {
    let count = |role: &str| draft.machines.nodes.iter().filter(|node| nodes::has_role(node, role)).count();
    let mut warnings = Vec::new();
    match count("etcd") {
        1 => warnings.push("one node has the role etcd: losing it loses the cluster".to_owned()),
        etcd if etcd.is_multiple_of(2) => {
            warnings.push(format!("{etcd} nodes have the role etcd: losing {} of them stops the cluster", etcd / 2));
        }
        _ => {}
    }
    if count("controlplane") == 1 {
        warnings.push("one node has the role controlplane: without it nothing in the cluster changes any more".into());
    }
    if draft.cluster.contains_key("system_images") {
        warnings.push(
            "system_images are pinned as they run; an upgrade of Kubernetes needs them changed or removed".into(),
        );
    }
    warnings
}
