//! Backups for tests, made as cowhand makes them, with one place for each kind of harm.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::archive::{SNAPSHOT, STATE};
use super::flaw::Level;
use super::label::{FORMAT, LENGTH};
use super::manifest::{Entry, MANIFEST, Manifest, Source, Versions};
use super::proto::written::{bytes, number};
use super::seal::{Keys, Recipients};
use super::stored::{self, written};
use super::test_database::Database;
use super::together::tests::{ONE, token};

/// Entries of the tar stream: name and content.
pub type Entries = Vec<(String, Vec<u8>)>;

/// What a cluster was like, and what its backup says of it.
#[derive(Clone)]
pub struct Sample {
    pub name: &'static str,
    pub uid: &'static str,
    pub stored_uid: &'static str,
    pub ca: &'static str,
    pub stored_ca: &'static str,
    pub client_ca: &'static str,
    pub key: &'static str,
    pub token: Option<&'static str>,
    /// The key in rke's own copy of the state; no copy without one.
    pub inner_key: Option<&'static str>,
    pub encryption: Option<(&'static str, [u8; 32])>,
    pub stored_encryption: Option<(&'static str, [u8; 32])>,
    pub nodes: Vec<&'static str>,
    pub stored_nodes: Vec<&'static str>,
    pub kubernetes: &'static str,
    pub api: &'static str,
    /// More keys below `/registry/`, in the order in which they were written; `None` deletes.
    pub more: Vec<(&'static str, Option<Vec<u8>>)>,
    /// By how much the revision was raised afterwards, as etcd's own restore does it.
    pub raised: Option<u64>,
    /// Text of the state, if not what follows from the above.
    pub state: Option<&'static str>,
    pub meta: bool,
}

pub const CA: &str = "-----BEGIN CERTIFICATE-----\nONE\n-----END CERTIFICATE-----\n";
pub const OTHER_CA: &str = "-----BEGIN CERTIFICATE-----\nOTHER\n-----END CERTIFICATE-----\n";

impl Default for Sample {
    fn default() -> Sample {
        Sample {
            name: "prod",
            uid: "uid-of-prod",
            stored_uid: "uid-of-prod",
            ca: CA,
            stored_ca: CA,
            client_ca: CA,
            key: ONE,
            token: Some(ONE),
            inner_key: Some(ONE),
            encryption: None,
            stored_encryption: None,
            nodes: vec!["n1", "n2", "n3"],
            stored_nodes: vec!["n1", "n2", "n3"],
            kubernetes: "v1.32.2-rancher1-1",
            api: "v1.32.2",
            more: Vec::new(),
            raised: None,
            state: None,
            meta: true,
        }
    }
}

impl Sample {
    fn state_with(&self, key: &str) -> String {
        if let Some(text) = self.state {
            return text.to_owned();
        }
        let bundle = json!({
            "kube-ca": {"certificatePEM": self.ca, "keyPEM": "KEY"},
            "kube-service-account-token": {"certificatePEM": "PEM", "keyPEM": key},
        });
        let nodes: Vec<_> =
            self.nodes.iter().map(|name| json!({"address": "10.0.0.1", "hostnameOverride": name})).collect();
        let config = json!({"clusterName": self.name, "kubernetesVersion": self.kubernetes, "nodes": nodes});
        let encryption = self.encryption.map(|(name, key)| super::encryption::tests::configuration(name, &key));
        let half = json!({"rkeConfig": config, "certificatesBundle": bundle, "encryptionConfig": encryption});
        json!({"desiredState": half, "currentState": half}).to_string()
    }

    fn secret(&self, value: Vec<u8>) -> Vec<u8> {
        match self.stored_encryption {
            Some((name, key)) => super::encryption::tests::seal(name, &key, &value),
            None => value,
        }
    }

    /// What the API server stored, in the order in which it did.
    fn objects(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut objects = vec![
            (stored::KUBE_SYSTEM.to_owned(), Some(written::namespace(self.stored_uid))),
            (stored::ROOT_CA.to_owned(), Some(written::map(&[("ca.crt", self.stored_ca.as_bytes())], None))),
            (stored::CLIENT_CA.to_owned(), Some(written::map(&[("client-ca-file", self.client_ca.as_bytes())], None))),
        ];
        objects.extend(self.stored_nodes.iter().map(|name| (format!("minions/{name}"), Some(written::map(&[], None)))));
        objects.extend(self.inner_key.map(|key| {
            let state = self.state_with(key);
            let secret = written::map(&[("full-cluster-state", state.as_bytes())], Some("Opaque"));
            (stored::STATE.to_owned(), Some(self.secret(secret)))
        }));
        objects.extend(self.token.map(|key| {
            let secret = written::map(&[("token", token(key).as_bytes())], Some("kubernetes.io/service-account-token"));
            ("secrets/default/agent-token".to_owned(), Some(self.secret(secret)))
        }));
        objects.extend(self.more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        objects
    }

    /// etcd's database, without its hash, and its revision.
    pub fn database(&self) -> (Vec<u8>, u64) {
        let mut pairs = Vec::new();
        let mut revision = 1;
        for (key, value) in self.objects() {
            revision += 1;
            let mut at = [&u64::to_be_bytes(revision)[..], b"_", &[0; 8]].concat();
            let mut message = bytes(1, format!("/registry/{key}").as_bytes());
            match value {
                Some(value) => message.extend([number(2, revision), number(3, revision), bytes(5, &value)].concat()),
                None => at.push(b't'),
            }
            pairs.push((at, message));
        }
        if let Some(by) = self.raised {
            revision += by;
            pairs.push(([&u64::to_be_bytes(revision)[..], b"_", &[0; 8]].concat(), Vec::new()));
        }
        let mut database = Database::default();
        database.bucket("key", pairs);
        database.bucket("members", vec![(b"1".to_vec(), br#"{"name":"etcd-n1"}"#.to_vec())]);
        if self.meta {
            database.bucket("meta", vec![(b"term".to_vec(), vec![0; 8])]);
        }
        (database.bytes(), revision)
    }
}

/// What is done to a backup on its way into the file; all hashes that come after it are right again.
pub enum Harm {
    None,
    Sample(fn(&mut Sample)),
    /// etcd's database, before its hash is made.
    Database(fn(&mut Vec<u8>)),
    /// The snapshot with its hash.
    Snapshot(fn(&mut Vec<u8>)),
    Manifest(fn(&mut Manifest)),
    /// What stands in the tar stream, the manifest first.
    Entries(fn(&mut Entries)),
    /// The age file, before the label's hash is made.
    Sealed(fn(&mut Vec<u8>)),
    /// The file as it lies there.
    File(fn(&mut Vec<u8>)),
}

pub fn with_hash(database: Vec<u8>) -> Vec<u8> {
    let hash = Sha256::digest(&database);
    [database, hash.to_vec()].concat()
}

fn entry(name: &str, bytes: &[u8]) -> Entry {
    let sha256 = HEXLOWER.encode(&Sha256::digest(bytes));
    Entry { name: name.into(), what: name.into(), path: None, length: bytes.len() as u64, sha256 }
}

pub fn manifest(sample: &Sample, revision: u64, entries: Vec<Entry>) -> Manifest {
    Manifest {
        format: FORMAT,
        name: sample.name.into(),
        uid: sample.uid.into(),
        taken: "2026-11-30T03:15:00Z".parse().unwrap(),
        versions: Versions { kubernetes: sample.api.into(), ..Versions::default() },
        source: Source { revision, ..Source::default() },
        keys: 0,
        objects: Default::default(),
        entries,
        not_in_it: Vec::new(),
        level: Level::Together,
        proofs: Vec::new(),
    }
}

/// A backup of this sample with this harm, sealed for these; where it lies.
pub fn made(folder: &Path, mut sample: Sample, harm: &Harm, recipients: &Recipients) -> PathBuf {
    if let Harm::Sample(harm) = harm {
        harm(&mut sample);
    }
    let (mut database, revision) = sample.database();
    if let Harm::Database(harm) = harm {
        harm(&mut database);
    }
    let mut snapshot = with_hash(database);
    if let Harm::Snapshot(harm) = harm {
        harm(&mut snapshot);
    }
    let state = sample.state_with(sample.key).into_bytes();
    let mut manifest = manifest(&sample, revision, vec![entry(SNAPSHOT, &snapshot), entry(STATE, &state)]);
    if let Harm::Manifest(harm) = harm {
        harm(&mut manifest);
    }
    let mut entries: Entries = vec![
        (MANIFEST.into(), serde_json::to_vec(&manifest).unwrap()),
        (SNAPSHOT.into(), snapshot),
        (STATE.into(), state),
    ];
    if let Harm::Entries(harm) = harm {
        harm(&mut entries);
    }
    let mut sealed = seal(&entries, recipients);
    if let Harm::Sealed(harm) = harm {
        harm(&mut sealed);
    }
    let mut label = manifest.label();
    (label.length, label.sha256) = (sealed.len() as u64, HEXLOWER.encode(&Sha256::digest(&sealed)));
    let mut file = [label.bytes().unwrap(), sealed].concat();
    assert_eq!(file.iter().position(|byte| *byte == b'\n'), Some(LENGTH - 1));
    if let Harm::File(harm) = harm {
        harm(&mut file);
    }
    let path = folder.join("prod.cowhand");
    std::fs::write(&path, file).unwrap();
    path
}

pub fn seal(entries: &Entries, recipients: &Recipients) -> Vec<u8> {
    let mut tar = tar::Builder::new(recipients.seal(Vec::new()).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

pub fn keys() -> (Keys, Recipients) {
    Keys::generate()
}
