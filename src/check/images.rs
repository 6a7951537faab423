//! Whether every image that rke would use is to be had on every node.

use super::{Answer, Check, Context};
use crate::facts::Unseen;
use crate::facts::images::{ImagesOn, Place};

pub const TO_BE_HAD: Check = Check {
    id: "docker.images",
    what: "every image that rke uses is on the node, or the registry gives it to the node's Docker",
    why: "rke pulls them one after the other while it works: one that is missing ends it half done, without its name",
    fix: "correct the name in `system_images`, let the node's Docker reach the registry (`docker pull`), or load the image (`docker load`)",
    run: to_be_had,
    offline: false,
};

fn to_be_had(context: &Context) -> Vec<Answer> {
    let Some(seen) = context.images.filter(|_| context.builds_nodes()) else { return Vec::new() };
    let unknown = seen.unknown.iter().map(|why| {
        let fix = "`cowhand plan` fetches rke, which has the list; `system_images` names each image";
        Answer::unseen_advice("the whole list of rke's images", &Unseen(why.clone()), fix)
    });
    unknown.chain(seen.nodes.iter().flat_map(|(node, images)| on_node(node, images, &seen.used))).collect()
}

fn on_node(node: &str, images: &ImagesOn, used: &[String]) -> Vec<Answer> {
    let images = match images {
        Ok(images) => images,
        Err(unseen) => {
            let fix = format!("see what `docker images` says on {node}");
            return vec![Answer::unseen_advice("its images", unseen, fix).about(node)];
        }
    };
    let missing: Vec<Answer> = images.iter().filter_map(|(name, place)| missing(node, name, place, used)).collect();
    if !missing.is_empty() {
        return missing;
    }
    let here = images.iter().filter(|(_, place)| *place == Place::Here).count();
    let elsewhere = images.len() - here;
    let rest = if elsewhere == 0 { String::new() } else { format!(", {elsewhere} at the registry") };
    vec![Answer::pass(format!("{here} of rke's {} images are there{rest}", images.len())).about(node)]
}

/// What the cluster runs with already, rke will hardly need again.
fn missing(node: &str, name: &str, place: &Place, used: &[String]) -> Option<Answer> {
    let Place::Nowhere(why) = place else { return None };
    let seen = format!("{name} is not there, and its registry does not give it: {why}");
    let fix =
        format!("on {node}, try `docker pull {name}`; see its name in `system_images`, the registry and its proxy");
    let judge = if used.iter().any(|one| one == name) { Answer::warn } else { Answer::fail };
    Some(judge(seen, fix).about(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::check::world::World;
    use crate::facts::images::ImagesSeen;

    fn said(place: Place, used: &[&str], unknown: Option<&str>) -> Vec<(Verdict, String)> {
        let mut world = World::good();
        let images = vec![("lab/etcd:1".to_owned(), Place::Here), ("lab/tools:2".to_owned(), place)];
        world.images = Some(ImagesSeen {
            unknown: unknown.map(str::to_owned),
            nodes: vec![("n1".into(), Ok(images))],
            used: used.iter().map(|name| (*name).to_owned()).collect(),
        });
        world.say("docker.images").into_iter().map(|finding| (finding.verdict, finding.seen)).collect()
    }

    #[test]
    fn an_image_that_nobody_has_is_named_and_blocks() {
        let nowhere = || Place::Nowhere("denied".into());
        let seen = "lab/tools:2 is not there, and its registry does not give it: denied".to_owned();
        assert_eq!(said(nowhere(), &[], None), [(Verdict::Fail, seen.clone())]);
        assert_eq!(said(nowhere(), &["lab/tools:2"], None), [(Verdict::Warn, seen)], "a cluster runs with it");
    }

    #[test]
    fn what_is_there_or_at_the_registry_passes_and_an_unknown_list_is_told() {
        let pass = |rest: &str| {
            (Verdict::Pass, format!("{} of rke's 2 images are there{rest}", if rest.is_empty() { 2 } else { 1 }))
        };
        assert_eq!(said(Place::Here, &[], None), [pass("")]);
        let told = said(Place::Registry, &[], Some("rke is not here yet"));
        assert_eq!(told[0].0, Verdict::Warn);
        assert!(told[0].1.contains("rke is not here yet"), "{told:?}");
        assert_eq!(told[1], pass(", 1 at the registry"));
    }
}
