//! The unit of doing. A plan is a list of these: printed it is the dry run, carried out it is the run.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::guard::Guard;
use super::stage::Stage;
use crate::cluster::ObjectRef;
use crate::engine::change::{Change, lines};
use crate::engine::rke::node_marks::MarksChange;
use crate::inventory::{Chart, ChartSource, Values, masked};
use crate::tls::SecretSource;

/// What one stage would do, in order. No steps: nothing has to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct StagePlan {
    pub stage: Stage,
    pub steps: Vec<Step>,
    /// Decisions worth saying, e.g. which agent TLS mode and why.
    pub notes: Vec<String>,
}

/// One thing to do, complete: the executor makes no choices.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make a CA for this cluster; refused when either file is there.
    MakeCa {
        name: String,
        certificate: PathBuf,
        key: PathBuf,
    },
    /// Make a random password; refused when the file is there.
    MakePassword {
        path: PathBuf,
    },
    /// Write the cluster.yml that people keep and run the real `rke up` with it.
    RkeUp {
        cluster_yml: String,
        config: Map<String, Value>,
        because: Vec<Change>,
        guards: Vec<Guard>,
    },
    /// Change labels and taints of nodes as rke would, and everything in which RKE keeps what it applied.
    MarkNodes(Box<MarkNodes>),
    /// Take RKE's memory of what it applied out of its state, after a copy: then it builds on, under the same CA.
    ForgetApplied {
        guards: Vec<Guard>,
    },
    /// Server-side apply of these objects.
    Apply {
        what: String,
        manifests: Vec<Value>,
        /// A line for each: `+ Kind name` for one that is missing, `~ Kind name spec.replicas` for a field.
        because: Vec<String>,
    },
    /// Create or replace a Secret; the values are read at that moment.
    Secret(SecretStep),
    /// `helm upgrade --install`.
    Helm(ReleaseWanted),
    /// Restart a Deployment's pods, for what they only read at their start.
    Restart {
        namespace: String,
        deployment: String,
        because: String,
    },
    /// Remove what cowhand made and nothing wants any more.
    Remove {
        objects: Vec<ObjectRef>,
        because: String,
        guards: Vec<Guard>,
    },
    /// Ask cert-manager for a new certificate in the place of a valid one, and wait for it.
    Reissue {
        namespace: String,
        name: String,
        because: String,
    },
    /// Change an annotation of an object, so that whoever watches it looks again.
    Touch {
        object: ObjectRef,
        because: String,
    },
    /// Take the annotations off an object whose names begin so.
    Unmark {
        object: ObjectRef,
        prefix: String,
        because: String,
    },
    /// Take away a part of what `up` made on the machines.
    TakeAway(TakeAway),
    Wait(Wait),
}

/// A change of labels and taints alone.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkNodes {
    pub cluster_yml: String,
    pub config: Map<String, Value>,
    pub change: MarksChange,
    pub guards: Vec<Guard>,
}

/// What `down` does to machines and workspace, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeAway {
    pub act: Removal,
    pub because: String,
    pub guards: Vec<Guard>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Keep what others have in the folders that rke empties.
    PutAside {
        nodes: Vec<String>,
    },
    RkeRemove {
        cluster: String,
        nodes: Vec<String>,
    },
    /// Take away what rke leaves; `seen` is what there was of the cluster before, a line each with its node.
    Sweep {
        nodes: Vec<String>,
        seen: Vec<String>,
    },
    /// The workspace's record of the cluster.
    ForgetState,
}

impl fmt::Display for Removal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Removal::PutAside { nodes } => {
                write!(to, "put aside what others keep in the folders of CNI on {}", nodes.join(", "))
            }
            Removal::RkeRemove { cluster, nodes } => {
                write!(to, "rke remove: the cluster `{cluster}` with all its data, on {}", nodes.join(", "))
            }
            Removal::Sweep { nodes, .. } => write!(to, "take away what rke leaves on {}", nodes.join(", ")),
            Removal::ForgetState => write!(
                to,
                "rename cluster.rkestate and its copies to removed.rkestate.*; copy cluster.yml and the kubeconfig aside, \
                 remove them"
            ),
        }
    }
}

