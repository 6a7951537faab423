//! Carrying out what a plan says of a cluster, step by step. Makes no choices.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};

use crate::cluster::{
    Apply, ChartRef, Cluster, ClusterError, Condition, Helm, HelmError, HelmRun, ObjectRef, Render, WaitError,
    cert_manager_ready, duration,
};
use crate::failure::Hint;
use crate::inventory::{Chart, ChartSource};
use crate::plan::Stage;
use crate::plan::{ReleaseWanted, SecretFrom, SecretStep, Step, Wait};
use crate::play::{Event, Tell};
use crate::tls::Material;

/// Limit for each wait of a step.
const WAIT: Duration = Duration::from_secs(600);
/// Limit for what is to be removed to be gone.
const REMOVAL: Duration = Duration::from_secs(120);
/// Helm's own limit, for its hooks.
const HELM: Duration = Duration::from_secs(300);

/// Why a step could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("{step}")]
    Cluster { step: String, source: Box<ClusterError> },
    #[error("{step}")]
    Helm { step: String, source: Box<HelmError> },
    #[error("{step}")]
    Wait { step: String, source: Box<WaitError> },
    #[error("{step}: {from} is not at hand")]
    NoSecret { step: String, from: String },
    #[error("{step}: this step is not one for a cluster")]
    NotHere { step: String },
}

impl StepError {
    fn cluster(step: &str) -> impl Fn(ClusterError) -> StepError + Copy {
        move |source| StepError::Cluster { step: step.into(), source: Box::new(source) }
    }

    fn helm(step: &str) -> impl Fn(HelmError) -> StepError + Copy {
        move |source| StepError::Helm { step: step.into(), source: Box::new(source) }
    }

    fn wait(step: &str) -> impl Fn(WaitError) -> StepError + Copy {
        move |source| StepError::Wait { step: step.into(), source: Box::new(source) }
    }
}

impl Hint for StepError {
    fn hint(&self) -> Option<String> {
        match self {
            StepError::Cluster { source, .. } => source.hint(),
            StepError::Helm { source, .. } => source.hint(),
            StepError::Wait { source, .. } => source.hint(),
            StepError::NoSecret { .. } | StepError::NotHere { .. } => None,
        }
    }
}

/// What is at hand to work on a cluster.
pub struct Hands<'a> {
    pub cluster: &'a Cluster,
    pub helm: &'a Helm,
    /// A kube config that leads the way `cluster` goes.
    pub kubeconfig: &'a Path,
    pub material: &'a Material,
    pub bootstrap_password: Option<&'a SecretString>,
    pub tell: &'a Tell,
    pub stage: Stage,
}

