//! What the stages are planned from, as `commands` joins it, with a cluster that is only remembered.

use std::collections::BTreeMap;

use cowhand::cluster::split_for_addon;
use cowhand::engine::rke::cluster_yml as rke;
use cowhand::failure::Hint;
use cowhand::inventory::{CertManagerInstall, Delivery, Engine, IngressProvider, Inventory, Values};
use cowhand::plan::cert_manager::{self, CERT_MANAGER, CertManagerFound};
use cowhand::plan::ingress::{self, Foreign, IngressFound, TRAEFIK};
use cowhand::plan::leftovers::{self, bare_deployment};
use cowhand::plan::rancher::{
    self, BOOTSTRAP_SECRET, LISTENER_SECRET, ListenerLeaf, NAMESPACE, RANCHER, RancherFound, RancherWanted,
};
use cowhand::plan::release::ReleaseFound;
use cowhand::plan::{SecretFrom, SecretStep, StagePlan, Step, documents};
use cowhand::tls::{Files, Material, Origin, Picture, picture};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

pub const CERT_MANAGER_VERSION: &str = "v1.17.4";

/// The inventory with everything that follows from it and from the TLS files.
pub struct World {
    pub inventory: Inventory,
    pub material: Material,
    pub picture: Picture,
}

/// What serves the ingress classes of the cluster that is there in these tests; `web` is its default.
const CLASSES: &[(&str, &str)] = &[
    ("web", "traefik.io/ingress-controller"),
    ("nginx", "k8s.io/ingress-nginx"),
    ("internal", "k8s.io/internal-ingress-nginx"),
    ("f5", "nginx.org/ingress-controller"),
];

/// As the commands fit an inventory to that cluster.
fn served(inventory: Inventory) -> Inventory {
    match (&inventory.engine, inventory.ingress.provider) {
        (Engine::Existing(_), IngressProvider::Existing) => {}
        (Engine::Existing(_), IngressProvider::Traefik | IngressProvider::Nginx) | (Engine::Rke(_), _) => {
            return inventory;
        }
    }
    let wanted = if inventory.ingress.class.is_empty() { "web" } else { &inventory.ingress.class };
    let (name, controller) = CLASSES.iter().find(|(name, _)| *name == wanted).expect("one of these classes");
    inventory.with_class(name, controller)
}

/// TLS files, by their names in `tests/data/tls`.
#[derive(Clone, Copy, Default)]
pub struct Given {
    pub certificate: Option<&'static str>,
    pub key: Option<&'static str>,
    pub ca: Option<&'static str>,
    pub ca_key: Option<&'static str>,
    pub also_trust: Option<&'static str>,
    pub acme_server_ca: Option<&'static str>,
}

impl Given {
    pub const NOTHING: Given =
        Given { certificate: None, key: None, ca: None, ca_key: None, also_trust: None, acme_server_ca: None };
    pub const CA: Given = Given { ca: Some("root.pem"), ca_key: Some("root.key"), ..Given::NOTHING };
    pub const OTHER_CA: Given = Given { ca: Some("root-other.pem"), ca_key: Some("root-other.key"), ..Given::NOTHING };
    pub const FILES: Given =
        Given { certificate: Some("chain.pem"), key: Some("leaf.key"), ca: Some("root.pem"), ..Given::NOTHING };
    pub const OWN_ACME: Given = Given { ca: Some("root.pem"), acme_server_ca: Some("root.pem"), ..Given::NOTHING };

    fn material(self) -> Material {
        let bytes = |name: Option<&str>| name.map(|name| crate::file(&format!("tests/data/tls/{name}")).into_bytes());
        let [certificate, key, ca, ca_key, also_trust, acme_server_ca] =
            [self.certificate, self.key, self.ca, self.ca_key, self.also_trust, self.acme_server_ca].map(bytes);
        let files = Files {
            certificate: certificate.as_deref(),
            key: key.as_deref(),
            ca: ca.as_deref(),
            ca_key: ca_key.as_deref(),
            also_trust: also_trust.as_deref(),
            acme_server_ca: acme_server_ca.as_deref(),
        };
        Material::read(&files).unwrap()
    }
}

