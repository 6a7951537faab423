//! Why rke fails, as a table: reported again and again in rancher/rke's issues, or read in the source of rke v1.8.0.
//!
//! A cause says what is wrong. A symptom says how far rke came, and often stands in the last line while the cause stands
//! in a warning long before it.

/// Why rke ended, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// A short name of its own, such as `docker-too-new`.
    pub id: &'static str,
    pub why: &'static str,
    pub remedy: &'static str,
}

/// One row: what a line has to say for it, all of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub says: &'static [&'static str],
    pub explained: Explained,
}

const fn row(id: &'static str, says: &'static [&'static str], why: &'static str, remedy: &'static str) -> Row {
    Row { says, explained: Explained { id, why, remedy } }
}

const FORWARDING: &str = "on the node, let sshd forward (AllowTcpForwarding and AllowStreamLocalForwarding yes, DisableForwarding no), see that \
                          Docker runs, and that the user of ssh is in its group; `cowhand check` says which of them it is";
const RECOVER: &str = "`cowhand recover-state` brings the state file back from the cluster";

/// In the order in which they are tried: where two fit one line, the more particular one comes first.
pub(crate) const CAUSES: &[Row] = &[
    row(
        "docker-too-new",
        &["client version", "is too old"],
        "a node's Docker does not speak rke's old API any more (Docker 29 and later)",
        "set DOCKER_MIN_API_VERSION=1.24 for dockerd on the node and restart it, or install Docker 28",
    ),
    row(
        "docker-unlisted",
        &["Unsupported Docker version found"],
        "a node's Docker is not one that this Kubernetes version of rke knows",
        "install a Docker version of rke's list on that node, or allow the one that is there (skip check docker.version)",
    ),
    row(
        "docker-down",
        &["Cannot connect to the Docker daemon"],
        "Docker does not run on a node",
        "start it there (`systemctl enable --now docker`); `journalctl -u docker` says why it does not stay",
    ),
    row(
        "docker-not-allowed",
        &["Unable to access the Docker socket"],
        "the user of ssh may not use Docker on the node, or sshd may not forward to its socket",
        FORWARDING,
    ),
    row(
        "key-encrypted",
        &["this private key is passphrase protected"],
        "rke itself reads no key with a passphrase",
        "`cowhand up` needs none of rke's keys; for rke by hand, put the key into an agent and set `ssh_agent_auth: true`",
    ),
    row(
        "key-unreadable",
        &["ssh: no key found"],
        "where rke looks for the private key there is none, or no key that it can read",
        "`cowhand up` needs none of rke's keys; for rke by hand, correct ssh_key_path in cluster.yml",
    ),
    row(
        "login-refused",
        &["ssh: unable to authenticate"],
        "a node does not let this user in with this key",
        "see that `ssh USER@NODE` works with the same user and key; `cowhand check` tells what the node offers",
    ),
    row(
        "not-forwarded",
        &["rejected: connect failed (open failed)"],
        "a node's sshd did not open the way to Docker's socket: it may not forward, or no Docker listens there",
        FORWARDING,
    ),
    row(
        "forwarding-forbidden",
        &["rejected: administratively prohibited"],
        "a node's sshd forbids forwarding, which is rke's only way to Docker",
        FORWARDING,
    ),
    row(
        "pull-limit",
        &["toomanyrequests"],
        "the registry gives this address no more images for now (Docker Hub's pull rate limit)",
        "wait for some hours, log in to the registry, or name a mirror in `private_registries`; then run again, what is pulled stays",
    ),
    row(
        "image-unknown",
        &["manifest unknown"],
        "the registry does not have an image under the name that rke asks for",
        "see the image's name and tag in rke's line; `system_images` and `private_registries` decide it",
    ),
    row(
        "image-denied",
        &["pull access denied"],
        "the registry gives an image to nobody without a login, or does not have it",
        "see the image's name in rke's line; give the nodes a registry that has it (`private_registries`)",
    ),
    row(
        "image-missing",
        &["No such image"],
        "a node has not got the image, and it was not pulled either",
        "load it on the node (`docker pull`, or `docker load` without a registry), or correct its name in `system_images`",
    ),
    row(
        "disk-full",
        &["no space left on device"],
        "a disk is full",
        "make room on the node and path that rke names, then run the same command again",
    ),
    row(
        "checker-forbidden",
        &["[nc: socket(", "Permission denied"],
        "on the node that rke names, no firewall but the kernel refused the port check itself: its container may open no socket",
        "look for SELinux or AppArmor denials there (`ausearch -m avc`, `dmesg`), and bring Docker and libseccomp up to date",
    ),
    row(
        "ports-closed",
        &["is not able to connect to the following ports"],
        "a firewall between the nodes closes ports that Kubernetes needs",
        "open the ports that rke names, from each node to all others",
    ),
    row(
        "api-port-closed",
        &["Can't access KubeAPI port"],
        "port 6443 of a control plane node is closed to the machine on which rke runs",
        "open 6443 on that node for this machine; `cowhand up` goes through SSH and does not need it",
    ),
    row(
        "selinux-policy",
        &["does not recognize SELinux label"],
        "SELinux is on, and the policy for RKE's containers is not installed",
        "install the package rancher-selinux (and container-selinux) on that node",
    ),
    row(
        "snapshot-container",
        &["No such container: etcd-rolling-snapshots"],
        "the container that takes the snapshots went away while rke looked at it",
        "run `cowhand up` again, rke makes it anew; when it goes each time, `docker ps -a` and the bucket's settings tell why",
    ),
    row(
        "member-not-added",
        &["Failed to add etcd member"],
        "the etcd that runs does not take the new member: it has no majority, or does not reach it",
        "see that all present members are healthy and that ports 2379 and 2380 are open to the new node, whose /var/lib/etcd has to be empty",
    ),
    row(
        "drain",
        &["error draining node"],
        "the pods of a node could not be moved away in time: a PodDisruptionBudget, or pods that nothing would start elsewhere",
        "`kubectl drain NODE --ignore-daemonsets --dry-run=server` names them; or set `upgrade_strategy.node_drain_input` (timeout, force, delete_local_data)",
    ),
    row(
        "state-without-certificates",
        &["Certificates are not present in cluster state"],
        "the state file has lost the cluster's certificates",
        RECOVER,
    ),
    row(
        "state-gone",
        &["can't find old certificates"],
        "there is no state file with the certificates that are to be renewed",
        RECOVER,
    ),
    row(
        "state-of-old",
        &["aborting upgrade"],
        "rke takes this for a cluster of a very old rke, because its state file is gone",
        RECOVER,
    ),
    row(
        "kubernetes-unknown",
        &["is an unsupported Kubernetes version"],
        "this rke has no images for that Kubernetes version",
        "set engine.rke.kubernetes to a version of `rke config --list-version --all`, or name every image in `system_images`",
    ),
    row(
        "ca-expired",
        &["--rotate-ca"],
        "the cluster's CA has expired",
        "`rke cert rotate --rotate-ca` makes a new one and restarts everything",
    ),
    row(
        "certificate-expired",
        &["x509: certificate has expired or is not yet valid"],
        "a certificate of the cluster has ended, or a clock is wrong",
        "`cowhand certs` shows their ends; see that all clocks agree; `cowhand rotate` renews them before they end",
    ),
    row(
        "other-ca",
        &["unknown certificate authority"],
        "a living cluster of another CA runs on the nodes: the state file is not this cluster's",
        RECOVER,
    ),
    row(
        "snapshots-differ",
        &["etcd snapshots are not consistent"],
        "the snapshot of this name is not the same file on all etcd nodes",
        "copy the one that you trust to /opt/rke/etcd-snapshots of every etcd node, compare with sha256sum, then restore again",
    ),
    row(
        "cloud-provider-gone",
        &["Cloud provider aws is invalid"],
        "the cloud provider inside Kubernetes is gone, and rke refuses it",
        "set `cloud_provider: {name: external-aws}` and install the provider's own controller",
    ),
    row(
        "bucket-ca",
        &["invalid S3 endpoint CA certificate"],
        "custom_ca of the bucket is no certificate in PEM",
        "give the PEM text, or the path of a file with it, in services.etcd.backup_config.s3backupconfig.custom_ca",
    ),
    row(
        "node-name",
        &["Hostname_override [", "is not valid"],
        "a node's name is no name for Kubernetes: small letters, digits, dashes and dots only",
        "give the node another `name` in the inventory; the machine itself may keep its own",
    ),
    row(
        "node-not-registered",
        &["Error getting node", "not found"],
        "a node's kubelet has not registered with the API under the name that rke expects",
        "`docker logs kubelet` on that node says why; two machines of one name and a changed name are the usual causes",
    ),
    row(
        "network-job",
        &["Failed to get job complete status", "rke-network-plugin"],
        "the network plugin was not installed in time",
        "`kubectl -n kube-system get pods -o wide`: an image that cannot be pulled (pause, the plugin's own), a full disk, or a node that is not there; \
         `addon_job_timeout` gives it longer",
    ),
    row(
        "api-not-listening",
        &["Failed to verify healthcheck", "kube-apiserver", "Connection refused"],
        "kube-apiserver does not come up on a node",
        "`docker logs kube-apiserver` there says why: an extra_arg that it does not know, or an etcd that it does not reach",
    ),
    row(
        "etcd-replaced",
        &["Etcd plane nodes are replaced"],
        "more etcd nodes were replaced at once than the cluster survives",
        "put the former nodes back into the inventory and replace them one after the other, or restore a snapshot",
    ),
    row(
        "too-many-down",
        &["cannot proceed with upgrade of", "cannot be reached prior to upgrade"],
        "more nodes are out of reach than an upgrade may take down at once",
        "bring those nodes back first; `cowhand check` says what each of them lacks",
    ),
    row(
        "config-map-full",
        &["Timeout waiting for kubernetes to be ready"],
        "the API did not answer, or an addon is above the 1 MiB that a ConfigMap holds",
        "use `rancher.delivery: helm` for a large addon",
    ),
    row(
        "rke-panic",
        &["panic: runtime error"],
        "rke itself crashed; a state file without its second half (currentState) is the usual cause",
        "keep the log; run again, and when it stays, `cowhand recover-state` puts a whole state file in its place",
    ),
];

/// How far rke came, with what usually helps there.
pub(crate) const SYMPTOMS: &[Row] = &[
    row(
        "no-etcd-node",
        &["Cluster must have at least one etcd plane host"],
        "no etcd node could be reached over SSH with its Docker socket",
        "`cowhand check` says which part of the way fails; nothing was changed on the nodes",
    ),
    row(
        "node-left-out",
        &["rovisioning incomplete", "skipped because they could not be contacted"],
        "a node could not be reached and was left out",
        "`cowhand check` says why; then run `cowhand up` again, it goes on where it stopped",
    ),
    row(
        "etcd-unhealthy",
        &["failed to report healthy"],
        "etcd did not become healthy",
        "look at `docker logs etcd` on the hosts; data of a former cluster in /var/lib/etcd, a clock that is off, or a closed port 2379/2380 are the usual causes",
    ),
    row(
        "job-unfinished",
        &["Failed to get job complete status"],
        "an addon's job did not finish in time",
        "look at the job's pod in kube-system: an image that cannot be pulled, a full disk, or nodes that are not Ready; `addon_job_timeout` gives it longer",
    ),
    row(
        "unhealthy-service",
        &["Failed to verify healthcheck"],
        "a Kubernetes service on a node did not become healthy",
        "the end of its own log stands in rke's log; `docker logs` of that service on the node tells more",
    ),
    row(
        "refused-by-rke",
        &["Failed to validate cluster"],
        "rke refuses this cluster.yml",
        "what it refuses is named; `engine.rke.cluster` of the inventory is merged into it",
    ),
    row(
        "unknown-role",
        &["Failed to classify hosts"],
        "a node of this cluster.yml has a role that rke does not know, or none",
        "`engine.rke.cluster` of the inventory is merged into it; look there first",
    ),
    row(
        "unreadable-yml",
        &["Failed to parse cluster file"],
        "rke cannot read this cluster.yml",
        "`engine.rke.cluster` of the inventory is merged into it; look there first",
    ),
    row(
        "node-not-ready",
        &["not ready"],
        "a node did not become Ready, and rke changes no cluster whose nodes are not",
        "look at the node's Ready condition (`cowhand status`): with `cni config uninitialized` the network plugin never came up",
    ),
    row(
        "image-not-pulled",
        &["Failed to pull image"],
        "a node could not pull an image",
        "rke's line names the image and the registry's answer; `docker pull` on that node tells the same by hand",
    ),
];
