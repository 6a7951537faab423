//! Rancher as it runs, into the words of an inventory: by Helm's record, the Ingress and the Secrets beside it.

use serde_json::{Map, Value, json};

use super::model::{Fate, Named, RancherPart};
use crate::inventory::{Values, masked_value, put};
use crate::tls::INGRESS_SECRET;

/// Folder of the certificate's files, as seen from the inventory's.
pub const TLS_FOLDER: &str = "tls";

/// What was seen of a Rancher that Helm installed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Running {
    /// Of the chart, e.g. `2.11.3`.
    pub version: String,
    /// As they were given to Helm.
    pub values: Values,
    /// Host and class of Rancher's Ingress, where there is one.
    pub host: Option<String>,
    pub class: Option<String>,
    pub certificate: Certificate,
    /// cowhand's own CA signs the certificate.
    pub made_ca: bool,
}

/// Whose the certificate in Secret `tls-rancher-ingress` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Certificate {
    #[default]
    Absent,
    /// Somebody put it there.
    Given,
    /// cert-manager writes it anew when it ends.
    Renewed,
}

/// The files that a TLS set-up names, to be written beside the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsFiles {
    pub pair: bool,
    pub ca: bool,
}

/// The inventory's part, and which of the certificate's files it names.
pub fn part(running: &Running, named: &mut Vec<Named>) -> (RancherPart, TlsFiles) {
    let mut say = |key: &str, fate: Fate, why: &str| named.push(Named { key: key.into(), fate, why: why.into() });
    let mut values = running.values.clone();
    for place in secret_places(&running.values) {
        take(&mut values, &place);
        let why = "it holds a secret: Helm's own record keeps it, and an upgrade is given what stands there";
        say(&format!("rancher.values.{place}"), Fate::Kept, why);
    }
    // Under a key that dots cannot say, a secret is not kept either; the plan names what changes by that.
    let shown = masked_value(&Value::Object(values.clone()));
    values.retain(|key, value| shown.get(key) == Some(value));
    let word = |pointer: &str| word(&running.values, pointer);
    let hostname = values.shift_remove("hostname").and_then(|one| one.as_str().map(str::to_owned));
    let given = said_elsewhere(&mut values);
    say(
        "rancher.chart",
        Fate::Left,
        "Helm does not keep where a chart came from: an upgrade takes Rancher's public repository, or what `rancher.chart` names",
    );
    let private = running.values.get("privateCA") == Some(&Value::Bool(true));
    let pods = running.values.get("service").and_then(|service| service.get("disableHTTP")) == Some(&Value::Bool(true));
    let mode = if pods { "rancher" } else { "ingress" };
    let custom = word("/ingress/tls/secretName").is_some_and(|name| name != INGRESS_SECRET);
    let mut files = TlsFiles { pair: false, ca: false };
    let tls = match (word("/tls").as_deref(), word("/ingress/tls/source").as_deref()) {
        (Some("external"), _) => {
            files.ca = private;
            Some(json!({"mode": "external", "issuer": "blank"}))
        }
        (_, None | Some("rancher")) => Some(json!({"mode": mode, "issuer": "blank"})),
        (_, Some("letsEncrypt")) => Some(json!({"mode": mode, "issuer": "acme", "acme": account(&word)})),
        _ if running.made_ca => Some(json!({"mode": mode, "issuer": "ca"})),
        (_, Some("secret")) if !custom && running.certificate == Certificate::Given => {
            files = TlsFiles { pair: true, ca: private };
            Some(json!({"mode": mode, "issuer": "blank"}))
        }
        _ => {
            say("rancher.tls", Fate::Left, opened(custom, running.certificate));
            None
        }
    };
    let tls = tls.and_then(|tls| tls.as_object().cloned()).map(|tls| with_files(tls, files));
    let tls = tls.map(|tls| with_agents(tls, files, word("/agentTLSMode").as_deref()));
    let part = RancherPart {
        hostname: running.host.clone().or(hostname),
        version: Some(running.version.trim_start_matches('v').to_owned()),
        replicas: running.values.get("replicas").and_then(Value::as_u64),
        balanced: word("/tls").as_deref() == Some("external"),
        tls,
        chart: None,
        values,
        given,
        ingress_class: running.class.clone(),
    };
    (part, files)
}

