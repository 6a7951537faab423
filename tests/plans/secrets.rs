//! No plan shows a secret: not a key, not a password, not in another coat.

use std::path::PathBuf;

use cowhand::plan::rancher::BOOTSTRAP_SECRET;
use cowhand::plan::{SecretFrom, Step};

use serde_json::json;

use crate::stages::{MADE_CA, set_ups};
use crate::world::{Cluster, Given, World};
use crate::{inventory, text};

/// What of the keys under `tests/data/tls` can be read in the text: a PEM head, or a line of a key's body.
fn leaks(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text.lines().filter(|line| line.contains("PRIVATE KEY")).map(str::to_owned).collect();
    for key in ["root.key", "leaf.key"] {
        let pem = crate::file(&format!("tests/data/tls/{key}"));
        let body = pem.lines().filter(|line| !line.starts_with('-') && line.len() > 16);
        found.extend(body.filter(|line| text.contains(line)).map(|line| format!("{key}: {line}")));
    }
    found
}

#[test]
fn a_planted_key_is_found() {
    let key = crate::file("tests/data/tls/leaf.key");
    assert!(leaks(&key).len() > 2, "head, foot and body");
    let bare: String = key.lines().filter(|line| !line.starts_with('-')).map(|line| format!("    {line}\n")).collect();
    assert!(!leaks(&bare).is_empty());
    assert_eq!(leaks(&crate::file("tests/data/tls/leaf.pem")), Vec::<String>::new());
}

#[test]
fn no_plan_and_no_cluster_yml_holds_a_key() {
    for (name, inventory, given) in set_ups() {
        let world = World::new(&inventory, given);
        assert_eq!(leaks(&text(&world.plan(&Cluster::default()))), Vec::<String>::new(), "{name}");
        if inventory.contains("rke:") {
            assert_eq!(leaks(&world.cluster_yml().1), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn what_the_pods_of_an_addon_wait_for_goes_right_behind_it_and_nothing_else() {
    let pod = json!({
        "containers": [{"env": [
            {"name": "CATTLE_NAMESPACE", "value": "cattle-system"},
            {"name": "CATTLE_BOOTSTRAP_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "bootstrap-secret"}}},
        ]}],
        "volumes": [{"name": "other", "secret": {"secretName": "other"}}, {"name": "data", "emptyDir": {}}],
    });
    let mut private = pod.clone();
    private["volumes"][0] = json!({"name": "tls-ca-volume", "secret": {"secretName": "tls-ca"}});
    let world = World::new(&inventory(MADE_CA, ""), Given::CA);
    assert_eq!(world.awaited(&private), ["tls-ca", "bootstrap-secret"]);
    assert_eq!(world.awaited(&pod), ["bootstrap-secret"], "a Secret of somebody else is not ours to send");
    assert_eq!(world.awaited(&json!({})), Vec::<String>::new());
}

#[test]
fn secrets_are_named_by_where_they_come_from_and_never_applied_as_objects() {
    for (name, inventory, given) in set_ups() {
        let world = World::new(&inventory, given);
        let mut password = false;
        for step in world.plan(&Cluster::default()).into_iter().flat_map(|plan| plan.steps) {
            match &step {
                Step::Secret(secret) => {
                    let text = step.text();
                    let lines = text.lines().filter(|line| !line.starts_with("# helm release"));
                    let lines: Vec<String> = lines.map(str::to_owned).collect();
                    let expected: Vec<String> =
                        secret.entries.iter().map(|(key, from)| format!("{key}: ({from})")).collect();
                    assert_eq!(lines, expected, "{name}");
                    password |= secret.name == BOOTSTRAP_SECRET
                        && secret.entries == [("bootstrapPassword".to_owned(), SecretFrom::BootstrapPassword)];
                }
                Step::Apply { manifests, .. } => {
                    assert!(manifests.iter().all(|one| one["kind"] != "Secret"), "{name}: {manifests:?}");
                }
                Step::Helm(wanted) => assert_eq!(wanted.values.get("bootstrapPassword"), None, "{name}"),
                Step::MakeCa { .. }
                | Step::MakePassword { .. }
                | Step::RkeUp { .. }
                | Step::ForgetApplied { .. }
                | Step::MarkNodes(_)
                | Step::Restart { .. }
                | Step::Remove { .. }
                | Step::Reissue { .. }
                | Step::Touch { .. }
                | Step::Unmark { .. }
                | Step::TakeAway(_)
                | Step::Wait(_) => {}
            }
        }
        assert!(password, "{name}: the first login's password comes in a Secret");
    }
}

#[test]
fn what_cowhand_makes_is_shown_by_its_path_alone() {
    let path = |name: &str| PathBuf::from("prod").join(name);
    let ca = Step::MakeCa { name: "prod".into(), certificate: path("ca.pem"), key: path("secrets/ca-key.pem") };
    assert_eq!(ca.to_string(), "make a CA `prod`: prod/ca.pem and its key prod/secrets/ca-key.pem (0600)");
    let password = Step::MakePassword { path: path("secrets/bootstrap-password") };
    assert_eq!(password.to_string(), "make the first login's password: prod/secrets/bootstrap-password (0600)");
    assert_eq!((ca.text(), password.text()), (String::new(), String::new()));
    assert!(ca.changes() && password.changes());
}
