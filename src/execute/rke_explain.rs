//! What rke's last words mean, and what helps. Pure.

/// Why rke ended, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub why: &'static str,
    pub remedy: &'static str,
}

/// What rke says last when it fails, with its causes (reported again and again in rancher/rke's issues).
const FATAL: &[(&str, Explained)] = &[
    (
        "Unsupported Docker version found",
        Explained {
            why: "a node's Docker is not one that this Kubernetes version of rke knows",
            remedy: "install a Docker version of rke's list on that node, or allow the one that is there (skip check docker.version)",
        },
    ),
    (
        "client version",
        Explained {
            why: "a node's Docker does not speak rke's old API any more (Docker 29 and later)",
            remedy: "set DOCKER_MIN_API_VERSION=1.24 for dockerd on the node, or install Docker 28",
        },
    ),
    (
        "Cluster must have at least one etcd plane host",
        Explained {
            why: "no etcd node could be reached over SSH with its Docker socket",
            remedy: "`cowhand check` says which part of the way fails; nothing was changed on the nodes",
        },
    ),
    (
        "Provisioning incomplete",
        Explained {
            why: "a node could not be reached and was left out",
            remedy: "`cowhand check` says why; then run `cowhand up` again, it goes on where it stopped",
        },
    ),
    (
        "failed to report healthy",
        Explained {
            why: "etcd did not become healthy",
            remedy: "look at `docker logs etcd` on the hosts; data of a former cluster in /var/lib/etcd, a clock that is off, or a closed port 2379/2380 are the usual causes",
        },
    ),
    (
        "Failed to get job complete status",
        Explained {
            why: "an addon's job did not finish in time",
            remedy: "look at the job's pod in kube-system: an image that cannot be pulled, a full disk, or nodes that are not Ready; `addon_job_timeout` gives it longer",
        },
    ),
    (
        "is not able to connect to the following ports",
        Explained {
            why: "a firewall between the nodes closes ports that Kubernetes needs",
            remedy: "open the ports that rke names, from each node to all others",
        },
    ),
    (
        "Failed to verify healthcheck",
        Explained {
            why: "a Kubernetes service on a node did not become healthy",
            remedy: "the end of its own log stands in rke's log; `docker logs` of that service on the node tells more",
        },
    ),
    (
        "k8s version is not supported",
        Explained {
            why: "this rke does not know that Kubernetes version",
            remedy: "choose one of its list: `rke config --list-version --all`",
        },
    ),
    (
        "--rotate-ca",
        Explained {
            why: "the cluster's CA has expired",
            remedy: "`rke cert rotate --rotate-ca` makes a new one and restarts everything",
        },
    ),
    (
        "Etcd plane nodes are replaced",
        Explained {
            why: "more etcd nodes were replaced at once than the cluster survives",
            remedy: "put the former nodes back into the inventory and replace them one after the other, or restore a snapshot",
        },
    ),
    (
        "aborting upgrade",
        Explained {
            why: "rke takes this for a cluster of a very old rke, because its state file is gone",
            remedy: "`cowhand recover-state` brings the state file back from the cluster",
        },
    ),
    (
        "Timeout waiting for kubernetes",
        Explained {
            why: "the API did not answer, or an addon is above the 1 MiB that a ConfigMap holds",
            remedy: "use `rancher.delivery: helm` for a large addon",
        },
    ),
    (
        "no space left on device",
        Explained { why: "a disk is full", remedy: "make room on the disk named, then run the same command again" },
    ),
    (
        "Failed to validate cluster",
        Explained {
            why: "rke refuses this cluster.yml",
            remedy: "what it refuses is named; `engine.rke.cluster` of the inventory is merged into it",
        },
    ),
    (
        "Failed to classify hosts",
        Explained {
            why: "a node of this cluster.yml has a role that rke does not know, or none",
            remedy: "`engine.rke.cluster` of the inventory is merged into it; look there first",
        },
    ),
    (
        "Failed to parse cluster file",
        Explained {
            why: "rke cannot read this cluster.yml",
            remedy: "`engine.rke.cluster` of the inventory is merged into it; look there first",
        },
    ),
    (
        "not ready",
        Explained {
            why: "a node did not become Ready, and rke changes no cluster whose nodes are not",
            remedy: "look at the node's Ready condition (`cowhand status`): with `cni config uninitialized` the network plugin never came up",
        },
    ),
];

/// What rke's last words mean; `None` for words that are not known yet.
pub fn explain(fatal: &str) -> Option<Explained> {
    FATAL.iter().find(|(token, _)| fatal.contains(token)).map(|(_, explained)| explained.clone())
}
