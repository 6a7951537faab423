//! The steps from what runs to what is asked for: each product by its own rule, all of them fit to each other at every step
//! between.

use semver::Version;

use super::words::{cert_manager_tested, line, restarts};
use super::{Bounds, CertManagerBy, Move, Product, Refusal, Running, Targets};
use crate::inventory::defaults;
use crate::inventory::versions::{self, AS_OF, KubernetesVersion};

/// The path, in order; empty where all runs already.
///
/// # Errors
/// What cannot be had, and why.
pub fn path(running: &Running, targets: &Targets, bounds: &Bounds) -> Result<Vec<Move>, Refusal> {
    let mut at = running.clone();
    let mut moves = Vec::new();
    loop {
        let mut held = None;
        let mut next = None;
        for product in Product::ALL {
            let Some(to) = next_of(product, &at, targets, bounds)? else { continue };
            match together(&at, &to, bounds) {
                Ok(because) => {
                    next = Some((to, because));
                    break;
                }
                Err(refusal) => drop(held.get_or_insert(refusal)),
            }
        }
        match (next, held) {
            (Some((to, because)), _) => {
                let behind = to.behind(&at, bounds);
                moves.extend(to.comes_along(&at, &behind));
                let (product, from) = (to.product(), at.spelt(to.product()));
                let restarts = restarts(product, bounds);
                moves.push(Move { product, from, to: to.word(), because, restarts, with_next: false });
                at = behind;
            }
            (None, Some(refusal)) => return Err(refusal),
            (None, None) => return Ok(moves),
        }
    }
}

/// A version that comes next.
enum Next {
    CertManager(String),
    Rancher(Version),
    /// As rke's list writes it, and read.
    Kubernetes(String, KubernetesVersion),
}

impl Next {
    fn product(&self) -> Product {
        match self {
            Next::CertManager(_) => Product::CertManager,
            Next::Rancher(_) => Product::Rancher,
            Next::Kubernetes(..) => Product::Kubernetes,
        }
    }

    fn word(&self) -> String {
        match self {
            Next::CertManager(word) | Next::Kubernetes(word, _) => word.clone(),
            Next::Rancher(version) => version.to_string(),
        }
    }

    /// What runs behind this step.
    fn behind(&self, at: &Running, bounds: &Bounds) -> Running {
        let mut behind = at.clone();
        match self {
            Next::CertManager(word) => behind.cert_manager = Some(word.clone()),
            Next::Kubernetes(_, version) => behind.kubernetes = *version,
            Next::Rancher(version) => {
                if bounds.cert_manager == CertManagerBy::RancherLine && at.cert_manager.is_some() {
                    behind.cert_manager = Some(defaults::cert_manager_chart(version).version);
                }
                behind.rancher = Some(version.clone());
            }
        }
        behind
    }

    /// cert-manager, where the inventory leaves its version to Rancher's line.
    fn comes_along(&self, at: &Running, behind: &Running) -> Option<Move> {
        let (Next::Rancher(version), Some(from), Some(to)) = (self, &at.cert_manager, &behind.cert_manager) else {
            return None;
        };
        let because = vec![format!(
            "the inventory names no version of it, and this one is pinned for Rancher {}",
            line(version.major, version.minor)
        )];
        let product = Product::CertManager;
        let restarts = vec!["cert-manager's pods, its definitions first; certificates that are there stay".into()];
        (from != to).then(|| Move { product, from: from.clone(), to: to.clone(), because, restarts, with_next: true })
    }
}

impl Running {
    fn spelt(&self, product: Product) -> String {
        match product {
            Product::CertManager => self.cert_manager.clone().unwrap_or_default(),
            Product::Rancher => self.rancher.as_ref().map(ToString::to_string).unwrap_or_default(),
            Product::Kubernetes => format!("v{}", self.kubernetes.whole()),
        }
    }
}

fn next_of(product: Product, at: &Running, targets: &Targets, bounds: &Bounds) -> Result<Option<Next>, Refusal> {
    match product {
        Product::CertManager => match &targets.cert_manager {
            Some(wanted) => cert_manager(at, wanted, bounds),
            None => Ok(None),
        },
        Product::Rancher => match &targets.rancher {
            Some(wanted) => rancher(at, wanted, bounds),
            None => Ok(None),
        },
        Product::Kubernetes => match &targets.kubernetes {
            Some(wanted) => kubernetes(at, wanted, bounds),
            None => Ok(None),
        },
    }
}

