//! A node that is rebooted: one at a time, only while the others are well, and done when its Node is Ready again.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::{ObjectRef, duration};
use crate::failure::{Exit, Failure};
use crate::remote::{Ended, Output, Remote, RemoteError, Stdin, Words};
use crate::session::machines::{Machine, Machines};
use crate::session::open::Session;
use crate::session::{inputs, wellbeing};

const EVERY: Duration = Duration::from_secs(2);
/// What is different after a reboot. A container that stands for a machine has its host's boot id, but a first process of its
/// own.
const BOOT: &str = "cat /proc/sys/kernel/random/boot_id && cut -d ' ' -f 22 /proc/1/stat";
/// sshd may be gone before it has said how this ended.
const REBOOT: &str = "systemctl reboot || reboot";

/// Reboots this node. `progress` hears what is waited for.
///
/// # Errors
/// When another control plane or member of etcd is not well (nothing is touched), or the node is not back in time.
pub async fn reboot(
    session: &Session<'_>,
    node: &str,
    limit: Duration,
    progress: &dyn Fn(&str),
) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    wellbeing::beside(session, node).await?;
    let machine = session.machine(node).await?;
    let before = boot(&machine.connection).await.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
    let alone = session.alone().await?;
    alone.let_go(node).await;
    let asked = machine.connection.run(&Words::shell(REBOOT).sudo(), Stdin::Empty).await;
    if let Err(failure) = refused(&asked, node) {
        alone.hold_again(session.project, machine, session.command).await?;
        return Err(failure);
    }
    progress("going down");
    if tokio::time::timeout_at(end, machine.connection.closed()).await.is_err() {
        return Err(late(node, limit, "it did not go down"));
    }
    progress("down; waiting until ssh answers");
    let back = back(session, machine, &before, end).await.map_err(|seen| late(node, limit, &seen))?;
    session.replace(&back);
    alone.hold_again(session.project, &back, session.command).await?;
    progress("ssh answers; waiting until the node is Ready");
    ready(session, &back, end).await.map_err(|seen| late(node, limit, &seen))
}

/// A command that says that it could not; one that was cut off did what it was for.
fn refused(asked: &Result<Output, RemoteError>, node: &str) -> Result<(), Failure> {
    match asked {
        Ok(output) => match &output.ended {
            Ended::Code(0) | Ended::Signal(_) | Ended::ConnectionLost => Ok(()),
            Ended::Code(_) => Err(Failure::new(Exit::StepFailed, format!("{node} refuses to reboot"))
                .because(String::from_utf8_lossy(&output.stderr).trim())
                .hint("see what stands in the way there; the same run file goes on from here")),
        },
        Err(RemoteError::Closed { .. }) => Ok(()),
        Err(error) => Err(Failure::of(Exit::StepFailed, error)),
    }
}

async fn boot(machine: &impl Remote) -> Result<String, RemoteError> {
    machine.text(&Words::shell(BOOT), Stdin::Empty).await.map(|text| text.trim().to_owned())
}

/// The machine by a new connection, once it has booted anew; else what was seen last.
async fn back(session: &Session<'_>, machine: &Machine, before: &str, end: Instant) -> Result<Machine, String> {
    asked_until(end, || async {
        let connection = session.connect_again(&machine.node).await.map_err(|error| error.to_string())?;
        booted_anew(&connection, before).await?;
        Ok(Machine { node: machine.node.clone(), connection })
    })
    .await
}

/// Asks again until it is so, or the time is over; then with what was seen last.
async fn asked_until<T, F: Future<Output = Result<T, String>>>(
    end: Instant,
    ask: impl FnMut() -> F,
) -> Result<T, String> {
    let mut last = "no answer".to_owned();
    let pauses = ConstantBuilder::new().with_delay(EVERY).without_max_times();
    let asked = ask.retry(pauses).notify(|seen: &String, _| last.clone_from(seen));
    match tokio::time::timeout_at(end, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(last),
    }
}

