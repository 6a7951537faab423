//! The way to the nodes that RKE's state remembers.
//!
//! rke dials the nodes of its last run by what stands in `currentState` (rancher/rke v1.8.0: cluster/state.go,
//! GetClusterState): a key file or a bastion that is gone stops it before it starts. So the state is pointed at the
//! front before a run, and back at the way of the kept cluster.yml after it.

use serde_json::{Map, Value, json};

/// The state with its ways replaced by those of `config` (a cluster.yml); everything else stays. `None` when the text
/// is no state or already says so.
pub fn redirected(state: &str, config: &Map<String, Value>) -> Option<String> {
    let before: Value = serde_json::from_str(state).ok()?;
    let mut after = before.clone();
    for half in ["desiredState", "currentState"] {
        let rke = after.pointer_mut(&format!("/{half}/rkeConfig")).and_then(Value::as_object_mut);
        rke.into_iter().for_each(|rke| redirect(rke, config));
    }
    (after != before).then(|| format!("{after:#}"))
}

/// The state without its memory of what was applied, so that rke builds instead of upgrading; certificates and keys
/// stay, they are part of what is desired. `None` when there is no such memory.
///
/// rke writes `currentState` before it starts the workers, and from then on changes nothing unless every node is Ready
/// (rancher/rke v1.8.0: cmd/up.go, services/controlplane.go). Cut off between that and the network plugin, no node ever
/// is, and rke would never go on by itself.
pub fn begun_anew(state: &str) -> Option<String> {
    let mut state: Value = serde_json::from_str(state).ok()?;
    state.pointer("/desiredState/certificatesBundle").filter(|bundle| bundle.is_object())?;
    state.pointer("/currentState/rkeConfig").filter(|config| config.is_object())?;
    *state.get_mut("currentState")? = json!({});
    Some(format!("{state:#}"))
}

/// The state from which rke builds the same cluster on other machines: the CAs, the keys and how Secrets are encrypted. No
/// word of the machines that were, so that none of them is taken for a member. `None` when it holds no certificates.
///
/// rke then makes a leaf of the same CA for each new name (rancher/rke v1.8.0: cluster/state.go, rebuildExistingState).
pub fn for_new_nodes(state: &str) -> Option<String> {
    let state: Value = serde_json::from_str(state).ok()?;
    let of = |half: &str, key: &str| state.get(half)?.get(key).filter(|value| !value.is_null()).cloned();
    let bundle = of("desiredState", "certificatesBundle").filter(Value::is_object)?;
    let mut desired = json!({"certificatesBundle": bundle});
    // The one that the API server used last is the applied one.
    let encryption = of("currentState", "encryptionConfig").or_else(|| of("desiredState", "encryptionConfig"));
    if let Some(encryption) = encryption {
        desired["encryptionConfig"] = encryption;
    }
    Some(format!("{:#}", json!({"desiredState": desired, "currentState": {}})))
}

fn redirect(rke: &mut Map<String, Value>, config: &Map<String, Value>) {
    match config.get("ssh_key_path") {
        Some(path) => drop(rke.insert("sshKeyPath".into(), path.clone())),
        None => drop(rke.shift_remove("sshKeyPath")),
    }
    let agent = config.get("ssh_agent_auth").and_then(Value::as_bool).unwrap_or(false);
    rke.insert("sshAgentAuth".into(), json!(agent));
    rke.insert("bastionHost".into(), bastion(config.get("bastion_host")));
    let wanted = config.get("nodes").and_then(Value::as_array);
    for node in
        rke.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    {
        for key in ["sshKey", "sshKeyPath", "sshCert", "sshCertPath", "sshAgentAuth"] {
            node.shift_remove(key);
        }
        let twin = wanted.into_iter().flatten().find(|other| other.get("address") == node.get("address"));
        if let Some(path) = twin.and_then(|twin| twin.get("ssh_key_path")) {
            node.insert("sshKeyPath".into(), path.clone());
        }
    }
}

