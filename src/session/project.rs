//! The inventory with its workspace: what every command that reaches something starts from.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::engine::rke::leaves::leaves;
use crate::engine::rke::state::State;
use crate::facts::cluster::{IngressClass, default_class};
use crate::facts::existing::ClusterObserved;
use crate::facts::{self, WorkspaceFacts};
use crate::failure::{Exit, Failure};
use crate::inventory::Inventory;
use crate::local::Workspace;
use crate::remote::read_regular;
use crate::session::identity::Identity;
use crate::session::{Context, Wanted, adoption, file_keys};

/// The inventory, read, and the folder around it.
pub struct Project {
    pub file: PathBuf,
    pub inventory: Inventory,
    pub workspace: Workspace,
    /// With engine existing.
    pub identity: Identity,
}

impl Project {
    pub fn open(context: &Context) -> Result<Project, Failure> {
        let Wanted { file, folder, mut inventory } = context.wanted()?;
        let workspace = Workspace::at(folder);
        let identity = Identity::open(&workspace, &mut inventory)?;
        Ok(Project { file, inventory, workspace, identity })
    }

    /// The same, with what only the cluster that is there can say: which ingress class is Rancher's, and what serves it.
    pub fn fitted(&self, cluster: Option<&ClusterObserved>) -> Project {
        let classes = cluster.and_then(ClusterObserved::seen).and_then(|seen| seen.classes.as_deref().ok());
        self.with_classes(classes.unwrap_or_default())
    }

    /// [`Project::fitted`], by the classes alone. A class that is not among them stays as the file has it.
    pub fn with_classes(&self, classes: &[IngressClass]) -> Project {
        let class = match self.inventory.ingress.class.as_str() {
            "" => default_class(classes),
            named => classes.iter().find(|class| class.name == named),
        };
        let mut inventory = self.inventory.clone();
        if let Some(class) = class {
            inventory = inventory.with_class(&class.name, &class.controller);
        }
        Project {
            file: self.file.clone(),
            inventory,
            workspace: self.workspace.clone(),
            identity: self.identity.clone(),
        }
    }

    /// The same without this node, whether the inventory has it or not.
    pub fn without_node(&self, name: &str) -> Project {
        let mut inventory = self.inventory.clone();
        inventory.nodes.retain(|node| node.name != name);
        Project {
            file: self.file.clone(),
            inventory,
            workspace: self.workspace.clone(),
            identity: self.identity.clone(),
        }
    }

    /// Where the first login's password lies, or will lie.
    pub fn password_file(&self) -> PathBuf {
        let given = self.inventory.rancher.bootstrap_password.clone();
        given.unwrap_or_else(|| self.workspace.secrets().join("bootstrap-password"))
    }

    /// The first login's password; `None` when it is not made yet.
    pub fn password(&self) -> Result<Option<SecretString>, Failure> {
        let bytes = read_optional(&self.password_file())?;
        let text = bytes.map(|bytes| SecretString::from(String::from_utf8_lossy(&bytes).trim().to_string()));
        Ok(text.filter(|text| !text.expose_secret().is_empty()))
    }

    /// RKE's state in the workspace, when it is there and whole.
    pub fn state(&self) -> Option<State> {
        let bytes = self.workspace.state_bytes().ok()??;
        let state = State::parse(std::str::from_utf8(&bytes).ok()?).ok()?;
        let hidden = self.inventory.engine.rke_settings().map(file_keys::keys).unwrap_or_default();
        Some(state.taken_over_as(adoption::digest(&self.inventory, &self.workspace)).hiding(hidden))
    }

    /// One that cannot be read is named by `certs` and refused by `rotate`.
    fn first_leaf(&self) -> Option<(String, jiff::Timestamp)> {
        let state = self.state()?;
        let leaves = leaves(&state.certificates(), &[], jiff::Timestamp::now()).ok()?;
        leaves.into_iter().next().map(|leaf| (leaf.name, leaf.ends))
    }

