//! `cowhand up` and `down` in a cluster that was there before: whose the Rancher there is, and who else uses what came with it.
//! The real API, the real helm, and small charts with the names of the real ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cowhand::cluster::{Apply, ChartRef, Cluster, Condition, Helm, HelmRun, ObjectRef, Render};
use cowhand::facts::inhabitants::release;
use cowhand::facts::owner::{Claim, Mark, Owner, claim, cluster_uid};
use serde_json::{Value, json};

use crate::api::{alone, api, namespace};

const UID: &str = "0123456789abcdef0123456789abcdef";
const HOSTNAME: &str = "rancher.leaving.test";

/// A workspace whose inventory works in the cluster of these tests.
struct Scene {
    folder: tempfile::TempDir,
    cluster: Cluster,
}

impl Scene {
    async fn new() -> Scene {
        let cluster = api().cluster().await;
        namespace(&cluster, "kube-system").await;
        namespace(&cluster, "theirs").await;
        let folder = tempfile::tempdir().unwrap();
        let inventory = format!(
            "name: shared\nengine: {{existing: {{kubeconfig: ./kubeconfig, context: test}}}}\nhelm: {}\n\
             rancher: {{hostname: {HOSTNAME}, version: 2.11.5, tls: {{mode: ingress, issuer: ca}}}}\n",
            crate::program("helm").display()
        );
        std::fs::write(folder.path().join("inventory.yml"), inventory).unwrap();
        std::fs::write(folder.path().join("kubeconfig"), api().near()).unwrap();
        Scene { folder, cluster }
    }

    /// Installed as `up` does it, with a chart of that name and one object.
    async fn install(&self, namespace: &str, name: &str, object: Value) {
        let chart = chart(self.folder.path(), name, &object);
        let kubeconfig = api().access().helm_kubeconfig(api().route(), self.folder.path()).await.unwrap();
        let run = HelmRun { kubeconfig: kubeconfig.path(), limit: Duration::from_secs(60) };
        let render = Render {
            chart: ChartRef::Path(chart),
            release: name.into(),
            namespace: namespace.into(),
            values: json!({"hostname": HOSTNAME}),
        };
        let helm = Helm::new(crate::program("helm"), self.folder.path().join("helm-home"));
        helm.upgrade_install(run, &render).await.unwrap();
    }

    async fn rancher(&self) {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rancher"}});
        self.install("cattle-system", "rancher", map).await;
    }

    async fn mark(&self, uid: &str) {
        let mark = Mark { inventory: "shared".into(), uid: uid.into() };
        self.apply(mark.manifest()).await;
    }

    fn keep(&self, kind: &str, text: &str) {
        let folder = self.folder.path().join(".cowhand/identity");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("shared.{kind}")), text).unwrap();
    }

    async fn apply(&self, manifest: Value) {
        self.cluster.apply(&[manifest], &Apply::default(), |_| ()).await.unwrap();
    }

    /// A kind by its definition, served at once.
    async fn define(&self, group: &str, version: &str, kind: &str) {
        let plural = format!("{}s", kind.to_lowercase());
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        self.apply(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}"), "annotations": {"api-approved.kubernetes.io": "unapproved"}},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}
        }))
        .await;
        let established = Condition::CrdEstablished { name: format!("{plural}.{group}") };
        self.cluster.wait(&established, Duration::from_secs(30), |_| ()).await.unwrap();
    }

    /// `cowhand down --yes shared`: its exit code and all that it said.
    async fn down(&self, words: &[&str]) -> (i32, String) {
        self.down_named("shared", words).await
    }

    async fn down_named(&self, name: &str, words: &[&str]) -> (i32, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cowhand"));
        command.args(["down", "--yes", name, "--output", "plain"]).args(words).current_dir(self.folder.path());
        let ended = command.output().await.unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    async fn has(&self, namespace: &str, name: &str) -> bool {
        release(&self.cluster, namespace, name).await.unwrap().is_some()
    }

    async fn is_there(&self, object: &ObjectRef) -> bool {
        self.cluster.get(object).await.unwrap().is_some()
    }

    async fn claim(&self) -> Claim {
        let owner =
            Owner { inventory: "shared".into(), uid: Some(UID.into()), hostname: HOSTNAME.into(), taking: false };
        claim(&self.cluster, &owner).await.unwrap()
    }

    async fn delete(&self, object: &ObjectRef) {
        self.cluster.delete(object).await.unwrap();
        self.cluster.wait(&Condition::Gone(object.clone()), Duration::from_secs(60), |_| ()).await.unwrap();
    }
}

fn chart(folder: &Path, name: &str, object: &Value) -> PathBuf {
    let chart = folder.join("charts").join(name);
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 2.11.5\n")).unwrap();
    std::fs::write(chart.join("values.yaml"), "hostname: ''\n").unwrap();
    std::fs::write(chart.join("templates/object.yaml"), object.to_string()).unwrap();
    chart
}