impl World {
    pub fn new(text: &str, given: Given) -> World {
        let inventory = served(crate::read(text));
        let material = given.material();
        let picture = picture(&inventory, &material).unwrap();
        World { inventory, material, picture }
    }

    pub fn values(&self) -> Values {
        rancher::values(&self.inventory, &self.picture)
    }

    /// cluster.yml as a map, and as people keep it.
    pub fn cluster_yml(&self) -> (Map<String, Value>, String) {
        let Engine::Rke(rke) = &self.inventory.engine else { panic!("no rke") };
        let strings = |map: &BTreeMap<String, String>| -> Map<String, Value> {
            map.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
        };
        let additions = rke::Additions {
            addon: documents(&self.parts().0),
            nginx_options: strings(&self.picture.ingress.rke_options),
            nginx_arguments: strings(&self.picture.ingress.rke_extra_args),
            bucket_ca: None,
            files: Vec::new(),
        };
        let config = rke::cluster_yml(&self.inventory, rke, &additions);
        let text = rke::text(&config, &self.inventory, "inventory.yml", &rke.version);
        (config, text)
    }

    /// The ingress, cert-manager and rancher stages, from what the cluster holds.
    pub fn plan(&self, cluster: &Cluster) -> Vec<StagePlan> {
        let traefik = cluster.release(TRAEFIK, &self.inventory.ingress.chart.version);
        let namespace = cluster.has_namespace(TRAEFIK);
        let found = IngressFound { release: traefik, namespace, ..IngressFound::default() };
        let ingress = ingress::plan(&self.inventory, &self.picture.ingress.traefik_values, &found).unwrap();
        let release = cluster.release(CERT_MANAGER, CERT_MANAGER_VERSION);
        let (there, namespace) = (release.is_some(), cluster.has_namespace(CERT_MANAGER));
        let found = CertManagerFound { crds: there, ours: there, controller: None, namespace, release };
        let needed = self.picture.needs_cert_manager;
        let cert_manager = cert_manager::plan(&self.inventory, needed, CERT_MANAGER_VERSION, &found).unwrap();
        vec![ingress, cert_manager, self.rancher(cluster)]
    }

    pub fn rancher(&self, cluster: &Cluster) -> StagePlan {
        let values = self.values();
        let (addon, later) = self.parts();
        let wanted = RancherWanted { inventory: &self.inventory, picture: &self.picture, values, addon: &addon, later };
        rancher::plan(&wanted, &cluster.found(self, &wanted))
    }

    /// Names of the Secrets that go right behind an addon whose Deployment has these pods.
    pub fn awaited(&self, pod: &Value) -> Vec<String> {
        let metadata = json!({"name": RANCHER, "namespace": NAMESPACE});
        let addon = [json!({"kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": pod}}})];
        let (inventory, picture, values) = (&self.inventory, &self.picture, self.values());
        let wanted = RancherWanted { inventory, picture, values, addon: &addon, later: Vec::new() };
        rancher::awaited(&wanted).into_iter().map(|secret| secret.name).collect()
    }

    /// Addon and what comes later, of a chart that is only as much of Rancher's as planning can see.
    fn parts(&self) -> (Vec<Value>, Vec<Value>) {
        if self.inventory.rancher.delivery == Delivery::Helm {
            return (Vec::new(), Vec::new());
        }
        let values = self.values();
        let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE});
        let mut rendered = vec![json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(RANCHER),
                   "spec": {"replicas": values["replicas"]}})];
        if values["ingress"]["enabled"] != false {
            rendered
                .push(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(RANCHER),
                                 "spec": {"rules": [{"host": values["hostname"]}]}}));
        }
        if values["ingress"]["tls"]["source"] == "rancher" {
            rendered.push(json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": metadata(RANCHER),
                                 "spec": {"ca": {"secretName": "tls-rancher"}}}));
        }
        let parts = split_for_addon(rendered, RANCHER, NAMESPACE).unwrap();
        (parts.addon, parts.later)
    }

    /// The CA by which Rancher's own listener signs, where clients see what it signed.
    fn listeners_ca(&self) -> Option<String> {
        match self.picture.cell.recipe()?.origin {
            Origin::PodCa => self.material.ca().map(str::to_owned),
            Origin::PodOwn => Some("Rancher's own".into()),
            Origin::CaIssuer
            | Origin::AcmeIssuer
            | Origin::ChartIssuer
            | Origin::Files
            | Origin::Balancer
            | Origin::PodFiles => None,
        }
    }

    fn secret(&self, step: &SecretStep) -> Vec<Option<String>> {
        let text = |from: &SecretFrom| match from {
            SecretFrom::Tls(source) => self.material.text(*source).map(|text| text.expose_secret().to_owned()),
            SecretFrom::BootstrapPassword => Some("password".to_owned()),
        };
        step.entries.iter().map(|(_, from)| text(from)).collect()
    }
}

