//! A cluster that is there: is it the one that this inventory works on, and does no other inventory.

use crate::facts::existing::ExistingSeen;
use crate::facts::owner::{Claim, Mark};
use crate::inventory::Inventory;

use super::existing::of_cluster;
use super::{Answer, Check, Context};

pub const PINNED: Check = Check {
    id: "existing.pinned",
    what: "the cluster is the one that the inventory was first run on, told by the UID of namespace kube-system",
    why: "a kubeconfig whose context has moved on leads to another cluster, and what runs there would be changed or removed",
    fix: "give engine.existing.context the context of the cluster that is meant",
    run: pinned,
    offline: false,
};

fn pinned(context: &Context) -> Vec<Answer> {
    let Some(usable) = context.kubeconfig.and_then(|seen| seen.usable.as_ref().ok()) else { return Vec::new() };
    of_cluster(context, |seen| {
        let uid = match &seen.uid {
            Ok(uid) => uid,
            Err(unseen) => {
                let fix = "let the user read namespace kube-system";
                return vec![Answer::unknown("which cluster this is", unseen, fix)];
            }
        };
        let Some(pinned) = &context.workspace.pinned else {
            let which = if is_named(context.inventory) { "" } else { ", the kubeconfig's current one," };
            return vec![Answer::pass(format!(
                "context {}{which} leads to {} with the UID {uid}; `cowhand up` pins it",
                usable.context, usable.server
            ))];
        };
        vec![match pinned.refusal(&usable.context, &usable.server, uid) {
            None => Answer::pass(format!("the cluster with the UID {uid}, as before")),
            Some((seen, fix)) => Answer::fail(seen, fix),
        }]
    })
}

fn is_named(inventory: &Inventory) -> bool {
    inventory.engine.given_cluster().is_some_and(|existing| existing.context.is_some())
}

pub const MARK: Check = Check {
    id: "existing.mark",
    what: "no other inventory of cowhand works in the cluster, as its mark (ConfigMap kube-system/cowhand) tells",
    why: "one inventory would change or remove the Rancher of another, with its CA and everything that it manages",
    fix: "go on in the workspace that installed it; where that one is lost, `--take-over UID` with the UID of the mark",
    run: mark,
    offline: false,
};

fn mark(context: &Context) -> Vec<Answer> {
    of_cluster(context, |seen| vec![judge(seen, context.inventory)])
}

fn judge(seen: &ExistingSeen, inventory: &Inventory) -> Answer {
    match &seen.claim {
        Err(unseen) => Answer::unknown("whether another inventory works here", unseen, "look again"),
        Ok(Claim::Built | Claim::Free) => Answer::pass("there is no mark of another inventory"),
        Ok(Claim::Ours(_)) => Answer::pass("the mark is this inventory's"),
        Ok(Claim::Older) => Answer::pass(format!(
            "an older cowhand installed the Rancher there with this host name, {}; `cowhand up` marks it",
            inventory.rancher.hostname
        )),
        Ok(claim @ (Claim::Another(_) | Claim::NotTaken { .. } | Claim::OtherHost(_))) => {
            let (seen, fix) = refusal(claim, inventory).unwrap_or_default();
            Answer::fail(seen, fix)
        }
    }
}

/// What was seen and what to do about it, where another inventory works in the cluster.
pub fn refusal(claim: &Claim, wanted: &Inventory) -> Option<(String, String)> {
    let (name, hostname) = (&wanted.name, &wanted.rancher.hostname);
    match claim {
        Claim::Built | Claim::Free | Claim::Ours(_) | Claim::Older => None,
        Claim::Another(Mark { inventory, .. }) if inventory != name => Some((
            format!("the cluster bears the mark of inventory `{inventory}`, and this one is `{name}`"),
            format!("go on with inventory `{inventory}` in its workspace, or take another cluster"),
        )),
        Claim::Another(Mark { inventory, uid }) => Some((
            format!("the cluster bears the mark of another workspace: inventory `{inventory}`, UID {uid}"),
            format!(
                "go on in the workspace of that inventory, or take another cluster; where that workspace is lost, or is a \
                 colleague's who hands the cluster over, give this command `--take-over {uid}`"
            ),
        )),
        Claim::NotTaken { mark: Mark { inventory, uid }, typed } => Some((
            format!(
                "--take-over {typed} is not the UID of the mark: the cluster bears that of inventory `{inventory}`, UID {uid}"
            ),
            format!("where that mark is meant, give this command `--take-over {uid}`"),
        )),
        Claim::OtherHost(there) => {
            let there = there.as_deref().map_or("no host name".to_owned(), |there| format!("the host name {there}"));
            Some((
                format!(
                    "an older cowhand installed the Rancher there with {there}, and this inventory's is {hostname}: \
                     nothing else tells whose it is"
                ),
                "go on with the inventory that installed it, or take another cluster; if it is this one, put `rancher.hostname` \
                 back for one `cowhand up`, which marks it"
                    .to_owned(),
            ))
        }
    }
}
