//! Values for Rancher's chart.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::rke::adopt::secret_places;
use crate::inventory::{Inventory, Values, merge, put};
use crate::tls::Picture;

/// What is remembered of a Rancher that was taken over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TakenOver {
    /// What cowhand would have decided for its chart, by the inventory as it was then.
    pub own: Values,
    /// Of the values that its user had given, those that the inventory says in other keys.
    pub given: Values,
}

/// Values for Rancher's chart: what cowhand decides, then what the user adds. No secret is among them.
pub fn values(inventory: &Inventory, picture: &Picture) -> Values {
    let mut values = own_values(inventory, picture);
    merge(&mut values, &inventory.rancher.values);
    values
}

/// The same for a Rancher that was taken over: the values that its user gave, as they were given, and of cowhand's own only
/// what follows otherwise from the inventory than when it was taken over.
pub fn kept_values(inventory: &Inventory, picture: &Picture, then: &TakenOver) -> Values {
    let mut values = then.given.clone();
    merge(&mut values, &inventory.rancher.values);
    values.insert("hostname".into(), json!(inventory.rancher.hostname));
    merge(&mut values, &otherwise(&then.own, &own_values(inventory, picture)));
    values
}

/// What of `is` is not so in `was`.
fn otherwise(was: &Values, is: &Values) -> Values {
    let one = |(key, is): (&String, &Value)| {
        let changed = match (was.get(key), is) {
            (Some(Value::Object(was)), Value::Object(is)) => Value::Object(otherwise(was, is)),
            (Some(was), is) if was == is => return None,
            (_, is) => is.clone(),
        };
        (changed != json!({})).then(|| (key.clone(), changed))
    };
    is.iter().filter_map(one).collect()
}

/// Gives to `wanted` the values of the release that hold a secret and that the inventory does not say itself.
pub fn keep_secrets(wanted: &mut Values, there: &Values) {
    for place in secret_places(there) {
        let value =
            |values: &Values| Value::Object(values.clone()).pointer(&format!("/{}", place.replace('.', "/"))).cloned();
        if let (Some(secret), None) = (value(there), value(wanted)) {
            // What leads there is a map in the release; where the inventory has something else, that is meant.
            let _ = put(wanted, &place, secret);
        }
    }
}

/// What cowhand decides for Rancher's chart.
pub fn own_values(inventory: &Inventory, picture: &Picture) -> Values {
    let rancher = &inventory.rancher;
    let mut values = Values::new();
    values.insert("hostname".into(), json!(rancher.hostname));
    values.insert("replicas".into(), json!(rancher.replicas));
    let mut layers = vec![json!({"ingress": {"ingressClassName": inventory.ingress.class}})];
    layers.push(Value::Object(picture.chart_values.clone()));
    for layer in layers {
        if let Value::Object(layer) = layer {
            merge(&mut values, &layer);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Values {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn only_what_became_otherwise_is_given_anew() {
        let was =
            map(json!({"tls": "ingress", "ingress": {"tls": {"source": "rancher"}, "class": "a"}, "replicas": 3}));
        assert_eq!(otherwise(&was, &was), map(json!({})));
        let mut is = was.clone();
        is["ingress"]["tls"]["source"] = json!("secret");
        is.insert("privateCA".into(), json!(true));
        assert_eq!(otherwise(&was, &is), map(json!({"ingress": {"tls": {"source": "secret"}}, "privateCA": true})));
    }

    #[test]
    fn a_secret_of_the_release_stays_unless_the_inventory_says_otherwise() {
        let there =
            map(json!({"hostname": "a", "bootstrapPassword": "CANARY", "log": {"level": 1, "token": "CANARY"}}));
        let mut wanted = map(json!({"hostname": "b", "log": {"level": 2}}));
        keep_secrets(&mut wanted, &there);
        assert_eq!(
            wanted,
            map(json!({"hostname": "b", "bootstrapPassword": "CANARY", "log": {"level": 2, "token": "CANARY"}}))
        );
        let mut wanted = map(json!({"bootstrapPassword": "own", "log": null}));
        keep_secrets(&mut wanted, &map(json!({"bootstrapPassword": "CANARY"})));
        assert_eq!(wanted["bootstrapPassword"], json!("own"));
    }
}
