//! `init --from-ssh-config`: what the inventory makes of a configuration is what OpenSSH makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cowhand::inventory::{Environment, Inventory, Node, parse};
use cowhand::remote::{Route, routes};
use tempfile::TempDir;

use super::{Said, cowhand, cowhand_reading, files, folder};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/inventory/ssh");
const INIT: [&str; 3] = ["init", "--hostname=rancher.example.com", "--from-ssh-config"];

/// How the inventory leads to the nodes.
#[derive(Debug, PartialEq)]
enum Way {
    /// By name, through the configuration.
    Name,
    SpeltOut,
}

/// File, more flags, the names that become nodes, and how they are reached.
const CASES: [(&str, &[&str], &[&str], Way); 16] = [
    ("vagrant-two-identity-files", &[], &["rke1", "rke2", "rke3"], Way::Name),
    ("vagrant-quotes-inside-quotes", &[], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("vagrant-warnings-before-it", &[], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("global-options-first", &[], &["rke1", "rke2", "rke3"], Way::Name),
    ("star-block-first", &[], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("hostname-token", &[], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("inline-comments", &[], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("proxycommand-through-bastion", &[], &["rke1", "rke2", "rke3"], Way::Name),
    ("proxyjump-bastion-has-its-own-key", &[], &["rke1", "rke2", "rke3"], Way::Name),
    ("negated-pattern-carries-the-jump", &[], &["lab_rke1", "lab_rke2", "lab_rke3"], Way::Name),
    ("a-persons-whole-config", &["--host", "rke*"], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("equals-tabs-capitals", &[], &["rke1", "rke2", "rke3"], Way::SpeltOut),
    ("aliases-of-one-machine", &[], &["n1", "n2", "n3"], Way::SpeltOut),
    ("trust-of-its-own", &[], &["n1", "n2", "n3"], Way::Name),
    ("one-known-hosts-file", &[], &["n1", "n2", "n3"], Way::SpeltOut),
    ("first-node-is-the-bastion", &["--host=n1", "--host=n[23]"], &["n1", "n2", "n3"], Way::Name),
];

/// What `ssh -G` says of a name, without what ssh looks for when nobody says anything.
#[derive(Debug, PartialEq)]
struct Reached {
    user: String,
    host: String,
    port: u16,
    keys: Vec<PathBuf>,
    jump: Vec<String>,
    proxy: Option<String>,
    alias: Option<String>,
    certificates: Vec<PathBuf>,
}

fn home(path: &str) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| path.into(), |rest| std::env::home_dir().unwrap().join(rest))
}

fn by_ssh(file: &Path, name: &str) -> Reached {
    let output = Command::new("ssh").arg("-G").arg("-F").arg(file).arg(name).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        said.entry(key).or_default().push(value);
    }
    let all = |key: &str| said.get(key).cloned().unwrap_or_default();
    let one = |key: &str| all(key).first().map(|value| (*value).to_owned());
    let (host, port) = (one("hostname").unwrap(), one("port").unwrap());
    let usual = |path: &&str| path.starts_with("~/.ssh/id_");
    Reached {
        user: one("user").unwrap(),
        keys: all("identityfile").into_iter().filter(|path| !usual(path)).map(home).collect(),
        jump: one("proxyjump").iter().flat_map(|jump| jump.split(',').map(str::to_owned)).collect(),
        proxy: one("proxycommand").map(|command| command.replace("%h", &host).replace("%p", &port)),
        alias: one("hostkeyalias"),
        certificates: all("certificatefile").into_iter().map(home).collect(),
        port: port.parse().unwrap(),
        host,
    }
}

fn by_cowhand(route: &Route) -> Reached {
    let route = route.clone();
    Reached {
        keys: route.identities.into_iter().filter(|file| file.chosen).map(|file| file.path).collect(),
        user: route.user,
        host: route.host,
        port: route.port,
        jump: route.jumps,
        proxy: route.proxy_command,
        alias: route.known.alias,
        certificates: route.certificates,
    }
}

fn inventory(folder: &Path) -> (String, Inventory) {
    let file = folder.join("inventory.yml");
    let text = fs::read_to_string(&file).unwrap();
    let environment = Environment { home: std::env::home_dir(), folder: folder.into(), variable: &|_| None };
    let read = parse(&text, &file, &environment).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    (text, read)
}

/// The route of each node, as a run with this inventory would take it.
async fn ways(inventory: &Inventory) -> Vec<Route> {
    let targets: Vec<_> = inventory.nodes.iter().map(Node::target).collect();
    routes(&targets, "ssh".into()).await.into_iter().map(Result::unwrap).collect()
}

/// What OpenSSH can read: without the lines that Vagrant prints before the configuration.
fn readable(folder: &TempDir, file: &Path) -> PathBuf {
    let text = fs::read_to_string(file).unwrap();
    let begin = text.find("Host rke1\n").filter(|_| text.starts_with("==>")).unwrap_or(0);
    let copy = folder.path().join("for-ssh");
    fs::write(&copy, &text[begin..]).unwrap();
    copy
}

#[tokio::test]
async fn the_inventory_reaches_what_ssh_reaches() {
    for (case, flags, names, way) in CASES {
        let file = Path::new(DATA).join(format!("{case}.conf"));
        let there = folder(&[]);
        let said = cowhand(there.path(), &[&INIT[..], &[file.to_str().unwrap()], flags].concat());
        assert_eq!(said.code, 0, "{case}: {}", said.all());
        let (text, inventory) = inventory(there.path());
        let file = readable(&there, &file);
        let found: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
        assert_eq!(found, names.iter().map(|name| name.replace('_', "-")).collect::<Vec<_>>(), "{case}\n{text}");
        for (name, (node, route)) in names.iter().zip(inventory.nodes.iter().zip(ways(&inventory).await)) {
            assert_eq!(by_cowhand(&route), by_ssh(&file, name), "{case}: {name}\n{text}");
            assert_eq!(node.address, route.host, "{case}: {name}\n{text}");
            let by_name = node.ssh.host.as_deref() == Some(*name) && node.ssh.config.is_some();
            assert_eq!(by_name, way == Way::Name, "{case}: {name}\n{text}");
        }
    }
}

/// From a pipe there is no file to come back to: it is kept beside the inventory.
#[tokio::test]
async fn a_configuration_from_a_pipe_is_kept_where_it_is_needed() {
    let file = Path::new(DATA).join("proxyjump-bastion-has-its-own-key.conf");
    let text = fs::read_to_string(&file).unwrap();
    let there = folder(&[]);
    let said = cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), &text);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(files(there.path()), ["inventory.yml", "ssh_config"]);
    let (_, inventory) = inventory(there.path());
    assert_eq!(inventory.nodes[0].ssh.config.as_deref(), Some(there.path().join("ssh_config").as_path()));
    assert_eq!(by_cowhand(&ways(&inventory).await[2]), by_ssh(&file, "rke3"));

    // Neither of the two files is written over, and there is none without the other.
    fs::remove_file(there.path().join("inventory.yml")).unwrap();
    let refused = cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), &text);
    assert!(refused.code == 2 && refused.err.contains("ssh_config is there already"), "{}", refused.all());
    fs::rename(there.path().join("ssh_config"), there.path().join("inventory.yml")).unwrap();
    let refused = cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), &text);
    assert!(refused.code == 2 && refused.err.contains("inventory.yml is there already"), "{}", refused.all());
    assert_eq!(files(there.path()), ["inventory.yml"]);
    let refused = cowhand_reading(there.path(), &[&INIT[..], &["-", "-o", "-"]].concat(), &text);
    assert!(refused.code == 2 && refused.err.contains("-o FILE"), "{}", refused.all());
}

