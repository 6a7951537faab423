//! Docker, as RKE and its Kubernetes need it.

use crate::facts::{DockerApi, Reached, Unseen};
use crate::inventory::{Node, Rke};

use super::context::{and_list, docker_api, refused_user, unasked};
use super::{Answer, Check, Context};
use crate::inventory::versions::{self, DockerSupport, KubernetesVersion};

/// The newest API that rke's Docker client speaks (docker/docker v20.10.25 in rancher/rke v1.8.0's go.mod).
const NEWEST_API_OF_RKE: (u32, u32) = (1, 41);

pub const PRESENT: Check = Check {
    id: "docker.present",
    what: "a Docker engine runs on every node",
    why: "RKE runs all of Kubernetes in Docker containers",
    fix: "install Docker and start it",
    run: present,
    offline: false,
};

fn present(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match docker_api(reached) {
        Ok(api) => Answer::pass(format!("Docker {}", api.version)),
        Err(unseen) if reached.facts.docker_command.is_err() => Answer::fail(
            unseen.to_string(),
            format!(
                "install Docker on {}: `sudo apt-get install docker.io`, or docs.docker.com/engine/install",
                node.name
            ),
        ),
        Err(unseen) if refused_user(reached).is_some() => unknown("Docker", node, reached, &unseen),
        Err(unseen) => {
            Answer::fail(unseen.to_string(), format!("on {}, `sudo systemctl enable --now docker`", node.name))
        }
    })
}

fn unknown(what: &str, node: &Node, reached: &Reached, unseen: &Unseen) -> Answer {
    let (why, fix) = unasked(node, reached, unseen);
    Answer::unknown(what, &why, fix)
}

pub const VERSION: Check = Check {
    id: "docker.version",
    what: "the Docker engine is one that RKE accepts for the chosen Kubernetes",
    why: "rke stops with `Unsupported Docker version found`; it compares major and minor with a list in its own data",
    fix: "install a version from the list in the finding",
    run: version,
    offline: false,
};

fn version(context: &Context) -> Vec<Answer> {
    let Some(rke) = context.rke_settings() else { return Vec::new() };
    context.each_node(|node, reached| match docker_api(reached) {
        Ok(api) => judge_version(node, api, rke),
        Err(unseen) => unknown("Docker's version", node, reached, &unseen),
    })
}

fn judge_version(node: &Node, api: &DockerApi, rke: &Rke) -> Answer {
    let Some(kubernetes) = KubernetesVersion::read(&rke.kubernetes) else {
        let unseen = Unseen(format!("`{}` is no Kubernetes version", rke.kubernetes));
        return Answer::unknown("which Docker fits", &unseen, "put engine.rke.kubernetes right");
    };
    let fix = |newest: &str| format!("on {}, install Docker {newest}", node.name);
    match versions::docker_for(kubernetes, &rke.version, api.release()) {
        DockerSupport::Listed => Answer::pass(format!("Docker {} is listed for Kubernetes {kubernetes}", api.version)),
        DockerSupport::ListedLater { since } => Answer::warn(
            format!("Docker {} is listed for Kubernetes {kubernetes} only by newer data: {since}", api.version),
            fix("27.5, which is certain"),
        ),
        DockerSupport::NotListed { listed } => Answer::fail(
            format!(
                "Docker {} is not accepted by rke for Kubernetes {kubernetes}; it accepts {}",
                api.version,
                told(listed)
            ),
            fix(listed.last().copied().unwrap_or("20.10")),
        ),
        DockerSupport::NoList => {
            let unseen = Unseen(format!("no list for Kubernetes {kubernetes} (table of {})", versions::AS_OF));
            Answer::unknown("which Docker fits", &unseen, "choose a Kubernetes that RKE knows")
        }
    }
}

/// From 20.10 on: nobody means to install an older one.
fn told(listed: &[&str]) -> String {
    let start = listed.iter().position(|release| *release == "20.10").unwrap_or(0);
    and_list(&listed[start..])
}

pub const TOO_NEW: Check = Check {
    id: "docker.too-new",
    what: "the engine still speaks the API of rke's Docker client",
    why: "rke's client ends at API 1.41; Docker 29 begins at 1.44 unless dockerd is told otherwise, and then nothing works at all",
    fix: "set DOCKER_MIN_API_VERSION=1.24 for dockerd, or install an older Docker",
    run: too_new,
    offline: false,
};