/// Values that follow from other keys of an inventory; see `inventory::rancher_keys`.
const ELSEWHERE: [&str; 10] = [
    "replicas",
    "bootstrapPassword",
    "tls",
    "privateCA",
    "agentTLSMode",
    "letsEncrypt",
    "ingress.tls",
    "ingress.servicePort",
    "ingress.ingressClassName",
    "service.disableHTTP",
];

/// Takes them out.
fn said_elsewhere(values: &mut Values) -> Values {
    let mut taken = Values::new();
    for place in ELSEWHERE {
        if let Some(value) = Value::Object(values.clone()).pointer(&format!("/{}", place.replace('.', "/"))) {
            take(values, place);
            // A dotted key leads somewhere.
            let _ = put(&mut taken, place, value.clone());
        }
    }
    taken
}

/// Strict agents need a CA that they are handed.
fn with_agents(mut tls: Values, files: TlsFiles, mode: Option<&str>) -> Values {
    let own = tls.get("issuer") == Some(&json!("ca"))
        || (tls.get("issuer") == Some(&json!("blank")) && !files.pair && tls.get("mode") != Some(&json!("external")));
    if let Some(mode) = mode.filter(|mode| *mode == "system-store" || (*mode == "strict" && (files.ca || own))) {
        tls.insert("agent_tls_mode".into(), json!(mode));
    }
    tls
}

fn opened(custom: bool, certificate: Certificate) -> &'static str {
    match (custom, certificate) {
        (true, _) => {
            "the certificate lies in a Secret of another name than tls-rancher-ingress, which cowhand does not write"
        }
        (false, Certificate::Renewed) => {
            "cert-manager renews the certificate by an Issuer of somebody else's; as a file it would be written back when it is old"
        }
        (false, Certificate::Absent | Certificate::Given) => {
            "ingress.tls.source is `secret`, and there is no Secret tls-rancher-ingress: who makes the certificate is not seen"
        }
    }
}

fn with_files(mut tls: Map<String, Value>, files: TlsFiles) -> Map<String, Value> {
    let file = |name: &str| json!(format!("./{TLS_FOLDER}/{name}"));
    if files.pair {
        tls.insert("certificate".into(), file("certificate.pem"));
        tls.insert("key".into(), file("key.pem"));
    }
    if files.ca {
        tls.insert("ca".into(), file("ca.pem"));
    }
    tls
}

fn account(word: &impl Fn(&str) -> Option<String>) -> Value {
    // The chart takes anything but `production` for the test server.
    let environment = match word("/letsEncrypt/environment").as_deref() {
        None | Some("production") => "production",
        Some(_) => "staging",
    };
    json!({"email": word("/letsEncrypt/email"), "environment": environment})
}

fn word(values: &Values, pointer: &str) -> Option<String> {
    let (first, rest) =
        pointer.trim_start_matches('/').split_once('/').unwrap_or((pointer.trim_start_matches('/'), ""));
    let value = values.get(first)?;
    let value = if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) };
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Dotted keys of the values that hold a secret; of a list, or of what dots cannot say, the key above it.
pub fn secret_places(values: &Values) -> Vec<String> {
    let mut found = Vec::new();
    places(values, "", &mut found);
    found
}

