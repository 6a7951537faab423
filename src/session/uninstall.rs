//! `down` for a cluster that is there: Rancher's release and what cowhand made for it go; everything else stays, and so
//! does what others use.

use tokio_util::sync::CancellationToken;

use crate::cluster::{ClusterError, Condition, Helm, HelmRun, Inhabitants, ObjectRef};
use crate::facts::belongings::{Around, Whose, whose};
use crate::facts::inhabitants::{self, RancherThere};
use crate::facts::owner::{self, Claim, Mark};
use crate::facts::users::{self, Release, Users, some};
use crate::failure::{Exit, Failure};
use crate::inventory::defaults::HELM_VERSION;
use crate::local::tool::ToolKind;
use crate::plan::Stage;
use crate::plan::cert_manager::CERT_MANAGER;
use crate::plan::ingress::TRAEFIK;
use crate::plan::rancher::{NAMESPACE, RANCHER};
use crate::play::Tell;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::find;
use crate::session::ownership;
use crate::session::project::Project;
use crate::session::run::{guarded, interrupted};
use crate::session::run_lock::RunLock;
use crate::session::unproved;

/// For helm's own wait, and for a namespace to go.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// What is at hand to take away with.
pub struct TakeAway<'a> {
    pub project: &'a Project,
    pub reached: &'a ClusterApi,
    pub helm: Helm,
    alone: &'a RunLock,
    pub stop: &'a CancellationToken,
    pub tell: &'a Tell,
}