    /// What the workspace knows of the cluster: its state file's CAs, never its keys.
    pub fn workspace_facts(&self) -> Result<WorkspaceFacts, Failure> {
        let path = self.workspace.cluster_state();
        let unread = |error: crate::local::WorkspaceError| Failure::of(Exit::ChecksFailed, &error);
        let bytes = self.workspace.state_bytes().map_err(unread)?;
        let broken = self.workspace.to_mend().map_err(unread)?;
        let state = match (bytes, &broken) {
            (Some(bytes), _) => facts::StateFile::read(path, &String::from_utf8_lossy(&bytes)),
            // What no cluster can be mended from proves of none that it is ours.
            (None, Some((reason, _))) => facts::StateFile::Unreadable { path, reason: reason.clone() },
            (None, None) => facts::StateFile::Absent,
        };
        Ok(WorkspaceFacts { state, broken, first_leaf: self.first_leaf(), pinned: self.identity.pinned.clone() })
    }
}

#[cfg(test)]
impl Project {
    /// A whole state of RKE with this kubeconfig in it.
    pub fn state_of_test(kubeconfig: &str) -> String {
        let bundle = serde_json::json!({
            "kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}, "kube-admin": {"config": kubeconfig},
        });
        serde_json::json!({"desiredState": {"certificatesBundle": bundle}, "currentState": {}}).to_string()
    }

    /// Three nodes, a made CA, and this folder as workspace.
    pub fn of_test(folder: &Path) -> Project {
        let text = "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n\
            engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
            rancher: {hostname: rancher.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";
        let file = folder.join("prod.yml");
        let surroundings = crate::inventory::Environment { home: None, folder: folder.into(), variable: &|_| None };
        let inventory = crate::inventory::parse(text, &file, &surroundings).unwrap();
        Project { file, inventory, workspace: Workspace::at(folder), identity: Identity::default() }
    }
}

/// No certificate, key or state file comes near this; a device and a disk image do.
const LARGEST: u64 = 16 * 1024 * 1024;

pub(crate) fn read_optional(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::with_cause(Exit::ChecksFailed, format!("{} cannot be read", path.display()), &error))
        }
    }
}

pub(super) fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    read_regular(path, LARGEST).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Environment;
    use crate::tls::{Files, Material};

    fn project(ingress: &str) -> Project {
        let text = format!(
            "name: shared\nengine: {{existing: {{kubeconfig: kubeconfig}}}}\n{ingress}\
             rancher: {{hostname: rancher.example.com, version: 2.11.5, tls: {{mode: rancher, issuer: blank, passthrough: true}}}}\n"
        );
        let environment = Environment { home: None, folder: PathBuf::from("/srv"), variable: &|_| None };
        let inventory = crate::inventory::parse(&text, Path::new("inventory.yml"), &environment).unwrap();
        let workspace = Workspace::at(PathBuf::from("/srv"));
        Project { file: "inventory.yml".into(), inventory, workspace, identity: Identity::default() }
    }

    fn class(name: &str, controller: &str, default: bool) -> IngressClass {
        IngressClass { name: name.into(), controller: controller.into(), default }
    }

    #[test]
    fn the_cluster_says_the_class_and_what_serves_it() {
        let material = Material::read(&Files::default()).unwrap();
        let classes = [
            class("web", "traefik.io/ingress-controller", true),
            class("nginx", "nginx.org/ingress-controller", false),
        ];
        let site_of_default = project("");
        assert!(site_of_default.refuse(&material).is_ok(), "nobody has looked yet");
        let fitted = site_of_default.with_classes(&classes);
        assert_eq!(fitted.inventory.ingress.class, "web");
        assert!(fitted.picture(&material).unwrap().objects.iter().any(|one| one.manifest["kind"] == "IngressRouteTCP"));
        let named = project("ingress: {class: nginx}\n").with_classes(&classes);
        assert!(named.refuse(&material).unwrap_err().because[0].contains("nginx.org/ingress-controller"));
        // One that is not there is the check's business; no plan is made for it.
        let absent = project("ingress: {class: other}\n").with_classes(&classes);
        assert!(absent.refuse(&material).is_ok() && absent.picture(&material).is_err());
    }
}