fn too_new(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let api = match docker_api(reached) {
            Ok(api) => api,
            Err(unseen) => return unknown("Docker's oldest API", node, reached, &unseen),
        };
        let (newest_major, newest_minor) = NEWEST_API_OF_RKE;
        match api.oldest_api() {
            Some(oldest) if oldest <= NEWEST_API_OF_RKE => {
                Answer::pass(format!("Docker {} speaks the API from {} on", api.version, api.minimum_api))
            }
            Some(_) => Answer::fail(
                format!(
                    "Docker {} does not speak to this rke: its oldest API is {}, rke speaks {newest_major}.{newest_minor}",
                    api.version, api.minimum_api
                ),
                too_new_fix(node),
            ),
            None => Answer::unknown(
                "Docker's oldest API",
                &Unseen(format!("Docker {} says `{}`", api.version, api.minimum_api)),
                too_new_fix(node),
            ),
        }
    })
}

/// The drop-in is what `systemctl edit docker` would write.
fn too_new_fix(node: &Node) -> String {
    format!(
        "on {}, install Docker 27.5, or `sudo mkdir -p /etc/systemd/system/docker.service.d && \
         printf '[Service]\\nEnvironment=DOCKER_MIN_API_VERSION=1.24\\n' | sudo tee /etc/systemd/system/docker.service.d/min-api.conf \
         && sudo systemctl daemon-reload && sudo systemctl restart docker`",
        node.name
    )
}

pub const STORAGE: Check = Check {
    id: "docker.storage",
    what: "Docker's storage driver is overlay2, on a file system that has d_type",
    why: "vfs copies every layer whole and fills the disk; overlay2 without d_type breaks images; the others are given up",
    fix: "set `\"storage-driver\": \"overlay2\"` in /etc/docker/daemon.json, on ext4 or on xfs with ftype=1",
    run: storage,
    offline: false,
};

fn storage(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!(
            "on {}, put Docker's folder on ext4 (or xfs with ftype=1), set `\"storage-driver\": \"overlay2\"` in /etc/docker/daemon.json, `sudo systemctl restart docker`",
            node.name
        );
        let docker = match &reached.facts.docker {
            Ok(docker) => docker,
            Err(unseen) => return unknown("the storage driver", node, reached, unseen),
        };
        let driver = docker.storage_driver.as_str();
        if docker.storage_status.iter().any(|(key, value)| key == "Supports d_type" && value == "false") {
            return Answer::fail(format!("{driver} without d_type"), fix);
        }
        match driver {
            "overlay2" | "btrfs" | "zfs" => Answer::pass(format!("{driver} in {}", docker.root)),
            "vfs" => Answer::fail("vfs: every layer is a whole copy", fix),
            other => Answer::warn(format!("`{other}`, which RKE was not tested with"), fix),
        }
    })
}

pub const SNAP: Check = Check {
    id: "docker.snap",
    what: "Docker does not come from a snap",
    why: "a snap sees neither /etc/kubernetes nor /var/lib/etcd as they are on the machine, so RKE's containers find nothing",
    fix: "remove the snap, install docker.io or docker-ce",
    run: snap,
    offline: false,
};

fn snap(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let command = reached.facts.docker_command.as_deref().unwrap_or_default();
        let root = reached.facts.docker.as_ref().map_or("", |docker| docker.root.as_str());
        if command.starts_with("/snap/") || root.starts_with("/var/snap/") {
            let fix = format!("on {}, `sudo snap remove docker && sudo apt-get install docker.io`", node.name);
            return Answer::fail(format!("{command} with its data in {root}"), fix);
        }
        match &reached.facts.docker_command {
            Ok(command) => Answer::pass(command.clone()),
            // without the command it still could be one, but then docker.present has failed already
            Err(unseen) => {
                Answer::unseen_advice("where Docker comes from", unseen, format!("install Docker on {}", node.name))
            }
        }
    })
}

pub const LOG_DRIVER: Check = Check {
    id: "docker.log-driver",
    what: "Docker writes logs as json-file",
    why: "RKE links the log files of its containers for collectors, and the kubelet reads pods' logs from them",
    fix: "set `\"log-driver\": \"json-file\"` in /etc/docker/daemon.json",
    run: log_driver,
    offline: false,
};

fn log_driver(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix =
            format!("on {}, set `\"log-driver\": \"json-file\"` in /etc/docker/daemon.json, restart docker", node.name);
        match &reached.facts.docker {
            Ok(docker) if docker.log_driver == "json-file" => Answer::pass("json-file"),
            Ok(docker) => Answer::warn(format!("`{}`: `kubectl logs` may show nothing", docker.log_driver), fix),
            Err(unseen) => {
                let (why, fix) = unasked(node, reached, unseen);
                Answer::unseen_advice("the log driver", &why, fix)
            }
        }
    })
}
