use super::*;
use crate::remote::scripted::Machine;
use crate::remote::{Ended, Output};

/// As etcdctl 3.5.16 in the lab prints it, one member stopped.
const LIST: &str = r#"{"header":{"cluster_id":14841639068965178418,"member_id":10276657743932975437,"raft_term":3},"members":[{"ID":10276657743932975437,"name":"etcd-n2","peerURLs":["https://10.0.0.12:2380"],"clientURLs":["https://10.0.0.12:2379"]},{"ID":255,"name":"etcd-n1","peerURLs":["https://10.0.0.11:2380"],"clientURLs":["https://10.0.0.11:2379"]},{"ID":9,"peerURLs":["https://[fd00::1]:2380"],"isLearner":true}]}"#;
const HEALTH: &str = r#"{"level":"warn","msg":"retrying"}
[{"endpoint":"https://10.0.0.11:2379","health":false,"took":"5s","error":"context deadline exceeded"},{"endpoint":"https://10.0.0.12:2379","health":true,"took":"9ms"}]
Error: unhealthy cluster
"#;

async fn asked(output: &str) -> EtcdAsked {
    let output = Output::new(Ended::Code(0), output, "");
    let machine = Machine::new("n2").answer(move |_, _| Some(output.clone()));
    ask(&machine, "/run/docker.sock").await
}

#[tokio::test]
async fn members_and_their_health_are_read() {
    let said =
        asked(&format!("kubelet|Up 2 hours|kubelet|x\netcd|Up 2 hours|etcd|x\n==members\n{LIST}\n==health\n{HEALTH}"))
            .await;
    assert_eq!(said.stopped().count(), 0);
    let answer = said.answer.unwrap();
    let member = |id, name: &str, address: &str| Member {
        id,
        name: name.into(),
        addresses: vec![address.into()],
        learner: id == 9,
    };
    assert_eq!(
        answer.members,
        [
            member(10276657743932975437, "etcd-n2", "10.0.0.12"),
            member(255, "etcd-n1", "10.0.0.11"),
            member(9, "", "fd00::1")
        ]
    );
    assert!(answer.health[1].healthy && !answer.health[0].healthy);
    assert_eq!(answer.health[0].error, "context deadline exceeded");
}

#[tokio::test]
async fn why_there_is_no_answer_is_said() {
    let why = async |text: &str| asked(text).await.answer.unwrap_err().0;
    assert_eq!(why("kubelet|Up 2 hours|kubelet|x\n").await, "there is no container etcd");
    // Somebody else's, which bears no label of RKE.
    assert_eq!(why("etcd|Exited (137) 2 hours ago||quay.io/coreos/etcd\n").await, "there is no container etcd");
    assert_eq!(
        why("etcd|Exited (137) 2 hours ago|etcd|x\n").await,
        "its container etcd does not run: Exited (137) 2 hours ago"
    );
    let silent = "etcd|Up 3 hours|etcd|x\n==members\n{\"level\":\"warn\",\"msg\":\"retrying\"}\nError: context deadline exceeded\n==health\n";
    assert_eq!(why(silent).await, "etcd gives no list of its members: Error: context deadline exceeded");
    let refused = asked("!permission denied while\ntrying to connect\n").await;
    assert_eq!(refused.containers.unwrap_err().0, "permission denied while trying to connect");
    let stopped = asked(
        "etcd|Exited (137) 2 hours ago|etcd|x\nkubelet|Up 2 hours|kubelet|x\netcd-rolling-snapshots|Up 2 hours||x\n",
    )
    .await;
    assert_eq!(stopped.stopped().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["etcd"]);
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_an_answer() {
    let machine = Machine::new("n1").answer(|_, _| Some(Output::new(Ended::ConnectionLost, "", "")));
    let said = ask(&machine, "/run/docker.sock").await;
    assert!(said.containers.is_err() && said.answer.is_err());
}

/// The script is what a real shell runs, with a `docker` that answers as Docker does.
#[test]
fn the_script_asks_etcd_only_where_it_runs() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    let run = |ps: &str| {
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *' ps '*) {ps};; *'member list'*) echo LIST;; *) echo HEALTH >&2; exit 1;; esac\n"
        );
        std::fs::write(&docker, text).unwrap();
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let done =
            std::process::Command::new("sh").args(["-c", &script("/run/docker.sock")]).env("PATH", path).output();
        let done = done.unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap()
    };
    let ours = "kubelet|Up 1 hour|kubelet|x\netcd|Up 2 minutes|etcd|x";
    assert_eq!(run(&format!("echo '{ours}'")), format!("{ours}\n==members\nLIST\n==health\nHEALTH\n"));
    // Not in a container of somebody else that is only called so.
    for not in ["etcd|Exited (0) 1 second ago|etcd|x", "etcd|Up 2 minutes||x", "etcd|Up 2 minutes|other|x"] {
        assert_eq!(run(&format!("echo '{not}'")), format!("{not}\n"));
    }
    assert_eq!(run("echo 'no daemon' >&2; exit 1"), "!no daemon\n");
}

#[test]
fn every_nodes_list_counts() {
    let member = |id| Member { id, name: format!("etcd-n{id}"), addresses: vec![], learner: false };
    let said = |node: &str, answer: Fact<EtcdAnswer>| EtcdAsked { node: node.into(), containers: Ok(vec![]), answer };
    let list = |ids: &[u64]| Ok(EtcdAnswer { members: ids.iter().map(|id| member(*id)).collect(), health: vec![] });
    let asked = [said("n1", Err(Unseen("stopped".into()))), said("n2", list(&[1, 2])), said("n3", list(&[2, 3]))];
    assert_eq!(members(&asked).unwrap().iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(members(&asked[..1]).unwrap_err().0, "n1: stopped");
    assert!(members(&[]).is_err());
}
