//! Every cell of the table, pictured for both ingress controllers.

use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::failure::Hint;
use crate::inventory::*;

struct Given {
    files: bool,
    ca: bool,
    ca_key: bool,
}

fn chart(version: &str) -> Chart {
    let source = ChartSource::Repository { url: "https://charts.example.com".into(), name: "chart".into() };
    Chart { source, version: version.into() }
}

fn inventory(tls: Tls, provider: IngressProvider, class: &str) -> Inventory {
    Inventory {
        backup: Default::default(),
        name: "prod".into(),
        nodes: Vec::new(),
        engine: Engine::Existing(Existing { kubeconfig: PathBuf::from("kubeconfig"), context: None }),
        ingress: Ingress {
            provider,
            class: class.into(),
            controller: None,
            chart: chart("37.0.0"),
            values: Values::new(),
        },
        cert_manager: CertManager { install: CertManagerInstall::Auto, chart: chart("v1.11.5"), values: Values::new() },
        rancher: Rancher {
            hostname: "rancher.example.com".into(),
            version: semver::Version::new(2, 11, 16),
            replicas: 3,
            delivery: Delivery::Addon,
            chart: chart("2.11.16"),
            values: Values::new(),
            bootstrap_password: None,
            tls,
        },
        load_balancers: vec!["192.0.2.5".parse().unwrap(), "2001:db8::5".parse().unwrap()],
        dns_server: None,
        helm: Tool::Search,
        skip_checks: Vec::new(),
    }
}

fn tls_of(cell: &Cell, given: &Given) -> Tls {
    let path = |yes: bool, name: &str| yes.then(|| PathBuf::from(name));
    let acme = |environment, server: Option<&str>| Acme {
        email: "ops@example.com".into(),
        environment,
        server: server.map(String::from),
        server_ca: server.map(|_| PathBuf::from("acme-ca.pem")),
    };
    Tls {
        mode: cell.mode,
        issuer: cell.issuer,
        certificate: path(given.files, "tls.crt"),
        key: path(given.files, "tls.key"),
        ca: path(given.ca, "ca.pem"),
        ca_key: path(given.ca_key, "ca.key"),
        also_trust: None,
        acme: match cell.variant {
            Variant::Staging => Some(acme(AcmeEnvironment::Staging, None)),
            Variant::Production => Some(acme(AcmeEnvironment::Production, None)),
            Variant::OwnAcme => Some(acme(AcmeEnvironment::Production, Some("https://acme.example.com/directory"))),
            Variant::PublicCa | Variant::PrivateCa | Variant::ChartCa | Variant::OwnCa | Variant::MadeCa => None,
        },
        passthrough: cell.passage == Passage::Passthrough,
        agent_tls_mode: None,
    }
}

fn given(cell: &Cell) -> Given {
    match cell.variant {
        Variant::PublicCa => Given { files: true, ca: false, ca_key: false },
        Variant::PrivateCa => Given { files: true, ca: true, ca_key: false },
        Variant::OwnCa => Given { files: false, ca: true, ca_key: true },
        Variant::ChartCa | Variant::MadeCa | Variant::Staging | Variant::Production | Variant::OwnAcme => {
            Given { files: false, ca: false, ca_key: false }
        }
    }
}

const CA: &[u8] = include_bytes!("../../tests/data/tls/root.pem");
const CA_KEY: &[u8] = include_bytes!("../../tests/data/tls/root.key");

fn material(given: &Given) -> Material {
    let some = |yes: bool, bytes| yes.then_some(bytes);
    Material::read(&Files {
        certificate: some(given.files, CA),
        key: some(given.files, CA_KEY),
        ca: some(given.ca, CA),
        ca_key: some(given.ca_key, CA_KEY),
        also_trust: None,
        acme_server_ca: Some(CA),
    })
    .unwrap()
}

fn pictured(cell: &Cell, provider: IngressProvider) -> Result<Picture, Refusal> {
    let given = given(cell);
    let class = if provider == IngressProvider::Traefik { "traefik" } else { "nginx" };
    picture(&inventory(tls_of(cell, &given), provider, class), &material(&given))
}

