//! etcd's data on the new nodes, restored from the fit snapshot: each member's own, under a cluster token of this rebuild.
//!
//! rke starts etcd with the constant token `etcd-cluster-1`, from which etcd computes the ids of cluster and members
//! (rancher/rke v1.8.0: cluster/plan.go, services/etcd.go): an old disk on an old address would be taken for a member. A
//! member that finds data takes token and members from there, and rke's words count for nothing. So the data are placed
//! here and `rke up` builds on them; rke's own restore would take the constant token, and no revision bump.

use futures::future::join_all;

use super::jar::Jar;
use crate::backup::{Spool, Spooled};
use crate::failure::{Exit, Failure};
use crate::inventory::Node;
use crate::plan::Stage;
use crate::play::Tell;
use crate::remote::Stdin;

const DATA: &str = "/var/lib/etcd:/data:z";
const CERTIFICATES: &str = "/etc/kubernetes/ssl:/ssl:z";

/// The CA first: whoever looks at the data sees whose they are. Another one that came meanwhile is somebody else's, and stays.
/// `$1` is `again` where this rebuild has been on the node before: then what it has begun to place goes.
const PREPARE: &str = r#"set -e; umask 077; new=/ssl/kube-ca.pem.new; trap 'rm -f "$new"' EXIT; cat > "$new"
[ ! -e /ssl/kube-ca.pem ] || [ "$(cat /ssl/kube-ca.pem)" = "$(cat "$new")" ] || { echo "/etc/kubernetes/ssl/kube-ca.pem is of another CA" >&2; exit 1; }
[ "$1" != again ] || rm -rf /data/member
[ -z "$(ls -A /data)" ] || { echo "/var/lib/etcd is not empty" >&2; exit 1; }
chmod 644 "$new"; mv -f "$new" /ssl/kube-ca.pem"#;

/// A member of the new cluster.
struct Member {
    name: String,
    peer: String,
}

impl Member {
    /// As rke calls it and reaches it.
    fn of(node: &Node) -> Member {
        let address = node.internal_address.map_or_else(|| node.address.clone(), |address| address.to_string());
        Member { name: format!("etcd-{}", node.name.to_lowercase()), peer: format!("https://{address}:2380") }
    }
}

/// Places the data on every node with etcd. `fit` lies in the volume of the first one only; `again` says of each whether this
/// rebuild has been there before.
pub async fn place(
    jars: &[Jar<'_>],
    again: &[bool],
    ca: &str,
    token: &str,
    fit: &mut Spooled,
    tell: &Tell,
) -> Result<(), Failure> {
    let members: Vec<Member> = jars.iter().map(|jar| Member::of(&jar.machine.node)).collect();
    let all = members.iter().map(|member| format!("{}={}", member.name, member.peer)).collect::<Vec<_>>().join(",");
    // One stream can be read at a time.
    for jar in &jars[1..] {
        tell.progress(Stage::Restore, format!("fit snapshot to {}", jar.machine.node.name));
        jar.put("fit.db", fit, |_| {}).await?;
    }
    tell.progress(Stage::Restore, "restoring etcd's data on every node");
    let placed = jars.iter().zip(&members).zip(again).map(async |((jar, member), again)| {
        let word = if *again { "again" } else { "first" };
        jar.refuse_started().await?;
        jar.shell(PREPARE, &[word], &[DATA, CERTIFICATES], Stdin::Text(ca.to_owned())).await?;
        let words = [
            "snapshot",
            "restore",
            "fit.db",
            "--data-dir",
            "/data",
            "--name",
            &member.name,
            "--initial-cluster",
            &all,
            "--initial-cluster-token",
            token,
            "--initial-advertise-peer-urls",
            &member.peer,
        ];
        jar.etcdutl(&[DATA], &words).await.map(drop)
    });
    let failed = join_all(placed).await.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), Err)
}

/// A folder for what is on its way through this machine; it is sealed there.
pub fn spool(folder: &std::path::Path) -> Result<Spool, Failure> {
    Spool::in_folder(folder)
        .map_err(|error| Failure::with_cause(Exit::NotHere, format!("{} takes no file", folder.display()), &error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::PREPARE;

    /// Whether it let the data be placed, in a folder that stands for the node.
    fn prepared(node: &Path, word: &str, ca: &str) -> bool {
        let at = |name: &str| node.join(name).display().to_string();
        let script = PREPARE.replace("/ssl/", &format!("{}/", at("ssl"))).replace("/data", &at("data"));
        let mut shell = Command::new("sh");
        let mut child = shell.args(["-c", &script, "sh", word]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(ca.as_bytes()).unwrap();
        child.wait().unwrap().success()
    }

    #[test]
    fn data_and_a_ca_that_came_meanwhile_stay() {
        let node = tempfile::tempdir().unwrap();
        let (ca, data) = (node.path().join("ssl/kube-ca.pem"), node.path().join("data/member/snap"));
        fs::create_dir_all(node.path().join("ssl")).unwrap();
        fs::create_dir_all(&data).unwrap();
        assert!(!prepared(node.path(), "first", "ours") && data.exists() && !ca.exists());
        fs::write(&ca, "another").unwrap();
        assert!(!prepared(node.path(), "again", "ours") && data.exists());
        assert_eq!(fs::read_to_string(&ca).unwrap(), "another");
        fs::write(&ca, "ours\n").unwrap();
        assert!(prepared(node.path(), "again", "ours") && !data.exists());
        assert_eq!(fs::read_to_string(&ca).unwrap(), "ours");
        assert!(!node.path().join("ssl/kube-ca.pem.new").exists());
    }
}