/// Beside the inventory the file is called by its name; from anywhere else, and on standard output, by its path.
#[test]
fn the_configuration_is_called_as_the_inventory_finds_it() {
    let text = fs::read_to_string(Path::new(DATA).join("trust-of-its-own.conf")).unwrap();
    let there = folder(&[("lab.conf", &text)]);
    for (flags, config) in [(&[][..], "lab.conf"), (&["-o", "-"], "~/lab.conf")] {
        let said = cowhand(there.path(), &[&INIT[..], &["lab.conf"], flags].concat());
        let text = fs::read_to_string(there.path().join("inventory.yml")).unwrap() + &said.out;
        assert!(text.contains(&format!("\n  config: {config} ")), "{}", said.all());
        fs::write(there.path().join("inventory.yml"), "").unwrap();
    }
}

#[test]
fn what_powershell_writes_is_read() {
    let text = fs::read_to_string(Path::new(DATA).join("inline-comments.conf")).unwrap().replace('\n', "\r\n");
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let there = folder(&[]);
    for (name, bytes) in [("wide.conf", wide), ("marked.conf", format!("\u{feff}{text}").into_bytes())] {
        fs::write(there.path().join(name), bytes).unwrap();
        let said = cowhand(there.path(), &[&INIT[..], &[name, "--force"]].concat());
        assert_eq!(said.code, 0, "{}", said.all());
        let nodes = inventory(there.path()).1.nodes;
        assert_eq!((nodes[0].address.as_str(), nodes[2].address.as_str()), ("10.0.0.11", "10.0.0.13"));
    }
}

