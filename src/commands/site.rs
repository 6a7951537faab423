//! The inventory with its workspace and its TLS files: what every command that reaches something starts from.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::{Context, Wanted};
use crate::execute::Workspace;
use crate::facts::cluster::{IngressClass, default_class};
use crate::facts::existing::ClusterObserved;
use crate::facts::{self, WorkspaceFacts};
use crate::inventory::{Engine, Inventory, Rke, TlsIssuer};
use crate::report::{Exit, Failure};
use crate::tls::{self, Files, Judgement, Material, NodeClock, Picture, Refusal, Request, names};

/// The inventory, read, and the folder around it.
pub struct Site {
    pub file: PathBuf,
    pub inventory: Inventory,
    pub workspace: Workspace,
}

/// The TLS files as they lie on disk.
#[derive(Default)]
pub struct TlsFiles {
    certificate: Option<Zeroizing<Vec<u8>>>,
    key: Option<Zeroizing<Vec<u8>>>,
    ca: Option<Zeroizing<Vec<u8>>>,
    ca_key: Option<Zeroizing<Vec<u8>>>,
    also_trust: Option<Zeroizing<Vec<u8>>>,
    acme_server_ca: Option<Zeroizing<Vec<u8>>>,
}

impl TlsFiles {
    fn borrowed(&self) -> Files<'_> {
        fn bytes(file: &Option<Zeroizing<Vec<u8>>>) -> Option<&[u8]> {
            file.as_deref().map(Vec::as_slice)
        }
        Files {
            certificate: bytes(&self.certificate),
            key: bytes(&self.key),
            ca: bytes(&self.ca),
            ca_key: bytes(&self.ca_key),
            also_trust: bytes(&self.also_trust),
            acme_server_ca: bytes(&self.acme_server_ca),
        }
    }
}

impl Site {
    pub fn open(context: &Context) -> Result<Site, Failure> {
        let Wanted { file, folder, inventory } = context.wanted()?;
        Ok(Site { file, inventory, workspace: Workspace::at(folder) })
    }

    /// The same, with what only the cluster that is there can say: which ingress class is Rancher's, and what serves it.
    pub fn fitted(&self, cluster: Option<&ClusterObserved>) -> Site {
        let classes = cluster.and_then(ClusterObserved::seen).and_then(|seen| seen.classes.as_deref().ok());
        self.with_classes(classes.unwrap_or_default())
    }

    /// [`Site::fitted`], by the classes alone. A class that is not among them stays as the file has it.
    pub fn with_classes(&self, classes: &[IngressClass]) -> Site {
        let class = match self.inventory.ingress.class.as_str() {
            "" => default_class(classes),
            named => classes.iter().find(|class| class.name == named),
        };
        let mut inventory = self.inventory.clone();
        if let Some(class) = class {
            inventory = inventory.with_class(&class.name, &class.controller);
        }
        Site { file: self.file.clone(), inventory, workspace: self.workspace.clone() }
    }

    /// The engine that builds a cluster on the nodes; some commands are for it alone.
    pub fn rke(&self) -> Option<&Rke> {
        match &self.inventory.engine {
            Engine::Rke(rke) => Some(rke),
            Engine::Existing(_) => None,
        }
    }

