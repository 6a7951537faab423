//! What Helm itself keeps of a release: its chart's name and version, and the values that were given to it
//! (helm v3: pkg/storage/driver/util.go: JSON, gzip, base64, in a Secret).

use std::io::Read;

use data_encoding::BASE64;
use flate2::read::GzDecoder;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};

use super::{Cluster, ClusterError, Inhabitant};

/// The most that a record may be, unpacked (bytes): the Secret itself is at most 1 MiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// One release, as its record tells it.
#[derive(Clone, PartialEq)]
pub struct ReleaseRecord {
    pub name: String,
    pub chart: String,
    pub chart_version: String,
    /// What was given, defaults not among it. It may hold secrets.
    pub values: Map<String, Value>,
}

impl Cluster {
    /// The records in a namespace, one for each release: of the newest revision that is deployed, else of the newest.
    ///
    /// # Errors
    /// Also when a record is none that Helm 3 writes.
    pub async fn release_records(&self, namespace: &str) -> Result<Vec<ReleaseRecord>, ClusterError> {
        let secrets = self.secrets_by_label(namespace, "owner=helm").await?;
        let mut found = Vec::new();
        for secret in chosen(&secrets) {
            let data = self.read_secret(namespace, secret).await?;
            let Some(bytes) = data.as_ref().and_then(|data| data.get("release")) else { continue };
            let record = record(bytes.expose_secret());
            found.push(record.ok_or_else(|| ClusterError::Answer {
                doing: format!("read secret {namespace}/{secret}"),
                why: "it is no record of a release that Helm 3 wrote".into(),
            })?);
        }
        Ok(found)
    }
}

/// Names of the Secrets to read.
fn chosen(secrets: &[Inhabitant]) -> Vec<&str> {
    let label = |one: &Inhabitant, key: &str| one.metadata["labels"][key].as_str().unwrap_or_default().to_owned();
    let rank =
        |one: &Inhabitant| (label(one, "status") == "deployed", label(one, "version").parse::<u64>().unwrap_or(0));
    let mut best: Vec<&Inhabitant> = Vec::new();
    for secret in secrets {
        match best.iter_mut().find(|one| label(one, "name") == label(secret, "name")) {
            Some(other) if rank(other) < rank(secret) => *other = secret,
            Some(_) => {}
            None => best.push(secret),
        }
    }
    best.into_iter().map(|one| one.object.name.as_str()).collect()
}

/// The JSON of a record, from what its Secret holds; `None` when it is none.
pub fn unpacked_record(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let packed = Zeroizing::new(BASE64.decode(bytes.trim_ascii()).ok()?);
    let mut text = Zeroizing::new(Vec::new());
    match packed.starts_with(&[0x1f, 0x8b, 0x08]) {
        true => drop(GzDecoder::new(packed.as_slice()).take(LARGEST).read_to_end(&mut text).ok()?),
        // Helm's first releases did not pack them.
        false => text.extend_from_slice(&packed),
    }
    Some(text)
}

fn record(bytes: &[u8]) -> Option<ReleaseRecord> {
    let text = unpacked_record(bytes)?;
    let whole: Value = serde_json::from_slice(&text).ok()?;
    let word = |pointer: &str| whole.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(ReleaseRecord {
        name: word("/name")?,
        chart: word("/chart/metadata/name")?,
        chart_version: word("/chart/metadata/version")?,
        values: whole.get("config").and_then(Value::as_object).cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ObjectRef;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;
    use std::io::Write;

    fn kept(record: &Value, pack: bool) -> Vec<u8> {
        let text = record.to_string();
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(text.as_bytes()).unwrap();
        BASE64.encode(&if pack { packed.finish().unwrap() } else { text.into_bytes() }).into_bytes()
    }

    #[test]
    fn a_record_says_its_chart_and_what_was_given() {
        let whole = json!({
            "name": "rancher", "chart": {"metadata": {"name": "rancher", "version": "2.11.3"}, "values": {"replicas": 3}},
            "config": {"hostname": "r.example.com"},
        });
        for pack in [true, false] {
            let read = record(&kept(&whole, pack)).unwrap();
            assert_eq!((read.chart.as_str(), read.chart_version.as_str()), ("rancher", "2.11.3"));
            assert_eq!(Value::Object(read.values), json!({"hostname": "r.example.com"}));
        }
        for wrong in
            [b"".to_vec(), b"%%".to_vec(), kept(&json!({"name": "a"}), true), kept(&whole, true)[..40].to_vec()]
        {
            assert!(record(&wrong).is_none());
        }
    }

    #[test]
    fn the_newest_revision_that_runs_is_read() {
        let secret = |name: &str, release: &str, version: u32, status: &str| Inhabitant {
            object: ObjectRef::new("v1", "Secret", Some("a"), name),
            metadata: json!({"labels": {"name": release, "version": version.to_string(), "status": status}}),
        };
        let all = [
            secret("one", "rancher", 1, "superseded"),
            secret("nine", "rancher", 9, "deployed"),
            secret("ten", "rancher", 10, "failed"),
            secret("other", "webhook", 1, "failed"),
        ];
        assert_eq!(chosen(&all), ["nine", "other"]);
    }
}
