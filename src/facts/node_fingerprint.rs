//! What stands on a node and decides whose it is: its cluster's CA, and the containers that RKE started. Asked before the
//! checks, and again behind the lock: what changed in between was another run's work.

use std::time::Duration;

use super::gather::chain;
use crate::remote::{Remote, Stdin, Words};

const LIMIT: Duration = Duration::from_secs(20);

/// The certificate of the CA as whoever may read it reads it, and RKE's containers by their ids: pods come and go.
const SCRIPT: &str = r"
ca=/etc/kubernetes/ssl/kube-ca.pem
cat $ca 2>/dev/null || sudo -n cat $ca 2>/dev/null || docker exec kubelet cat $ca 2>/dev/null
{ docker ps -a --no-trunc --format '{{.ID}} {{.Names}}' 2>/dev/null || sudo -n docker ps -a --no-trunc --format '{{.ID}} {{.Names}}' 2>/dev/null; } |
    grep -E ' (etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|kube-proxy)$' | sort
echo end";

/// What was seen of one node; it can only be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFingerprint(String);

#[cfg(test)]
impl NodeFingerprint {
    pub fn of_test(seen: &str) -> NodeFingerprint {
        NodeFingerprint(seen.into())
    }
}

/// Looks at one node. What cannot be seen is part of what is compared.
pub async fn node_fingerprint(remote: &impl Remote) -> NodeFingerprint {
    let seen = remote.text(&Words::shell(SCRIPT).within(LIMIT), Stdin::Empty).await;
    NodeFingerprint(seen.unwrap_or_else(|error| chain(&error)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::remote::scripted::Machine;
    use crate::remote::{Ended, Output};

    /// A machine that really runs the script, where `docker` says these lines.
    async fn on_a_machine(docker: &str) -> NodeFingerprint {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker");
        std::fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = ps ] && printf '{docker}'\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let search = format!("{}:/usr/bin:/bin", folder.path().display());
        let machine = Machine::new("n1").answer(move |line, _| {
            let said = Command::new("/bin/sh").arg("-c").arg(line).env("PATH", &search).output().unwrap();
            Some(Output::new(Ended::Code(said.status.code().unwrap()), said.stdout, said.stderr))
        });
        node_fingerprint(&machine).await
    }

    #[tokio::test]
    async fn a_cluster_that_was_built_meanwhile_is_seen_and_pods_are_not() {
        let virgin = on_a_machine("").await;
        assert!(virgin.0.ends_with("end\n"), "{virgin:?}");
        let pods = on_a_machine("aa k8s_etcd_1\n").await;
        assert_eq!(virgin, pods);
        let built = on_a_machine("aa kubelet\nbb etcd\ncc k8s_x\n").await;
        assert_ne!(virgin, built);
        assert_eq!(built, on_a_machine("bb etcd\nzz k8s_y\naa kubelet\n").await, "in any order");
        assert_ne!(built, on_a_machine("aa kubelet\ndd etcd\n").await, "built anew");
    }
}