fn cell(mode: TlsMode, issuer: TlsIssuer, variant: Variant, passage: Passage) -> &'static Cell {
    TABLE
        .iter()
        .find(|cell| cell.mode == mode && cell.issuer == issuer && cell.variant == variant && cell.passage == passage)
        .unwrap()
}

fn shown(picture: &Result<Picture, Refusal>) -> Value {
    match picture {
        Err(refusal) => json!({"refused": refusal.reason, "instead": refusal.instead}),
        Ok(picture) => json!({
            "values": picture.chart_values,
            "agents": picture.agent_reason,
            "secrets": picture.secrets,
            "objects": picture.objects,
            "cert-manager": picture.needs_cert_manager,
            "rke options": picture.ingress.rke_options,
            "rke extra_args": picture.ingress.rke_extra_args,
            "traefik values": picture.ingress.traefik_values,
            "predicted": format!("{:?}", picture.predicted),
            "trust": match &picture.trust {
                Trust::Pem(_) => "the CA's file".to_owned(),
                other => format!("{other:?}"),
            },
            "notes": picture.notes,
        }),
    }
}

#[test]
fn all_cells_as_they_are_reviewed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/data/tls/pictures");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for provider in [IngressProvider::Nginx, IngressProvider::Traefik] {
            let all: serde_json::Map<String, Value> = TABLE
                .iter()
                .map(|cell| {
                    let words = [json!(cell.mode), json!(cell.issuer), json!(cell.variant), json!(cell.passage)];
                    let name = words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
                    (name, shown(&pictured(cell, provider)))
                })
                .collect();
            insta::assert_json_snapshot!(format!("{provider:?}").to_lowercase(), all);
        }
    });
}

#[test]
fn agents_are_strict_exactly_where_they_are_handed_a_ca() {
    for cell in TABLE {
        let Ok(picture) = pictured(cell, IngressProvider::Traefik) else { continue };
        let strict = picture.agent_tls_mode == AgentTlsMode::Strict;
        assert_eq!(strict, picture.predicted != Predicted::Empty, "{cell:?}");
        assert_eq!(picture.chart_values["agentTLSMode"], if strict { "strict" } else { "system-store" });
    }
}

#[test]
fn rancher_is_started_without_no_cacerts_exactly_where_a_ca_is_expected() {
    for cell in TABLE {
        let Ok(picture) = pictured(cell, IngressProvider::Nginx) else { continue };
        let values = &picture.chart_values;
        // the chart's own condition: templates/deployment.yaml
        let keeps_cacerts = values["privateCA"] == true
            || values["tls"] == "ingress" && values["ingress"]["tls"]["source"] == "rancher";
        assert_eq!(keeps_cacerts, picture.predicted != Predicted::Empty, "{cell:?}");
        let has_tls_ca = picture.secrets.iter().any(|secret| secret.name == "tls-ca");
        assert_eq!(values["privateCA"], has_tls_ca, "{cell:?}");
    }
}

#[test]
fn forwarded_headers_are_trusted_in_mode_external_only_and_from_the_balancers_only() {
    for cell in TABLE {
        let Ok(picture) = pictured(cell, IngressProvider::Traefik) else { continue };
        let external = cell.mode == TlsMode::External;
        assert_eq!(picture.ingress.rke_options.contains_key("use-forwarded-headers"), external);
        let trusted = &picture.ingress.traefik_values.get("ports");
        let wanted = json!({"web": {"forwardedHeaders": {"trustedIPs": ["192.0.2.5/32", "2001:db8::5/128"]}}});
        assert_eq!(trusted.cloned(), external.then_some(wanted));
    }
}

