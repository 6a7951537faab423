//! Kubernetes objects that the TLS set-up needs beside Rancher's chart. None of them holds a secret.

use std::net::IpAddr;

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::{Value, json};

use crate::inventory::Acme;

/// Namespace of all of them, and of Rancher; the chart works in no other (rancher/rancher#51827).
pub const NAMESPACE: &str = "cattle-system";
/// The Secret that the chart's Ingress serves.
pub const INGRESS_SECRET: &str = "tls-rancher-ingress";
/// The Issuer that signs with the CA, and the Secret with that CA and its key.
pub const CA_ISSUER: &str = "cattle-issuer-ca";
pub(super) const ACME_ISSUER: &str = "cattle-issuer-acme";
pub(super) const POD_SECRET: &str = "cattle-server-keys";

/// All that a set-up of the table, or the chart for it, makes in [`NAMESPACE`] and another one does without: API, kind and
/// name. Rancher's own Secret `tls-rancher` is among them because one set-up puts the user's CA there.
pub const MAKEABLE: [(&str, &str, &str); 15] = [
    ("networking.k8s.io/v1", "Ingress", "rancher"),
    ("networking.k8s.io/v1", "Ingress", "rancher-passthrough"),
    ("traefik.io/v1alpha1", "IngressRouteTCP", "rancher-passthrough"),
    ("traefik.io/v1alpha1", "IngressRoute", "rancher-redirect"),
    ("traefik.io/v1alpha1", "ServersTransport", "rancher"),
    ("traefik.io/v1alpha1", "Middleware", "rancher-https"),
    ("cert-manager.io/v1", "Certificate", INGRESS_SECRET),
    ("cert-manager.io/v1", "Issuer", "rancher"),
    ("cert-manager.io/v1", "Issuer", CA_ISSUER),
    ("cert-manager.io/v1", "Issuer", ACME_ISSUER),
    ("v1", "Secret", INGRESS_SECRET),
    ("v1", "Secret", CA_ISSUER),
    ("v1", "Secret", POD_SECRET),
    ("v1", "Secret", "tls-ca"),
    ("v1", "Secret", "tls-rancher"),
];

/// When an object can be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// As soon as the namespace and what it needs are there.
    BeforeRancher,
    /// It names or extends an object of Rancher's chart.
    AfterRancher,
}

/// Whose custom resource definitions must be there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    Kubernetes,
    CertManager,
    Traefik,
}

/// An object to apply (server-side), by its whole manifest; a Deployment here is only the part of Rancher's own that we add.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnObject {
    pub when: When,
    pub needs: Needs,
    pub manifest: Value,
}

fn object(when: When, needs: Needs, api: &str, kind: &str, name: &str, spec: Value) -> OwnObject {
    let manifest = json!({
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    });
    OwnObject { when, needs, manifest }
}

fn cert_manager(kind: &str, name: &str, spec: Value) -> OwnObject {
    object(When::BeforeRancher, Needs::CertManager, "cert-manager.io/v1", kind, name, spec)
}

fn traefik(kind: &str, name: &str, spec: Value) -> OwnObject {
    object(When::BeforeRancher, Needs::Traefik, "traefik.io/v1alpha1", kind, name, spec)
}

/// Issuer that signs with the CA in the Secret of the same name.
pub(super) fn ca_issuer() -> OwnObject {
    cert_manager("Issuer", CA_ISSUER, json!({"ca": {"secretName": CA_ISSUER}}))
}

/// Issuer for an ACME server of the user's own. The chart fixes Let's Encrypt's two URLs, so this cannot go through it.
pub(super) fn acme_issuer(acme: &Acme, server: &str, server_ca: Option<&str>, class: &SolverClass<'_>) -> OwnObject {
    let mut spec = json!({
        "server": server,
        "email": acme.email,
        "privateKeySecretRef": {"name": ACME_ISSUER},
        "solvers": [{"http01": {"ingress": match class {
            SolverClass::Annotation(class) => json!({"class": class}),
            SolverClass::Field(class) => json!({"ingressClassName": class}),
        }}}],
    });
    if let Some(pem) = server_ca {
        spec["caBundle"] = Value::String(BASE64.encode(pem.as_bytes()));
    }
    cert_manager("Issuer", ACME_ISSUER, json!({"acme": spec}))
}

