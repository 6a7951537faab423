//! The helm program: charts shown, rendered, installed. Its home is ours, so that nobody's repositories or plugins
//! change what it does; values travel by stdin, never in words.

use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::manifests::{ManifestError, parse_documents};
use super::mark::MADE_BY;
use super::release::Release;
use super::release_history::BY_COWHAND;
use crate::failure::Hint;
use crate::local::{Ended, Program, ProgramError, capture};

/// For what needs no cluster: downloading and rendering a chart.
const CHART_LIMIT: Duration = Duration::from_secs(180);
/// For one question to the cluster.
const ASK_LIMIT: Duration = Duration::from_secs(60);
/// How much of helm's stderr is told.
const SAID_LINES: usize = 6;

/// A chart and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartRef {
    /// A chart in a repository (`https://…` or `oci://…`).
    Repository { url: String, name: String, version: String },
    /// A folder or .tgz.
    Path(PathBuf),
}

impl ChartRef {
    fn words(&self) -> Vec<String> {
        match self {
            ChartRef::Repository { url, name, version } if url.starts_with("oci://") => {
                vec![format!("{}/{name}", url.trim_end_matches('/')), "--version".into(), version.clone()]
            }
            ChartRef::Repository { url, name, version } => {
                vec![name.clone(), "--repo".into(), url.clone(), "--version".into(), version.clone()]
            }
            ChartRef::Path(path) => vec![path.display().to_string()],
        }
    }
}

impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChartRef::Repository { url, name, version } => write!(f, "{name} {version} of {url}"),
            ChartRef::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What Chart.yaml says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartFacts {
    pub name: String,
    pub version: String,
    /// The Kubernetes that it takes, e.g. `< 1.33.0-0`; helm refuses any other.
    pub kube_version: Option<String>,
}

/// A chart with everything that decides what it renders to. Values hold no secrets: helm keeps them in the release.
#[derive(Debug, Clone)]
pub struct Render {
    pub chart: ChartRef,
    pub release: String,
    pub namespace: String,
    pub values: Value,
}

/// Where a helm run takes place.
#[derive(Debug, Clone, Copy)]
pub struct HelmRun<'a> {
    /// From [`super::Access::helm_kubeconfig`].
    pub kubeconfig: &'a Path,
    /// Helm's own limit for each wait for a hook; the whole run gets a minute more.
    pub limit: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum HelmError {
    #[error("helm {doing}: {ended}: {said}")]
    Failed { doing: String, ended: Ended, said: String },
    #[error("helm {doing} could not be run")]
    Run { doing: String, source: ProgramError },
    #[error("helm {doing}: {why}")]
    Answer { doing: String, why: String },
    #[error("helm {doing}")]
    Manifests { doing: String, source: ManifestError },
    #[error("{} cannot be made", path.display())]
    Home { path: PathBuf, source: std::io::Error },
}

/// What helm says when it fails, and what helps.
const REMEDIES: &[(&str, &str)] = &[
    (
        "requires kubeVersion",
        "the chart does not take this Kubernetes version: choose another `engine.rke.kubernetes` or another version of the chart",
    ),
    ("no space left on device", "a disk is full: make room where the message says, then run the same command again"),
    ("cannot re-use a name", "a release of that name is there already; `helm list -A -a` shows it"),
    (
        "another operation (install/upgrade/rollback) is in progress",
        "another helm is running, or one was killed; run the same command again when none is",
    ),
    (
        "invalid ownership metadata",
        "the object was made by somebody else; remove it, or give it Helm's label and annotations as `kubectl get … -o yaml` of another object shows them",
    ),
    (
        "is not a valid chart repository",
        "the chart's repository does not answer: check the URL, the proxy, or give the chart as a path",
    ),
    ("don't meet the specifications of the schema", "a value under `values:` is not one that the chart knows"),
    ("no matches for kind", "a kind that the chart needs is not defined yet: is cert-manager installed?"),
    ("unknown flag: --labels", "helm 3.13 or newer is needed; `helm: download` in the inventory takes the pinned one"),
    ("cluster unreachable", "the Kubernetes API does not answer; `cowhand status` tells more"),
    ("failed calling webhook", "an admission webhook does not answer: are its pods ready? run the same command again"),
];

/// What helm says of a server that it does not get through to (Go: net, net/http).
const UNREACHED: &[&str] = &[
    "no such host",
    "server misbehaving",
    "connection refused",
    "connection reset",
    "no route to host",
    "network is unreachable",
    "i/o timeout",
    "handshake timeout",
    "Client.Timeout exceeded",
    "cluster unreachable",
];

impl HelmError {
    /// Whether a repository or the cluster could not be reached, rather than being reached and wrong.
    pub fn is_unreached(&self) -> bool {
        match self {
            HelmError::Failed { said, .. } => UNREACHED.iter().any(|token| said.contains(token)),
            HelmError::Run { source, .. } => matches!(source, ProgramError::Limit { .. }),
            HelmError::Answer { .. } | HelmError::Manifests { .. } | HelmError::Home { .. } => false,
        }
    }
}