/// A cluster that remembers what was carried out.
#[derive(Default)]
pub struct Cluster {
    namespaces: Vec<String>,
    secrets: BTreeMap<String, Vec<Option<String>>>,
    objects: Vec<Value>,
    releases: BTreeMap<String, (String, Values)>,
    /// What RKE applied: it adds and changes, and takes nothing away.
    addon: Vec<Value>,
    /// cert-manager made a Certificate for Rancher's Ingress.
    by_ingress: bool,
    /// The CA that signed the certificate in Secret `tls-rancher-ingress`, when cert-manager made it.
    issued: Option<String>,
    /// All of Rancher's pods are on this node, and others take some too.
    pub crowded: Option<String>,
    /// The CA that Rancher's running pods know, and the one that signed the certificate their own listener keeps.
    pods_ca: Option<String>,
    leaf: Option<String>,
}

impl Cluster {
    /// After everything that the world plans for an empty cluster.
    pub fn after(world: &World) -> Cluster {
        let mut cluster = Cluster::default();
        cluster.become_as(world);
        cluster
    }

    /// `rke up` with the world's addon, and then what the stages plan.
    pub fn become_as(&mut self, world: &World) {
        let addon = world.parts().0;
        let names: Vec<String> = addon.iter().map(rancher::identity).collect();
        self.addon.retain(|there| !names.contains(&rancher::identity(there)));
        self.addon.extend(addon);
        for step in world.plan(self).into_iter().flat_map(|plan| plan.steps) {
            self.carry_out(world, step);
        }
        if self.pods_ca.is_none() {
            self.start_pods(world);
        }
        if rancher::by_chart(&world.picture) {
            self.secrets.entry("tls-rancher-ingress".into()).or_default();
            self.by_ingress = true;
        }
    }

    /// As Rancher's listener does: a certificate that is there is kept, whoever signed it.
    fn start_pods(&mut self, world: &World) {
        if let Some(ca) = world.listeners_ca() {
            self.leaf.get_or_insert_with(|| ca.clone());
            self.pods_ca = Some(ca);
        }
    }

    /// `Kind/name` of all that is there besides the chart's objects of a release.
    pub fn names(&self) -> Vec<String> {
        let objects = self.objects.iter().chain(&self.addon).map(rancher::identity);
        objects.chain(self.secrets.keys().map(|name| format!("Secret/{name}"))).collect()
    }

