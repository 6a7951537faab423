//! May this host be talked to: judged by the files of known hosts and all else that the ssh configuration asks for.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use russh::Preferred;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::algorithms::{Algorithms, usual_kinds};
use super::host_key::{Accepted, HostKeyProblem, Offered, Unknown};
use super::known_command::Reason;
use super::known_hosts::{self, HostName, KnownFile, KnownHosts, Place, Verdict};
use super::known_store::KnownStore;
use super::revoked;
use super::route::{KnownFiles, Route, Strictness};

/// What is known about one host at the moment of connecting.
pub(super) struct Trust {
    place: String,
    files: KnownFiles,
    algorithms: Algorithms,
    known: KnownHosts,
    /// What is known of its address, if that is to be compared.
    address: Option<KnownHosts>,
    accepted: Accepted,
}

impl Trust {
    /// Reads the files of known hosts. `address` is the one connected to, where that is known.
    pub fn read(route: &Route, address: Option<IpAddr>, store: &KnownStore, accepted: Accepted) -> io::Result<Self> {
        let host = HostName::new(&route.host, route.port, route.known.alias.as_deref());
        let mut known = KnownHosts::of(host);
        let mut at_address = address
            .filter(|address| asks_for(route, *address))
            .map(|address| KnownHosts::of(HostName::new(&address.to_string(), route.port, None)));
        for path in route.known.user.iter().chain(&route.known.global) {
            let file = store.file(path)?;
            known.add(&file);
            if let Some(at_address) = &mut at_address {
                at_address.add(&file);
            }
        }
        let (files, algorithms) = (route.known.clone(), route.algorithms.clone());
        Ok(Trust { place: route.place.clone(), files, algorithms, known, address: at_address, accepted })
    }

    /// Which kinds of host keys to ask for: known kinds first, certificates only where an authority is spoken of.
    pub async fn preferred(&self) -> Result<Preferred, HostKeyProblem> {
        let known = self.with_command(&self.known, Reason::Order).await?;
        let kinds_known = known.kinds();
        let position =
            |kind: &Algorithm| kinds_known.iter().position(|one| same_kind(one, kind)).unwrap_or(kinds_known.len());
        let mut kinds = usual_kinds();
        kinds.sort_by_key(position);
        Ok(self.algorithms.preferred(kinds, known.speaks_of_authorities()))
    }

    /// What the files say, and KnownHostsCommand if there is one.
    async fn with_command(&self, known: &KnownHosts, reason: Reason<'_>) -> Result<KnownHosts, HostKeyProblem> {
        let mut known = known.clone();
        if let Some(command) = &self.files.command {
            let answer = command.ask(&known.host().name, reason).await;
            let text = answer.map_err(|reason| HostKeyProblem::NoAnswer { place: self.place.clone(), reason })?;
            known.add(&KnownFile::parse(&text, Path::new("KnownHostsCommand")));
        }
        Ok(known)
    }