    /// Certificate and key of the CA that cowhand makes, when issuer ca is asked for and no CA is given.
    pub fn made_ca(&self) -> Option<(PathBuf, PathBuf)> {
        let tls = &self.inventory.rancher.tls;
        let made = tls.issuer == TlsIssuer::Ca && tls.ca.is_none();
        let key = self.workspace.secrets().join("ca-key.pem");
        made.then(|| (self.workspace.folder().join("ca.pem"), key))
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

    /// What the workspace knows of the cluster: its state file's CAs, never its keys.
    pub fn workspace_facts(&self) -> Result<WorkspaceFacts, Failure> {
        let path = self.workspace.cluster_state();
        let unread = |error| Failure::of(Exit::ChecksFailed, &error);
        let bytes = self.workspace.state_bytes().map_err(unread)?;
        let state = match bytes {
            None => facts::StateFile::Absent,
            Some(bytes) => facts::StateFile::read(path, &String::from_utf8_lossy(&bytes)),
        };
        Ok(WorkspaceFacts { state, broken: self.workspace.to_mend().map_err(unread)? })
    }

    /// The TLS files that the inventory names, and the CA made earlier. One that is named and not there is a mistake, and
    /// so is an absent file of the first login's password; all of them are told at once.
    pub fn tls_files(&self) -> Result<TlsFiles, Failure> {
        self.files_with(Vec::new())
    }

    /// The same for whoever plans or checks an installation: that needs the charts of this disk, too.
    pub fn installed_files(&self) -> Result<TlsFiles, Failure> {
        let charts = super::charts::unfit(&self.inventory).into_iter();
        let files = self.files_with(charts.map(|(key, why)| self.at(&key, &why)).collect())?;
        self.refuse_no_password()?;
        Ok(files)
    }

    /// A file without a password in it is never written over: Rancher would come up with one that nobody knows.
    fn refuse_no_password(&self) -> Result<(), Failure> {
        let file = self.password_file();
        if self.password()?.is_some() || read_optional(&file)?.is_none() {
            return Ok(());
        }
        let (at, hint) = match self.inventory.rancher.bootstrap_password {
            Some(_) => {
                let empty = format!("{} is empty", file.display());
                (self.at("rancher.bootstrap_password", &empty), "write the password of the first login into it")
            }
            None => (
                format!("{}, the file of the first login's password, is empty", file.display()),
                "write the password into it, or remove it: `cowhand up` then makes one",
            ),
        };
        Err(Failure::new(Exit::Inventory, at).hint(hint))
    }

    /// `unread` is what was missed already.
    fn files_with(&self, mut unread: Vec<String>) -> Result<TlsFiles, Failure> {
        let rancher = &self.inventory.rancher;
        let tls = &rancher.tls;
        let mut named = |key: &str, path: Option<&Path>| {
            let key = format!("rancher.{key}");
            let read = read(path?).map_err(|error| unread.push(self.unread(&key, path, &error)));
            read.ok()
        };
        let mut files = TlsFiles {
            certificate: named(names::CERTIFICATE, tls.certificate.as_deref()),
            key: named(names::KEY, tls.key.as_deref()),
            ca: named(names::CA, tls.ca.as_deref()),
            ca_key: named(names::CA_KEY, tls.ca_key.as_deref()),
            also_trust: named(names::ALSO_TRUST, tls.also_trust.as_deref()),
            acme_server_ca: named(names::ACME_SERVER_CA, tls.acme.as_ref().and_then(|acme| acme.server_ca.as_deref())),
        };
        named("bootstrap_password", rancher.bootstrap_password.as_deref());
        if let Some((first, others)) = unread.split_first() {
            let others = others.iter().fold(Failure::new(Exit::Inventory, first), Failure::because);
            return Err(others.hint("give the path of the file; a relative path is taken from the inventory's folder"));
        }
        if let Some((certificate, key)) = self.made_ca() {
            (files.ca, files.ca_key) = (read_optional(&certificate)?, read_optional(&key)?);
            refuse_half(&certificate, files.ca.is_some(), &key, files.ca_key.is_some())?;
        }
        Ok(files)
    }

    /// Says which line of the inventory names a file that cannot be read.
    fn unread(&self, key: &str, path: Option<&Path>, error: &std::io::Error) -> String {
        self.at(key, &format!("{} cannot be read: {error}", path.unwrap_or(Path::new("")).display()))
    }

    /// What is wrong with what this key of the inventory names, with its line.
    fn at(&self, key: &str, why: &str) -> String {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let place = crate::inventory::place_of(&text, key).map(|place| format!(":{}:{}", place.line, place.column));
        format!("{}{}  {key}: {why}", self.file.display(), place.unwrap_or_default())
    }

    /// What the certificate judge says of them, by this machine's clock and the nodes'.
    pub fn judgements(&self, files: &TlsFiles, node_clocks: &[NodeClock]) -> Vec<Judgement> {
        let borrowed = files.borrowed();
        if borrowed.is_empty() {
            return Vec::new();
        }
        // read only where they are asked for: there are some hundred files of them
        let asks_system = files.certificate.is_some() && files.ca.is_none();
        let roots = if asks_system { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
        let cell = tls::table_cell(&self.inventory.rancher.tls);
        let roots: Vec<&[u8]> = roots.iter().map(AsRef::as_ref).collect();
        tls::judge(&Request {
            hostname: &self.inventory.rancher.hostname,
            files: borrowed,
            public_ca: files.ca.is_none(),
            system_roots: &roots,
            first_ca_only: cell.and_then(tls::Cell::recipe).is_some_and(|it| it.cacerts == tls::Cacerts::TlsRancher),
            now: jiff::Timestamp::now(),
            node_clocks,
        })
    }

    /// The files, tidied for use.
    pub fn material(&self, files: &TlsFiles) -> Result<Material, Failure> {
        Material::read(&files.borrowed()).map_err(|error| Failure::of(Exit::Inventory, &error))
    }

    /// Everything that follows from mode, issuer, files and what serves the ingress class.
    pub fn picture(&self, material: &Material) -> Result<Picture, Failure> {
        tls::picture(&self.inventory, material).map_err(|refusal| refused(&refusal))
    }

    /// Refuses a set-up that cannot work. What only the cluster can tell is left open until it was looked at.
    pub fn refuse(&self, material: &Material) -> Result<(), Failure> {
        match tls::picture(&self.inventory, material) {
            Err(refusal) if !refusal.until_seen => Err(refused(&refusal)),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn refused(refusal: &Refusal) -> Failure {
    Failure::new(Exit::Inventory, "this TLS set-up cannot work").because(refusal).maybe_hint(refusal.hint())
}

#[cfg(test)]
impl Site {
    /// Three nodes, a made CA, and this folder as workspace.
    pub fn of_test(folder: &Path) -> Site {
        let text = "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n\
            engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
            rancher: {hostname: rancher.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";
        let file = folder.join("prod.yml");
        let surroundings = crate::inventory::Environment { home: None, folder: folder.into(), variable: &|_| None };
        let inventory = crate::inventory::parse(text, &file, &surroundings).unwrap();
        Site { file, inventory, workspace: Workspace::at(folder) }
    }
}

/// A CA without its key, or the other way round, is somebody's half-done work: nothing is made over it.
fn refuse_half(certificate: &Path, has_certificate: bool, key: &Path, has_key: bool) -> Result<(), Failure> {
    if has_certificate == has_key {
        return Ok(());
    }
    let (there, missing) = if has_certificate { (certificate, key) } else { (key, certificate) };
    let error = format!("{} is there, but {} is not", there.display(), missing.display());
    Err(Failure::new(Exit::Inventory, error)
        .hint("`cowhand recover-state` brings the missing one back from the cluster that lives by it; if the CA serves nobody yet, move the other one away and a new CA is made"))
}

/// No certificate, key or state file comes near this; a device and a disk image do.
const LARGEST: u64 = 16 * 1024 * 1024;

fn read_optional(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::with_cause(Exit::ChecksFailed, format!("{} cannot be read", path.display()), &error))
        }
    }
}

/// A whole regular file of a sensible size.
fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if about.len() > LARGEST {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    fs::read(path).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Environment;

    fn site(ingress: &str) -> Site {
        let text = format!(
            "name: shared\nengine: {{existing: {{kubeconfig: kubeconfig}}}}\n{ingress}\
             rancher: {{hostname: rancher.example.com, version: 2.11.5, tls: {{mode: rancher, issuer: blank, passthrough: true}}}}\n"
        );
        let environment = Environment { home: None, folder: PathBuf::from("/srv"), variable: &|_| None };
        let inventory = crate::inventory::parse(&text, Path::new("inventory.yml"), &environment).unwrap();
        Site { file: "inventory.yml".into(), inventory, workspace: Workspace::at(PathBuf::from("/srv")) }
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
        let site_of_default = site("");
        assert!(site_of_default.refuse(&material).is_ok(), "nobody has looked yet");
        let fitted = site_of_default.with_classes(&classes);
        assert_eq!(fitted.inventory.ingress.class, "web");
        assert!(fitted.picture(&material).unwrap().objects.iter().any(|one| one.manifest["kind"] == "IngressRouteTCP"));
        let named = site("ingress: {class: nginx}\n").with_classes(&classes);
        assert!(named.refuse(&material).unwrap_err().because[0].contains("nginx.org/ingress-controller"));
        // One that is not there is the check's business; no plan is made for it.
        let absent = site("ingress: {class: other}\n").with_classes(&classes);
        assert!(absent.refuse(&material).is_ok() && absent.picture(&material).is_err());
    }
}