    pub fn carry_out(&mut self, world: &World, step: Step) {
        match step {
            Step::Apply { manifests, .. } => {
                let (namespaces, manifests): (Vec<Value>, Vec<Value>) =
                    manifests.into_iter().partition(|one| one["kind"] == "Namespace");
                self.namespaces.extend(namespaces.iter().map(rancher::identity));
                let names: Vec<String> = manifests.iter().map(rancher::identity).collect();
                if manifests.iter().any(|one| one["kind"] == "Certificate") {
                    // Files that lie there are taken for its own.
                    self.issued = world.material.ca().map(str::to_owned);
                    self.secrets.entry("tls-rancher-ingress".into()).or_default();
                }
                self.objects.retain(|there| !names.contains(&rancher::identity(there)));
                self.objects.extend(manifests.into_iter().filter(|one| *one != bare_deployment()));
            }
            Step::Remove { objects, .. } => {
                self.by_ingress &= objects.iter().all(|one| one.kind != "Certificate");
                let gone: Vec<String> = objects.iter().map(|one| format!("{}/{}", one.kind, one.name)).collect();
                self.objects.retain(|there| !gone.contains(&rancher::identity(there)));
                self.addon.retain(|there| !gone.contains(&rancher::identity(there)));
                // Pods that know another CA write their certificate back.
                let wanted = world.listeners_ca() == self.pods_ca;
                if wanted && gone.contains(&format!("Secret/{LISTENER_SECRET}")) {
                    self.leaf = None;
                }
                self.secrets.retain(|name, _| !gone.contains(&format!("Secret/{name}")));
            }
            Step::Reissue { .. } => {
                self.issued = world.material.ca().map(str::to_owned);
                self.secrets.insert("tls-rancher-ingress".into(), Vec::new());
            }
            Step::Secret(step) => {
                self.secrets.insert(step.name.clone(), world.secret(&step));
            }
            Step::Helm(wanted) => {
                let version = if wanted.release == CERT_MANAGER { CERT_MANAGER_VERSION } else { &wanted.chart.version };
                self.releases.insert(wanted.release, (version.to_owned(), wanted.values));
            }
            Step::Restart { .. } => {
                self.crowded = None;
                self.start_pods(world);
            }
            Step::Touch { .. } | Step::Unmark { .. } | Step::Wait(_) => {}
            step @ (Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::RkeUp { .. }
            | Step::ForgetApplied { .. }
            | Step::MarkNodes(_)
            | Step::TakeAway(_)) => {
                panic!("none of these stages does this: {step}")
            }
        }
    }

    fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(&format!("Namespace/{name}"))
    }

    fn release(&self, name: &str, wanted_version: &str) -> Option<ReleaseFound> {
        self.releases.get(name).map(|(version, values)| ReleaseFound {
            status: "deployed".into(),
            revision: 1,
            chart_version: version.clone(),
            values: values.clone(),
            wanted_version: wanted_version.into(),
        })
    }

    fn found(&self, world: &World, wanted: &RancherWanted<'_>) -> RancherFound {
        let crowded = self.crowded.clone();
        let mut found = RancherFound { namespace: self.has_namespace(NAMESPACE), crowded, ..RancherFound::default() };
        for step in rancher::secrets(&world.picture) {
            let Some(there) = self.secrets.get(&step.name) else {
                // Where none is given, Rancher keeps the CA that it makes there.
                if step.name == "tls-rancher" && self.pods_ca.is_some() {
                    found.secrets_changed.push(step.name);
                }
                continue;
            };
            let same = *there == world.secret(&step);
            if same { &mut found.secrets_as_wanted } else { &mut found.secrets_changed }.push(step.name);
        }
        if self.secrets.contains_key(BOOTSTRAP_SECRET) {
            found.secrets_as_wanted.push(BOOTSTRAP_SECRET.into());
        }
        let (before, after) = rancher::own_objects(&world.picture);
        let objects = before.iter().chain(&after).chain(&wanted.later);
        found.objects_as_wanted = objects.filter(|one| self.objects.contains(one)).map(rancher::identity).collect();
        found.release = self.release(RANCHER, &world.inventory.rancher.chart.version);
        let candidates = leftovers::candidates(wanted).into_iter();
        let there = candidates.filter_map(|object| {
            let name = format!("{}/{}", object.kind, object.name);
            let addon = self.addon.iter().find(|one| rancher::identity(one) == name);
            let owner = json!({"ownerReferences": [{"kind": "Ingress", "name": RANCHER, "controller": true}]});
            if self.by_ingress && name == "Certificate/tls-rancher-ingress" {
                return Some((object, owner));
            }
            let ours = self.names().contains(&name).then(|| json!({"managedFields": [{"manager": "cowhand"}]}));
            let metadata = addon.map(|one| one["metadata"].clone()).or(ours)?;
            Some((object, metadata))
        });
        found.leftovers = leftovers::part(&world.picture, found.release.is_some(), there.collect());
        let extended = |one: &Value| one["kind"] == "Deployment";
        found.leftovers.mounts = self.objects.iter().any(extended) && !after.iter().any(extended);
        let has_certificate = self.objects.iter().any(|one| one["kind"] == "Certificate");
        let by_ca = before.iter().any(|one| rancher::identity(one) == "Issuer/cattle-issuer-ca");
        let other = has_certificate && by_ca && self.issued.as_deref() != world.material.ca();
        let given = self.secrets.get("tls-rancher-ingress").is_some_and(|secret| !secret.is_empty());
        let issued = rancher::by_chart(&world.picture) || before.iter().any(|one| one["kind"] == "Certificate");
        found.listener_leaf = match (&self.leaf, world.listeners_ca()) {
            (Some(signer), Some(ca)) if *signer == ca => ListenerLeaf::OfTheCa,
            (Some(_), Some(_)) => ListenerLeaf::OfAnother,
            (None, _) | (_, None) => ListenerLeaf::Absent,
        };
        found.stale = (other || given && issued).then(|| "another CA".to_owned());
        found
    }
}