impl Hands<'_> {
    /// Carries out the steps in order; stops at the first that fails.
    pub async fn carry_out(&self, steps: &[Step]) -> Result<(), StepError> {
        for step in steps {
            let name = step.to_string();
            let began = Instant::now();
            self.tell.event(Event::StepStarted { stage: self.stage, step: name.clone(), text: step.text() });
            self.one(step, &name).await?;
            let seconds = began.elapsed().as_secs_f64();
            self.tell.event(Event::StepFinished { stage: self.stage, step: name, seconds });
        }
        Ok(())
    }

    async fn one(&self, step: &Step, name: &str) -> Result<(), StepError> {
        let cluster = StepError::cluster(name);
        match step {
            Step::Apply { manifests, .. } => self.apply(manifests).await.map_err(cluster),
            Step::Secret(secret) => self.secret(secret, name).await,
            Step::Helm(wanted) => self.helm(wanted, name).await,
            Step::Restart { namespace, deployment, .. } => self.restart(namespace, deployment).await.map_err(cluster),
            Step::Remove { objects, .. } => self.remove(objects, name).await,
            Step::Reissue { namespace, name: certificate, .. } => self.reissue(namespace, certificate, name).await,
            Step::Touch { object, .. } => self.touch(object).await.map_err(cluster),
            Step::Unmark { object, prefix, .. } => self.cluster.unmark(object, prefix).await.map_err(cluster),
            Step::Wait(wait) => self.wait_for(&conditions(wait), WAIT, name).await,
            Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::RkeUp { .. }
            | Step::ForgetApplied { .. }
            | Step::MarkNodes(_)
            | Step::TakeAway(_) => Err(StepError::NotHere { step: name.into() }),
        }
    }

    async fn apply(&self, manifests: &[Value]) -> Result<(), ClusterError> {
        let progress = |text: &str| self.tell.progress(self.stage, text);
        self.cluster.apply(manifests, &Apply::default(), progress).await.map(drop)
    }

    async fn secret(&self, secret: &SecretStep, name: &str) -> Result<(), StepError> {
        let mut data = BTreeMap::new();
        for (key, from) in &secret.entries {
            let value = self.value(*from);
            let value = value.ok_or_else(|| StepError::NoSecret { step: name.into(), from: from.to_string() })?;
            data.insert(key.clone(), SecretSlice::from(value.expose_secret().as_bytes().to_vec()));
        }
        let cluster = StepError::cluster(name);
        let (namespace, own) = (&secret.namespace, &secret.name);
        self.cluster.apply_secret(namespace, own, &secret.kind, &data).await.map_err(cluster)?;
        if !secret.takes_away.is_empty() {
            self.cluster.drop_secret_keys(namespace, own, &secret.takes_away).await.map_err(cluster)?;
        }
        match &secret.helm_release {
            Some(release) => self.let_helm_adopt(secret, release).await.map_err(cluster),
            None => Ok(()),
        }
    }

    fn value(&self, from: SecretFrom) -> Option<SecretString> {
        match from {
            SecretFrom::Tls(source) => self.material.text(source),
            SecretFrom::BootstrapPassword => self.bootstrap_password.cloned(),
        }
    }

    /// Helm's marks of ownership (helm: pkg/action/validate.go), under a field manager of their own so that they and
    /// the data do not take each other away.
    async fn let_helm_adopt(&self, secret: &SecretStep, release: &str) -> Result<(), ClusterError> {
        let metadata = json!({
            "name": secret.name, "namespace": secret.namespace,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {
                "meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": secret.namespace,
                "helm.sh/resource-policy": "keep",
            },
        });
        self.cluster.mark(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await
    }

    async fn helm(&self, wanted: &ReleaseWanted, name: &str) -> Result<(), StepError> {
        let render = render(wanted);
        let run = HelmRun { kubeconfig: self.kubeconfig, limit: HELM };
        self.tell.progress(self.stage, format!("helm works on {} · at most {}", wanted.release, duration(HELM)));
        let done = self.helm.upgrade_install(run, &render).await;
        done.map_err(StepError::helm(name))
    }

    /// As `kubectl rollout restart` does it: an annotation on the pods' template.
    async fn restart(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let manifest = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now()}}}},
        });
        self.cluster.mark(&manifest).await
    }

    /// Removes the objects in their order and waits until they are gone.
    async fn remove(&self, objects: &[ObjectRef], name: &str) -> Result<(), StepError> {
        for object in objects {
            self.cluster.delete(object).await.map_err(StepError::cluster(name))?;
        }
        let gone: Vec<Condition> = objects.iter().cloned().map(Condition::Gone).collect();
        self.wait_for(&gone, REMOVAL, name).await
    }

    async fn reissue(&self, namespace: &str, certificate: &str, name: &str) -> Result<(), StepError> {
        let after = self.cluster.reissue(namespace, certificate).await.map_err(StepError::cluster(name))?;
        let condition = Condition::CertificateReissued { namespace: namespace.into(), name: certificate.into(), after };
        self.wait_for(&[condition], WAIT, name).await
    }

    async fn touch(&self, object: &ObjectRef) -> Result<(), ClusterError> {
        let metadata = json!({
            "name": object.name, "namespace": object.namespace, "annotations": {"cowhand/touched": now()},
        });
        let manifest = json!({"apiVersion": object.api_version, "kind": object.kind, "metadata": metadata});
        self.cluster.mark(&manifest).await
    }

    async fn wait_for(&self, all: &[Condition], limit: Duration, name: &str) -> Result<(), StepError> {
        let at_most = duration(limit);
        let progress = |text: &str| self.tell.progress(self.stage, format!("{text} · at most {at_most}"));
        self.cluster.wait_all(all, limit, progress).await.map_err(StepError::wait(name))
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// A release as helm is to render or install it.
pub fn render(wanted: &ReleaseWanted) -> Render {
    Render {
        chart: chart(&wanted.chart),
        release: wanted.release.clone(),
        namespace: wanted.namespace.clone(),
        values: Value::Object(wanted.values.clone()),
    }
}

/// The chart in helm's terms.
pub fn chart(chart: &Chart) -> ChartRef {
    match &chart.source {
        ChartSource::Path(path) => ChartRef::Path(path.clone()),
        ChartSource::Repository { url, name } => {
            ChartRef::Repository { url: url.clone(), name: name.clone(), version: chart.version.clone() }
        }
    }
}

/// What a wait of a plan means to the API.
pub fn conditions(wait: &Wait) -> Vec<Condition> {
    match wait.clone() {
        Wait::NodesReady { names } => vec![Condition::NodesReady { names }],
        Wait::Deployment { namespace, name } => vec![Condition::DeploymentReady { namespace, name }],
        Wait::DaemonSet { namespace, name, without } => {
            vec![Condition::DaemonSetReady { namespace, name, without }]
        }
        Wait::Certificate { namespace, name } => vec![Condition::CertificateReady { namespace, name }],
        Wait::CertManager { namespace, name } => cert_manager_ready(&namespace, &name),
    }
}
