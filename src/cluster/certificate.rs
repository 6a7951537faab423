//! cert-manager's Certificates: whether one holds what was asked for, and how a new one is asked for.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::nodes::condition;
use super::{Cluster, ClusterError, ObjectRef, Seen};

/// How often a Certificate is looked for, or written again when somebody else wrote its status at the same moment.
const LOOKS: usize = 30;

fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new("cert-manager.io/v1", "Certificate", Some(namespace), name)
}

fn revision(certificate: &Value) -> i64 {
    certificate.pointer("/status/revision").and_then(Value::as_i64).unwrap_or(0)
}

impl Cluster {
    /// Asks for a new certificate in the place of a valid one, as `cmctl renew` does: by the condition `Issuing`
    /// (cert-manager v1.11.5: cmd/ctl/pkg/renew/renew.go). A CA issuer whose CA was replaced, and an ACME issuer whose
    /// server was, do not make cert-manager do so by itself: it compares the issuer's name only
    /// (internal/controller/certificates/policies/checks.go).
    ///
    /// Returns the revision that stands now; the new certificate has a higher one.
    pub async fn reissue(&self, namespace: &str, name: &str) -> Result<i64, ClusterError> {
        let object = object(namespace, name);
        let doing = format!("ask for a new {object}");
        let api = self.api(&doing, &object.api_version, &object.kind, Some(namespace)).await?;
        // Whether it may pass, and what it is.
        let ask = || async {
            let found = self.get(&object).await.map_err(|error| (false, error))?;
            // cert-manager makes one for an Ingress a moment after the Ingress asks for it.
            let missing = || (true, ClusterError::Answer { doing: doing.clone(), why: "it does not exist".into() });
            let found = found.ok_or_else(missing)?;
            let patch = Patch::Merge(issuing(&found));
            let patched = api.patch_status(name, &PatchParams::default(), &patch).await;
            patched.map(|_| revision(&found)).map_err(|error| {
                let changed_meanwhile = matches!(&error, kube::Error::Api(status) if status.code == 409);
                (changed_meanwhile, self.error(&doing, error))
            })
        };
        let pauses = ConstantBuilder::new().with_delay(Duration::from_secs(1)).with_max_times(LOOKS - 1);
        ask.retry(pauses).when(|(may_pass, _)| *may_pass).await.map_err(|(_, error)| error)
    }

    /// The Certificate and the annotations of its Secret, together: the Certificate alone may still speak of what lay
    /// in the Secret before.
    pub(super) async fn certificate(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Value, Value)>, ClusterError> {
        let Some(found) = self.get(&object(namespace, name)).await? else { return Ok(None) };
        let secret = found.pointer("/spec/secretName").and_then(Value::as_str).unwrap_or_default();
        let secret = ObjectRef::new("v1", "Secret", Some(namespace), secret);
        let metadata = self.metadata(&secret).await?.unwrap_or_default();
        Ok(Some((found, metadata["annotations"].clone())))
    }
}