async fn booted_anew(machine: &impl Remote, before: &str) -> Result<(), String> {
    match boot(machine).await {
        Ok(now) if now != before => Ok(()),
        Ok(_) => Err("ssh answers, and it has not booted anew".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits until the Kubernetes node is Ready, as its kubelet of this boot says. Nothing where there is no cluster yet.
async fn ready(session: &Session<'_>, machine: &Machine, end: Instant) -> Result<(), String> {
    let project = session.project;
    if project.inventory.engine.keeps_state() && !project.workspace.cluster_state().exists() {
        return Ok(());
    }
    let boot_id = boot(&machine.connection).await.map_err(|error| error.to_string())?;
    let boot_id = boot_id.lines().next().unwrap_or_default();
    asked_until(end, || async {
        let machines = session.machines().await.map_err(|failure| failure.error)?;
        not_ready(session, machines, &machine.node.name, boot_id).await.map_or(Ok(()), Err)
    })
    .await
}

async fn not_ready(session: &Session<'_>, machines: &Machines, node: &str, boot_id: &str) -> Option<String> {
    let reached = match inputs::reach(session.project, machines).await {
        Ok(Some(reached)) => reached,
        Ok(None) => return Some("the Kubernetes API does not answer".into()),
        Err(failure) => return Some(failure.error),
    };
    match reached.cluster.get(&ObjectRef::new("v1", "Node", None, &node.to_lowercase())).await {
        Ok(Some(seen)) => unready(&seen, boot_id),
        Ok(None) => Some(format!("there is no Kubernetes node {node}")),
        Err(error) => Some(error.to_string()),
    }
}

/// Why a node does not count as back; what the kubelet of the boot before said of it is still there for a while.
fn unready(node: &Value, boot_id: &str) -> Option<String> {
    if node["status"]["nodeInfo"]["bootID"].as_str() != Some(boot_id) {
        return Some("its kubelet has not come up since".into());
    }
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|one| one["type"] == "Ready");
    match ready {
        Some(one) if one["status"] == "True" => None,
        Some(one) => Some(format!("it is not Ready: {}", one["message"].as_str().unwrap_or("no reason is given"))),
        None => Some("it is not Ready: nothing is said of it".into()),
    }
}

fn late(node: &str, limit: Duration, seen: &str) -> Failure {
    Failure::new(Exit::StepFailed, format!("{node} is not back {} after its reboot", duration(limit)))
        .because(seen)
        .hint("the other nodes were left alone; see to this one, then play the same run file again")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::remote::scripted::Machine as Scripted;

    #[tokio::test]
    async fn only_another_boot_counts() {
        let says = |text: &str| Scripted::new("n1").says(Words::shell(BOOT).line(), text);
        assert_eq!(boot(&says("b-1\n17\n")).await.unwrap(), "b-1\n17");
        assert!(booted_anew(&says("b-1\n17\n"), "b-1\n17").await.unwrap_err().contains("has not booted anew"));
        assert_eq!(booted_anew(&says("b-2\n17\n"), "b-1\n17").await, Ok(()));
        assert_eq!(booted_anew(&says("b-1\n9000\n"), "b-1\n17").await, Ok(()), "a container that was restarted");
        assert!(booted_anew(&Scripted::new("n1"), "b-1\n17").await.is_err());
    }

    #[test]
    fn a_command_that_was_cut_off_did_what_it_was_for() {
        let ended = |ended: Ended| refused(&Ok(Output::new(ended, "", "Failed: inhibited\n")), "n1");
        assert_eq!(ended(Ended::Code(0)), Ok(()));
        assert_eq!(ended(Ended::ConnectionLost), Ok(()));
        assert_eq!(ended(Ended::Code(1)).unwrap_err().because, ["Failed: inhibited"]);
        let closed = RemoteError::Closed { node: "n1".into(), reason: "gone".into() };
        assert_eq!(refused(&Err(closed), "n1"), Ok(()));
        assert!(refused(&Err(RemoteError::Nul { node: "n1".into() }), "n1").is_err());
    }

    #[test]
    fn what_the_former_kubelet_said_is_not_ready() {
        let node = |boot: &str, status: &str| {
            json!({"status": {"nodeInfo": {"bootID": boot},
                "conditions": [{"type": "Ready", "status": status, "message": "cni is not there"}]}})
        };
        assert_eq!(unready(&node("b-2", "True"), "b-2"), None);
        assert!(unready(&node("b-1", "True"), "b-2").unwrap().contains("has not come up"));
        assert_eq!(unready(&node("b-2", "False"), "b-2").unwrap(), "it is not Ready: cni is not there");
        assert!(unready(&json!({}), "b-2").is_some());
    }
}
