//! The nodes as Ansible's dynamic inventories name them, each reached as the inventory says. Pure.
//!
//! The shape is Ansible's (docs.ansible.com: dev_guide/developing_inventory, `--list` with `_meta`); what is not said here
//! comes from the user's ssh configuration, for Ansible as for cowhand.

use serde_json::{Map, Value, json};

use super::{Inventory, Node};
use crate::remote::{Target, Words};

/// What `--list` prints: the groups of each role, and every node's variables.
pub fn ansible(inventory: &Inventory) -> Value {
    let group = |fits: fn(&Node) -> bool| {
        let hosts: Vec<&str> =
            inventory.nodes.iter().filter(|node| fits(node)).map(|node| node.name.as_str()).collect();
        json!({"hosts": hosts})
    };
    let variables: Map<String, Value> =
        inventory.nodes.iter().map(|node| (node.name.clone(), variables(node))).collect();
    json!({
        "_meta": {"hostvars": variables},
        "all": {"children": ["controlplane", "etcd", "worker"], "vars": {"cowhand_cluster": inventory.name}},
        "controlplane": group(|node| node.roles.controlplane),
        "etcd": group(|node| node.roles.etcd),
        "worker": group(|node| node.roles.worker),
    })
}

/// What `--host NAME` prints; `None` for a name that no node has.
pub fn ansible_host(inventory: &Inventory, name: &str) -> Option<Value> {
    inventory.nodes.iter().find(|node| node.name == name).map(variables)
}

fn variables(node: &Node) -> Value {
    let target = node.target();
    let mut variables = Map::new();
    variables.insert("ansible_host".into(), target.host.clone().into());
    if let Some(port) = target.port {
        variables.insert("ansible_port".into(), port.into());
    }
    if let Some(user) = &target.user {
        variables.insert("ansible_user".into(), user.clone().into());
    }
    if let Some(file) = &target.identity_file {
        variables.insert("ansible_ssh_private_key_file".into(), file.display().to_string().into());
    }
    let options = options(&target);
    if let Some((first, rest)) = options.split_first() {
        let line = Words::new(first.clone()).args(rest.iter().cloned()).line();
        variables.insert("ansible_ssh_common_args".into(), line.into());
    }
    if let Some(address) = node.internal_address {
        variables.insert("cowhand_internal_address".into(), address.to_string().into());
    }
    Value::Object(variables)
}

/// Words for ssh's command line: configuration, known_hosts and the way there.
fn options(target: &Target) -> Vec<String> {
    let mut words = common(target);
    match target.jump.as_deref() {
        None => {}
        Some([]) => words.extend(["-o".into(), "ProxyJump=none".into()]),
        Some(jumps) => words.extend(["-o".into(), format!("ProxyCommand={}", way(target, jumps))]),
    }
    words
}

/// What holds for the node and for the jump hosts in front of it alike.
fn common(target: &Target) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(file) = &target.config {
        words.extend(["-F".into(), file.display().to_string()]);
    }
    if let Some(file) = &target.known_hosts {
        // ssh takes the value apart at blanks, and a host key that is not in it is refused as cowhand does.
        words.extend(["-o".into(), format!("UserKnownHostsFile=\"{}\"", file.display())]);
        words.extend(["-o".into(), "StrictHostKeyChecking=yes".into()]);
    }
    if let Some(limit) = target.connect_timeout {
        words.extend(["-o".into(), format!("ConnectTimeout={}", limit.as_secs())]);
    }
    words
}

/// The command whose streams are the connection to the node, through these jump hosts. Not ssh's own `-J`: that gives none
/// of the options to the ssh that it starts. A `%` of an inner way is doubled, since each ssh replaces those of its own.
fn way(target: &Target, jumps: &[String]) -> String {
    let mut words = Words::new("ssh").args(common(target));
    if let Some(file) = &target.identity_file {
        words = words.arg("-i").arg(file.display().to_string());
    }
    let Some((last, before)) = jumps.split_last() else { return String::new() };
    if !before.is_empty() {
        words = words.arg("-o").arg(format!("ProxyCommand={}", way(target, before).replace('%', "%%")));
    }
    let port = last.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if port && !last.starts_with("ssh://") { format!("ssh://{last}") } else { last.clone() };
    words.args(["-W", "[%h]:%p"]).arg(place).line()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Environment, parse};
    use std::path::Path;

    fn inventory(ssh: &str) -> Inventory {
        let text = format!(
            "name: prod\nssh: {ssh}\nnodes:\n- 10.0.0.11\n- 10.0.0.12\n- 10.0.0.13\n\
             - {{name: w1, address: w1.example.com, internal_address: 10.1.0.4, roles: [worker], ssh: {{port: 2222, jump: []}}}}\n\
             engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
             rancher: {{hostname: r.example.com, tls: {{mode: ingress, issuer: ca}}}}\n"
        );
        let nowhere = Environment { home: None, folder: "/srv".into(), variable: &|_| None };
        parse(&text, Path::new("prod.yml"), &nowhere).unwrap()
    }

    #[test]
    fn groups_are_roles_and_hosts_are_reached_as_the_inventory_says() {
        let listed = ansible(&inventory("{user: ops, identity_file: ./key, known_hosts: './known hosts'}"));
        assert_eq!(listed["etcd"], json!({"hosts": ["n1", "n2", "n3"]}));
        assert_eq!(listed["worker"], json!({"hosts": ["n1", "n2", "n3", "w1"]}));
        let known = r#"-o 'UserKnownHostsFile="/srv/known hosts"' -o StrictHostKeyChecking=yes"#;
        assert_eq!(
            listed["_meta"]["hostvars"]["n1"],
            json!({"ansible_host": "10.0.0.11", "ansible_user": "ops", "ansible_ssh_private_key_file": "/srv/key",
                "ansible_ssh_common_args": known})
        );
        assert_eq!(
            listed["_meta"]["hostvars"]["w1"],
            json!({"ansible_host": "w1.example.com", "ansible_user": "ops", "ansible_ssh_private_key_file": "/srv/key",
                "ansible_port": 2222, "cowhand_internal_address": "10.1.0.4",
                "ansible_ssh_common_args": format!("{known} -o ProxyJump=none")})
        );
    }

    #[test]
    fn jump_hosts_have_the_same_keys_and_known_hosts() {
        let of = |ssh: &str| {
            let variables = ansible_host(&inventory(ssh), "n1").unwrap();
            variables["ansible_ssh_common_args"].as_str().unwrap_or_default().to_owned()
        };
        assert_eq!(of("{user: ops}"), "");
        assert_eq!(of("{jump: me@bastion}"), "-o 'ProxyCommand=ssh -W '\\''[%h]:%p'\\'' me@bastion'");
        let far = of("{jump: [a, 'me@b:2222'], identity_file: ./key, known_hosts: ./known}");
        assert!(far.contains("ssh://me@b:2222"), "{far}");
        assert!(far.contains("[%%h]:%%p") && far.contains("[%h]:%p"), "{far}");
        assert_eq!(far.matches("-i /srv/key").count(), 2, "{far}");
        assert_eq!(far.matches("UserKnownHostsFile").count(), 3, "{far}");
        assert_eq!(ansible_host(&inventory("{}"), "n9"), None);
    }
}