fn object(api_version: &str, kind: &str, name: &str, spec: Value) -> (Value, ObjectRef) {
    let manifest = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "theirs"}, "spec": spec});
    let object = ObjectRef::of(&manifest).unwrap();
    (manifest, object)
}

#[tokio::test]
async fn traefik_stays_while_a_route_or_an_ingress_of_others_goes_through_it() {
    let _alone = alone().await;
    let scene = Scene::new().await;
    scene.keep("uid", UID);
    scene.mark(UID).await;
    scene.rancher().await;
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "traefik"},
        "spec": {"controller": "traefik.io/ingress-controller"}});
    scene.install("traefik", "traefik", class).await;
    scene.define("traefik.io", "v1alpha1", "IngressRouteTCP").await;
    scene.define("gateway.networking.k8s.io", "v1", "Gateway").await;
    let (route, route_object) = object("traefik.io/v1alpha1", "IngressRouteTCP", "route", json!({}));
    scene.apply(route).await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("traefik is kept: others use it: ingressroutetcp theirs/route"), "{said}");
    assert!(scene.has("traefik", "traefik").await && !scene.has("cattle-system", "rancher").await);
    let class = ObjectRef::new("networking.k8s.io/v1", "IngressClass", None, "traefik");
    assert!(scene.is_there(&class).await, "its class went");
    // The mark goes with the last thing that it names.
    assert!(matches!(scene.claim().await, Claim::Ours(_)));
    scene.delete(&route_object).await;
    let (ingress, ingress_object) = object(
        "networking.k8s.io/v1",
        "Ingress",
        "classless",
        json!({"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}),
    );
    scene.apply(ingress).await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("traefik", "traefik").await), (0, true), "{said}");
    assert!(said.contains("ingress theirs/classless"), "{said}");
    scene.delete(&ingress_object).await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("traefik", "traefik").await), (0, false), "{said}");
    assert_eq!(scene.claim().await, Claim::Free, "the mark is left");
}

#[tokio::test]
async fn cert_manager_stays_while_others_ask_it_for_certificates() {
    let _alone = alone().await;
    let scene = Scene::new().await;
    scene.keep("uid", UID);
    scene.mark(UID).await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cert-manager"}});
    scene.install("cert-manager", "cert-manager", map).await;
    scene.define("cert-manager.io", "v1", "CertificateRequest").await;
    let (request, request_object) = object("cert-manager.io/v1", "CertificateRequest", "by-hand", json!({}));
    scene.apply(request).await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cert-manager", "cert-manager").await), (0, true), "{said}");
    assert!(said.contains("cert-manager is kept: others use it: certificaterequest theirs/by-hand"), "{said}");
    scene.delete(&request_object).await;
    let (mut ingress, ingress_object) = object(
        "networking.k8s.io/v1",
        "Ingress",
        "annotated",
        json!({"ingressClassName": "other", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}),
    );
    ingress["metadata"]["annotations"] = json!({"cert-manager.io/cluster-issuer": "theirs"});
    scene.apply(ingress).await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cert-manager", "cert-manager").await), (0, true), "{said}");
    assert!(said.contains("ingress theirs/annotated"), "{said}");
    scene.delete(&ingress_object).await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cert-manager", "cert-manager").await), (0, false), "{said}");
}