/// Never down, and one minor at a time (ranchermanager.docs.rancher.com: Upgrades).
fn rancher(at: &Running, wanted: &Version, bounds: &Bounds) -> Result<Option<Next>, Refusal> {
    let refuse = |why: String, remedy: &str| Err(Refusal::new(Product::Rancher, why, remedy));
    let Some(runs) = &at.rancher else {
        return refuse("no Rancher runs here".into(), "`cowhand up` installs the one that the inventory names");
    };
    if wanted.cmp_precedence(runs).is_lt() {
        return refuse(
            format!("Rancher {runs} runs here, and {wanted} is older: a newer Rancher has migrated its data forward"),
            "`cowhand rollback` says which ways back there are",
        );
    }
    if wanted.cmp_precedence(runs).is_eq() {
        return Ok(None);
    }
    let last = versions::LAST_RANCHER_ON_RKE;
    if bounds.rke.is_some() && (wanted.major, wanted.minor) > last {
        return refuse(
            format!(
                "Rancher {wanted} does not run on a cluster that RKE built; {} is the last that does",
                line(last.0, last.1)
            ),
            "a newer one needs another cluster, such as one of RKE2",
        );
    }
    if versions::rancher_line(wanted).is_none() {
        return refuse(
            format!("Rancher {wanted} is not in the table of {AS_OF}, so nothing tells which Kubernetes it takes"),
            "choose a release of a line that `cowhand upgrade --what` knows",
        );
    }
    if (runs.major, runs.minor + 1) >= (wanted.major, wanted.minor) {
        return Ok(Some(Next::Rancher(wanted.clone())));
    }
    let Some(between) = versions::rancher_line(&Version::new(runs.major, runs.minor + 1, 0)) else {
        let next = line(runs.major, runs.minor + 1);
        return refuse(
            format!("Rancher goes one minor at a time, and {next} is not in the table of {AS_OF}"),
            "go there first",
        );
    };
    if bounds.chart_at_path {
        let newest = between.newest();
        return refuse(
            format!(
                "Rancher goes one minor at a time: {runs} -> {newest} -> {wanted}, and the chart at rancher.chart.path is of one version"
            ),
            "put the next minor's chart there and upgrade to it first, or let rancher.chart name a repository",
        );
    }
    Ok(Some(Next::Rancher(between.newest())))
}

/// Never down, one minor at a time (kubernetes.io: releases/version-skew-policy), and only what rke has images for.
fn kubernetes(at: &Running, wanted: &str, bounds: &Bounds) -> Result<Option<Next>, Refusal> {
    let refuse = |why: String, remedy: String| Err(Refusal::new(Product::Kubernetes, why, remedy));
    let Some(rke) = &bounds.rke else {
        let why = "this cluster was there before, and cowhand does not upgrade it".to_owned();
        return refuse(why, "whoever built it upgrades its Kubernetes".into());
    };
    let Some(goal) = KubernetesVersion::read(wanted) else {
        return refuse(format!("`{wanted}` is no version of Kubernetes"), "write it like v1.32.2-rancher1-1".into());
    };
    let runs = at.kubernetes;
    if goal < runs {
        let why =
            format!("Kubernetes v{} runs here, and {wanted} is older: etcd's data are not read back", runs.whole());
        return refuse(why, "`cowhand rollback` says which ways back there are".into());
    }
    if goal == runs {
        return Ok(None);
    }
    let list = bounds.rke_list.as_deref();
    if let Some(list) = list.filter(|list| !list.iter().any(|one| one == wanted) && !bounds.own_images) {
        let of_minor: Vec<&str> = of_minor(list, goal.minor).collect();
        let remedy = match of_minor.is_empty() {
            true => format!("the newest that it has is {}", list.last().map_or("none", String::as_str)),
            false => format!("it has {}", of_minor.join(", ")),
        };
        return refuse(format!("rke {rke} has no {wanted} in its list"), remedy);
    }
    if goal.minor <= runs.minor + 1 {
        return Ok(Some(Next::Kubernetes(wanted.to_owned(), goal)));
    }
    let (through, minor) = (runs.minor + 1, goal.minor);
    if bounds.own_images {
        return refuse(
            "Kubernetes goes one minor at a time, and engine.rke.cluster.system_images names the images of one version"
                .into(),
            format!("upgrade to a 1.{through} first, with its images in system_images, then to 1.{minor}"),
        );
    }
    let between = of_minor(list.unwrap_or_default(), through).last();
    match between.and_then(|word| Some((word, KubernetesVersion::read(word)?))) {
        Some((word, version)) => Ok(Some(Next::Kubernetes(word.to_owned(), version))),
        None => refuse(
            format!("Kubernetes goes one minor at a time, and rke {rke} is not known to have a 1.{through}"),
            "upgrade with an rke that has one first: engine.rke.version".into(),
        ),
    }
}

