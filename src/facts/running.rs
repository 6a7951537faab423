//! RKE's containers as Docker has them: image, arguments, and since when.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fact, Unseen};
use crate::remote::{Remote, Stdin, Words};

const LIMIT: std::time::Duration = std::time::Duration::from_secs(15);

/// One container; of its environment nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub name: String,
    pub image: String,
    /// Docker's restart policy.
    pub restart: String,
    pub created: String,
    pub started: String,
    /// `--name=value`; one that is given several times has its values in order, joined by commas.
    pub arguments: BTreeMap<String, String>,
}

/// Asks one node for the containers that bear RKE's label.
pub async fn ask(node: &impl Remote, docker_socket: &str) -> Fact<Vec<Running>> {
    let words = Words::shell(script(docker_socket)).within(LIMIT);
    let text = node.text(&words, Stdin::Empty).await.map_err(|error| Unseen(super::gather::chain(&error)))?;
    text.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
}

/// A line of JSON for each; a container that ends meanwhile is left out.
fn script(docker_socket: &str) -> String {
    let docker = Words::new("docker").args(["-H", &format!("unix://{docker_socket}")]);
    let list = docker.clone().args(["ps", "-aq", "--no-trunc", "--filter", "label=io.rancher.rke.container.name"]);
    let format = "[{{json .Name}},{{json .Config.Image}},{{json .HostConfig.RestartPolicy.Name}},{{json .Created}},{{json .State.StartedAt}},{{json .Path}},{{json .Args}}]";
    let inspect = docker.args(["inspect", "--format", format]);
    format!("all=$({}) || exit 1; [ -z \"$all\" ] || {} $all 2>/dev/null || true", list.line(), inspect.line())
}

fn read(line: &str) -> Fact<Running> {
    let all: Vec<Value> =
        serde_json::from_str(line).map_err(|error| Unseen(format!("docker's answer is not as expected: {error}")))?;
    let text = |at: usize| all.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words = all.get(6).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut arguments: BTreeMap<String, String> = BTreeMap::new();
    for word in words {
        let Some(word) = word.strip_prefix("--") else { continue };
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let there = arguments.entry(name.to_owned()).or_default();
        *there = if there.is_empty() { value.to_owned() } else { format!("{there},{value}") };
    }
    Ok(Running {
        name: text(0).trim_start_matches('/').to_owned(),
        image: text(1),
        restart: text(2),
        created: text(3),
        started: text(4),
        arguments,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::scripted::Machine;

    #[tokio::test]
    async fn each_container_is_a_line() {
        let said = r#"["/kubelet","rancher/hyperkube:v1.32.2-rancher1","always","2026-01-01T00:00:00Z","2026-01-02T00:00:00Z","/opt/rke-tools/entrypoint.sh",["kubelet","--v=2","--feature","--a=1","--a=2"]]
["/service-sidekick","t","","c","s","/bin/bash",null]"#;
        let machine = Machine::new("n1").says(Words::shell(script("/run/docker.sock")).line(), said);
        let found = ask(&machine, "/run/docker.sock").await.unwrap();
        assert_eq!((found.len(), found[0].name.as_str(), found[0].restart.as_str()), (2, "kubelet", "always"));
        let arguments: Vec<String> = found[0].arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(arguments, ["a=1,2", "feature=", "v=2"]);
        assert!(ask(&Machine::new("n1"), "/run/docker.sock").await.is_err());
    }
}