#[test]
fn the_checksum_of_a_ca_with_windows_line_ends_is_that_of_what_is_sent() {
    let cell = cell(TlsMode::Ingress, TlsIssuer::Blank, Variant::PrivateCa, Passage::Plain);
    let given = given(cell);
    let inventory = inventory(tls_of(cell, &given), IngressProvider::Nginx, "nginx");
    let windows = format!("\u{feff}# our root\r\n{}", std::str::from_utf8(CA).unwrap().replace('\n', "\r\n"));
    let files = Files { certificate: Some(CA), key: Some(CA_KEY), ca: Some(windows.as_bytes()), ..Files::default() };
    let material = Material::read(&files).unwrap();
    let sent = material.text(SecretSource::Ca).unwrap();
    let picture = picture(&inventory, &material).unwrap();
    assert_eq!(picture.predicted, Predicted::Checksum(ca_checksum(sent.expose_secret())));
    assert_eq!(sent.expose_secret().as_bytes(), CA);
}

/// Whatever follows in the file: Rancher takes the first certificate of Secret `tls-rancher` and writes it anew.
#[test]
fn with_passthrough_the_first_certificate_of_the_ca_file_is_what_agents_get() {
    let bundle: &[u8] = include_bytes!("../../tests/data/tls/ca-bundle.pem");
    let key: &[u8] = include_bytes!("../../tests/data/tls/intermediate.key");
    let material = Material::read(&Files { ca: Some(bundle), ca_key: Some(key), ..Files::default() }).unwrap();
    let first = include_str!("../../tests/data/tls/intermediate.pem");
    for (passage, wanted) in [(Passage::Passthrough, first), (Passage::Reencrypt, str::from_utf8(bundle).unwrap())] {
        let cell = cell(TlsMode::Rancher, TlsIssuer::Ca, Variant::OwnCa, passage);
        let inventory = inventory(tls_of(cell, &given(cell)), IngressProvider::Nginx, "nginx");
        let predicted = picture(&inventory, &material).unwrap().predicted;
        assert_eq!(predicted, Predicted::Checksum(ca_checksum(wanted)), "{passage:?}");
    }
}

