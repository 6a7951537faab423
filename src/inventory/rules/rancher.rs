//! Rancher itself, and the versions that fit each other.

use semver::Version;

use crate::inventory::defaults;
use crate::inventory::judge::Judge;
use crate::inventory::model::{Delivery, Engine, Rancher, Values};
use crate::inventory::path::KeyPath;
use crate::inventory::raw::RawRancher;
use crate::inventory::syntax;
use crate::inventory::versions;
use crate::inventory::wrong::quoted;

use super::{addons, tls};

pub(super) fn rancher(raw: RawRancher, engine: Option<&Engine>, balanced: bool, judge: &mut Judge) -> Rancher {
    let path = KeyPath::from("rancher");
    let hostname = hostname(raw.hostname, &path.key("hostname"), judge);
    let version = version(raw.version, &path.key("version"), engine, judge);
    let delivery = delivery(raw.delivery, &path.key("delivery"), engine, judge);
    if let Some(given) = raw.chart.as_ref().and_then(|chart| chart.version.as_ref())
        && given.trim_start_matches('v') != version.to_string()
    {
        judge.mistake(
            &path.key("chart").key("version"),
            format!(
                "{} is not rancher.version ({version}); the chart's version is Rancher's own, remove it here",
                quoted(given)
            ),
        );
    }
    image_tag(&raw.values, &version, &path, judge);
    let chart = addons::chart(raw.chart, &path.key("chart"), defaults::rancher_chart(&version), judge);
    let password = path.key("bootstrap_password");
    // Neither the value nor a part of it is shown: it may be the password itself.
    let bootstrap_password = match raw.bootstrap_password {
        Some(text) if !text.contains('/') => {
            judge.mistake(
                &password,
                "is no path; give a file with a slash in it, such as ./bootstrap-password; the \
                password itself does not belong into an inventory",
            );
            None
        }
        text => judge.file(&password, text.as_deref()),
    };
    let tls = tls::tls(raw.tls, &version, balanced, judge);
    Rancher {
        hostname,
        version,
        replicas: raw.replicas.unwrap_or(defaults::RANCHER_REPLICAS),
        delivery,
        chart,
        values: raw.values,
        bootstrap_password,
        tls,
    }
}

/// The chart's own value goes before its version; a tag that says no version is the user's affair.
fn image_tag(values: &Values, version: &Version, path: &KeyPath, judge: &mut Judge) {
    const TAG: &str = "rancherImageTag";
    let Some(tag) = values.get(TAG).and_then(serde_json::Value::as_str) else { return };
    let Ok(tagged) = Version::parse(tag.trim_start_matches('v')) else { return };
    let numbers = |version: &Version| (version.major, version.minor, version.patch);
    if numbers(&tagged) != numbers(version) {
        judge.mistake(
            &path.key("values").key(TAG),
            format!(
                "{} is not rancher.version ({version}), and the image is what would run; set rancher.version to it, and \
                 remove it here",
                quoted(tag)
            ),
        );
    }
}

fn hostname(text: Option<String>, path: &KeyPath, judge: &mut Judge) -> String {
    let Some(text) = text else { return String::new() };
    syntax::public_name(&text).unwrap_or_else(|reason| {
        judge.mistake(path, format!("{} {reason}", quoted(&text)));
        text
    })
}

fn version(text: Option<String>, path: &KeyPath, engine: Option<&Engine>, judge: &mut Judge) -> Version {
    let Some(text) = text else {
        fits_kubernetes(&defaults::RANCHER_VERSION, path, engine, judge);
        return defaults::RANCHER_VERSION;
    };
    let Ok(version) = Version::parse(text.strip_prefix('v').unwrap_or(&text)) else {
        judge.mistake(
            path,
            format!(
                "{} is not a version of Rancher: it has three numbers, such as {}",
                quoted(&text),
                defaults::RANCHER_VERSION
            ),
        );
        return defaults::RANCHER_VERSION;
    };
    let line = (version.major, version.minor);
    let of = |version: &Version| (version.major, version.minor);
    if line < of(&defaults::OLDEST_RANCHER) {
        judge.mistake(
            path,
            format!(
                "{text} is too old: cowhand decides what agents trust (agentTLSMode), which Rancher knows since 2.9"
            ),
        );
    } else if matches!(engine, Some(Engine::Rke(_))) && line > versions::LAST_RANCHER_ON_RKE {
        judge.mistake(
            path,
            format!(
                "{text} does not run on a cluster built by RKE1, whose life ended on 31 July \
            2025; the last line that does is 2.11; for a newer one take engine existing"
            ),
        );
    } else {
        fits_kubernetes(&version, path, engine, judge);
    }
    version
}

/// The chart's `kubeVersion`: helm refuses anything newer.
fn fits_kubernetes(version: &Version, path: &KeyPath, engine: Option<&Engine>, judge: &mut Judge) {
    let Some(Engine::Rke(rke)) = engine else { return };
    let (Ok(minor), Some(rancher)) = (syntax::rke_kubernetes(&rke.kubernetes), versions::rancher_line(version)) else {
        return;
    };
    let highest = rancher.highest;
    if minor <= highest {
        return;
    }
    let (major, line) = (version.major, version.minor);
    let kubernetes = KeyPath::from("engine.rke.kubernetes");
    if judge.has(&kubernetes) {
        judge.mistake(
            &kubernetes,
            format!("{} is too new: Rancher {major}.{line} runs on Kubernetes up to 1.{highest}", rke.kubernetes),
        );
    } else {
        judge.mistake(
            path,
            format!(
                "Rancher {major}.{line} runs on Kubernetes up to 1.{highest}, and the default is {}; \
            set engine.rke.kubernetes to an older one",
                rke.kubernetes
            ),
        );
    }
}

fn delivery(given: Option<Delivery>, path: &KeyPath, engine: Option<&Engine>, judge: &mut Judge) -> Delivery {
    match (given, engine) {
        (Some(Delivery::Addon), Some(Engine::Existing(_))) => {
            judge.mistake(
                path,
                "addon is a part of RKE's cluster.yml and needs engine rke; choose helm, the default \
                for an existing cluster",
            );
            Delivery::Helm
        }
        (Some(given), _) => given,
        (None, Some(Engine::Existing(_))) => Delivery::Helm,
        (None, Some(Engine::Rke(_)) | None) => Delivery::Addon,
    }
}