impl Hint for HelmError {
    fn hint(&self) -> Option<String> {
        match self {
            HelmError::Failed { said, .. } => {
                let known = REMEDIES.iter().find(|(token, _)| said.contains(token));
                known.map(|(_, remedy)| (*remedy).to_owned())
            }
            HelmError::Run { source: ProgramError::Limit { .. }, .. } => {
                Some("it was ended; running the same command again is safe".into())
            }
            HelmError::Run { .. } | HelmError::Answer { .. } | HelmError::Manifests { .. } | HelmError::Home { .. } => {
                None
            }
        }
    }
}

/// The helm binary with a home of its own.
#[derive(Debug, Clone)]
pub struct Helm {
    binary: PathBuf,
    home: PathBuf,
}

impl Helm {
    /// `home` is a folder for helm's cache, made when needed.
    pub fn new(binary: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Helm { binary: binary.into(), home: home.into() }
    }

    /// Chart.yaml of a chart, wherever it comes from.
    pub async fn show_chart(&self, chart: &ChartRef) -> Result<ChartFacts, HelmError> {
        let doing = format!("show chart {chart}");
        let program = self.program()?.words(["show", "chart"]).words(chart.words());
        let text = self.run(&doing, program, None, CHART_LIMIT).await?;
        serde_yaml::from_str(&text).map_err(|error| HelmError::Answer { doing, why: error.to_string() })
    }

    /// The manifests of a chart, hooks and definitions among them, in Helm's order of installing.
    /// `kubernetes` is the version to render for; RKE's suffix (`-rancher1-1`) is left out.
    pub async fn template(&self, render: &Render, kubernetes: &str) -> Result<Vec<Value>, HelmError> {
        let doing = format!("template {}", render.release);
        let kubernetes = kubernetes.split('-').next().unwrap_or(kubernetes);
        let program = self.program()?.words(["template", &render.release]).words(render.chart.words());
        let program = program.words(["-n", &render.namespace, "--include-crds", "--skip-tests", "-f", "-"]);
        let program = program.words(["--kube-version", kubernetes]);
        let text = self.run(&doing, program, Some(&render.values), CHART_LIMIT).await?;
        parse_documents(&text).map_err(|source| HelmError::Manifests { doing, source })
    }

    /// Installs or upgrades; what an addon delivered before is adopted. Does not wait for readiness.
    pub async fn upgrade_install(&self, run: HelmRun<'_>, render: &Render) -> Result<(), HelmError> {
        let doing = format!("upgrade --install {}", render.release);
        let program = self.program()?.words(["upgrade", "--install", &render.release]).words(render.chart.words());
        let program = program.words(["-n", &render.namespace, "--create-namespace", "-f", "-"]);
        // Values are given whole every time: what the inventory no longer says must not live on.
        let program = program.words(["--reset-values", "--history-max", "5"]);
        // In the release's record from its first moment on, and handed on to every later one.
        // In the record of each revision: one that does not say so is another hand's.
        let program = program.word("--description").word(format!("{BY_COWHAND} {}", env!("CARGO_PKG_VERSION")));
        let program = program.word("--labels").word(format!("{}={}", MADE_BY.0, MADE_BY.1));
        let program = against(program.word("--timeout").word(format!("{}s", run.limit.as_secs())), run);
        let limit = run.limit + Duration::from_secs(60);
        self.run(&doing, program, Some(&render.values), limit).await.map(drop)
    }

    /// Back to an earlier revision, as a new one with its chart and values. Does not wait for readiness.
    pub async fn rollback(&self, run: HelmRun<'_>, namespace: &str, release: &str, to: u64) -> Result<(), HelmError> {
        let doing = format!("rollback {release} {to}");
        let program = self.program()?.words(["rollback", release, &to.to_string(), "-n", namespace, "--timeout"]);
        let program = against(program.word(format!("{}s", run.limit.as_secs())), run);
        self.run(&doing, program, None, run.limit + Duration::from_secs(60)).await.map(drop)
    }

