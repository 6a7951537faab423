//! The inventory, written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::RancherPart;
use super::nodes::Machines;
use crate::inventory::Values;

/// What goes into the inventory.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub name: String,
    pub rke: Option<&'static str>,
    pub kubernetes: Option<String>,
    pub machines: Machines,
    pub cluster: Values,
    pub kept: Values,
    pub files: BTreeMap<String, String>,
    pub nginx: bool,
    pub rancher: RancherPart,
}

const HEAD: &str = "\
# Taken over by `cowhand adopt` as it runs. `adopted: true` says so: cowhand adds no default of its own to this cluster,
# and `cowhand down` refuses until `cowhand unprotect` was run. Next: `cowhand plan` says what `up` would do.
";

/// A line that somebody has to fill in.
const OPEN: [(&str, &str); 7] = [
    ("kubernetes", "the version that runs: `kubectl get nodes`, in rke's spelling, such as v1.32.2-rancher1-1"),
    ("hostname", "the name that Rancher is reached by"),
    ("version", "the version of Rancher that runs, such as 2.11.3"),
    ("load_balancers", "addresses of the load balancers where TLS ends, such as [10.0.0.5]"),
    ("class", "the class of the ingress that runs: `kubectl get ingressclass`"),
    ("mode", "where TLS ends: ingress, external (a load balancer), rancher"),
    ("issuer", "who makes the certificates: blank (files, or Rancher itself), ca, acme"),
];

impl Draft {
    /// Whether a mistake at this key is a line that somebody has to fill in.
    pub fn is_open(&self, key: &str) -> bool {
        let rancher = &self.rancher;
        match key {
            "engine.rke.kubernetes" => self.kubernetes.is_none(),
            "rancher.hostname" => rancher.hostname.is_none(),
            "rancher.version" => rancher.version.is_none(),
            "rancher.tls.mode" if rancher.balanced => true,
            "rancher.tls.mode" | "rancher.tls.issuer" => rancher.tls.is_none(),
            "ingress.class" | "ingress" => !self.nginx && rancher.ingress_class.is_none(),
            _ => false,
        }
    }

    /// With something in every line about Rancher that is open.
    pub fn filled(&self) -> String {
        let mut draft = self.clone();
        let part = &mut draft.rancher;
        part.hostname.get_or_insert_with(|| "rancher.example.com".into());
        part.version.get_or_insert_with(|| crate::inventory::defaults::RANCHER_VERSION.to_string());
        part.ingress_class.get_or_insert_with(|| "nginx".into());
        let blank = || [("mode", "ingress"), ("issuer", "blank")].map(|(key, word)| (key.to_owned(), json!(word)));
        part.tls.get_or_insert_with(|| Values::from_iter(blank()));
        part.balanced = false;
        if part.tls.as_ref().is_some_and(|tls| tls.get("mode") == Some(&json!("external"))) {
            part.tls = Some(Values::from_iter(blank()));
        }
        draft.kubernetes.get_or_insert_with(|| crate::inventory::defaults::KUBERNETES_VERSION.into());
        draft.text()
    }

    pub fn text(&self) -> String {
        // Serialising a JSON map cannot fail: every key is a string and every value is finite.
        let body = serde_yaml::to_string(&self.map()).unwrap_or_default();
        let mut text = HEAD.to_owned();
        for line in body.lines() {
            let open = OPEN.iter().find(|(key, _)| line.trim_start() == format!("{key}: null"));
            match open {
                Some((key, what)) => {
                    let indent = &line[..line.len() - line.trim_start().len()];
                    text += &format!("{indent}{key}:    # FILL IN {what}\n");
                }
                None => text += &format!("{line}\n"),
            }
        }
        text
    }

    fn map(&self) -> Values {
        let mut map = Values::from_iter([("name".to_owned(), json!(self.name))]);
        if !self.machines.ssh.is_empty() {
            map.insert("ssh".into(), Value::Object(self.machines.ssh.clone()));
        }
        map.insert("nodes".into(), json!(self.machines.nodes));
        map.insert("engine".into(), json!({"rke": self.engine()}));
        map.insert(
            "ingress".into(),
            match self.nginx {
                true => json!({"provider": "nginx"}),
                false => json!({"provider": "existing", "class": self.rancher.ingress_class}),
            },
        );
        if self.rancher.balanced {
            map.insert("load_balancers".into(), Value::Null);
        }
        map.insert("cert_manager".into(), json!({"install": "never"}));
        map.insert("rancher".into(), Value::Object(self.rancher_map()));
        map
    }

    fn engine(&self) -> Values {
        let mut rke = Values::new();
        rke.extend(self.rke.map(|version| ("version".to_owned(), json!(version))));
        rke.insert("kubernetes".into(), json!(self.kubernetes));
        rke.insert("adopted".into(), json!(true));
        if !self.cluster.is_empty() {
            rke.insert("cluster".into(), Value::Object(self.cluster.clone()));
        }
        if !self.kept.is_empty() {
            rke.insert("kept".into(), Value::Object(self.kept.clone()));
        }
        if !self.files.is_empty() {
            rke.insert("files".into(), json!(self.files));
        }
        rke
    }

    fn rancher_map(&self) -> Values {
        let part = &self.rancher;
        let mut map = Values::from_iter([
            ("hostname".to_owned(), json!(part.hostname)),
            ("version".to_owned(), json!(part.version)),
            ("delivery".to_owned(), json!("helm")),
        ]);
        map.extend(part.replicas.map(|replicas| ("replicas".to_owned(), json!(replicas))));
        map.extend(part.chart.clone().map(|chart| ("chart".to_owned(), Value::Object(chart))));
        if !part.values.is_empty() {
            map.insert("values".into(), Value::Object(part.values.clone()));
        }
        let tls = part.tls.clone().map_or_else(|| json!({"mode": null, "issuer": null}), Value::Object);
        map.insert("tls".into(), tls);
        map
    }
}
