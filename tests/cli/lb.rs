//! `lb` prints or writes one text, never over something, and says what does not fit.

use super::{cowhand, files, folder};

const INVENTORY: &str = "\
name: prod
nodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]
engine: {rke: {}}
load_balancers: [10.0.0.5, 10.0.0.6]
rancher: {hostname: rancher.example.com, version: 2.11.5, tls: {mode: external, issuer: blank}}
";

#[test]
fn it_is_printed_or_written_and_is_the_same() {
    let there = folder(&[("prod.yml", INVENTORY)]);
    let printed = cowhand(there.path(), &["lb", "haproxy"]);
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    assert!(printed.out.starts_with("# haproxy in front of Rancher at rancher.example.com"), "{}", printed.out);
    let said = cowhand(there.path(), &["lb", "haproxy", "-o", "haproxy.cfg"]);
    insta::assert_snapshot!(said.all(), @r"
    exit code 0
    --- stdout
    haproxy.cfg is written; its first lines say where it belongs
    --- stderr
    ");
    let file = there.path().join("haproxy.cfg");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed.out);
    let again = cowhand(there.path(), &["lb", "nginx", "-o", "haproxy.cfg"]);
    insta::assert_snapshot!(again.all(), @r"
    exit code 2
    --- stdout
    --- stderr
    error: haproxy.cfg is there already
    hint: write to another file with -o FILE, or over this one with --force
    ");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed.out);
    assert_eq!(cowhand(there.path(), &["lb", "nginx", "-o", "haproxy.cfg", "--force"]).code, 0);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("# nginx in front"));
    assert_eq!(files(there.path()), ["haproxy.cfg", "prod.yml"]);
}

#[test]
fn what_does_not_fit_is_said_with_a_remedy() {
    let external = folder(&[("prod.yml", INVENTORY)]);
    let ingress = folder(&[("prod.yml", &INVENTORY.replace("external, issuer: blank", "ingress, issuer: ca"))]);
    let unbalanced = folder(&[("prod.yml", &INVENTORY.replace("load_balancers: [10.0.0.5, 10.0.0.6]\n", ""))]);
    let alone = folder(&[("prod.yml", &INVENTORY.replace(", 10.0.0.6", ""))]);
    let share: &[&str] = &["lb", "keepalived", "--virtual-ip", "10.0.0.100"];
    let refused: [(&str, &tempfile::TempDir, &[&str], i32); 7] = [
        ("no_balancers", &unbalanced, &["lb", "haproxy"], 3),
        ("one_balancer", &alone, share, 3),
        ("certificate_in_layer_4", &ingress, &["lb", "nginx", "--certificate", "/srv/chain.pem"], 2),
        ("relative_path", &external, &["lb", "nginx", "--certificate", "chain.pem"], 2),
        (
            "key_elsewhere",
            &external,
            &["lb", "haproxy", "--certificate", "/srv/chain.pem", "--key", "/srv/leaf.key"],
            2,
        ),
        ("no_virtual_ip", &external, &["lb", "keepalived"], 2),
        ("no_kind", &external, &["lb", "f5"], 2),
    ];
    for (name, place, words, code) in refused {
        let said = cowhand(place.path(), words);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{name}: {}", said.err);
        insta::assert_snapshot!(format!("lb_{name}"), said.all());
    }
}

#[test]
fn every_kind_has_a_page_that_teaches() {
    let empty = folder(&[]);
    for kind in ["haproxy", "nginx", "keepalived", "aws"] {
        let said = cowhand(empty.path(), &["lb", kind, "--help"]);
        assert!(said.out.contains("Examples:\n  cowhand lb "), "{}", said.out);
        assert_eq!(said.out.contains("Not run"), kind == "aws", "{}", said.out);
        insta::assert_snapshot!(format!("lb_help_{kind}"), said.all());
    }
}
