//! What `init` writes is read again; what it cannot know, it asks for.

use cowhand::inventory::{InitNode, InitRequest, SshConfigError, init, nodes_from_ssh_config};

use crate::{file, read};

fn vagrant(provider: &str) -> Vec<InitNode> {
    let text = String::from_utf8(file(&format!("tests/data/inventory/vagrant-{provider}.ssh-config"))).unwrap();
    nodes_from_ssh_config(&text).unwrap()
}

fn request(nodes: Vec<InitNode>) -> InitRequest {
    InitRequest { name: "prod".into(), nodes, ..InitRequest::default() }
}

#[test]
fn with_nothing_known_it_writes_an_example_that_is_valid() {
    let text = init(&request(vec![]));
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    assert_eq!(inventory.nodes.len(), 3);
    assert_eq!(inventory.rancher.hostname, "rancher.example.com");
    assert!(text.matches("an example").count() == 4, "{text}");
}

#[test]
fn flags_stand_where_they_belong() {
    let node = |address: &str| InitNode { address: address.into(), ..InitNode::default() };
    let text = init(&InitRequest {
        name: "no".into(),
        nodes: vec![node("10.0.0.1"), node("n2.example.com"), node("10.0.0.3")],
        user: Some("rancher".into()),
        hostname: Some("rancher.company.com".into()),
        jump: vec!["me@bastion:2222".into()],
        ssh_config: None,
    });
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    assert_eq!((inventory.name.as_str(), inventory.rancher.hostname.as_str()), ("no", "rancher.company.com"));
    assert_eq!(inventory.nodes[1].address, "n2.example.com");
    assert_eq!(inventory.nodes[2].ssh.user.as_deref(), Some("rancher"));
    assert_eq!(inventory.nodes[2].ssh.jump.as_deref(), Some(["me@bastion:2222".to_owned()].as_slice()));
}

#[test]
fn vagrant_by_docker_needs_nothing_more() {
    let text = init(&request(vagrant("docker")));
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let node = &inventory.nodes[1];
    assert_eq!((node.name.as_str(), node.address.as_str()), ("lab2", "172.31.77.12"));
    assert_eq!((node.ssh.host.as_deref(), node.ssh.user.as_deref(), node.ssh.port), (None, Some("vagrant"), None));
    assert_eq!(
        node.ssh.identity_file.as_deref(),
        Some("/home/me/lab/.vagrant/machines/lab2/docker/private_key".as_ref())
    );
}

#[test]
fn forwarded_ports_are_where_ssh_goes_and_not_where_the_machine_is() {
    let nodes = vagrant("virtualbox");
    assert_eq!(
        (nodes[1].address.as_str(), nodes[1].ssh_host.as_deref(), nodes[1].port),
        ("", Some("127.0.0.1"), Some(2200))
    );
    let text = init(&request(nodes));
    let mistakes = read(text.as_bytes()).expect_err("the addresses are not known");
    let keys: Vec<_> = mistakes.list.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["nodes[0].address", "nodes[1].address", "nodes[2].address"], "{mistakes}\n{text}");

    let filled = ["192.168.56.11", "192.168.56.12", "192.168.56.13"]
        .iter()
        .fold(text, |text, address| text.replacen("address:    # FILL IN", &format!("address: {address} # was"), 1));
    let inventory = read(filled.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{filled}"));
    let node = &inventory.nodes[2];
    assert_eq!(
        (node.address.as_str(), node.ssh.host.as_deref(), node.ssh.port),
        ("192.168.56.13", Some("127.0.0.1"), Some(2201))
    );
    assert!(node.ssh.identity_file.as_ref().unwrap().to_str().unwrap().contains("my lab"));
}

#[test]
fn by_a_configuration_file_the_nodes_go_by_their_names_in_it() {
    let mut nodes = vagrant("virtualbox");
    for (index, node) in nodes.iter_mut().enumerate() {
        node.address = format!("192.168.56.{}", 11 + index);
    }
    let text = init(&InitRequest { ssh_config: Some("vagrant-ssh-config".into()), ..request(nodes) });
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let ssh = &inventory.nodes[0].ssh;
    assert_eq!((ssh.host.as_deref(), ssh.port, &ssh.identity_file), (Some("node1"), None, &None), "{text}");
    assert_eq!(ssh.config.as_deref(), Some("/work/prod/vagrant-ssh-config".as_ref()));
}

#[test]
fn ssh_configurations_of_other_kinds() {
    let nodes = nodes_from_ssh_config(
        "# mine\nHost *\n  User nobody\nMatch host x\n  Port 1\nHost=a\n\tHostname = \"10.0.0.1\"\n  PORT 22\n  IdentityFile ~/a\n\
         \x20 IdentityFile ~/b\n  ProxyJump one,two\nHost b\n",
    )
    .unwrap();
    let [a, b] = nodes.as_slice() else { panic!("{nodes:?}") };
    assert_eq!(
        (a.address.as_str(), a.port, a.identity_file.as_deref(), &a.user),
        ("10.0.0.1", None, Some("~/a"), &None)
    );
    assert_eq!(a.jump, ["one", "two"]);
    assert_eq!(b.address, "b", "without HostName the name is the address");
}

#[test]
fn what_is_no_ssh_configuration_is_refused_with_its_line() {
    assert_eq!(nodes_from_ssh_config(""), Err(SshConfigError::NoHost));
    assert_eq!(nodes_from_ssh_config("Host *\n  User x\n"), Err(SshConfigError::NoHost));
    let error = nodes_from_ssh_config("\nname: prod\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2 of the ssh configuration: \"name: prod\" stands before the first Host line");
    assert!(matches!(nodes_from_ssh_config("Host a\n Port ssh\n"), Err(SshConfigError::Port { line: 2, .. })));
    assert!(matches!(nodes_from_ssh_config("Host a\n IdentityFile \"/a\n"), Err(SshConfigError::Quote { line: 2 })));
}