impl<'a> TakeAway<'a> {
    pub async fn new(
        project: &'a Project,
        reached: &'a ClusterApi,
        alone: &'a RunLock,
        tell: &'a Tell,
    ) -> Result<TakeAway<'a>, Failure> {
        let stop = alone.stop();
        let helm = guarded(stop, find(ToolKind::Helm, &project.inventory.helm, HELM_VERSION, tell)).await?;
        let helm = Helm::new(helm.path, project.workspace.helm_home());
        Ok(TakeAway { project, reached, helm, alone, stop, tell })
    }

    /// Removes what is this inventory's; the answer says what is gone. What stays is told on the way.
    pub async fn run(&self) -> Result<String, Failure> {
        let claim = ownership::refuse(self.project, self.reached).await?;
        let there = inhabitants::rancher(&self.reached.cluster).await.map_err(|error| {
            let said = "whether the Rancher there is this inventory's cannot be seen";
            Failure::with_cause(Exit::Unreachable, said, &error)
        })?;
        let had_release = refuse_foreign(&claim, &there)?;
        refuse_unmarked(&claim)?;
        self.refuse_another_hostname().await?;
        let charts = self.charts(&claim).await?;
        if !claim.is_ours() {
            unproved::tell(&self.reached.cluster, &Beside::ALL.map(Beside::name), self.tell).await?;
            return Ok("nothing of this inventory was there; the cluster stays".into());
        }
        ownership::keep(self.project, self.reached).await?;
        let mut gone = Vec::new();
        if had_release {
            self.uninstall(NAMESPACE, RANCHER).await?;
            gone.push("Rancher's release".to_owned());
        }
        gone.extend(self.empty(NAMESPACE, had_release).await?);
        let mut kept: Vec<Release> = Vec::new();
        for mut chart in charts {
            // What stays may need this one.
            chart.own.retain(|release| !kept.contains(release));
            let (removed, whole) = self.chart(&chart).await?;
            gone.extend(removed);
            kept.extend((!whole).then_some((chart.beside.name(), chart.beside.name())));
        }
        if kept.is_empty() {
            self.unstamp().await?;
        }
        self.rest().await?;
        let what = if gone.is_empty() {
            "nothing of cowhand's was left".to_owned()
        } else {
            format!("{} gone", gone.join(", "))
        };
        Ok(format!("{what}; the cluster stays"))
    }

    /// The charts beside Rancher's that are this inventory's, and who uses them before anything is removed.
    async fn charts(&self, claim: &Claim) -> Result<Vec<Chart>, Failure> {
        let mut own: Vec<Release> = vec![(NAMESPACE, RANCHER)];
        let mut ours = Vec::new();
        for beside in Beside::ALL {
            let name = beside.name();
            let cluster = &self.reached.cluster;
            let release = inhabitants::release(cluster, name, name).await.map_err(unseen)?;
            // A run that was cut off may have removed the release and nothing more.
            let begun = release.is_none()
                && claim.is_ours()
                && inhabitants::namespace_by_cowhand(cluster, name).await.map_err(unseen)?;
            if begun || claim.covers(release.as_ref()) {
                own.push((name, name));
                ours.push(beside);
            }
        }
        let mut charts = Vec::new();
        for beside in ours {
            let users = self.users(beside, &own).await?;
            charts.push(Chart { beside, own: own.clone(), users });
        }
        Ok(charts)
    }

    async fn users(&self, beside: Beside, own: &[Release]) -> Result<Users, Failure> {
        let cluster = &self.reached.cluster;
        let look = async {
            Ok(match beside {
                Beside::Traefik => users::of_traefik(cluster, own, &self.project.inventory.ingress.class).await,
                Beside::CertManager => users::of_cert_manager(cluster, own).await,
            })
        };
        guarded(self.stop, look).await
    }

    /// The host name was shown before anything was asked: what goes has to be the Rancher of that name.
    async fn refuse_another_hostname(&self) -> Result<(), Failure> {
        let wanted = &self.project.inventory.rancher.hostname;
        let there = owner::rancher_hostname(&self.reached.cluster).await.map_err(unseen)?;
        match there.filter(|there| !there.eq_ignore_ascii_case(wanted)) {
            None => Ok(()),
            Some(there) => Err(Failure::new(
                Exit::ChecksFailed,
                format!("the Rancher in this cluster has the host name {there}, and the inventory says {wanted}"),
            )
            .hint(format!("`hostname: {there}` in the inventory, if that Rancher is to go; nothing was touched"))),
        }
    }

    /// Nothing of this inventory is left that the mark would have to name.
    async fn unstamp(&self) -> Result<(), Failure> {
        match ownership::claim(self.project, self.reached).await? {
            Claim::Ours(_) => self.delete(&Mark::object()).await,
            Claim::Built
            | Claim::Older
            | Claim::Free
            | Claim::Another(_)
            | Claim::NotTaken { .. }
            | Claim::OtherHost(_) => Ok(()),
        }
    }

    /// Nothing is removed beside another run.
    async fn confirm(&self) -> Result<(), Failure> {
        let alone = guarded(self.stop, async { Ok(self.alone.confirmed().await) }).await?;
        if alone { Ok(()) } else { Err(interrupted()) }
    }

    async fn uninstall(&self, namespace: &str, name: &str) -> Result<(), Failure> {
        self.confirm().await?;
        self.tell.progress(Stage::Remove, format!("helm uninstall {name} --namespace {namespace}"));
        let kubeconfig = self.reached.kubeconfig().await?;
        let run = HelmRun { kubeconfig: kubeconfig.path(), limit: LIMIT };
        let removed = async {
            self.helm.uninstall(run, namespace, name).await.map_err(|error| {
                Failure::with_cause(Exit::StepFailed, format!("release {namespace}/{name} cannot be removed"), &error)
            })
        };
        guarded(self.stop, removed).await.map(drop)
    }

    /// A chart of this inventory; it stays while others use it. What is gone, and whether that is all of it.
    async fn chart(&self, chart: &Chart) -> Result<(Vec<String>, bool), Failure> {
        let name = chart.beside.name();
        let now = self.users(chart.beside, &chart.own).await?;
        if let Some(reason) = chart.users.reason().or_else(|| now.reason()) {
            self.tell.note(format!("{name} is kept: {reason}"));
            return Ok((Vec::new(), false));
        }
        self.uninstall(name, name).await?;
        let mut gone = vec![name.to_owned()];
        let whole = self.definitions(chart).await?;
        gone.extend(self.empty(name, true).await?);
        Ok((gone, whole))
    }

    /// Newer charts of cert-manager keep their definitions; with nobody's objects left, they are ours to remove. Whether
    /// all of them are gone.
    async fn definitions(&self, chart: &Chart) -> Result<bool, Failure> {
        let (name, own) = (chart.beside.name(), &chart.own);
        let cluster = &self.reached.cluster;
        let all = cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, None).await;
        let mut whole = true;
        for definition in all.map_err(unseen_midway)? {
            let annotation = |key: &str| definition["metadata"]["annotations"][key].as_str() == Some(name);
            if !annotation("meta.helm.sh/release-name") || !annotation("meta.helm.sh/release-namespace") {
                continue;
            }
            let object = ObjectRef::of(&definition).map_err(unseen_midway)?;
            match users::of_definition(cluster, own, &definition).await.reason() {
                None => self.delete(&object).await?,
                Some(reason) => {
                    self.tell.note(format!("{object} is kept: {reason}"));
                    whole = false;
                }
            }
        }
        Ok(whole)
    }

    /// Removes what is cowhand's in the namespace, and the namespace too when cowhand made it and nobody else is in it.
    async fn empty(&self, namespace: &str, had_release: bool) -> Result<Vec<String>, Failure> {
        let cluster = &self.reached.cluster;
        let there = cluster.get(&ObjectRef::new("v1", "Namespace", None, namespace)).await.map_err(unseen_midway)?;
        if there.is_none() {
            return Ok(Vec::new());
        }
        let found = cluster.inhabitants(namespace).await.map_err(unseen_midway)?;
        let around = Around::of(&found.all, crate::tls::INGRESS_SECRET);
        let mut gone = parted(&found, &around, had_release).own;
        // What issues comes first: it would make its Secrets again.
        gone.sort_by_key(|one| one.kind == "Secret");
        for one in &gone {
            self.delete(one).await?;
        }
        // The namespace takes everything along that came meanwhile.
        let found = cluster.inhabitants(namespace).await.map_err(unseen_midway)?;
        let kept = parted(&found, &around, had_release).others;
        let ours = inhabitants::namespace_by_cowhand(cluster, namespace).await.map_err(unseen_midway)?;
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
        self.confirm().await?;
        self.tell.progress(Stage::Remove, format!("delete {object}"));
        guarded(self.stop, async {
            self.reached
                .cluster
                .delete(object)
                .await
                .map_err(|error| Failure::with_cause(Exit::StepFailed, format!("{object} cannot be removed"), &error))
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
            })
        };
        guarded(self.stop, gone).await.map(drop)
    }

    /// What Rancher itself left in the cluster, for people to decide about.
    async fn rest(&self) -> Result<(), Failure> {
        let former = inhabitants::former(&self.reached.cluster).await.map_err(unseen_midway)?;
        if !former.definitions.is_empty() || !former.webhooks.is_empty() {
            self.tell.note(format!(
                "left by Rancher itself: {} definitions, {} webhooks{}; \
                 https://github.com/rancher/rancher-cleanup removes them",
                former.definitions.len(),
                former.webhooks.len(),
                if former.namespaces.is_empty() {
                    String::new()
                } else {
                    format!(", namespaces {}", former.namespaces.join(", "))
                }
            ));
        }
        let (folder, name) = (self.project.workspace.folder().display().to_string(), &self.project.inventory.name);
        self.tell.note(format!("the files of `{name}` in {folder} are kept: inventory, CA, password, kubeconfig"));
        Ok(())
    }
}

