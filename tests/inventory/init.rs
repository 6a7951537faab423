//! What `init` writes is read again; what it cannot know, it asks for.

use cowhand::inventory::{InitNode, InitRequest, init};

use crate::read;

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
        config: None,
    });
    let inventory = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    assert_eq!((inventory.name.as_str(), inventory.rancher.hostname.as_str()), ("no", "rancher.company.com"));
    assert_eq!(inventory.nodes[1].address, "n2.example.com");
    assert_eq!(inventory.nodes[2].ssh.user.as_deref(), Some("rancher"));
}