#[test]
fn a_ca_that_is_made_later_is_read_from_the_cluster_and_known_after_it_is_made() {
    for passage in [Passage::Plain, Passage::Reencrypt, Passage::Passthrough] {
        let mode = if passage == Passage::Plain { TlsMode::Ingress } else { TlsMode::Rancher };
        let cell = cell(mode, TlsIssuer::Ca, Variant::MadeCa, passage);
        let before = pictured(cell, IngressProvider::Traefik).unwrap();
        assert!(matches!(before.predicted, Predicted::KnownAfterInstall { .. }), "{passage:?}");
        assert!(matches!(before.trust, Trust::ReadFromCluster { .. }), "{passage:?}");
        let made = make_ca("prod", "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap()).unwrap();
        let files = Files {
            ca: Some(made.certificate_pem.as_bytes()),
            ca_key: Some(made.key_pem.expose_secret().as_bytes()),
            ..Files::default()
        };
        let inventory = inventory(tls_of(cell, &given(cell)), IngressProvider::Traefik, "traefik");
        let after = picture(&inventory, &Material::read(&files).unwrap()).unwrap();
        assert_eq!(after.predicted, Predicted::Checksum(ca_checksum(&made.certificate_pem)));
        assert_eq!(after.trust, Trust::Pem(made.certificate_pem));
    }
}

#[test]
fn the_charts_issuer_may_change_the_key_that_a_former_set_up_left() {
    for cell in TABLE {
        let Sense::Makes(recipe) = cell.sense else { continue };
        let picture = pictured(cell, IngressProvider::Traefik).unwrap();
        let policy = "/extraAnnotations/cert-manager.io~1private-key-rotation-policy";
        let policy = picture.chart_values["ingress"].pointer(policy).and_then(Value::as_str);
        assert_eq!(policy == Some("Always"), recipe.origin == Origin::ChartIssuer, "{cell:?}");
    }
}

#[test]
fn no_object_and_no_value_holds_a_key() {
    for cell in TABLE {
        let text = shown(&pictured(cell, IngressProvider::Traefik)).to_string();
        assert!(!text.contains("PRIVATE KEY"), "{cell:?}");
        assert!(!format!("{:?}", pictured(cell, IngressProvider::Traefik)).contains("PRIVATE KEY"), "{cell:?}");
    }
    let given = Given { files: true, ca: true, ca_key: true };
    assert!(!format!("{:?}", material(&given)).contains("PRIVATE KEY"));
}

#[test]
fn what_cannot_work_is_refused_with_a_way_out() {
    let public = cell(TlsMode::Ingress, TlsIssuer::Blank, Variant::PublicCa, Passage::Plain);
    let refuse = |change: &dyn Fn(&mut Inventory)| {
        let given = given(public);
        let mut inventory = inventory(tls_of(public, &given), IngressProvider::Existing, "haproxy");
        change(&mut inventory);
        let refusal = picture(&inventory, &material(&given)).unwrap_err();
        assert!(refusal.hint().is_some_and(|hint| !hint.is_empty()));
        refusal.reason
    };
    let reason = refuse(&|inventory| inventory.rancher.tls.agent_tls_mode = Some(AgentTlsMode::Strict));
    assert!(reason.contains("could not connect"), "{reason}");
    let reason = refuse(&|inventory| inventory.rancher.tls.passthrough = true);
    assert!(reason.contains("mode rancher only"), "{reason}");
    let reason = refuse(&|inventory| {
        inventory.rancher.tls.passthrough = true;
        inventory.rancher.tls.mode = TlsMode::Rancher;
    });
    assert!(reason.contains("`haproxy`"), "{reason}");
    assert!(reason.contains("was not seen"), "{reason}");
    let reason = refuse(&|inventory| {
        inventory.rancher.tls.issuer = TlsIssuer::Ca;
        inventory.rancher.tls.ca = Some(PathBuf::from("ca.pem"));
    });
    assert!(reason.contains("`tls.ca_key`"), "{reason}");
}

/// rancher/rancher: chart/values.yaml, commit a3bb993f1d.
#[test]
fn nginx_gets_the_long_timeouts_that_the_chart_gives_only_when_asked() {
    for (version, asked) in [("2.13.8", false), ("2.14.0-rc1", true), ("2.14.4", true), ("2.15.0", true)] {
        for (provider, class) in [
            (IngressProvider::Nginx, "nginx"),
            (IngressProvider::Traefik, "traefik"),
            (IngressProvider::Existing, "haproxy"),
        ] {
            for passage in [Passage::Plain, Passage::Reencrypt] {
                let mode = if passage == Passage::Plain { TlsMode::Ingress } else { TlsMode::Rancher };
                let cell = cell(mode, TlsIssuer::Blank, Variant::PrivateCa, passage);
                let mut inventory = inventory(tls_of(cell, &given(cell)), provider, class);
                inventory.rancher.version = semver::Version::parse(version).unwrap();
                let values = picture(&inventory, &material(&given(cell))).unwrap().chart_values;
                let value = values["ingress"].get("includeDefaultExtraAnnotations");
                assert_eq!(value, (asked && class == "nginx").then_some(&json!(true)), "{version} {class} {passage:?}");
            }
        }
    }
}

/// What came with the certificate proves nothing about where it comes from; a given root does.
#[test]
fn a_staging_chain_is_proved_against_a_given_root_only() {
    let cell = cell(TlsMode::Ingress, TlsIssuer::Acme, Variant::Staging, Passage::Plain);
    let without = pictured(cell, IngressProvider::Nginx).unwrap();
    assert_eq!(without.trust, Trust::AsIssued { secret: INGRESS_SECRET, key: "tls.crt" });
    assert!(without.notes.iter().any(|note| note.contains("cannot be proved")), "{:?}", without.notes);
    let given = Given { files: false, ca: true, ca_key: false };
    let inventory = inventory(tls_of(cell, &given), IngressProvider::Nginx, "nginx");
    let with = picture(&inventory, &material(&given)).unwrap();
    assert_eq!(with.trust, Trust::Pem(String::from_utf8(CA.to_vec()).unwrap()));
    assert!(!with.notes.iter().any(|note| note.contains("cannot be proved")), "{:?}", with.notes);
}

#[test]
fn a_public_ca_may_be_handed_to_strict_agents() {
    let cell = cell(TlsMode::Ingress, TlsIssuer::Acme, Variant::Production, Passage::Plain);
    let given = Given { files: false, ca: true, ca_key: false };
    let mut inventory = inventory(tls_of(cell, &given), IngressProvider::Nginx, "nginx");
    inventory.rancher.tls.agent_tls_mode = Some(AgentTlsMode::Strict);
    let picture = picture(&inventory, &material(&given)).unwrap();
    assert_eq!(picture.chart_values["privateCA"], true);
    assert_eq!(picture.chart_values["ingress"]["tls"]["source"], "letsEncrypt");
    assert!(matches!(picture.predicted, Predicted::Checksum(_)));
}

/// Class and `spec.controller` of a cluster that is there.
fn served(cell: &Cell, class: &str, controller: Option<&str>) -> Result<Picture, Refusal> {
    let given = given(cell);
    let mut inventory = inventory(tls_of(cell, &given), IngressProvider::Existing, class);
    inventory.ingress.controller = controller.map(str::to_owned);
    picture(&inventory, &material(&given))
}

#[test]
fn what_serves_the_class_counts_and_not_what_the_class_is_called() {
    let through = cell(TlsMode::Rancher, TlsIssuer::Blank, Variant::ChartCa, Passage::Passthrough);
    let kinds = |picture: Picture| -> Vec<String> {
        picture.objects.iter().map(|one| one.manifest["kind"].as_str().unwrap().to_owned()).collect()
    };
    let traefik = kinds(served(through, "web", Some("traefik.io/ingress-controller")).unwrap());
    assert_eq!(traefik, ["IngressRouteTCP", "IngressRoute"]);
    for nginx in ["k8s.io/ingress-nginx", "k8s.io/internal-ingress-nginx"] {
        let picture = served(through, "traefik", Some(nginx)).unwrap();
        assert_eq!(picture.objects[0].manifest["spec"]["ingressClassName"], "traefik");
        assert_eq!(kinds(picture), ["Ingress"]);
    }
    let refusal = served(through, "nginx", Some("nginx.org/ingress-controller")).unwrap_err();
    assert!(refusal.reason.contains("`nginx.org/ingress-controller`") && !refusal.until_seen, "{refusal}");
    let again = cell(TlsMode::Rancher, TlsIssuer::Ca, Variant::MadeCa, Passage::Reencrypt);
    let annotations = |picture: &Picture| picture.chart_values["service"]["annotations"].clone();
    let internal = served(again, "traefik-internal", Some("traefik.io/ingress-controller")).unwrap();
    assert!(annotations(&internal).to_string().contains("serversscheme"), "{}", annotations(&internal));
    let other = served(again, "traefik", Some("k8s.io/ingress-nginx")).unwrap();
    assert_eq!(annotations(&other), Value::Null);
}

#[test]
fn before_anybody_looked_nothing_is_taken_for_known() {
    let through = cell(TlsMode::Rancher, TlsIssuer::Blank, Variant::ChartCa, Passage::Passthrough);
    for class in ["", "nginx"] {
        let refusal = served(through, class, None).unwrap_err();
        assert!(refusal.until_seen && !refusal.reason.contains("``"), "{refusal}");
    }
    // What the cluster cannot change is refused at once.
    let mut inventory = inventory(tls_of(through, &given(through)), IngressProvider::Existing, "");
    inventory.rancher.tls.agent_tls_mode = Some(AgentTlsMode::Strict);
    inventory.rancher.tls.ca = Some(PathBuf::from("ca.pem"));
    assert!(!picture(&inventory, &material(&given(through))).unwrap_err().until_seen);
}