/// cluster.yml's words in the state's spelling.
fn bastion(wanted: Option<&Value>) -> Value {
    const WORDS: [(&str, &str); 6] = [
        ("address", "address"),
        ("port", "port"),
        ("user", "user"),
        ("ssh_agent_auth", "sshAgentAuth"),
        ("ssh_key_path", "sshKeyPath"),
        ("ignore_proxy_env_vars", "ignoreProxyEnvVars"),
    ];
    let found = WORDS.iter().filter_map(|(yaml, json)| Some(((*json).to_string(), wanted?.get(*yaml)?.clone())));
    Value::Object(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_go_the_new_way_and_nothing_else_changes() {
        let half = json!({
            "rkeConfig": {
                "clusterName": "lab", "sshKeyPath": "/gone.key", "sshAgentAuth": false,
                "bastionHost": {"address": "127.0.0.1", "port": "4711", "sshKeyPath": "/gone.key"},
                "nodes": [{"address": "10.0.0.1", "user": "u", "sshKeyPath": "/gone.key"}]
            },
            "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}}
        });
        let state = json!({"desiredState": half, "currentState": half}).to_string();
        let config = json!({"ssh_key_path": "/mine", "nodes": [{"address": "10.0.0.1"}]});
        let text = redirected(&state, config.as_object().unwrap()).unwrap();
        assert!(!text.contains("/gone.key") && !text.contains("4711"), "{text}");
        let after: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(after["currentState"]["rkeConfig"]["sshKeyPath"], "/mine");
        assert_eq!(after["currentState"]["certificatesBundle"], half["certificatesBundle"]);
        assert_eq!(after["desiredState"]["rkeConfig"]["nodes"][0], json!({"address": "10.0.0.1", "user": "u"}));
        assert_eq!(redirected(&text, config.as_object().unwrap()), None);
    }

    #[test]
    fn a_bastion_is_spelled_as_the_state_spells_it() {
        let state = json!({"currentState": {"rkeConfig": {"clusterName": "x"}}}).to_string();
        let config = json!({"bastion_host": {"address": "127.0.0.1", "port": "1", "ssh_key_path": "/k", "ignore_proxy_env_vars": true}});
        let text = redirected(&state, config.as_object().unwrap()).unwrap();
        let after: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({"address": "127.0.0.1", "port": "1", "sshKeyPath": "/k", "ignoreProxyEnvVars": true});
        assert_eq!(after["currentState"]["rkeConfig"]["bastionHost"], expected);
    }

    #[test]
    fn what_begins_anew_keeps_its_certificates() {
        let half = json!({"rkeConfig": {"clusterName": "lab"}, "certificatesBundle": {"kube-ca": {"keyPEM": "KEY"}}});
        let state = json!({"desiredState": half, "currentState": half}).to_string();
        let text = begun_anew(&state).unwrap();
        let after: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(after, json!({"desiredState": half, "currentState": {}}));
        assert_eq!(begun_anew(&text), None);
        assert_eq!(begun_anew(&json!({"desiredState": {}, "currentState": half}).to_string()), None);
    }

    #[test]
    fn the_state_for_new_nodes_keeps_keys_and_no_word_of_the_old_ones() {
        let half = json!({
            "rkeConfig": {"clusterName": "lab", "nodes": [{"address": "10.0.0.1"}]},
            "certificatesBundle": {"kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}},
            "encryptionConfig": "old",
        });
        let mut state = json!({"desiredState": half, "currentState": half});
        state["currentState"]["encryptionConfig"] = json!("applied");
        let after: Value = serde_json::from_str(&for_new_nodes(&state.to_string()).unwrap()).unwrap();
        let desired = json!({"certificatesBundle": half["certificatesBundle"], "encryptionConfig": "applied"});
        assert_eq!(after, json!({"desiredState": desired, "currentState": {}}));
        assert_eq!(for_new_nodes(&json!({"desiredState": {}, "currentState": half}).to_string()), None);
        assert!(crate::engine::rke::state::State::parse(&after.to_string()).is_ok(), "rke makes no CA over it");
    }

    #[test]
    fn what_is_no_state_is_left_alone() {
        assert_eq!(redirected("", &Map::new()), None);
        assert_eq!(redirected("{\"desiredState\": {}}", &Map::new()), None);
    }
}
