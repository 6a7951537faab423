//! All revisions that Helm keeps of a release, with the manifest of each.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::release_record::unpacked_record;
use super::{Cluster, ClusterError};

/// How the description of a revision begins that cowhand made.
pub const BY_COWHAND: &str = "cowhand";

/// One revision. Its values and its manifest may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Revision {
    pub number: u64,
    /// Helm's word: `deployed`, `superseded`, `failed`…
    pub status: String,
    pub description: String,
    /// When it was made.
    pub deployed: Option<String>,
    pub chart_version: String,
    pub values: Map<String, Value>,
    /// The rendered objects, hooks not among them.
    pub manifest: String,
}

impl Cluster {
    /// Oldest first; none where there is no such release.
    ///
    /// # Errors
    /// Also when a record is none that Helm 3 writes.
    pub async fn release_history(&self, namespace: &str, name: &str) -> Result<Vec<Revision>, ClusterError> {
        let secrets = self.secrets_by_label(namespace, &format!("owner=helm,name={name}")).await?;
        let mut found = Vec::new();
        for secret in &secrets {
            let secret = &secret.object.name;
            let data = self.read_secret(namespace, secret).await?;
            let Some(bytes) = data.as_ref().and_then(|data| data.get("release")) else { continue };
            found.push(revision(bytes.expose_secret()).ok_or_else(|| ClusterError::Answer {
                doing: format!("read secret {namespace}/{secret}"),
                why: "it is no record of a release that Helm 3 wrote".into(),
            })?);
        }
        found.sort_by_key(|one| one.number);
        Ok(found)
    }
}

fn revision(bytes: &[u8]) -> Option<Revision> {
    let text = unpacked_record(bytes)?;
    let whole: Value = serde_json::from_slice(&text).ok()?;
    let word = |pointer: &str| whole.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(Revision {
        number: whole.get("version")?.as_u64()?,
        status: word("/info/status")?,
        description: word("/info/description").unwrap_or_default(),
        deployed: word("/info/last_deployed"),
        chart_version: word("/chart/metadata/version")?,
        values: whole.get("config").and_then(Value::as_object).cloned().unwrap_or_default(),
        manifest: word("/manifest").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64;
    use serde_json::json;

    #[test]
    fn a_record_says_who_when_and_what() {
        let whole = json!({
            "name": "rancher", "version": 4, "info": {"status": "deployed", "description": "cowhand 0.1", "last_deployed": "2026-01-01T00:00:00Z"},
            "chart": {"metadata": {"name": "rancher", "version": "2.11.3"}}, "config": {"replicas": 3}, "manifest": "kind: A\n",
        });
        let read = |text: String| revision(BASE64.encode(text.as_bytes()).as_bytes());
        let found = read(whole.to_string()).unwrap();
        assert_eq!(
            (found.number, found.description.as_str(), found.manifest.as_str()),
            (4, "cowhand 0.1", "kind: A\n")
        );
        assert_eq!(found.deployed.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert!(read("{}".into()).is_none() && revision(b"%").is_none());
    }
}
