//! etcd's recurring snapshots: `creation` and `retention` of old files, as `backup_config` says the same.

use serde_json::{Value, json};

use super::model::{Fate, Named};
use crate::inventory::Values;

/// rke's own where the file says nothing (rancher/rke v1.8.0: cluster/defaults.go).
const CREATION: &str = "12h";
const RETENTION: &str = "72h";

/// Hours between snapshots and how many are kept; `None` where `backup_config` cannot say the same. rke hands both to the
/// container as hours: `interval_hours`, and `interval_hours` times `retention` (services/etcd.go).
pub fn rhythm(creation: Option<&str>, retention: Option<&str>) -> Option<(i64, i64)> {
    let minutes = |text: Option<&str>, default: &str| {
        let duration: jiff::SignedDuration = text.unwrap_or(default).parse().ok()?;
        (duration.as_secs() % 60 == 0).then(|| duration.as_mins())
    };
    let (each, kept) = (minutes(creation, CREATION)?, minutes(retention, RETENTION)?);
    (each > 0 && each % 60 == 0 && kept > 0 && kept % each == 0).then(|| (each / 60, kept / each))
}

/// Puts `backup_config` in the place of the two old keys.
pub(super) fn renew(config: &mut Values, named: &mut Vec<Named>) {
    let Some(etcd) = config.get_mut("services").and_then(|services| services.get_mut("etcd")?.as_object_mut()) else {
        return;
    };
    let old: Vec<&str> = ["creation", "retention"].into_iter().filter(|key| etcd.contains_key(*key)).collect();
    if old.is_empty() {
        return;
    }
    let text = |key: &str| etcd.get(key).and_then(Value::as_str);
    let (fate, why) = match (etcd.contains_key("backup_config"), rhythm(text("creation"), text("retention"))) {
        (true, _) => (Fate::Left, "rke does not read it beside backup_config".to_owned()),
        (false, None) => return,
        (false, Some((hours, count))) => {
            etcd.insert("backup_config".into(), json!({"interval_hours": hours, "retention": count}));
            (Fate::Moved, format!("backup_config says the same: every {hours} hours, {count} kept"))
        }
    };
    for key in old {
        etcd.shift_remove(key);
        named.push(Named { key: format!("services.etcd.{key}"), fate, why: why.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_same_to_rke_is_said_in_the_new_way() {
        for (creation, retention, is) in [
            (Some("6h"), Some("24h"), Some((6, 4))),
            (Some("12h0m0s"), Some("72h"), Some((12, 6))),
            (None, None, Some((12, 6))),
            (Some("6h"), None, Some((6, 12))),
            (Some("5m0s"), Some("24h"), None),
            (Some("90m"), Some("24h"), None),
            (Some("7h"), Some("24h"), None),
            (Some("soon"), None, None),
            (Some("0h"), None, None),
        ] {
            assert_eq!(rhythm(creation, retention), is, "{creation:?} {retention:?}");
        }
    }
}