/// A Secret that has to be there; its values are named by where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStep {
    pub namespace: String,
    pub name: String,
    /// Kubernetes' type, e.g. `kubernetes.io/tls`.
    pub kind: String,
    pub entries: Vec<(String, SecretFrom)>,
    /// Helm release that shall be able to adopt it.
    pub helm_release: Option<String>,
    /// One is there with something else in it.
    pub replaces: bool,
    /// Keys that somebody else put into it.
    pub takes_away: Vec<String>,
    pub guards: Vec<Guard>,
}

/// Why helm installs.
pub const NOT_INSTALLED: &str = "not installed yet";

/// Where a Secret's value comes from at the moment it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretFrom {
    Tls(SecretSource),
    BootstrapPassword,
}

impl fmt::Display for SecretFrom {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            SecretFrom::Tls(SecretSource::Certificate) => "the certificate",
            SecretFrom::Tls(SecretSource::Key) => "the certificate's key",
            SecretFrom::Tls(SecretSource::Ca) => "the CA's certificate",
            SecretFrom::Tls(SecretSource::Cacerts) => "the CA's certificate and those trusted beside it",
            SecretFrom::Tls(SecretSource::CaKey) => "the CA's key",
            SecretFrom::BootstrapPassword => "the first login's password",
        })
    }
}

/// A Helm release that has to be there.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseWanted {
    pub release: String,
    pub namespace: String,
    pub chart: Chart,
    pub values: Values,
    pub because: Vec<String>,
    pub guards: Vec<Guard>,
}

/// Something to wait for; each has an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    NodesReady {
        names: Vec<String>,
    },
    Deployment {
        namespace: String,
        name: String,
    },
    DaemonSet {
        namespace: String,
        name: String,
        /// Nodes that nothing is awaited on while they are not Ready.
        without: Vec<String>,
    },
    Certificate {
        namespace: String,
        name: String,
    },
    /// cert-manager takes a dry-run Issuer: its webhook is served and trusted.
    CertManager {
        namespace: String,
        /// Of the controller's Deployment; its webhook and cainjector are named after it.
        name: String,
    },
}

impl StagePlan {
    /// The same while these nodes are not reached: nothing is awaited on them.
    #[must_use]
    pub fn without(mut self, away: &[String]) -> StagePlan {
        for step in &mut self.steps {
            match step {
                Step::Wait(Wait::NodesReady { names }) => names.retain(|name| !away.contains(name)),
                Step::Wait(Wait::DaemonSet { without, .. }) => *without = away.to_vec(),
                Step::Wait(Wait::Deployment { .. } | Wait::Certificate { .. } | Wait::CertManager { .. })
                | Step::MakeCa { .. }
                | Step::MakePassword { .. }
                | Step::RkeUp { .. }
                | Step::Apply { .. }
                | Step::Secret(_)
                | Step::Helm(_)
                | Step::Restart { .. }
                | Step::Remove { .. }
                | Step::Reissue { .. }
                | Step::Touch { .. }
                | Step::ForgetApplied { .. }
                | Step::MarkNodes(_)
                | Step::TakeAway(_)
                | Step::Unmark { .. } => {}
            }
        }
        self
    }
}

impl MarkNodes {
    /// Whether a taint is set that pods are driven off by.
    pub fn evicts(&self) -> bool {
        self.change.nodes.iter().flat_map(|node| &node.add).any(|taint| taint.effect == "NoExecute")
    }
}

fn besides(without: &[String]) -> String {
    if without.is_empty() { String::new() } else { format!(" on all nodes but {}", without.join(", ")) }
}

impl fmt::Display for Wait {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::NodesReady { names } => write!(to, "nodes {} are Ready", names.join(", ")),
            Wait::Deployment { namespace, name } => write!(to, "deployment {namespace}/{name} is ready"),
            Wait::DaemonSet { namespace, name, without } => {
                write!(to, "daemonset {namespace}/{name} is ready{}", besides(without))
            }
            Wait::Certificate { namespace, name } => write!(to, "certificate {namespace}/{name} is issued"),
            Wait::CertManager { .. } => write!(to, "cert-manager accepts an Issuer"),
        }
    }
}

