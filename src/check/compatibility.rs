//! Whether the chosen versions fit each other, read off the table in `versions`. Needs no machine.

use crate::inventory::{CertManagerInstall, ChartSource, Rke};
use crate::tls::{Cell, Recipe, table_cell};

use super::context::and_list;
use super::{Answer, Check, Context};
use crate::inventory::versions::{self, KubernetesVersion, RancherLine};

pub const END_OF_LIFE: Check = Check {
    id: "rke.end-of-life",
    what: "the engine still gets fixes",
    why: "RKE ended on 31 July 2025: no fixes for it, and Rancher 2.11 is the last that runs on it",
    fix: "plan the move to RKE2; until then keep machines and snapshots safe",
    run: end_of_life,
    offline: true,
};

fn end_of_life(context: &Context) -> Vec<Answer> {
    if context.rke_settings().is_none() {
        return Vec::new();
    }
    let (major, minor) = versions::LAST_RANCHER_ON_RKE;
    vec![Answer::warn(
        format!("RKE1 ended on {}; Rancher {major}.{minor} is the last that runs on it", versions::RKE_ENDED),
        "use it for what needs it; for anything new choose RKE2",
    )]
}

fn told(line: (u64, u64)) -> String {
    format!("{}.{}", line.0, line.1)
}

fn not_a_kubernetes(rke: &Rke) -> Answer {
    Answer::fail(
        format!("`{}` is no Kubernetes version", rke.kubernetes),
        "write it as `rke config --list-version --all` shows it, e.g. v1.32.2-rancher1-1",
    )
}

pub const RKE_KUBERNETES: Check = Check {
    id: "versions.rke-kubernetes",
    what: "the chosen rke knows the chosen Kubernetes",
    why: "rke stops with `is an unsupported Kubernetes version and system images are not populated`",
    fix: "choose a Kubernetes from rke's list: `rke config --list-version --all`",
    run: rke_kubernetes,
    offline: true,
};

fn rke_kubernetes(context: &Context) -> Vec<Answer> {
    let Some(rke) = context.rke_settings() else { return Vec::new() };
    let Some(kubernetes) = KubernetesVersion::read(&rke.kubernetes) else { return vec![not_a_kubernetes(rke)] };
    let Some(wanted) = versions::line_of(&rke.version) else {
        return vec![Answer::fail(format!("`{}` is no rke version", rke.version), "write it like v1.8.0")];
    };
    let takes = |line: &&versions::KubernetesLine| line.rke.0 <= wanted && wanted <= line.rke.1;
    let known: Vec<String> =
        versions::KUBERNETES.iter().filter(takes).map(|line| format!("1.{}", line.minor)).collect();
    if known.is_empty() {
        let seen = format!("rke {} is not in the table of {}", rke.version, versions::AS_OF);
        return vec![Answer::warn(seen, "choose rke v1.8.0, or see its release notes")];
    }
    let fits = versions::kubernetes_line(kubernetes.minor).is_some_and(|line| takes(&line));
    vec![match (fits, versions::rke_list(&rke.version)) {
        (true, Some(list)) => listed(rke, list),
        (true, None) => Answer::pass(format!(
            "rke {} takes Kubernetes 1.{} (table of {}; of its patches rke itself has the list)",
            rke.version,
            kubernetes.minor,
            versions::AS_OF
        )),
        (false, list) => Answer::fail(
            format!("rke {} does not support Kubernetes {kubernetes}", rke.version),
            match list {
                Some(list) => format!("set engine.rke.kubernetes to one of {}", list.join(", ")),
                None => format!("set engine.rke.kubernetes to a version of {}", and_list(known)),
            },
        ),
    }]
}

