//! `down` for a cluster that is there: Rancher's release and what cowhand made for it go; everything else stays.

use tokio_util::sync::CancellationToken;

use super::run::guarded;
use super::site::Site;
use super::world::{Reached, find};
use crate::cluster::{ClusterError, Condition, Helm, HelmRun, ObjectRef};
use crate::execute::tool::ToolKind;
use crate::execute::{Stage, Tell};
use crate::facts::belongings::{Around, Whose, whose};
use crate::facts::existing::{ClusterObserved, ExistingSeen, existing};
use crate::facts::inhabitants;
use crate::inventory::defaults::HELM_VERSION;
use crate::plan::cert_manager::CERT_MANAGER;
use crate::plan::ingress::TRAEFIK;
use crate::plan::rancher::{NAMESPACE, RANCHER};
use crate::report::{Exit, Failure};

/// For helm's own wait, and for a namespace to go.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// What is at hand to take away with.
pub struct TakeAway<'a> {
    pub site: &'a Site,
    pub reached: &'a Reached,
    pub helm: Helm,
    pub stop: &'a CancellationToken,
    pub tell: &'a Tell,
}

impl<'a> TakeAway<'a> {
    pub async fn new(
        site: &'a Site,
        reached: &'a Reached,
        stop: &'a CancellationToken,
        tell: &'a Tell,
    ) -> Result<TakeAway<'a>, Failure> {
        let helm = guarded(stop, find(ToolKind::Helm, &site.inventory.helm, HELM_VERSION, tell)).await?;
        let helm = Helm::new(helm.path, site.workspace.helm_home());
        Ok(TakeAway { site, reached, helm, stop, tell })
    }

    /// Removes what is cowhand's; the answer says what is gone. What stays is told on the way.
    pub async fn run(&self) -> Result<String, Failure> {
        let seen = match existing(&self.reached.cluster).await {
            ClusterObserved::Reached(seen) => seen,
            ClusterObserved::Unreachable { reason, hint } => {
                return Err(Failure::new(Exit::Unreachable, "the cluster cannot be looked at")
                    .because(reason)
                    .maybe_hint(hint));
            }
        };
        let had_release = self.refuse_foreign(&seen)?;
        let mut gone = Vec::new();
        if had_release {
            self.uninstall(NAMESPACE, RANCHER).await?;
            gone.push("Rancher's release".to_owned());
        }
        gone.extend(self.empty(NAMESPACE, had_release).await?);
        if self.is_ours(TRAEFIK).await? {
            gone.extend(self.chart(TRAEFIK, others_ingresses(self.reached).await?).await?);
        }
        if self.is_ours(CERT_MANAGER).await? {
            gone.extend(self.chart(CERT_MANAGER, others_certificates(self.reached).await?).await?);
        }
        self.rest().await?;
        let what = if gone.is_empty() {
            "nothing of cowhand's was left".to_owned()
        } else {
            format!("{} gone", gone.join(", "))
        };
        Ok(format!("{what}; the cluster stays"))
    }

    /// Whether there is a release of ours to remove.
    fn refuse_foreign(&self, seen: &ExistingSeen) -> Result<bool, Failure> {
        let there = seen.rancher.as_ref().map_err(|unseen| {
            Failure::new(Exit::Unreachable, "whether the Rancher there is cowhand's cannot be seen").because(unseen)
        })?;
        let refused = |error: String| {
            Err(Failure::new(Exit::ChecksFailed, error).hint(
                "remove it with what installed it, e.g. `helm uninstall rancher --namespace cattle-system`; nothing was touched",
            ))
        };
        match (&there.release, &there.image) {
            (release, _) if inhabitants::is_ours(release.as_ref()) => Ok(true),
            (Some(release), _) => refused(format!(
                "the Rancher in this cluster (release {}/{}, revision {}) was not installed by cowhand",
                release.namespace, release.name, release.revision
            )),
            (None, Some(image)) => {
                refused(format!("the Rancher in this cluster ({image}) was not installed by cowhand"))
            }
            (None, None) => Ok(false),
        }
    }

    async fn is_ours(&self, name: &str) -> Result<bool, Failure> {
        let release = inhabitants::release(&self.reached.cluster, name, name).await.map_err(unseen)?;
        Ok(inhabitants::is_ours(release.as_ref()))
    }

    async fn uninstall(&self, namespace: &str, name: &str) -> Result<(), Failure> {
        self.tell.progress(Stage::Remove, format!("helm uninstall {name} --namespace {namespace}"));
        let run = HelmRun { kubeconfig: self.reached.kubeconfig.path(), limit: LIMIT };
        let removed = async {
            self.helm.uninstall(run, namespace, name).await.map_err(|error| {
                Failure::with_cause(Exit::StepFailed, format!("release {namespace}/{name} cannot be removed"), &error)
                    .maybe_hint(error.hint())
            })
        };
        guarded(self.stop, removed).await.map(drop)
    }

    /// A chart that cowhand installed; it stays while others use it.
    async fn chart(&self, name: &str, users: Vec<String>) -> Result<Vec<String>, Failure> {
        if !users.is_empty() {
            self.tell.note(format!("{name} is kept, others use it: {}", some(&users)));
            return Ok(Vec::new());
        }
        self.uninstall(name, name).await?;
        let mut gone = vec![name.to_owned()];
        // Newer charts of cert-manager keep their definitions; with nobody's objects left, they are ours to remove.
        let definitions = self.reached.cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, None);
        for definition in definitions.await.map_err(unseen)? {
            let annotation = |key: &str| definition["metadata"]["annotations"][key].as_str() == Some(name);
            if annotation("meta.helm.sh/release-name") && annotation("meta.helm.sh/release-namespace") {
                self.delete(&ObjectRef::of(&definition).map_err(unseen)?).await?;
            }
        }
        gone.extend(self.empty(name, true).await?);
        Ok(gone)
    }

    /// Removes what is cowhand's in the namespace, and the namespace too when cowhand made it and nobody else is in it.
    async fn empty(&self, namespace: &str, had_release: bool) -> Result<Vec<String>, Failure> {
        let cluster = &self.reached.cluster;
        let there = cluster.get(&ObjectRef::new("v1", "Namespace", None, namespace)).await.map_err(unseen)?;
        if there.is_none() {
            return Ok(Vec::new());
        }
        let found = cluster.inhabitants(namespace).await.map_err(unseen)?;
        let around = Around::of(&found.all, crate::tls::INGRESS_SECRET);
        let mut gone = Vec::new();
        let mut kept = Vec::new();
        for one in &found.all {
            match whose(one, &around) {
                Whose::Cowhand | Whose::Certificate => gone.push(one),
                Whose::Program if had_release => gone.push(one),
                Whose::Program | Whose::Other => kept.push(one.object.to_string()),
                Whose::Kubernetes => {}
            }
        }
        // What issues comes first: it would make its Secrets again.
        gone.sort_by_key(|one| one.object.kind == "Secret");
        let ours = inhabitants::namespace_ours(cluster, namespace).await.map_err(unseen)?;
        for one in &gone {
            self.delete(&one.object).await?;
        }
        let mut said: Vec<String> = Vec::new();
        if !gone.is_empty() {
            let objects = if gone.len() == 1 { "1 object".to_owned() } else { format!("{} objects", gone.len()) };
            said.push(format!("{objects} in {namespace}"));
        }
        match (ours, kept.is_empty(), found.unseen.is_empty()) {
            (true, true, true) => {
                self.remove_namespace(namespace).await?;
                said.push(format!("namespace {namespace}"));
            }
            (true, true, false) => {
                self.tell.note(format!(
                    "namespace {namespace} is kept: not everything in it could be seen: {}",
                    some(&found.unseen)
                ));
            }
            (true, false, _) => {
                self.tell.note(format!("namespace {namespace} is kept, others are in it: {}", some(&kept)))
            }
            (false, _, _) => self.tell.note(format!("namespace {namespace} is kept: cowhand did not make it")),
        }
        Ok(said)
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), Failure> {
        self.tell.progress(Stage::Remove, format!("delete {object}"));
        guarded(self.stop, async {
            self.reached.cluster.delete(object).await.map_err(|error| {
                Failure::with_cause(Exit::StepFailed, format!("{object} cannot be removed"), &error)
                    .maybe_hint(error.hint())
            })
        })
        .await
        .map(drop)
    }

    async fn remove_namespace(&self, namespace: &str) -> Result<(), Failure> {
        let object = ObjectRef::new("v1", "Namespace", None, namespace);
        self.delete(&object).await?;
        let progress = |text: &str| self.tell.progress(Stage::Remove, text);
        let gone = async {
            self.reached.cluster.wait(&Condition::Gone(object), LIMIT, progress).await.map_err(|error| {
                Failure::with_cause(Exit::StepFailed, format!("namespace {namespace} does not go away"), &error)
                    .maybe_hint(error.hint())
            })
        };
        guarded(self.stop, gone).await.map(drop)
    }

    /// What Rancher itself left in the cluster, for people to decide about.
    async fn rest(&self) -> Result<(), Failure> {
        let former = inhabitants::former(&self.reached.cluster).await.map_err(unseen)?;
        if !former.definitions.is_empty() || !former.webhooks.is_empty() {
            self.tell.note(format!(
                "left by Rancher itself: {} definitions, {} webhooks, namespaces {}; \
                 https://github.com/rancher/rancher-cleanup removes them",
                former.definitions.len(),
                former.webhooks.len(),
                former.namespaces.join(", ")
            ));
        }
        let (folder, name) = (self.site.workspace.folder().display().to_string(), &self.site.inventory.name);
        self.tell.note(format!("the files of `{name}` in {folder} are kept: inventory, CA, password, kubeconfig"));
        Ok(())
    }
}

fn unseen(error: ClusterError) -> Failure {
    Failure::with_cause(Exit::StepFailed, "the cluster cannot be looked at", &error).maybe_hint(error.hint())
}

/// The first few of a list.
fn some(all: &[String]) -> String {
    let first: Vec<&str> = all.iter().take(5).map(String::as_str).collect();
    let more = if all.len() > 5 { format!(" and {} more", all.len() - 5) } else { String::new() };
    first.join(", ") + &more
}

/// Certificates and issuers that are left when Rancher's own are gone.
async fn others_certificates(reached: &Reached) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for kind in ["Certificate", "Issuer", "ClusterIssuer"] {
        let all = reached.cluster.list("cert-manager.io/v1", kind, None, None).await.map_err(unseen)?;
        for one in &all {
            found.push(ObjectRef::of(one).map_err(unseen)?.to_string());
        }
    }
    Ok(found)
}

/// Ingresses that are left when Rancher's own is gone.
async fn others_ingresses(reached: &Reached) -> Result<Vec<String>, Failure> {
    let all = reached.cluster.list("networking.k8s.io/v1", "Ingress", None, None).await.map_err(unseen)?;
    all.iter().map(|one| Ok(ObjectRef::of(one).map_err(unseen)?.to_string())).collect()
}
