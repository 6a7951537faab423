//! What `init` writes is read again; what it cannot know, it asks for.

use cowhand::inventory::{InitNode, InitRequest, SshConfigError, init, nodes_from_ssh_config};

use crate::{file, read};

fn vagrant(provider: &str) -> Vec<InitNode> {
    let text = String::from_utf8(file(&format!("tests/data/inventory/vagrant-{provider}.ssh-config"))).unwrap();
    nodes_from_ssh_config(&text).unwrap().nodes
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
    });
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    assert_eq!((inventory.name.as_str(), inventory.rancher.hostname.as_str()), ("no", "rancher.company.com"));
    assert_eq!(inventory.nodes[1].address, "n2.example.com");
    assert_eq!(inventory.nodes[2].ssh.user.as_deref(), Some("rancher"));
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

/// `vagrant destroy` and `vagrant up` make other host keys at the same address: they are nothing for ~/.ssh/known_hosts.
#[test]
fn vagrants_host_keys_are_kept_beside_the_inventory() {
    let text = String::from_utf8(file("tests/data/inventory/vagrant-docker.ssh-config")).unwrap();
    let taken = nodes_from_ssh_config(&text).unwrap();
    let passed: Vec<String> = taken.passed.iter().map(ToString::to_string).collect();
    let strict = "line 6, `StrictHostKeyChecking no`: host keys are always checked; `--accept-new-host-keys` takes those that are new";
    assert_eq!(passed, [strict]);
    let text = init(&request(taken.nodes));
    assert!(
        text.contains("\n  known_hosts: known_hosts ") && text.contains(" # host keys are remembered here; delete it"),
        "{text}"
    );
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    for node in &inventory.nodes {
        assert_eq!(node.ssh.known_hosts.as_deref(), Some("/srv/prod/known_hosts".as_ref()), "{text}");
    }
}

#[test]
fn known_hosts_files_of_ones_own_are_taken_over() {
    let text = "Host a\n UserKnownHostsFile ~/.ssh/a ~/.ssh/b\nHost b\n UserKnownHostsFile /etc/k\nHost c\n CertificateFile ~/c\n";
    let taken = nodes_from_ssh_config(&format!("{text} UserKnownHostsFile ~/%k\n")).unwrap();
    let files: Vec<_> = taken.nodes.iter().map(|node| node.known_hosts.as_deref()).collect();
    assert_eq!(files, [Some("~/.ssh/a"), Some("/etc/k"), None]);
    let passed: Vec<String> = taken.passed.iter().map(ToString::to_string).collect();
    assert_eq!(
        passed,
        [
            "line 6, `CertificateFile ~/c`: an inventory has no key for it",
            "line 7, `UserKnownHostsFile ~/%k`: an inventory knows no % in a path",
        ]
    );
    let text = init(&request(taken.nodes));
    assert!(text.contains("ssh: {known_hosts: ~/.ssh/a}") && text.contains("ssh: {known_hosts: /etc/k}"), "{text}");
}

#[test]
fn ssh_configurations_of_other_kinds() {
    let taken = nodes_from_ssh_config(
        "# mine\nHost *\n  User nobody\nMatch host x\n  Port 1\nHost=a\n\tHostname = \"10.0.0.1\"\n  PORT 22\n  IdentityFile ~/a\n\
         \x20 IdentityFile ~/b\n  ProxyJump one,two\nHost b\n",
    )
    .unwrap();
    let [a, b] = taken.nodes.as_slice() else { panic!("{taken:?}") };
    assert_eq!(
        (a.address.as_str(), a.port, a.identity_file.as_deref(), a.user.as_deref()),
        ("10.0.0.1", None, Some("~/a"), Some("nobody"))
    );
    assert_eq!(taken.passed.len(), 1, "the Match block: {:?}", taken.passed);
    assert_eq!(a.jump, ["one", "two"]);
    assert_eq!(b.address, "b", "without HostName the name is the address");
}

#[test]
fn what_holds_for_several_machines_is_taken_and_the_rest_is_named() {
    let text = "\
Host bastion
  HostName 192.0.2.1
  Port 2222
Host n1 n1.example.com
  HostName 10.0.0.1
Host n2 n3
Host web-*
  User www
Host n4
  HostName 10.0.0.4
  ProxyJump none
  ProxyCommand nc %h %p
Host *
  User admin
  ProxyJump bastion
";
    let taken = nodes_from_ssh_config(text).unwrap();
    let nodes: Vec<_> = taken
        .nodes
        .iter()
        .map(|node| (node.name.as_deref().unwrap(), node.address.as_str(), node.user.as_deref(), node.jump.join(",")))
        .collect();
    let jump = || "admin@192.0.2.1:2222".to_owned();
    assert_eq!(
        nodes,
        [
            ("n1", "10.0.0.1", Some("admin"), jump()),
            ("n2", "n2", Some("admin"), jump()),
            ("n3", "n3", Some("admin"), jump()),
            ("n4", "10.0.0.4", Some("admin"), String::new()),
        ]
    );
    let passed: Vec<String> = taken.passed.iter().map(ToString::to_string).collect();
    assert_eq!(
        passed,
        [
            "line 1, `Host bastion`: others are reached through it: a jump host, not a node",
            "line 4, `Host n1 n1.example.com`: all its names are one machine; it is called n1",
            "line 7, `Host web-*`: patterns are not matched, only `Host *` is",
            "line 12, `ProxyCommand nc %h %p`: an inventory knows jump hosts only; ~/.ssh/config is asked for it all the same",
        ]
    );
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