    pub async fn judge(&self, offered: &PublicKeyOrCertificate) -> Result<(), HostKeyProblem> {
        match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.refuse_at_all(&[key.key_data()])?;
                let known = self.with_command(&self.known, Reason::HostName(key)).await?;
                self.judge_key(key, &known)?;
                self.judge_address(key).await
            }
            PublicKeyOrCertificate::Certificate(certificate) => {
                let key = PublicKey::new(certificate.public_key().clone(), "");
                self.refuse_at_all(&[key.key_data(), certificate.signature_key()])?;
                let known = self.with_command(&self.known, Reason::HostName(&key)).await?;
                self.judge_certificate(certificate, &known).or_else(|problem| match known.judge(&key) {
                    // As in OpenSSH: who is known by the bare key needs no certificate.
                    Verdict::Known if known.revoked(certificate.signature_key()).is_none() => Ok(()),
                    Verdict::Known
                    | Verdict::Unknown
                    | Verdict::Changed(_)
                    | Verdict::Revoked(_)
                    | Verdict::AuthorityOnly(_) => Err(problem),
                })
            }
        }
    }

    /// What holds for every key, known or not: its length, and the lists of revoked keys.
    fn refuse_at_all(&self, keys: &[&KeyData]) -> Result<(), HostKeyProblem> {
        let place = || self.place.clone();
        if let Some(key) = keys.first() {
            self.algorithms.long_enough(key).map_err(|reason| HostKeyProblem::Weak { place: place(), reason })?;
        }
        for file in &self.files.revoked {
            let found =
                revoked::line_of(file, keys).map_err(|reason| HostKeyProblem::NoAnswer { place: place(), reason })?;
            if let (Some(line), Some(key)) = (found, keys.first()) {
                let line = Place { file: file.clone(), line };
                let offered = offered(&PublicKey::new((*key).clone(), ""));
                return Err(HostKeyProblem::Revoked { place: place(), offered, line });
            }
        }
        Ok(())
    }

    fn judge_key(&self, key: &PublicKey, known: &KnownHosts) -> Result<(), HostKeyProblem> {
        let (place, offered) = (self.place.clone(), offered(key));
        let host = known.host();
        match known.judge(key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown if self.accepted.has(host, key) => Ok(()),
            Verdict::Unknown => {
                let unknown = Unknown { host: host.clone(), key: key.clone() };
                Err(HostKeyProblem::Unknown { place, offered, unknown: Box::new(unknown) })
            }
            Verdict::Changed(known) => Err(HostKeyProblem::Changed { place, name: host.name.clone(), offered, known }),
            Verdict::Revoked(line) => Err(HostKeyProblem::Revoked { place, offered, line }),
            Verdict::AuthorityOnly(line) => Err(HostKeyProblem::NoCertificate { place, offered, line }),
        }
    }

    /// CheckHostIP: an address that is not known is no objection, unless another key is known for it.
    async fn judge_address(&self, key: &PublicKey) -> Result<(), HostKeyProblem> {
        let Some(address) = &self.address else { return Ok(()) };
        let known = self.with_command(address, Reason::Address(key)).await?;
        let (place, offered) = (self.place.clone(), offered(key));
        match known.judge(key) {
            Verdict::Changed(known) if self.files.strictness != Strictness::AcceptNew => {
                Err(HostKeyProblem::OtherAddress {
                    place,
                    address: address.host().name.clone(),
                    offered: offered.fingerprint,
                    known,
                })
            }
            Verdict::Revoked(line) => Err(HostKeyProblem::Revoked { place, offered, line }),
            Verdict::Known | Verdict::Unknown | Verdict::AuthorityOnly(_) | Verdict::Changed(_) => Ok(()),
        }
    }

    /// A host certificate: of the right kind, made out to this host, valid today, signed by a trusted authority in a way
    /// that is taken, and without conditions that nobody here knows.
    fn judge_certificate(&self, certificate: &Certificate, known: &KnownHosts) -> Result<(), HostKeyProblem> {
        let wrong = |reason: String| HostKeyProblem::BadCertificate { place: self.place.clone(), reason };
        let host = known.host();
        if certificate.cert_type() != CertType::Host {
            return Err(wrong("it is made out to a user, not to a host".into()));
        }
        let principals = certificate.valid_principals();
        if !principals.iter().any(|name| known_hosts::glob(&name.to_ascii_lowercase(), &host.principal)) {
            return Err(wrong(format!("it is made out to {}, not to {}", principals.join(", "), host.principal)));
        }
        for (whose, key) in [("key", certificate.public_key()), ("authority", certificate.signature_key())] {
            if let Some(place) = known.revoked(key) {
                return Err(wrong(format!("its {whose} is revoked in {place}")));
            }
        }
        let conditions: Vec<&str> = certificate.critical_options().keys().map(String::as_str).collect();
        if !conditions.is_empty() {
            return Err(wrong(format!(
                "it has critical options that nobody knows for a host: {}",
                conditions.join(", ")
            )));
        }
        let signed = certificate.signature().algorithm();
        if !self.algorithms.signs(&signed) {
            return Err(wrong(format!("it is signed with {signed}, which CASignatureAlgorithms does not have")));
        }
        let trusted: Vec<_> = known.authorities().iter().map(|key| key.fingerprint(HashAlg::Sha256)).collect();
        certificate.validate(&trusted).map_err(|_| {
            let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
            wrong(format!("it is out of its time, or its signer {signer} is no authority for this host in known_hosts"))
        })
    }
}

/// As OpenSSH: an address on this machine, one that is the name itself, or one beside an alias is not compared.
fn asks_for(route: &Route, address: IpAddr) -> bool {
    let known = &route.known;
    known.check_address && known.alias.is_none() && !address.is_loopback() && route.host != address.to_string()
}

fn offered(key: &PublicKey) -> Offered {
    Offered { kind: key.algorithm().to_string(), fingerprint: known_hosts::fingerprint(key) }
}

fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::route::route;
    use crate::remote::target::Target;

    const K: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    /// The verdict on K of n1, reached at 10.0.0.1. What ssh says there cannot be compared on loopback, where it does
    /// not look at addresses.
    async fn judged(known: &str, settings: &[(&str, &str)]) -> Result<(), HostKeyProblem> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), known).unwrap();
        let target =
            Target { user: Some("anna".into()), known_hosts: Some(file.path().into()), ..Target::new("n1", "n1") };
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let route = route(&target, &settings).unwrap();
        let address = Some("10.0.0.1".parse().unwrap());
        let trust = Trust::read(&route, address, &KnownStore::default(), Accepted::default()).unwrap();
        trust.judge(&PublicKeyOrCertificate::PublicKey { key: K.parse().unwrap(), hash_alg: None }).await
    }

    #[tokio::test]
    async fn an_address_with_another_key_is_an_objection_if_asked_for() {
        let other = format!("n1 {K}\n10.0.0.1 {OTHER}\n");
        let asked = ("checkhostip", "yes");
        let problem = judged(&other, &[asked]).await.unwrap_err();
        assert!(matches!(&problem, HostKeyProblem::OtherAddress { address, .. } if address == "10.0.0.1"), "{problem}");
        for (known, settings) in [
            (other.as_str(), &[("checkhostip", "no")][..]),
            (&other, &[asked, ("stricthostkeychecking", "no")]),
            (&format!("n1,10.0.0.1 {K}\n"), &[asked]),
            (&format!("n1 {K}\n"), &[asked]),
            (&format!("lab {K}\n10.0.0.1 {OTHER}\n"), &[asked, ("hostkeyalias", "lab")]),
        ] {
            assert_eq!(judged(known, settings).await, Ok(()), "{known}{settings:?}");
        }
    }
}