fn places(values: &Values, above: &str, found: &mut Vec<String>) {
    let shown = masked_value(&Value::Object(values.clone()));
    for (key, value) in values.iter().filter(|(key, value)| shown.get(*key) != Some(*value)) {
        let place = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        let before = found.len();
        match value {
            Value::Object(inner) if inner.keys().all(|key| is_plain(key)) => places(inner, &place, found),
            _ => {}
        }
        // What hides it may be its neighbours, as in a Secret.
        if found.len() == before {
            found.push(place);
        }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.contains(['.', '/', '~', '[', ']'])
}

fn take(values: &mut Values, place: &str) {
    match place.split_once('.') {
        None => drop(values.shift_remove(place)),
        Some((first, rest)) => {
            let Some(Value::Object(inner)) = values.get_mut(first) else { return };
            take(inner, rest);
            if inner.is_empty() {
                values.shift_remove(first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: Value, certificate: Certificate) -> (RancherPart, TlsFiles, String) {
        let mut named = Vec::new();
        let values = values.as_object().unwrap().clone();
        let running = Running { version: "2.11.3".into(), values, certificate, ..Running::default() };
        let (part, files) = part(&running, &mut named);
        (part, files, format!("{named:?}"))
    }

    #[test]
    fn each_documented_set_up_has_its_words() {
        let tls = |values: Value, certificate| of(values, certificate).0.tls.map(Value::Object);
        let absent = Certificate::Absent;
        assert_eq!(tls(json!({"hostname": "a"}), absent), Some(json!({"mode": "ingress", "issuer": "blank"})));
        assert_eq!(
            tls(
                json!({"ingress": {"tls": {"source": "letsEncrypt"}}, "letsEncrypt": {"email": "a@b.c", "environment": "x"}}),
                absent
            ),
            Some(json!({"mode": "ingress", "issuer": "acme", "acme": {"email": "a@b.c", "environment": "staging"}}))
        );
        let secret = |private: bool| json!({"ingress": {"tls": {"source": "secret"}}, "privateCA": private});
        assert_eq!(
            tls(secret(true), Certificate::Given),
            Some(json!({
                "mode": "ingress", "issuer": "blank",
                "certificate": "./tls/certificate.pem", "key": "./tls/key.pem", "ca": "./tls/ca.pem",
            }))
        );
        for (certificate, part) in [(Certificate::Renewed, "cert-manager renews"), (absent, "is not seen")] {
            let (found, files, named) = of(secret(false), certificate);
            assert!(found.tls.is_none() && !files.pair && named.contains(part), "{named}");
        }
        let (found, files, _) = of(json!({"tls": "external", "privateCA": true}), absent);
        assert!(found.balanced && files == TlsFiles { pair: false, ca: true });
        let own = of(json!({"ingress": {"tls": {"source": "secret", "secretName": "mine"}}}), Certificate::Given);
        assert!(own.0.tls.is_none() && own.2.contains("another name"));
    }

    #[test]
    fn what_an_inventory_says_elsewhere_is_kept_beside_it() {
        let values = json!({
            "tls": "ingress", "agentTLSMode": "strict", "debug": true, "bootstrapPassword": "",
            "ingress": {"ingressClassName": "nginx", "tls": {"source": "rancher"}, "extraAnnotations": {"a": "b"}},
        });
        let (part, ..) = of(values, Certificate::Renewed);
        assert_eq!(Value::Object(part.values), json!({"debug": true, "ingress": {"extraAnnotations": {"a": "b"}}}));
        assert_eq!(
            Value::Object(part.given),
            json!({
                "bootstrapPassword": "", "tls": "ingress", "agentTLSMode": "strict",
                "ingress": {"tls": {"source": "rancher"}, "ingressClassName": "nginx"},
            })
        );
        assert_eq!(part.tls.unwrap()["agent_tls_mode"], json!("strict"));
        let secret = json!({"agentTLSMode": "strict", "ingress": {"tls": {"source": "secret"}}});
        assert!(!of(secret, Certificate::Given).0.tls.unwrap().contains_key("agent_tls_mode"), "no CA is handed out");
    }

    #[test]
    fn secrets_stay_in_helms_record_and_the_rest_is_as_it_was_given() {
        let values = json!({
            "hostname": "r.example.com", "bootstrapPassword": "CANARY1", "replicas": 1, "proxy": "http://me:CANARY2@p:3128",
            "extraEnv": [{"name": "A", "value": "b"}, {"name": "DB_PASSWORD", "value": "CANARY3"}],
            "auditLog": {"level": 1, "token": "CANARY4"}, "only": {"password": "CANARY5"},
            "podAnnotations": {"example.com/token": "CANARY6"}, "extra": {"kind": "Secret", "data": {"a": "CANARY7"}},
        });
        let (part, _, named) = of(values.clone(), Certificate::Absent);
        assert_eq!(Value::Object(part.values.clone()), json!({"auditLog": {"level": 1}, "extra": {"kind": "Secret"}}));
        assert_eq!(Value::Object(part.given.clone()), json!({"replicas": 1}));
        assert_eq!((part.hostname.as_deref(), part.replicas), (Some("r.example.com"), Some(1)));
        assert!(!named.contains("CANARY") && !format!("{part:?}").contains("CANARY"), "{named}");
        assert_eq!(
            secret_places(values.as_object().unwrap()),
            [
                "bootstrapPassword",
                "proxy",
                "extraEnv",
                "auditLog.token",
                "only.password",
                "podAnnotations",
                "extra.data"
            ]
        );
    }
}