fn refused(text: &str, flags: &[&str]) -> Said {
    let there = folder(&[]);
    let said = cowhand_reading(there.path(), &[&INIT[..], &["-"], flags].concat(), text);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(files(there.path()).is_empty(), "{text}");
    said
}

#[test]
fn what_ssh_cannot_read_is_refused_with_its_line() {
    for (text, reason) in [
        ("", "there is no Host line with a plain name"),
        ("Host *\n  User x\n", "there is no Host line with a plain name"),
        ("Host a\n Port 1\n Pord 2\n", "line 3, `Pord 2`: ssh does not know this line"),
        ("Host a\n Port x1\n", "line 2, `Port x1`: Bad port 'x1'"),
        ("Host a\n IdentityFile \"/a\n", "line 2, `IdentityFile \"/a`: invalid quotes"),
        // It holds for other names, too.
        ("Host a\n HostName 10.0.0.1\nHost *\n Port x1\n", "line 4, `Port x1`: Bad port 'x1'"),
        ("Port x1\nHost a\n", "line 1, `Port x1`: Bad port 'x1'"),
    ] {
        let said = refused(text, &[]);
        assert!(said.err.starts_with("error: no nodes can be taken from standard input\n"), "{}", said.err);
        assert!(said.err.contains(reason), "{text}: {}", said.err);
    }
    let said = refused("Host a b\n", &["--host", "c*"]);
    assert!(said.err.contains("--host c* fits none of its names: a, b"), "{}", said.err);
}

/// One bad host does not take the others with it.
#[test]
fn a_host_that_ssh_cannot_read_is_left_out_and_named() {
    let good = "Host n1\n HostName 10.0.0.1\nHost n2\n HostName 10.0.0.2\nHost n3\n HostName 10.0.0.3\n";
    for (bad, reason) in [
        ("Host bad worse\n Port x1\n", "`Port x1`: Bad port 'x1'"),
        ("Host bad\n HostNam 10.0.0.9\n", "`HostNam 10.0.0.9`: ssh does not know this line"),
        ("Host bad\n HostName 10.0.0.9 10.0.0.8\n IdentityFile \"/a\n", "line 2, `HostName 10.0.0.9 10.0.0.8`"),
    ] {
        let text = format!("{bad}{good}");
        let there = folder(&[]);
        let said = cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), &text);
        assert_eq!(said.code, 0, "{bad}: {}", said.all());
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains("passed over line 1, `Host bad") && out.contains(reason), "{bad}: {}", said.out);
        let nodes = inventory(there.path()).1.nodes;
        let nodes: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.address.as_str())).collect();
        assert_eq!(nodes, [("n1", "10.0.0.1"), ("n2", "10.0.0.2"), ("n3", "10.0.0.3")], "{bad}");
        let shown = cowhand_reading(there.path(), &[&INIT[..], &["-", "-o", "-"]].concat(), &text);
        assert!(shown.code == 0 && shown.err.contains("passed over  line 1, `Host bad"), "{bad}: {}", shown.all());
        // Whoever chose it by name is not given the others alone.
        let said = refused(&text, &["--host=n1", "--host=bad"]);
        assert!(said.err.contains(reason), "{bad}: {}", said.err);
    }
}

