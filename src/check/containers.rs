//! Containers of somebody else's that bear names of RKE's: rke goes by the name alone.

use crate::facts::{Container, Fact, Reached};
use crate::inventory::Node;

use super::context::{and_list, unasked};
use super::{Answer, Check, Context};

/// Never skipped: a container that rke removed is gone with its anonymous volumes.
pub const FOREIGN: Check = Check {
    id: "containers.foreign",
    what: "no container of somebody else bears a name that RKE gives to its own",
    why: "rke removes, starts or replaces whatever bears such a name (`etcd`, `nginx-proxy`, `cert-deployer`), without a look at its label",
    fix: "`docker rename` gives the container another name",
    run: foreign,
    offline: false,
};

fn foreign(context: &Context) -> Vec<Answer> {
    let images = context.system_images();
    context.each_node(|node, reached| match seen(reached, &images) {
        Ok(foreign) if foreign.is_empty() => Answer::pass("none"),
        Ok(foreign) => told(node, &foreign),
        Err(unseen) => {
            let (why, fix) = unasked(node, reached, &unseen);
            Answer::unknown("whose the containers are", &why, fix)
        }
    })
}

fn seen<'a>(reached: &'a Reached, images: &[&str]) -> Fact<Vec<&'a Container>> {
    let containers = reached.facts.containers.as_ref().map_err(Clone::clone)?;
    Ok(containers.iter().filter(|one| one.is_foreign(images)).collect())
}

fn told(node: &Node, foreign: &[&Container]) -> Answer {
    let seen = foreign.iter().map(|one| format!("{} (image {}) is not RKE's", one.name, one.image));
    let renames = foreign.iter().map(|one| format!("docker rename {0} my-{0}", one.name)).collect::<Vec<_>>();
    Answer::fail(
        and_list(seen),
        format!(
            "on {}, `{}` keeps it from rke; `docker rm` instead, if nobody needs it",
            node.name,
            renames.join(" && ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::world::*;
    use super::super::{SkipError, Skips, Verdict};
    use crate::facts::ContainerState;

    #[test]
    fn somebody_elses_container_under_a_name_of_rke_stops_everything() {
        let mut world = World::good();
        contain_foreign(world.n2(), "nginx-proxy", ContainerState::Running);
        let said = &world.say("containers.foreign")[0];
        assert_eq!((said.verdict, said.subject.as_deref()), (Verdict::Fail, Some("n2")));
        assert_eq!(said.seen, "nginx-proxy (image somebody/web:1) is not RKE's");
        assert!(said.fix.contains("on n2, `docker rename nginx-proxy my-nginx-proxy`"), "{}", said.fix);
        let skipped = Skips::new(["containers.foreign"]).unwrap_err();
        assert_eq!(skipped, SkipError::Never { id: "containers.foreign" });
    }

    #[test]
    fn rkes_own_pass_also_with_images_of_the_inventory() {
        let mut world = World::on("debian-13-cluster");
        assert_eq!(world.say("containers.foreign")[0].verdict, Verdict::Pass);
        let own = world.n2().facts.containers.as_mut().unwrap();
        let snapshots = own.iter_mut().find(|one| one.name == "etcd-rolling-snapshots").unwrap();
        snapshots.image = "lab/tools:v1".into();
        assert_eq!(world.say("containers.foreign")[0].verdict, Verdict::Fail);
        world.rke().cluster.insert("system_images".into(), serde_json::json!({"alpine": "lab/tools:v1"}));
        assert_eq!(world.say("containers.foreign")[0].verdict, Verdict::Pass);
    }

    #[test]
    fn a_foreign_container_is_no_cluster_and_no_remains_of_one() {
        for name in ["etcd", "kubelet", "kube-apiserver"] {
            let mut world = World::good();
            contain_foreign(world.n2(), name, ContainerState::Running);
            assert!(!world.n2().facts.runs_cluster(), "{name}");
            assert_eq!(world.say("cluster.foreign")[0].verdict, Verdict::Pass);
            contain_foreign(world.n2(), name, ContainerState::Stopped);
            assert_eq!(world.say("leftover.cluster")[0].verdict, Verdict::Pass, "{name}: else its removal is advised");
        }
        // Nor does it speak for what listens on the cluster's ports.
        let mut world = World::good();
        contain_foreign(world.n2(), "etcd", ContainerState::Running);
        listen(world.n2(), 2379, Some("etcd"));
        assert_eq!(world.say("ports.free")[0].verdict, Verdict::Fail);
    }
}