#[tokio::test]
async fn a_rancher_of_another_inventory_or_host_name_stays() {
    let _alone = alone().await;
    let scene = Scene::new().await;
    scene.keep("uid", UID);
    scene.rancher().await;
    // Another workspace with an inventory of the same name.
    scene.mark("ffffffffffffffffffffffffffffffff").await;
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    assert!(said.contains("--take-over ffffffffffffffffffffffffffffffff"), "{said}");
    // An older cowhand left no mark: its host name tells.
    scene.delete(&Mark::object()).await;
    let inventory = scene.folder.path().join("inventory.yml");
    let text = std::fs::read_to_string(&inventory).unwrap();
    std::fs::write(&inventory, text.replace(HOSTNAME, "rancher.other.test")).unwrap();
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    assert!(said.contains(HOSTNAME) && said.contains("rancher.other.test"), "{said}");
    // The right name on another cluster than the first one.
    std::fs::write(&inventory, &text).unwrap();
    scene.keep("pin.json", r#"{"context": "test", "server": "https://10.0.0.9:6443", "cluster": "another"}"#);
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    let uid = cluster_uid(&scene.cluster).await.unwrap();
    assert!(said.contains(&uid) && said.contains("https://10.0.0.9:6443"), "{said}");
    std::fs::remove_file(scene.folder.path().join(".cowhand/identity/shared.pin.json")).unwrap();
    // The host name alone is anybody's to write.
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    assert!(said.contains("left no mark") && !scene.is_there(&Mark::object()).await, "{said}");
    scene.mark(UID).await;
    // The UID of the mark under another name of the inventory, as `--take-over` may bring it.
    let other = text.replace("name: shared", "name: testing");
    std::fs::write(&inventory, other).unwrap();
    let (code, said) = scene.down_named("testing", &["--take-over", UID]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    assert!(said.contains("the mark of inventory `shared`") && !said.contains("--take-over"), "{said}");
    // The mark is ours, and another Rancher runs.
    std::fs::write(&inventory, text.replace(HOSTNAME, "rancher.other.test")).unwrap();
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    assert!(said.contains(&format!("has the host name {HOSTNAME}")), "{said}");
    std::fs::write(&inventory, &text).unwrap();
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (0, false), "{said}");
    let pin = std::fs::read_to_string(scene.folder.path().join(".cowhand/identity/shared.pin.json")).unwrap();
    assert!(pin.contains(&uid), "{pin}");
}

/// What these checks look for is not part of a bare API.
const SKIPPED: &str = "existing.ingress-class,existing.nodes,existing.aggregation,existing.cert-manager,dns.laptop";

#[tokio::test]
async fn up_pins_the_cluster_and_leaves_its_mark_before_anything_else_comes() {
    let _alone = alone().await;
    let scene = Scene::new().await;
    scene
        .apply(json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "web"},
            "spec": {"controller": "k8s.io/ingress-nginx"}}))
        .await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rancher"}});
    let chart = chart(scene.folder.path(), "rancher", &map);
    let inventory = format!(
        "name: shared\nengine: {{existing: {{kubeconfig: ./kubeconfig}}}}\nhelm: {}\ningress: {{class: web}}\nload_balancers: [192.0.2.1]\n\
         rancher: {{hostname: {HOSTNAME}, version: 2.11.5, chart: {{path: {}}}, tls: {{mode: external, issuer: blank}}}}\n",
        crate::program("helm").display(),
        chart.display()
    );
    std::fs::write(scene.folder.path().join("inventory.yml"), inventory).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cowhand"));
    let log = std::fs::File::create(scene.folder.path().join("up.log")).unwrap();
    command.args(["up", "--output", "plain", "--skip", SKIPPED]).current_dir(scene.folder.path());
    command.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
    let mut up = command.spawn().unwrap();
    let kept =
        |kind: &str| std::fs::read_to_string(scene.folder.path().join(format!(".cowhand/identity/shared.{kind}")));
    let marked = async {
        while !scene.is_there(&Mark::object()).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = marked => {}
        ended = up.wait() => panic!("{ended:?}: {}", std::fs::read_to_string(scene.folder.path().join("up.log")).unwrap()),
    }
    // Killed right there, it has left all that tells whose this is, and nothing of Rancher.
    up.kill().await.unwrap();
    scene.delete(&ObjectRef::new("coordination.k8s.io/v1", "Lease", Some("kube-system"), "cowhand")).await;
    let uid = kept("uid").unwrap().trim().to_owned();
    let owner =
        Owner { inventory: "shared".into(), uid: Some(uid.clone()), hostname: "other.test".into(), taking: false };
    let mark = Mark { inventory: "shared".into(), uid };
    assert_eq!(claim(&scene.cluster, &owner).await.unwrap(), Claim::Ours(mark));
    let pin: Value = serde_json::from_str(&kept("pin.json").unwrap()).unwrap();
    let cluster = cluster_uid(&scene.cluster).await.unwrap();
    let server = format!("https://127.0.0.1:{}", api().port);
    assert_eq!(pin, json!({"context": "test", "server": server, "cluster": cluster}));
    // The context that the inventory left out is known now.
    let (code, said) = scene.down(&[]).await;
    assert_eq!((code, scene.is_there(&Mark::object()).await), (0, false), "{said}");
}

#[tokio::test]
async fn a_down_that_was_cut_off_is_taken_up_again() {
    let _alone = alone().await;
    let scene = Scene::new().await;
    scene.keep("uid", UID);
    scene.mark(UID).await;
    // The release of Traefik went, its namespace did not.
    scene
        .apply(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "traefik", "labels": {"app.kubernetes.io/managed-by": "cowhand"}}}))
        .await;
    let (code, said) = scene.down(&[]).await;
    let namespace = ObjectRef::new("v1", "Namespace", None, "traefik");
    assert_eq!((code, scene.is_there(&namespace).await, scene.claim().await), (0, false, Claim::Free), "{said}");
}

#[tokio::test]
async fn a_lost_workspace_goes_on_with_the_uid_of_its_mark() {
    let _alone = alone().await;
    let scene = Scene::new().await;
    scene.rancher().await;
    scene.mark(UID).await;
    let (code, said) = scene.down(&["--take-over", "another"]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (5, true), "{said}");
    let (code, said) = scene.down(&["--take-over", UID]).await;
    assert_eq!((code, scene.has("cattle-system", "rancher").await), (0, false), "{said}");
    let kept = std::fs::read_to_string(scene.folder.path().join(".cowhand/identity/shared.uid")).unwrap();
    assert_eq!(kept.trim(), UID);
    // Nothing is there any more that could be taken over, and nothing that a mark would have to name.
    assert_eq!(scene.down(&["--take-over", UID]).await.0, 5);
}