#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    let there = folder(&[]);
    let fifo = there.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let said = cowhand(there.path(), &[&INIT[..], &["pipe"]].concat());
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.err.contains("error: pipe cannot be read\n") && said.err.contains("it is a pipe"), "{}", said.err);
    assert!(said.err.contains("`--from-ssh-config -` reads a pipe"), "{}", said.err);
    // Named by an inventory, it would hold up `ssh` itself.
    let text = "name: prod\nssh: {config: pipe}\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\n\
        engine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
        rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";
    fs::write(there.path().join("inventory.yml"), text).unwrap();
    let said = cowhand(there.path(), &["status"]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert!(said.err.contains("/pipe cannot be read: it is a pipe, not a regular file"), "{}", said.err);
}

/// `ssh -G` runs what `Match exec` names: only for names that somebody chose.
#[test]
fn commands_in_it_run_for_chosen_names_only() {
    let there = folder(&[]);
    let trace = there.path().join("trace");
    let text =
        format!("Host n1\n HostName 10.0.0.1\nHost other\nMatch exec \"echo %n >>{}\"\n User lab\n", trace.display());
    let said = refused(&text, &[]);
    assert!(said.err.contains("line 4, `Match exec") && said.err.contains("--host"), "{}", said.err);
    assert!(!trace.exists());
    let said = cowhand_reading(there.path(), &[&INIT[..], &["-", "--host=n1"]].concat(), &text);
    assert_eq!(said.code, 0, "{}", said.all());
    let ran = fs::read_to_string(&trace).unwrap();
    assert!(ran.lines().all(|name| name == "n1") && !ran.is_empty(), "{ran}");
    assert!(fs::read_to_string(there.path().join("inventory.yml")).unwrap().contains("lab"));
}

#[test]
fn included_files_name_machines_too() {
    let there = folder(&[
        ("config", "Include \"FOLDER/lab*.conf\"\nInclude /etc/cowhand-%h\nHost *\n User admin\n"),
        ("lab1.conf", "Host n1\n HostName 10.0.0.1\nHost n2\n HostName 10.0.0.2\n"),
        ("lab2.conf", "Host n1\nHost n3 n3.example.com\n HostName 10.0.0.3\n"),
    ]);
    let path = there.path().join("config");
    let text = fs::read_to_string(&path).unwrap().replace("FOLDER", there.path().to_str().unwrap());
    fs::write(&path, text.replace("Include /etc/cowhand-%h\n", "")).unwrap();
    let said = cowhand(there.path(), &[&INIT[..], &["config"]].concat());
    assert_eq!(said.code, 0, "{}", said.all());
    let (text, inventory) = inventory(there.path());
    let nodes: Vec<_> = inventory.nodes.iter().map(|node| (node.name.as_str(), node.address.as_str())).collect();
    assert_eq!(nodes, [("n1", "10.0.0.1"), ("n2", "10.0.0.2"), ("n3", "10.0.0.3")], "{text}");
    assert!(inventory.nodes.iter().all(|node| node.ssh.user.as_deref() == Some("admin")), "{text}");
    assert!(said.out.contains("lab2.conf, `Host n3 n3.example.com`: n3.example.com is the machine n3"), "{}", said.out);
}

