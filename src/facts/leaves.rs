//! What a node of RKE has of its certificates, and since when its containers run.

use std::collections::BTreeMap;

use super::{Fact, Unseen, etcd::LASTING, gather::chain};
use crate::remote::{Remote, Stdin, Words};

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeLeaves {
    /// RKE's name of a certificate, e.g. `kube-apiserver`, and its PEM.
    pub files: BTreeMap<String, String>,
    /// A lasting container, e.g. `etcd`, and when it was started, in Docker's words.
    pub started: BTreeMap<String, String>,
}

/// Reads them through the kubelet's container, which sees the folder. No key is read.
///
/// # Errors
/// When the node could not be asked, or there is no kubelet that runs.
pub async fn ask(node: &impl Remote, docker_socket: &str) -> Fact<NodeLeaves> {
    let docker = Words::new("docker").args(["-H", &format!("unix://{docker_socket}")]);
    let script = "for file in /etc/kubernetes/ssl/kube-*.pem; do case \"$file\" in *-key.pem) ;; *) echo \"==$file\"; cat \"$file\";; esac; done";
    let files = docker.clone().args(["exec", "kubelet", "sh", "-c", script]).line();
    let inspect = docker.args(["inspect", "--format", "{{.Name}} {{.State.StartedAt}}"]).args(LASTING.iter().copied());
    // It ends with 1 where one of them is not there.
    let both = format!("{files} && {{ echo ==started; {} 2>/dev/null; true; }}", inspect.line());
    let said = node.text(&Words::shell(both), Stdin::Empty).await;
    said.map(|text| read(&text)).map_err(|error| Unseen(chain(&error)))
}

fn read(text: &str) -> NodeLeaves {
    let mut seen = NodeLeaves::default();
    let mut part = "";
    for line in text.lines() {
        // No line of base64 begins so.
        if let Some(head) = line.strip_prefix("==") {
            part = head.rsplit('/').next().unwrap_or_default();
        } else if let Some(name) = part.strip_suffix(".pem") {
            *seen.files.entry(name.to_owned()).or_default() += &format!("{line}\n");
        } else if let Some((name, when)) = line.trim_start_matches('/').split_once(' ') {
            seen.started.insert(name.to_owned(), when.to_owned());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_containers_are_told_apart() {
        let text = "==/etc/kubernetes/ssl/kube-ca.pem\n-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n\
                    ==/etc/kubernetes/ssl/kube-etcd-10-0-0-1.pem\nPEM\n==started\n/etcd 2026-11-30T20:00:00.1Z\n/kubelet 2026-11-30T20:00:01Z\n";
        let seen = read(text);
        assert_eq!(seen.files.keys().collect::<Vec<_>>(), ["kube-ca", "kube-etcd-10-0-0-1"]);
        assert!(seen.files["kube-ca"].ends_with("-----END CERTIFICATE-----\n"));
        assert_eq!(seen.started["etcd"], "2026-11-30T20:00:00.1Z");
        assert_eq!(seen.started.len(), 2);
        assert_eq!(read(""), NodeLeaves::default());
    }
}
