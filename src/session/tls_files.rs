//! The TLS files of an inventory: read, judged, and what follows from them.

use std::fs;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::inventory::TlsIssuer;
use crate::session::made_ca::{Found, MadeCa};
use crate::session::project::{Project, read, read_optional};
use crate::tls::{self, Files, Judgement, Material, NodeClock, Picture, Refusal, Request, names};

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

impl Project {
    /// The CA that cowhand makes, when issuer ca is asked for and no CA is given.
    pub fn made_ca(&self) -> Option<MadeCa> {
        let tls = &self.inventory.rancher.tls;
        let made = tls.issuer == TlsIssuer::Ca && tls.ca.is_none();
        let (certificate, key) = (self.workspace.folder().join("ca.pem"), self.workspace.secrets().join("ca-key.pem"));
        made.then_some(MadeCa { certificate, key })
    }

    /// The TLS files that the inventory names, and the CA made earlier. One that is named and not there is a mistake, and
    /// so is an absent file of the first login's password; all of them are told at once.
    pub fn tls_files(&self) -> Result<TlsFiles, Failure> {
        self.files_with(Vec::new())
    }

    /// The same for whoever plans or checks an installation: that needs the charts of this disk, too.
    pub fn installed_files(&self) -> Result<TlsFiles, Failure> {
        let unfit = crate::session::charts::unfit(&self.inventory)
            .into_iter()
            .chain(crate::session::bucket_ca::unfit(&self.inventory))
            .chain(crate::session::file_keys::unfit(&self.inventory));
        let files = self.files_with(unfit.map(|(key, why)| self.at(&key, &why)).collect())?;
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
        if let Some(ca) = self.made_ca() {
            match ca.look(self)? {
                Found::Whole(pair) | Found::Unfinished(pair) => {
                    (files.ca, files.ca_key) = (Some(pair.certificate.bytes), Some(pair.key.bytes));
                }
                Found::Nothing | Found::Unused { .. } => {}
                Found::Half { there, missing } => return Err(half(&there, &missing)),
            }
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
    Failure::with_cause(Exit::Inventory, "this TLS set-up cannot work", refusal)
}

/// A CA without its key, or the other way round, that a cluster may live by: nothing is made over it.
fn half(there: &Path, missing: &Path) -> Failure {
    let error = format!("{} is there, but {} is not", there.display(), missing.display());
    Failure::new(Exit::Inventory, error)
        .hint("`cowhand recover-state` brings the missing one back from the cluster that lives by it; if the CA serves nobody yet, move the other one away and a new CA is made")
}