/// One line, for progress and as the head of a step in a plan.
impl fmt::Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeCa { name, certificate, key } => {
                write!(to, "make a CA `{name}`: {} and its key {} (0600)", certificate.display(), key.display())
            }
            Step::MakePassword { path } => write!(to, "make the first login's password: {} (0600)", path.display()),
            Step::RkeUp { .. } => write!(to, "write cluster.yml, copy cluster.rkestate aside, run rke up"),
            Step::MarkNodes(_) => {
                write!(to, "write cluster.yml, copy cluster.rkestate aside, label and taint nodes, note it as rke does")
            }
            Step::ForgetApplied { .. } => {
                write!(to, "copy cluster.rkestate aside, take out of it what rke applied last (currentState)")
            }
            Step::Apply { what, manifests, .. } => write!(to, "apply {what} ({})", objects(manifests.len())),
            Step::Secret(secret) => {
                let verb = if secret.replaces { "replace" } else { "create" };
                write!(to, "{verb} secret {}/{} ({})", secret.namespace, secret.name, secret.kind)
            }
            Step::Helm(wanted) => {
                write!(to, "helm upgrade --install {} {}", wanted.release, chart(&wanted.chart))?;
                write!(to, " --namespace {}", wanted.namespace)
            }
            Step::Restart { namespace, deployment, because } => {
                write!(to, "restart {namespace}/{deployment}: {because}")
            }
            Step::Remove { objects, .. } => match &objects[..] {
                [only] => write!(to, "remove {only}"),
                several => write!(to, "remove {} of a former TLS set-up", self::objects(several.len())),
            },
            Step::Reissue { namespace, name, .. } => write!(to, "issue certificate {namespace}/{name} anew"),
            Step::Touch { object, .. } => write!(to, "touch {object}"),
            Step::Unmark { object, prefix, .. } => write!(to, "take annotations {prefix}* off {object}"),
            Step::TakeAway(one) => one.act.fmt(to),
            Step::Wait(wait) => write!(to, "wait until {wait}"),
        }
    }
}

impl Step {
    /// The text that would be sent or written, secrets by reference only and those of the user's own values masked;
    /// empty when the head says it all.
    pub fn text(&self) -> String {
        if let Step::Secret(secret) = self {
            let entries = secret.entries.iter().map(|(key, from)| format!("{key}: ({from})\n"));
            let taken = secret.takes_away.iter().map(|key| format!("{key}: (taken away)\n"));
            let adopted = secret.helm_release.iter().map(|release| format!("# helm release {release} may adopt it\n"));
            return entries.chain(taken).chain(adopted).collect();
        }
        masked(&match self {
            Step::RkeUp { cluster_yml, because, .. } => reasons(&lines(because)) + cluster_yml,
            Step::MarkNodes(marks) => reasons(&lines(&marks.change.because)) + &marks.cluster_yml,
            Step::Apply { manifests, because, .. } => reasons(because) + &documents(manifests),
            Step::Helm(wanted) => reasons(&wanted.because) + &yaml(&Value::Object(wanted.values.clone())),
            Step::ForgetApplied { .. } => format!("# {}\n", Change::Forget),
            Step::Remove { objects, because, .. } => {
                let several = objects.iter().filter(|_| objects.len() > 1).map(|object| format!("{object}\n"));
                several.fold(format!("# {because}\n"), |text, line| text + &line)
            }
            Step::Reissue { because, .. } | Step::Touch { because, .. } | Step::Unmark { because, .. } => {
                format!("# {because}\n")
            }
            Step::TakeAway(_) => reasons(&self.because()),
            Step::MakeCa { .. }
            | Step::MakePassword { .. }
            | Step::Secret(_)
            | Step::Restart { .. }
            | Step::Wait(_) => String::new(),
        })
    }
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object".into() } else { format!("{count} objects") }
}

fn chart(chart: &Chart) -> String {
    match &chart.source {
        ChartSource::Repository { url, name } => {
            format!("{name} --repo {} --version {}", masked(url), chart.version)
        }
        ChartSource::Path(path) => path.display().to_string(),
    }
}

fn reasons(because: &[String]) -> String {
    because.iter().map(|reason| format!("# {reason}\n")).collect()
}

/// Several objects as one YAML stream.
pub fn documents(manifests: &[Value]) -> String {
    manifests.iter().map(yaml).collect::<Vec<_>>().join("---\n")
}

fn yaml(value: &Value) -> String {
    // A JSON value always serialises: its keys are strings.
    serde_yaml::to_string(value).unwrap_or_default()
}