/// The same once something was taken away.
fn unseen_midway(error: ClusterError) -> Failure {
    Failure::with_cause(Exit::StepFailed, "the cluster cannot be looked at", &error)
}

/// The charts that cowhand installs beside Rancher's, each as a release of its own name in a namespace of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Traefik,
    CertManager,
}

impl Beside {
    const ALL: [Beside; 2] = [Beside::Traefik, Beside::CertManager];

    fn name(self) -> &'static str {
        match self {
            Beside::Traefik => TRAEFIK,
            Beside::CertManager => CERT_MANAGER,
        }
    }
}

/// One of them, the releases that are this inventory's, and who used it before the first removal.
struct Chart {
    beside: Beside,
    own: Vec<Release>,
    users: Users,
}

/// What is in a namespace: this inventory's to remove, and everybody else's.
struct Parted {
    own: Vec<ObjectRef>,
    others: Vec<String>,
}

fn parted(found: &Inhabitants, around: &Around, had_release: bool) -> Parted {
    let mut parted = Parted { own: Vec::new(), others: Vec::new() };
    for one in &found.all {
        match whose(one, around) {
            Whose::Cowhand | Whose::Certificate => parted.own.push(one.object.clone()),
            Whose::Program if had_release => parted.own.push(one.object.clone()),
            Whose::Program | Whose::Other => parted.others.push(one.object.to_string()),
            Whose::Kubernetes => {}
        }
    }
    parted
}

/// A host name alone does not tell whose a Rancher is: anybody may write it into an inventory.
fn refuse_unmarked(claim: &Claim) -> Result<(), Failure> {
    match claim {
        Claim::Older => Err(Failure::new(
            Exit::ChecksFailed,
            "an older cowhand installed the Rancher in this cluster and left no mark: nothing proves that it is this inventory's",
        )
        .hint("`cowhand up` with the inventory that installed it leaves the mark; then `cowhand down`. Nothing was touched")),
        Claim::Built
        | Claim::Ours(_)
        | Claim::Free
        | Claim::Another(_)
        | Claim::NotTaken { .. }
        | Claim::OtherHost(_) => Ok(()),
    }
}

/// Whether there is a release of this inventory's to remove.
fn refuse_foreign(claim: &Claim, there: &RancherThere) -> Result<bool, Failure> {
    let refused = |error: String| {
        Err(Failure::new(Exit::ChecksFailed, error).hint(
            "remove it with what installed it, e.g. `helm uninstall rancher --namespace cattle-system`; nothing was touched",
        ))
    };
    match (&there.release, &there.image) {
        (release, _) if claim.covers(release.as_ref()) => Ok(true),
        (Some(release), _) => refused(format!(
            "the Rancher in this cluster (release {}/{}, revision {}) was not installed by cowhand",
            release.namespace, release.name, release.revision
        )),
        (None, Some(image)) => refused(format!("the Rancher in this cluster ({image}) was not installed by cowhand")),
        (None, None) => Ok(false),
    }
}