/// How cert-manager is told which ingress answers the challenge: `ingressClassName` came with 1.12 (cert-manager docs,
/// configuration/acme/http01); before, there is only `class`, which writes the old annotation.
pub(super) enum SolverClass<'a> {
    Annotation(&'a str),
    Field(&'a str),
}

/// The certificate for Rancher's name, in the Secret that the chart's Ingress serves.
pub(super) fn certificate(hostname: &str, issuer: &str, by_ca: bool) -> OwnObject {
    let mut spec = json!({
        "secretName": INGRESS_SECRET,
        "issuerRef": {"name": issuer, "kind": "Issuer", "group": "cert-manager.io"},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
    });
    match hostname.parse::<IpAddr>() {
        Ok(_) => spec["ipAddresses"] = json!([hostname]),
        Err(_) => spec["dnsNames"] = json!([hostname]),
    }
    if by_ca {
        // a CA issuer leaves the subject empty otherwise; RFC 5280 ub-common-name: 64 characters
        if hostname.len() <= 64 {
            spec["commonName"] = json!(hostname);
        }
        spec["usages"] = json!(["digital signature", "key encipherment", "server auth"]);
    }
    cert_manager("Certificate", INGRESS_SECRET, spec)
}

/// Traefik towards Rancher's own certificate, which no client is meant to verify: encrypted, not verified, as nginx does by default.
/// A pod that died with its node is given up as soon as on the plain way: see the values of Traefik's chart.
pub(super) fn traefik_servers_transport() -> OwnObject {
    let limits = json!({"dialTimeout": "2s", "readIdleTimeout": "5s", "pingTimeout": "2s"});
    let spec = json!({"insecureSkipVerify": true, "forwardingTimeouts": limits, "maxIdleConnsPerHost": -1});
    traefik("ServersTransport", "rancher", spec)
}

/// Rancher redirects only on its plain port, which re-encryption switches off: Traefik has to do it then.
pub(super) fn traefik_redirect() -> OwnObject {
    traefik("Middleware", "rancher-https", json!({"redirectScheme": {"scheme": "https", "permanent": true}}))
}

/// Passes TLS for the name through to Rancher, and plain http to Rancher's redirect.
pub(super) fn traefik_passthrough(hostname: &str) -> Vec<OwnObject> {
    let service = |port: u16| json!([{"name": "rancher", "port": port}]);
    vec![
        traefik(
            "IngressRouteTCP",
            "rancher-passthrough",
            json!({
                "entryPoints": ["websecure"],
                "routes": [{"match": format!("HostSNI(`{hostname}`)"), "services": service(443)}],
                "tls": {"passthrough": true},
            }),
        ),
        traefik(
            "IngressRoute",
            "rancher-redirect",
            json!({
                "entryPoints": ["web"],
                "routes": [{"kind": "Rule", "match": format!("Host(`{hostname}`)"), "services": service(80)}],
            }),
        ),
    ]
}

/// The same for ingress-nginx, whose controller must run with `--enable-ssl-passthrough`.
pub(super) fn nginx_passthrough(hostname: &str, class: &str) -> OwnObject {
    let mut ingress = object(
        When::BeforeRancher,
        Needs::Kubernetes,
        "networking.k8s.io/v1",
        "Ingress",
        "rancher-passthrough",
        json!({
            "ingressClassName": class,
            "rules": [{"host": hostname, "http": {"paths": [{
                "path": "/",
                "pathType": "Prefix",
                "backend": {"service": {"name": "rancher", "port": {"number": 443}}},
            }]}}],
        }),
    );
    ingress.manifest["metadata"]["annotations"] = json!({
        "nginx.ingress.kubernetes.io/ssl-passthrough": "true",
        "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
        "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
    });
    ingress
}

/// What Rancher's Deployment gets in addition so that its pods serve the given files (rancher/rancher:pkg/tls/tls.go reads
/// `/etc/rancher/ssl/{cert,key}.pem`); the chart has no value for it.
pub(super) fn pod_certificate() -> OwnObject {
    let mount = |file: &str| json!({"name": POD_SECRET, "mountPath": format!("/etc/rancher/ssl/{file}"), "subPath": file, "readOnly": true});
    object(
        When::AfterRancher,
        Needs::Kubernetes,
        "apps/v1",
        "Deployment",
        "rancher",
        json!({"template": {"spec": {
            "containers": [{"name": "rancher", "volumeMounts": [mount("cert.pem"), mount("key.pem")]}],
            "volumes": [{"name": POD_SECRET, "secret": {"secretName": POD_SECRET, "defaultMode": 0o400}}],
        }}}),
    )
}