/// Oldest first, as in the list.
fn of_minor(list: &[String], minor: u64) -> impl Iterator<Item = &str> {
    let is = move |word: &&str| KubernetesVersion::read(word).is_some_and(|version| version.minor == minor);
    list.iter().map(String::as_str).filter(is)
}

fn cert_manager(at: &Running, wanted: &str, bounds: &Bounds) -> Result<Option<Next>, Refusal> {
    let refuse = |why: String, remedy: &str| Err(Refusal::new(Product::CertManager, why, remedy));
    let read = |text: &str| Version::parse(text.trim_start_matches('v')).ok();
    let (Some(runs), false) = (&at.cert_manager, bounds.cert_manager == CertManagerBy::Others) else {
        let why = "cowhand brings no cert-manager to this cluster".to_owned();
        return refuse(why, "whoever installed one upgrades it");
    };
    let Some(goal) = read(wanted) else {
        return refuse(format!("`{wanted}` is no version of cert-manager"), "write it like v1.17.4");
    };
    match read(runs) {
        Some(runs) if runs == goal => Ok(None),
        Some(older) if goal < older => {
            let why = format!("cert-manager {runs} runs here, and {wanted} is older: its definitions do not go back");
            refuse(why, "leave it as it is")
        }
        Some(_) | None => Ok(Some(Next::CertManager(wanted.to_owned()))),
    }
}

/// Whether what would run behind the step fits together; why it does.
fn together(at: &Running, next: &Next, bounds: &Bounds) -> Result<Vec<String>, Refusal> {
    let behind = next.behind(at, bounds);
    let mut because = Vec::new();
    if let Some(rancher) = &behind.rancher {
        because.extend(takes(rancher, at, &behind, next.product())?);
    }
    if let Some(cert_manager) = behind.cert_manager.as_deref().filter(|_| bounds.cert_manager != CertManagerBy::Others)
    {
        let fits = |running: &Running| {
            let version = running.cert_manager.as_deref().unwrap_or_default();
            cert_manager_tested(version, running.kubernetes.minor)
        };
        match (fits(&behind), fits(at)) {
            (Some(false), Some(true)) => {
                let lines: Vec<String> =
                    versions::cert_managers_for(behind.kubernetes.minor).map(|one| line(one.0, one.1)).collect();
                let why = format!(
                    "cert-manager {cert_manager} was not tested with Kubernetes {} (table of {AS_OF})",
                    behind.kubernetes
                );
                let remedy = format!("name one of {} as well: --to cert-manager=…", lines.join(", "));
                return Err(Refusal::new(next.product(), why, remedy));
            }
            (Some(false), Some(false) | None) => because.push(format!(
                "cert-manager {cert_manager} was not tested with Kubernetes {}, as before",
                behind.kubernetes
            )),
            (Some(true) | None, _) => {}
        }
    }
    because.extend(newer(next));
    Ok(because)
}

/// Rancher's range of Kubernetes.
fn takes(rancher: &Version, at: &Running, behind: &Running, moves: Product) -> Result<Option<String>, Refusal> {
    let range = |rancher: &Version| versions::rancher_line(rancher).map(|one| (one.lowest, one.highest));
    let Some((lowest, highest)) = range(rancher) else {
        return Ok(Some(format!("which Kubernetes Rancher {rancher} takes is not in the table of {AS_OF}")));
    };
    let minor = behind.kubernetes.minor;
    let says = format!("Rancher {rancher} takes Kubernetes 1.{lowest} to 1.{highest}");
    // Below the range already, a newer Kubernetes is the way into it.
    let was_below = at.kubernetes.minor < lowest && at.rancher.as_ref() == Some(rancher);
    if minor > highest || (minor < lowest && !was_below) {
        let remedy = match moves {
            Product::Kubernetes => "upgrade Rancher with it, or before: --to rancher=…".to_owned(),
            Product::Rancher | Product::CertManager if minor < lowest => {
                format!("upgrade Kubernetes with it, or before: --to kubernetes=… (at least 1.{lowest})")
            }
            Product::Rancher | Product::CertManager => format!("choose a Rancher that takes Kubernetes 1.{minor}"),
        };
        return Err(Refusal::new(moves, format!("{says}, not {}", behind.kubernetes), remedy));
    }
    Ok(Some(format!("{says}; then {} runs", behind.kubernetes)))
}

/// That a newer patch is out.
fn newer(next: &Next) -> Option<String> {
    let Next::Rancher(version) = next else { return None };
    let newest = versions::rancher_line(version)?.newest();
    version.cmp_precedence(&newest).is_lt().then(|| {
        let of = line(newest.major, newest.minor);
        format!("{newest} is the newest patch of {of} (table of {AS_OF}) and the recommended one")
    })
}
