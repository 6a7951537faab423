//! What is done to one member of RKE's etcd, through etcdctl in its container; the container carries the ETCDCTL_* settings.

use serde::Deserialize;

use crate::facts::etcd::LIMIT;
use crate::remote::{Remote, RemoteError, Stdin, Words};

fn etcdctl(docker_socket: &str, words: &[&str]) -> Words {
    let docker = Words::new("docker").args(["-H", &format!("unix://{docker_socket}"), "exec", "etcd", "etcdctl"]);
    docker.args(words.iter().copied()).within(LIMIT)
}

/// etcdctl's JSON (etcd 3.5: etcdctl/ctlv3/command/printer_json.go).
#[derive(Deserialize)]
struct StatusLine {
    #[serde(rename = "Status")]
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    leader: u64,
}

/// Gives leadership to `to` when the member on this machine, `id`, has it. Whether it had.
pub async fn give_leadership_away(
    machine: &impl Remote,
    docker_socket: &str,
    id: u64,
    to: u64,
) -> Result<bool, RemoteError> {
    let said = machine.text(&etcdctl(docker_socket, &["endpoint", "status", "-w", "json"]), Stdin::Empty).await?;
    let status: Vec<StatusLine> = said.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    if !status.iter().any(|one| one.status.leader == id) {
        return Ok(false);
    }
    machine.text(&etcdctl(docker_socket, &["move-leader", &format!("{to:x}")]), Stdin::Empty).await?;
    Ok(true)
}

/// Takes the member out of etcd's list, asked of the member on this machine.
pub async fn remove(machine: &impl Remote, docker_socket: &str, id: u64) -> Result<(), RemoteError> {
    let words = etcdctl(docker_socket, &["member", "remove", &format!("{id:x}")]);
    machine.text(&words, Stdin::Empty).await.map(drop)
}

/// Ends these containers; each has half a minute for what it is at.
pub async fn stop(machine: &impl Remote, docker_socket: &str, containers: &[String]) -> Result<(), RemoteError> {
    let docker = Words::new("docker").args(["-H", &format!("unix://{docker_socket}"), "stop", "--time", "30"]);
    let words = docker.args(containers).within(std::time::Duration::from_secs(150));
    machine.text(&words, Stdin::Empty).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::scripted::Machine;

    const SOCKET: &str = "/run/docker.sock";

    /// As etcdctl 3.5.16 prints it, with a line of its log before.
    fn status(leader: &str) -> String {
        format!(
            "{{\"level\":\"warn\",\"msg\":\"x\"}}\n[{{\"Endpoint\":\"https://10.0.0.11:2379\",\"Status\":{{\"header\":{{\"member_id\":17}},\"leader\":{leader},\"raftIndex\":9}}}}]\n"
        )
    }

    #[tokio::test]
    async fn only_a_leader_gives_leadership_away() {
        let asked = "docker -H unix:///run/docker.sock exec etcd etcdctl endpoint status -w json";
        let moved = "docker -H unix:///run/docker.sock exec etcd etcdctl move-leader 8e9e05c52164694d";
        let machine = Machine::new("n1").says(asked, status("17")).says(moved, "Leadership transferred");
        assert!(give_leadership_away(&machine, SOCKET, 17, 10276657743932975437).await.unwrap());
        assert_eq!(machine.lines(), [asked, moved]);
        let follower = Machine::new("n1").says(asked, status("10276657743932975437"));
        assert!(!give_leadership_away(&follower, SOCKET, 17, 10276657743932975437).await.unwrap());
        assert_eq!(follower.lines(), [asked]);
    }

    #[tokio::test]
    async fn a_member_goes_by_its_id() {
        let removed = "docker -H unix:///run/docker.sock exec etcd etcdctl member remove 8e9e05c52164694d";
        let machine = Machine::new("n2").says(removed, "Member 8e9e05c52164694d removed from cluster x");
        remove(&machine, SOCKET, 10276657743932975437).await.unwrap();
        assert!(remove(&Machine::new("n2"), SOCKET, 9).await.is_err());
    }
}