/// By its whole name. With images of one's own rke takes any patch of a minor that it knows
/// (rancher/rke v1.8.0, cluster/defaults.go).
fn listed(rke: &Rke, list: &[&str]) -> Answer {
    let (version, kubernetes) = (&rke.version, &rke.kubernetes);
    if list.contains(&kubernetes.as_str()) {
        return Answer::pass(format!("rke {version} has {kubernetes} in its list"));
    }
    let seen = format!("rke {version} does not know {kubernetes}");
    match rke.cluster.contains_key("system_images") {
        true => Answer::warn(
            format!("{seen}; it goes by the system_images of the inventory"),
            "see that each of them is named: rke has none of its own for this version",
        ),
        false => Answer::fail(seen, format!("set engine.rke.kubernetes to one of {}", list.join(", "))),
    }
}

pub const IMAGES: Check = Check {
    id: "versions.images",
    what: "the images of the chosen Kubernetes can be pulled by everybody",
    why: "those of 1.31.14 and of 1.32.11 and later need an `RKE Extended Life` subscription; pulling them fails without one",
    fix: "choose an earlier patch, or give your own registry in engine.rke.cluster",
    run: images,
    offline: true,
};

fn images(context: &Context) -> Vec<Answer> {
    let Some(rke) = context.rke_settings() else { return Vec::new() };
    let Some(kubernetes) = KubernetesVersion::read(&rke.kubernetes) else { return vec![not_a_kubernetes(rke)] };
    let own = ["system_images", "private_registries"].iter().find(|key| rke.cluster.contains_key(**key));
    vec![match (versions::needs_subscription(kubernetes), own) {
        (false, _) => Answer::pass(format!("the images of {} are public", rke.kubernetes)),
        (true, Some(key)) => Answer::pass(format!("the inventory gives its own images ({key})")),
        (true, None) => Answer::warn(
            format!("the images of {} need an RKE Extended Life subscription", rke.kubernetes),
            "choose e.g. v1.32.2-rancher1-1, whose images are public",
        ),
    }]
}

pub const RANCHER_RKE: Check = Check {
    id: "versions.rancher-rke",
    what: "the chosen Rancher still runs on a cluster of RKE",
    why: "from 2.12 on Rancher refuses RKE; on such a cluster its pods crash (rancher/rancher#51003)",
    fix: "choose Rancher 2.11",
    run: rancher_rke,
    offline: true,
};

fn rancher_rke(context: &Context) -> Vec<Answer> {
    if context.rke_settings().is_none() {
        return Vec::new();
    }
    let rancher = &context.inventory.rancher.version;
    let last = versions::LAST_RANCHER_ON_RKE;
    vec![match (rancher.major, rancher.minor) <= last {
        true => Answer::pass(format!("Rancher {rancher} runs on RKE")),
        false => Answer::fail(
            format!("Rancher {rancher} does not run on RKE; {} is the last that does", told(last)),
            format!("set rancher.version to a release of {}", told(last)),
        ),
    }]
}

pub const RANCHER_KUBERNETES: Check = Check {
    id: "versions.rancher-kubernetes",
    what: "the chosen Rancher's chart accepts the chosen Kubernetes",
    why: "helm stops with `chart requires kubeVersion … which is incompatible`",
    fix: "choose a Kubernetes that Rancher's line supports",
    run: rancher_kubernetes,
    offline: true,
};

fn rancher_kubernetes(context: &Context) -> Vec<Answer> {
    let Some(rke) = context.rke_settings() else { return Vec::new() };
    match KubernetesVersion::read(&rke.kubernetes) {
        Some(kubernetes) => vec![rancher_on(&context.inventory.rancher.version, kubernetes)],
        None => vec![not_a_kubernetes(rke)],
    }
}