/// A person's own configuration is the list of everything: a code host or a NAS is no node because it stands there.
#[test]
fn of_ones_own_configuration_names_have_to_be_chosen() {
    let whole = fs::read_to_string(Path::new(DATA).join("a-persons-whole-config.conf")).unwrap();
    let there = folder(&[]);
    fs::create_dir(there.path().join(".ssh")).unwrap();
    fs::write(there.path().join(".ssh/config"), whole).unwrap();
    let said = cowhand(there.path(), &[&INIT[..], &[".ssh/config"]].concat());
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.err.contains("github.com, bitbucket.org, nas, rke1, rke2, rke3"), "{}", said.err);
    let said = cowhand(there.path(), &[&INIT[..], &[".ssh/config", "--host", "rke[13]", "--host=rke2"]].concat());
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(inventory(there.path()).1.nodes.len(), 3);
}

#[test]
fn what_is_left_out_is_named() {
    let data = |case: &str| fs::read_to_string(Path::new(DATA).join(format!("{case}.conf"))).unwrap();
    for (text, reasons) in [
        (
            data("aliases-of-one-machine"),
            vec![
                "line 1, `Host n1 n1.example.com`: n1.example.com is the machine n1",
                "line 4, `Host n1-root`: n1-root is the machine n1",
            ],
        ),
        (data("proxyjump-bastion-has-its-own-key"), vec!["line 1, `Host bastion`: others are reached through bastion"]),
        (data("proxycommand-through-bastion"), vec!["line 19, `Host bastion`: others are reached through bastion"]),
        (
            data("vagrant-warnings-before-it"),
            vec![
                "line 4, `[fog][WARNING] Unrecognized arguments: libvirt_ip_command`: it is no line of an ssh configuration",
            ],
        ),
    ] {
        let there = folder(&[]);
        let said = cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), &text);
        // Long lines are wrapped.
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        for reason in reasons {
            assert!(out.contains(reason), "{reason}\n{}", said.all());
        }
    }
}

#[test]
fn vagrant_by_docker_needs_nothing_more() {
    let there = folder(&[]);
    let config = include_str!("../data/inventory/vagrant-docker.ssh-config");
    assert_eq!(cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), config).code, 0);
    let (text, inventory) = inventory(there.path());
    let node = &inventory.nodes[1];
    assert_eq!((node.name.as_str(), node.address.as_str()), ("lab2", "172.31.77.12"));
    assert_eq!((node.ssh.host.as_deref(), node.ssh.user.as_deref(), node.ssh.port), (None, Some("vagrant"), None));
    let key = Path::new("/home/me/lab/.vagrant/machines/lab2/docker/private_key");
    assert_eq!(node.ssh.identity_file.as_deref(), Some(key));
    // Machines that come and go have other keys each time: they are nothing for ~/.ssh/known_hosts.
    assert!(
        text.contains("\n  known_hosts: known_hosts ") && text.contains(" # host keys are remembered here"),
        "{text}"
    );
    assert_eq!(node.ssh.known_hosts.as_deref(), Some(there.path().join("known_hosts").as_path()));
}

#[test]
fn forwarded_ports_are_where_ssh_goes_and_not_where_the_machine_is() {
    let there = folder(&[]);
    let config = include_str!("../data/inventory/vagrant-virtualbox.ssh-config");
    let said = cowhand_reading(there.path(), &[&INIT[..], &["-"]].concat(), config);
    assert_eq!(said.out.matches("still to do").count(), 3, "{}", said.all());
    let file = there.path().join("inventory.yml");
    let filled = ["192.168.56.11", "192.168.56.12", "192.168.56.13"]
        .iter()
        .fold(fs::read_to_string(&file).unwrap(), |text, address| {
            text.replacen("address:    # FILL IN", &format!("address: {address} # was"), 1)
        });
    fs::write(&file, filled).unwrap();
    let node = &inventory(there.path()).1.nodes[2];
    let way = (node.address.as_str(), node.ssh.host.as_deref(), node.ssh.port);
    assert_eq!(way, ("192.168.56.13", Some("127.0.0.1"), Some(2201)));
    assert!(node.ssh.identity_file.as_ref().unwrap().to_str().unwrap().contains("my lab"));
}