    /// Removes a release and waits for its objects; false when there was none.
    pub async fn uninstall(&self, run: HelmRun<'_>, namespace: &str, release: &str) -> Result<bool, HelmError> {
        let doing = format!("uninstall {release}");
        let program = self.program()?.words(["uninstall", release, "-n", namespace, "--wait", "--timeout"]);
        let program = against(program.word(format!("{}s", run.limit.as_secs())), run);
        match self.run(&doing, program, None, run.limit + Duration::from_secs(60)).await {
            Ok(_) => Ok(true),
            Err(HelmError::Failed { said, .. }) if said.contains("release: not found") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All releases of a namespace, pending and failed ones too.
    pub async fn releases(&self, run: HelmRun<'_>, namespace: &str) -> Result<Vec<Release>, HelmError> {
        let program = against(self.program()?.words(["list", "-a", "-n", namespace, "-o", "json"]), run);
        let text = self.run("list", program, None, ASK_LIMIT).await?;
        serde_json::from_str(&text).map_err(|error| HelmError::Answer { doing: "list".into(), why: error.to_string() })
    }

    /// The release of that name, if there is one.
    pub async fn release(&self, run: HelmRun<'_>, namespace: &str, name: &str) -> Result<Option<Release>, HelmError> {
        Ok(self.releases(run, namespace).await?.into_iter().find(|release| release.name == name))
    }

    /// The values that were given to a release, without the chart's own defaults.
    pub async fn get_values(&self, run: HelmRun<'_>, namespace: &str, release: &str) -> Result<Value, HelmError> {
        let doing = format!("get values {release}");
        let program = against(self.program()?.words(["get", "values", release, "-n", namespace, "-o", "json"]), run);
        let text = self.run(&doing, program, None, ASK_LIMIT).await?;
        serde_json::from_str(&text).map_err(|error| HelmError::Answer { doing, why: error.to_string() })
    }

    fn program(&self) -> Result<Program, HelmError> {
        // `plan` may be the first to need it. What helm keeps there is nobody else's business.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.home);
        made.map_err(|source| HelmError::Home { path: self.home.clone(), source })?;
        Ok(Program::new(&self.binary)
            .with_proxies()
            .with("HELM_CACHE_HOME", self.home.join("cache"))
            .with("HELM_CONFIG_HOME", self.home.join("config"))
            .with("HELM_DATA_HOME", self.home.join("data"))
            // Whoever names no kubeconfig shall not find the user's own.
            .with("KUBECONFIG", "/dev/null"))
    }

    async fn run(
        &self,
        doing: &str,
        program: Program,
        values: Option<&Value>,
        limit: Duration,
    ) -> Result<String, HelmError> {
        let input = values.map(|values| values.to_string().into_bytes());
        let captured = capture(&program, input.as_deref(), limit)
            .await
            .map_err(|source| HelmError::Run { doing: doing.into(), source })?;
        let stdout = captured.success().map_err(|(ended, stderr)| HelmError::Failed {
            doing: doing.into(),
            ended,
            said: last_lines(&stderr),
        })?;
        String::from_utf8(stdout)
            .map_err(|_| HelmError::Answer { doing: doing.into(), why: "its answer is not UTF-8".into() })
    }
}

fn against(program: Program, run: HelmRun<'_>) -> Program {
    program.word("--kubeconfig").word(run.kubeconfig)
}

/// The last lines that say something about the failure.
fn last_lines(stderr: &str) -> String {
    let noise = |line: &&str| !line.trim().is_empty() && !line.starts_with("WARNING: Kubernetes configuration file");
    let lines: Vec<&str> = stderr.lines().filter(noise).collect();
    let last = &lines[lines.len().saturating_sub(SAID_LINES)..];
    last.join("\n").trim_start_matches("Error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_named_as_helm_wants_it() {
        let repository =
            |url: &str| ChartRef::Repository { url: url.into(), name: "traefik".into(), version: "37.0.0".into() };
        assert_eq!(
            repository("https://x.test/charts").words(),
            ["traefik", "--repo", "https://x.test/charts", "--version", "37.0.0"]
        );
        assert_eq!(repository("oci://x.test/charts/").words(), ["oci://x.test/charts/traefik", "--version", "37.0.0"]);
        assert_eq!(ChartRef::Path("/charts/x".into()).words(), ["/charts/x"]);
    }

    #[test]
    fn a_repository_that_does_not_answer_is_told_apart_from_one_that_is_wrong() {
        let failed = |said: &str| HelmError::Failed { doing: "show".into(), ended: Ended::Code(1), said: said.into() };
        let away = "looks like \"https://charts.test\" is not a valid chart repository or cannot be reached: Get \
            \"https://charts.test/index.yaml\": dial tcp: lookup charts.test: no such host";
        assert!(failed(away).is_unreached() && failed(away).hint().unwrap().contains("check the URL"));
        assert!(
            !failed("chart \"rancher\" version \"9.9.9\" not found in https://charts.test repository").is_unreached()
        );
    }

    #[test]
    fn a_known_failure_has_a_remedy() {
        let said = last_lines(
            "WARNING: Kubernetes configuration file is group-readable\n\nError: chart requires kubeVersion: < 1.33.0-0 which is incompatible with Kubernetes v1.34.0\n",
        );
        assert!(said.starts_with("chart requires kubeVersion"), "{said}");
        let error = HelmError::Failed { doing: "template rancher".into(), ended: Ended::Code(1), said };
        assert!(error.hint().unwrap().contains("engine.rke.kubernetes"));
    }
}