#[test]
fn somebody_elses_cert_manager_is_used_or_refused_and_never_upgraded() {
    let world = World::new(&crate::inventory("mode: ingress, issuer: ca", ""), Given::CA);
    let release = || ReleaseFound {
        status: "deployed".into(),
        revision: 1,
        chart_version: "v1.0.0".into(),
        values: Values::new(),
        wanted_version: CERT_MANAGER_VERSION.into(),
    };
    let plan = |found: &CertManagerFound| cert_manager::plan(&world.inventory, true, CERT_MANAGER_VERSION, found);
    let place = || Some(("security".to_owned(), "cm-cert-manager".to_owned()));
    let theirs =
        CertManagerFound { crds: true, controller: place(), namespace: true, release: Some(release()), ours: false };
    let steps = plan(&theirs).unwrap().steps;
    let [Step::Wait(cowhand::plan::Wait::CertManager { namespace, name })] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!((namespace.as_str(), name.as_str()), ("security", "cm-cert-manager"));
    // Without its definitions: whatever tells of it, a release or a running controller.
    for (release, controller) in [(Some(release()), None), (None, place()), (Some(release()), place())] {
        let found = CertManagerFound { crds: false, controller, namespace: true, release, ours: false };
        assert!(plan(&found).unwrap_err().hint().unwrap().contains("crds.enabled"), "{found:?}");
    }
    let ours =
        CertManagerFound { crds: false, controller: None, namespace: true, release: Some(release()), ours: true };
    assert!(plan(&ours).unwrap().steps.iter().any(Step::changes));
}

#[test]
fn no_ingress_is_installed_over_or_beside_somebody_elses_whatever_was_skipped() {
    let world = World::new(&crate::by_helm("mode: ingress, issuer: ca", crate::stages::TRAEFIK), Given::CA);
    let plan = |found: &IngressFound| ingress::plan(&world.inventory, &world.picture.ingress.traefik_values, found);
    let release = Cluster::after(&world).release(TRAEFIK, "37.3.0");
    assert!(release.is_some());
    let theirs = IngressFound { foreign: true, ..IngressFound::default() };
    assert_eq!(plan(&theirs), Err(Foreign::Release));
    let beside = IngressFound { others: vec!["class nginx".into()], ..IngressFound::default() };
    assert_eq!(plan(&beside).unwrap_err().to_string(), "an ingress is in the cluster already: class nginx");
    assert!(plan(&beside).unwrap_err().hint().unwrap().contains("provider: existing"));
    let ours = IngressFound { release, ..IngressFound::default() };
    assert!(!plan(&ours).unwrap().steps.iter().any(Step::changes));
}

#[test]
fn the_pinned_cert_manager_is_the_default_one() {
    let inventory = crate::read(&crate::file("inventory/ha.yml"));
    assert_eq!(inventory.cert_manager.install, CertManagerInstall::Auto);
    assert_eq!(inventory.cert_manager.chart.version, CERT_MANAGER_VERSION);
}
