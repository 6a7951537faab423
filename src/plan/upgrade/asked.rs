//! What was said to `--to`, read and judged.

use semver::Version;

use super::{Product, Targets};
use crate::inventory::nearest;
use crate::inventory::versions::KubernetesVersion;

/// Why a word of `--to` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoTarget {
    pub why: String,
    pub remedy: String,
}

fn no(why: String, remedy: impl Into<String>) -> NoTarget {
    NoTarget { why, remedy: remedy.into() }
}

/// Reads `rancher=2.11.5`, one word for each product. `list` are the versions of Kubernetes that rke has.
///
/// # Errors
/// With what was probably meant.
pub fn targets<'a>(said: impl IntoIterator<Item = &'a str>, list: &[String]) -> Result<Targets, NoTarget> {
    const FORM: &str = "write it like --to rancher=2.11.5,kubernetes=v1.32.2-rancher1-1";
    let mut targets = Targets::default();
    for word in said {
        let Some((name, version)) = word.split_once('=') else {
            return Err(no(format!("--to says `{word}`, without a version"), FORM));
        };
        let (name, version) = (name.trim(), version.trim());
        let product = product(name)?;
        if targets.of(product).is_some() {
            return Err(no(format!("--to names {} twice", product.word()), "name each once"));
        }
        match product {
            Product::Rancher => targets.rancher = Some(rancher(version)?),
            Product::Kubernetes => targets.kubernetes = Some(kubernetes(version, list)?),
            Product::CertManager => targets.cert_manager = Some(cert_manager(version)?),
        }
    }
    match targets == Targets::default() {
        true => Err(no("--to names nothing".into(), FORM)),
        false => Ok(targets),
    }
}

fn product(name: &str) -> Result<Product, NoTarget> {
    let words = Product::ALL.map(Product::word);
    Product::ALL.into_iter().find(|one| one.word() == name).ok_or_else(|| {
        let meant = nearest(name, &words).map(|word| format!("did you mean {word}? ")).unwrap_or_default();
        no(
            format!("--to names `{name}`, which is none of {}", words.join(", ")),
            format!("{meant}Traefik's chart is named in the inventory (ingress.chart.version)"),
        )
    })
}

fn rancher(version: &str) -> Result<Version, NoTarget> {
    let read = Version::parse(version.strip_prefix('v').unwrap_or(version));
    read.map_err(|_| no(format!("`{version}` is no version of Rancher"), "it has three numbers, such as 2.11.5"))
}

/// By its whole name, since rke knows it by no other; the list may not be known.
fn kubernetes(version: &str, list: &[String]) -> Result<String, NoTarget> {
    let names: Vec<&str> = list.iter().map(String::as_str).collect();
    if names.contains(&version) {
        return Ok(version.to_owned());
    }
    let read = KubernetesVersion::read(version);
    let same = names.iter().find(|name| read.is_some() && KubernetesVersion::read(name) == read);
    // Two versions are near each other in letters only: of a whole one the path says what there is.
    let meant = same.copied().or_else(|| nearest(version, &names).filter(|_| read.is_none()));
    match (meant, read) {
        (Some(meant), _) => Err(no(format!("rke knows no Kubernetes `{version}`"), format!("did you mean {meant}?"))),
        (None, None) => Err(no(format!("`{version}` is no version of Kubernetes"), "write it like v1.32.2-rancher1-1")),
        (None, Some(_)) => Ok(version.to_owned()),
    }
}

/// With the v that its charts bear.
fn cert_manager(version: &str) -> Result<String, NoTarget> {
    let plain = version.strip_prefix('v').unwrap_or(version);
    match Version::parse(plain) {
        Ok(read) => Ok(format!("v{read}")),
        Err(_) => {
            Err(no(format!("`{version}` is no version of cert-manager"), "it has three numbers, such as v1.17.4"))
        }
    }
}