/// The status with `Issuing` among its conditions, bound to the version that was read.
fn issuing(found: &Value) -> Value {
    let old = found.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions: Vec<Value> =
        old.into_iter().flatten().filter(|condition| condition["type"] != "Issuing").cloned().collect();
    conditions.push(json!({
        "type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
        "message": "cowhand asked for a new certificate", "lastTransitionTime": now(),
        "observedGeneration": found.pointer("/metadata/generation"),
    }));
    let version = found.pointer("/metadata/resourceVersion");
    json!({"metadata": {"resourceVersion": version}, "status": {"conditions": conditions}})
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Ready for the newest specification, nothing under way, and the Secret is of the issuer that is asked for now. In
/// cert-manager 1.11 `Ready` alone does not tell: it stays true over files that somebody else put into the Secret.
pub(super) fn issued(found: &Value, annotations: &Value) -> Seen {
    if let Some(said) = condition(found, "Issuing").filter(|said| said["status"] == "True") {
        return Seen::NotYet(format!("being issued: {}", said["message"].as_str().unwrap_or_default()));
    }
    let failed = condition(found, "Issuing").filter(|said| said["reason"] == "Failed");
    if let Some(said) = failed {
        return Seen::NotYet(format!("the last try failed: {}", said["message"].as_str().unwrap_or_default()));
    }
    let generation = found.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let Some(ready) = condition(found, "Ready") else { return Seen::NotYet("not ready yet".into()) };
    let said = ready["message"].as_str().unwrap_or("ready").to_owned();
    if ready["status"] != "True" {
        return Seen::NotYet(said);
    }
    if ready["observedGeneration"].as_i64().is_some_and(|observed| observed < generation) {
        return Seen::NotYet("cert-manager has not acted on the latest change yet".into());
    }
    let wanted = found.pointer("/spec/issuerRef/name").and_then(Value::as_str).unwrap_or_default();
    match annotations["cert-manager.io/issuer-name"].as_str() {
        Some(issuer) if issuer == wanted => Seen::Met(said),
        Some(issuer) => Seen::NotYet(format!("its secret is still from issuer {issuer}")),
        None => Seen::NotYet("its secret is not from any issuer yet".into()),
    }
}

/// As [`issued`], with a revision above the given one.
pub(super) fn reissued(found: &Value, annotations: &Value, after: i64) -> Seen {
    if let Some(said) = condition(found, "Issuing").filter(|said| said["status"] == "False") {
        return Seen::Never(said["message"].as_str().unwrap_or("it was not issued").to_owned());
    }
    match issued(found, annotations) {
        Seen::Met(_) if revision(found) <= after => Seen::NotYet("not issued anew yet".into()),
        seen => seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(conditions: Value) -> Value {
        json!({"metadata": {"generation": 2, "resourceVersion": "7"}, "spec": {"issuerRef": {"name": "ca"}},
            "status": {"revision": 3, "conditions": conditions}})
    }

    fn of(issuer: &str) -> Value {
        json!({"cert-manager.io/issuer-name": issuer})
    }

    #[test]
    fn a_certificate_is_issued_when_its_secret_is_of_its_issuer() {
        let ready = |observed: i64| {
            certificate(json!([{"type": "Ready", "status": "True", "observedGeneration": observed, "message": "m"}]))
        };
        assert_eq!(issued(&ready(2), &of("ca")), Seen::Met("m".into()));
        assert_eq!(
            issued(&ready(1), &of("ca")),
            Seen::NotYet("cert-manager has not acted on the latest change yet".into())
        );
        assert_eq!(issued(&ready(2), &of("acme")), Seen::NotYet("its secret is still from issuer acme".into()));
        assert_eq!(issued(&ready(2), &Value::Null), Seen::NotYet("its secret is not from any issuer yet".into()));
    }

    #[test]
    fn the_former_certificate_is_not_taken_for_the_new_one() {
        let ready = json!({"type": "Ready", "status": "True", "observedGeneration": 2});
        let with = |status: &str, reason: &str| {
            let issuing = json!({"type": "Issuing", "status": status, "reason": reason, "message": "why"});
            certificate(json!([ready, issuing]))
        };
        let alone = certificate(json!([ready]));
        assert!(matches!(reissued(&with("True", "ManuallyTriggered"), &of("ca"), 2), Seen::NotYet(_)));
        assert_eq!(reissued(&with("False", "Failed"), &of("ca"), 2), Seen::Never("why".into()));
        assert!(matches!(reissued(&alone, &of("ca"), 3), Seen::NotYet(_)));
        assert!(matches!(reissued(&alone, &of("ca"), 2), Seen::Met(_)));
    }

    #[test]
    fn asking_keeps_the_other_conditions_and_the_version_that_was_read() {
        let asked = issuing(&certificate(json!([{"type": "Ready"}, {"type": "Issuing", "status": "False"}])));
        let kinds: Vec<_> = asked["status"]["conditions"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
        assert_eq!(kinds, ["Ready", "Issuing"]);
        assert_eq!(asked.pointer("/status/conditions/1/status"), Some(&json!("True")));
        assert_eq!(asked.pointer("/metadata/resourceVersion"), Some(&json!("7")));
    }
}
