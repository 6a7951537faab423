//! Health of the etcd members, asked of etcd itself on a node.

use serde::Deserialize;

use crate::remote::{Remote, RemoteError, Stdin, Words};

/// One member as etcd's own health check saw it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    /// Client URL, e.g. `https://10.0.0.11:2379`.
    pub endpoint: String,
    pub healthy: bool,
    /// etcd's own words when it is not healthy.
    pub error: String,
}

#[derive(Deserialize)]
struct Line {
    endpoint: String,
    health: bool,
    #[serde(default)]
    error: String,
}

/// Asks all members through the etcd container of one node. RKE's container carries the ETCDCTL_* settings itself.
pub async fn gather(node: &impl Remote) -> Result<Vec<Member>, RemoteError> {
    let words = Words::new("docker").args(["exec", "etcd", "etcdctl", "endpoint", "health", "--cluster", "-w", "json"]);
    // etcdctl ends with 1 when a member is not healthy, and says which on stdout all the same.
    let script = format!("{} || true", words.line());
    let words = Words::shell(script);
    let output = node.run(&words, Stdin::Empty).await?;
    let text = output.success(&words, node.name())?;
    Ok(parse(&text))
}

/// From `etcdctl endpoint health -w json`; nothing when it printed no such list.
fn parse(text: &str) -> Vec<Member> {
    let list = text.lines().find(|line| line.starts_with('[')).unwrap_or("[]");
    let lines: Vec<Line> = serde_json::from_str(list).unwrap_or_default();
    let mut members: Vec<Member> = lines
        .into_iter()
        .map(|line| Member { endpoint: line.endpoint, healthy: line.health, error: line.error })
        .collect();
    members.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_and_ill_members_are_told_apart() {
        let text = "{\"level\":\"warn\",\"msg\":\"retrying\"}\n\
                    [{\"endpoint\":\"https://10.0.0.2:2379\",\"health\":false,\"took\":\"5s\",\"error\":\"context deadline exceeded\"},\
                    {\"endpoint\":\"https://10.0.0.1:2379\",\"health\":true,\"took\":\"9ms\"}]\n";
        let members = parse(text);
        assert_eq!(members.len(), 2);
        assert!(members[0].healthy && members[0].endpoint.contains("10.0.0.1"));
        assert_eq!(members[1].error, "context deadline exceeded");
    }

    #[test]
    fn no_list_is_no_member() {
        assert_eq!(parse("Error: no such container: etcd"), []);
    }
}