/// Also for a cluster that is there already, whose version only a look at it tells.
pub fn rancher_on(rancher: &semver::Version, kubernetes: KubernetesVersion) -> Answer {
    let Some(RancherLine { lowest, highest, .. }) = versions::rancher_line(rancher) else {
        let seen = format!("Rancher {rancher} is not in the table of {}", versions::AS_OF);
        return Answer::warn(seen, "see kubeVersion in the chart's Chart.yaml and SUSE's support matrix");
    };
    if kubernetes.minor > *highest {
        return Answer::fail(
            format!("Rancher {rancher} takes Kubernetes up to 1.{highest}, not {kubernetes}"),
            format!("choose a Kubernetes 1.{highest}, or a newer Rancher"),
        );
    }
    match kubernetes.minor < *lowest {
        true => Answer::warn(
            format!("Rancher {rancher} is supported on Kubernetes 1.{lowest} to 1.{highest}, not on {kubernetes}"),
            format!("choose a Kubernetes from 1.{lowest} to 1.{highest}"),
        ),
        false => Answer::pass(format!("Rancher {rancher} takes Kubernetes {kubernetes}")),
    }
}

pub const CERT_MANAGER: Check = Check {
    id: "versions.cert-manager",
    what: "the chosen cert-manager was tested with the chosen Kubernetes",
    why: "cert-manager of another time may miss an API, and its webhook then holds up Rancher's installation",
    fix: "choose a cert-manager whose releases page names the Kubernetes",
    run: cert_manager,
    offline: true,
};

fn cert_manager(context: &Context) -> Vec<Answer> {
    let inventory = context.inventory;
    let Some(rke) = context.rke_settings() else { return Vec::new() };
    if !needs_cert_manager(context) || inventory.cert_manager.install == CertManagerInstall::Never {
        return vec![Answer::pass("not installed by this inventory")];
    }
    let Some(kubernetes) = KubernetesVersion::read(&rke.kubernetes) else { return vec![not_a_kubernetes(rke)] };
    let chart = &inventory.cert_manager.chart;
    if let ChartSource::Path(path) = &chart.source {
        let seen = format!("the chart {} says its version by itself; it is read later", path.display());
        return vec![Answer::warn(seen, format!("see that it fits Kubernetes {kubernetes}"))];
    }
    vec![cert_manager_for(&inventory.rancher.version, &chart.version, kubernetes)]
}

/// Whether a cert-manager of this version is what Rancher's chart asks for, and was tested with this Kubernetes.
pub fn cert_manager_for(rancher: &semver::Version, version: &str, kubernetes: KubernetesVersion) -> Answer {
    let (since, oldest) = versions::CERT_MANAGER_FOR_RANCHER;
    let asks = (rancher.major, rancher.minor) >= since;
    match versions::line_of(version) {
        Some(line) if asks && line < oldest => Answer::warn(
            format!(
                "cert-manager {version} is older than the {} that the chart of Rancher {rancher} asks for",
                told(oldest)
            ),
            format!("see that it becomes {} or newer", told(oldest)),
        ),
        Some(_) | None => cert_manager_on(version, kubernetes),
    }
}

fn cert_manager_on(version: &str, kubernetes: KubernetesVersion) -> Answer {
    let fitting: Vec<String> = versions::cert_managers_for(kubernetes.minor).map(told).collect();
    let fix = match fitting.is_empty() {
        true => "see cert-manager.io/docs/releases".to_owned(),
        false => format!("set cert_manager.chart.version to a release of {}", and_list(&fitting)),
    };
    match versions::line_of(version).map(told) {
        Some(line) if fitting.contains(&line) => {
            Answer::pass(format!("cert-manager {version} was tested with Kubernetes {kubernetes}"))
        }
        Some(_) => Answer::warn(
            format!(
                "cert-manager {version} was not tested with Kubernetes {kubernetes} (table of {})",
                versions::AS_OF
            ),
            fix,
        ),
        None => Answer::fail(format!("`{version}` is no version of cert-manager"), fix),
    }
}

pub(super) fn needs_cert_manager(context: &Context) -> bool {
    let recipe = table_cell(&context.inventory.rancher.tls).and_then(Cell::recipe);
    recipe.is_some_and(Recipe::needs_cert_manager)
}
