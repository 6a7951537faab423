//! What comes between the cluster and Rancher: ingress, cert-manager, and charts in general.

use semver::Version;

use crate::inventory::defaults;
use crate::inventory::judge::Judge;
use crate::inventory::model::{
    CertManager, CertManagerInstall, Chart, ChartSource, Engine, Ingress, IngressProvider, Values,
};
use crate::inventory::path::KeyPath;
use crate::inventory::raw::{RawCertManager, RawChart, RawIngress};
use crate::inventory::syntax;
use crate::inventory::wrong::quoted;

pub(super) fn ingress(raw: RawIngress, engine: Option<&Engine>, judge: &mut Judge) -> Ingress {
    let path = KeyPath::from("ingress");
    let existing = matches!(engine, Some(Engine::Existing(_)));
    let provider = raw.provider.unwrap_or(if existing { IngressProvider::Existing } else { IngressProvider::Nginx });
    let known = !judge.any_broken(&["ingress.provider", "engine"]);
    if known && existing && provider == IngressProvider::Nginx {
        judge.mistake(
            &path.key("provider"),
            "nginx is RKE's own and comes with engine rke only; choose existing (with its class), or traefik",
        );
    }
    if known && provider != IngressProvider::Traefik {
        only_for_traefik(&raw.values, raw.chart.is_some(), &path, judge);
    }
    let class = match (raw.class, provider) {
        (Some(class), _) => class,
        (None, IngressProvider::Nginx) => "nginx".to_owned(),
        (None, IngressProvider::Traefik) => "traefik".to_owned(),
        // The cluster that is there says which class is its default one.
        (None, IngressProvider::Existing) if existing => String::new(),
        (None, IngressProvider::Existing) => {
            if known && !judge.is_broken(&path.key("class")) {
                judge.mistake(
                    &path,
                    "the ingress that is there needs its class named: `ingress: {class: …}`; \
                    `kubectl get ingressclass` shows it",
                );
            }
            "existing".to_owned()
        }
    };
    if !class.is_empty()
        && let Err(reason) = syntax::dns_name(&class)
    {
        judge.mistake(&path.key("class"), format!("{} {reason}", quoted(&class)));
    }
    let chart = chart(raw.chart, &path.key("chart"), defaults::traefik_chart(), judge);
    Ingress { provider, class, controller: None, chart, values: raw.values }
}

fn only_for_traefik(values: &Values, chart: bool, path: &KeyPath, judge: &mut Judge) {
    if chart {
        judge.mistake(&path.key("chart"), "is Traefik's chart; it goes with provider traefik only");
    }
    if !values.is_empty() {
        judge.mistake(
            &path.key("values"),
            "are for Traefik's chart; RKE's nginx takes its options under engine.rke.cluster.ingress",
        );
    }
}

pub(super) fn cert_manager(raw: RawCertManager, rancher: &Version, judge: &mut Judge) -> CertManager {
    let path = KeyPath::from("cert_manager");
    let install = raw.install.unwrap_or(CertManagerInstall::Auto);
    if install == CertManagerInstall::Never {
        for (key, given) in [("chart", raw.chart.is_some()), ("values", !raw.values.is_empty())] {
            if given {
                judge.mistake(&path.key(key), "has no effect with install never; remove one of the two");
            }
        }
    }
    let chart = chart(raw.chart, &path.key("chart"), defaults::cert_manager_chart(rancher), judge);
    CertManager { install, chart, values: raw.values }
}

/// A chart from a path, or from a repository with what is not said taken from `default`.
pub(super) fn chart(raw: Option<RawChart>, path: &KeyPath, default: Chart, judge: &mut Judge) -> Chart {
    let Some(raw) = raw else { return default };
    if let Some(file) = &raw.path {
        let others = [("repository", &raw.repository), ("name", &raw.name), ("version", &raw.version)];
        for (key, _) in others.iter().filter(|(_, given)| given.is_some()) {
            judge.mistake(
                &path.key(key),
                "has no effect beside path: the chart there says it itself; keep one of the two",
            );
        }
        let file = judge.file(&path.key("path"), Some(file)).unwrap_or_default();
        return Chart { source: ChartSource::Path(file), version: default.version };
    }
    let (mut url, mut name) = match default.source {
        ChartSource::Repository { url, name } => (url, name),
        ChartSource::Path(_) => (String::new(), String::new()),
    };
    if let Some(given) = raw.repository {
        let rest = ["https://", "http://", "oci://"].iter().find_map(|scheme| given.strip_prefix(scheme));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace)) {
            judge.mistake(
                &path.key("repository"),
                format!(
                    "{} is not a chart repository's URL (https://, http:// or oci://); a folder or .tgz goes into path",
                    quoted(&given)
                ),
            );
        } else if rest.is_some_and(|rest| rest.split('/').next().is_some_and(|host| host.contains('@'))) {
            judge.mistake(&path.key("repository"), "holds a user or password; log helm in to the repository instead");
        }
        url = given;
    }
    if let Some(given) = raw.name {
        if given.is_empty() || given.contains(|c: char| c.is_whitespace() || c == '/') {
            judge.mistake(&path.key("name"), format!("{} is not a chart's name", quoted(&given)));
        }
        name = given;
    }
    let version = raw.version.unwrap_or(default.version);
    if Version::parse(version.strip_prefix('v').unwrap_or(&version)).is_err() {
        judge.mistake(
            &path.key("version"),
            format!("{} is not a chart's version: it has three numbers, such as 1.17.4", quoted(&version)),
        );
    }
    Chart { source: ChartSource::Repository { url, name }, version }
}
