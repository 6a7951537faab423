//! RKE's addon: what it brought is deleted where it is no longer asked for, and Rancher in it is there once.

use crate::engine::rke::adopt::in_addons;
use crate::engine::rke::state::State;
use crate::failure::{Exit, Failure};
use crate::inventory::Delivery;
use crate::session::inputs::Inputs;

/// The key of cluster.yml, and the place of its text in a file.
const ADDONS: &str = "addons";

/// # Errors
/// When rke would delete what its addon brought, or Rancher would be installed beside the one in the addon.
pub fn refuse(inputs: &Inputs<'_>) -> Result<(), Failure> {
    let inventory = &inputs.project.inventory;
    if !inventory.engine.builds_nodes() || inventory.rancher.delivery == Delivery::Addon {
        return Ok(());
    }
    judge(inputs.text_of(ADDONS), inputs.project.state().as_ref().and_then(State::addon))
}

/// Of a cluster whose Rancher comes by Helm: the addon that is asked for, and the one that RKE applied.
fn judge(asked: Option<&str>, applied: Option<&str>) -> Result<(), Failure> {
    match (asked, applied) {
        (Some(text), _) if in_addons(text).is_some() => Err(twice()),
        (Some(_), _) | (None, None) => Ok(()),
        (None, Some(there)) => Err(taken_out(there)),
    }
}

fn twice() -> Failure {
    Failure::new(
        Exit::ChecksFailed,
        "engine.rke.files.addons holds Rancher itself, and `rancher.delivery: helm` would install it a second time over it",
    )
    .hint(
        "a Rancher from RKE's addon goes to Helm as Rancher's documentation says (`Migrating from an RKE Add-On Install`); \
         `cowhand status` and `cowhand verify` look at it as it is; nothing was touched",
    )
}

fn taken_out(addon: &str) -> Failure {
    if in_addons(addon).is_none() {
        return Failure::new(Exit::ChecksFailed, "RKE applied `addons` here; without them in cluster.yml, rke would delete their objects")
            .hint("put their text into a file and name it as `engine.rke.files.addons`; `kubectl get configmap -n kube-system rke-user-addon` has it");
    }
    Failure::new(
        Exit::ChecksFailed,
        "Rancher runs as RKE's addon here; without it in cluster.yml, rke would delete Rancher and its namespace",
    )
    .hint("keep `delivery: addon`; `helm upgrade --install rancher` with rancher-values.yml works beside it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addon_is_there_once_and_stays() {
        let own = "kind: ConfigMap\nmetadata: {name: a, namespace: b}\n";
        let rancher = "kind: Ingress\nmetadata: {name: rancher, namespace: cattle-system}\n";
        assert_eq!(judge(None, None), Ok(()));
        assert_eq!(judge(Some(own), Some(own)), Ok(()));
        for applied in [None, Some(own), Some(rancher)] {
            let failure = judge(Some(rancher), applied).unwrap_err();
            assert!(failure.exit == Exit::ChecksFailed && failure.error.contains("a second time"), "{failure:?}");
        }
        assert!(judge(None, Some(own)).is_err() && judge(None, Some(rancher)).is_err());
    }

    #[test]
    fn what_rke_would_delete_has_its_own_remedy() {
        let own = taken_out("kind: ConfigMap\nmetadata: {name: a, namespace: b}\n");
        assert!(own.hint.unwrap().contains("engine.rke.files.addons"));
        let rancher = taken_out("kind: Deployment\nmetadata: {name: rancher, namespace: cattle-system}\n");
        assert!(rancher.hint.unwrap().contains("keep `delivery: addon`"));
    }
}
