//! Secrets that stand in the inventory's own text. Needs no machine.

use serde_json::Value;

use crate::inventory::secrets_in;

use super::context::and_list;
use super::{Answer, Check, Context};

pub const IN_VALUES: Check = Check {
    id: "inventory.secrets",
    what: "no password, token or key stands in chart values, in an addon or in what is merged into cluster.yml",
    why: "what stands there goes into cluster.yml, into RKE's state, into ConfigMaps and into Helm's releases, where others can \
          read it; cowhand masks it in what it shows, and cannot mask it there",
    fix: "let the chart read it from a Secret that you make yourself; for a proxy, use one that asks for no password",
    run: in_values,
    offline: true,
};

fn in_values(context: &Context) -> Vec<Answer> {
    let inventory = context.inventory;
    let mut given = vec![
        ("rancher.values", &inventory.rancher.values),
        ("ingress.values", &inventory.ingress.values),
        ("cert_manager.values", &inventory.cert_manager.values),
    ];
    given.extend(context.rke_settings().map(|rke| ("engine.rke.cluster", &rke.cluster)));
    let places: Vec<String> =
        given.into_iter().flat_map(|(path, values)| secrets_in(path, &Value::Object(values.clone()))).collect();
    if places.is_empty() && context.rke_settings().is_none() {
        return Vec::new();
    }
    vec![match places.len() {
        0 => Answer::pass("none that can be told by its name"),
        _ => Answer::warn(
            format!("{} is stored readable for others", and_list(&places)),
            "keep it in a Secret that the chart can be pointed at",
        ),
    }]
}
