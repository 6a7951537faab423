use std::collections::BTreeSet;

use super::*;

/// A played cluster: who is away, and what was told.
#[derive(Default)]
struct World {
    away: Mutex<BTreeSet<(&'static str, String)>>,
    /// So many members there are; three where nothing is said.
    members: Mutex<Option<usize>>,
    told: Mutex<Vec<Told>>,
}

impl World {
    fn set(&self, what: &'static str, node: &str, away: bool) {
        let mut all = self.away.lock().unwrap();
        let entry = (what, node.to_owned());
        if away {
            all.insert(entry)
        } else {
            all.remove(&entry)
        };
    }

    fn is_away(&self, what: &'static str, node: &str) -> bool {
        self.away.lock().unwrap().contains(&(what, node.to_owned()))
    }
}

const NODES: [&str; 3] = ["n1", "n2", "n3"];

struct Played(Arc<World>);

impl Looks for Played {
    fn etcd(&self) -> BoxFuture<'_, Vec<Member>> {
        let member = |node: &&str| Member { answers: !self.0.is_away("etcd", node), ..Member::well(node) };
        let count = self.0.members.lock().unwrap().unwrap_or(NODES.len());
        Box::pin(std::future::ready(NODES.iter().take(count).map(member).collect()))
    }

    fn apis(&self) -> BoxFuture<'_, Vec<(String, bool)>> {
        let api = |node: &&str| ((*node).to_owned(), !self.0.is_away("kube-apiserver", node));
        Box::pin(std::future::ready(NODES.iter().map(api).collect()))
    }
}

fn rails(hold: u64) -> (Arc<World>, Arc<Rails>) {
    rails_over(hold, true)
}

fn rails_over(hold: u64, lives: bool) -> (Arc<World>, Arc<Rails>) {
    let world = Arc::new(World::default());
    let nodes = (1..4).map(|n| (format!("10.0.0.{n}"), format!("n{n}"))).collect();
    let limits = Limits {
        hold: Duration::from_millis(hold),
        pause: Duration::from_millis(2),
        unanswered: Duration::from_millis(5),
    };
    let heard = world.clone();
    let tell = Box::new(move |told| heard.told.lock().unwrap().push(told));
    (world.clone(), Arc::new(Rails::within(nodes, Box::new(Played(world)), tell, (lives, limits))))
}

fn call(node: u8, method: &str, path: &str) -> DockerCall {
    DockerCall { node: format!("10.0.0.{node}"), method: method.into(), path: path.into() }
}

const WHILE: u64 = 60_000;

/// All three at once, as `rke cert rotate` does it: at no moment more than one is away.
#[tokio::test]
async fn three_restarts_at_once_become_one_after_the_other() {
    for what in ["etcd", "kube-apiserver"] {
        let (world, rails) = rails(WHILE);
        let restart = async |node: u8| {
            let name = format!("n{node}");
            let call = call(node, "POST", &format!("/containers/{what}/restart"));
            rails.before(&call).await.unwrap();
            let others = NODES.iter().filter(|other| **other != name && world.is_away(what, other)).count();
            assert_eq!(others, 0, "{what} on {name} ends while another is away");
            world.set(what, &name, true);
            rails.after(&call, Some(204));
            let world = world.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                world.set(what, &name, false);
            });
        };
        futures::join!(restart(1), restart(2), restart(3));
        let ends = |told: &&Told| matches!(told, Told::Ends { .. });
        assert_eq!(world.told.lock().unwrap().iter().filter(ends).count(), 3);
    }
}

#[tokio::test]
async fn what_is_not_back_in_time_lets_no_second_one_go() {
    let (world, rails) = rails(30);
    let first = call(1, "POST", "/containers/etcd/stop");
    rails.before(&first).await.unwrap();
    world.set("etcd", "n1", true);
    rails.after(&first, Some(204));
    let refused = rails.before(&call(2, "POST", "/containers/etcd/stop")).await.unwrap_err();
    assert_eq!(refused, "etcd on n2 is not ended: etcd on n1 is not back");
    // Its own place is taken by the next container, which needs no turn of its own.
    for path in ["/containers/etcd/rename", "/containers/etcd/stop"] {
        rails.before(&call(1, "POST", path)).await.unwrap();
    }
    rails.before(&call(1, "DELETE", "/containers/old-etcd")).await.unwrap();
    // An API server is another matter.
    rails.before(&call(2, "POST", "/containers/kube-apiserver/restart")).await.unwrap();
    assert!(world.told.lock().unwrap().iter().any(|told| matches!(told, Told::Refused { .. })));
}

#[tokio::test]
async fn a_member_that_is_down_by_itself_holds_the_others_and_may_be_restarted() {
    let (world, rails) = rails(30);
    world.set("etcd", "n3", true);
    let refused = rails.before(&call(1, "POST", "/containers/etcd/restart")).await.unwrap_err();
    assert!(refused.contains("etcd would have no majority while n3 is down"), "{refused}");
    rails.before(&call(3, "POST", "/containers/etcd/restart")).await.unwrap();
    world.set("etcd", "n2", true);
    let refused = rails.before(&call(1, "POST", "/containers/etcd/restart")).await.unwrap_err();
    assert!(refused.contains("n3 is not back"), "{refused}");
}

#[tokio::test]
async fn the_last_api_server_that_is_ready_stays() {
    let (world, rails) = rails(30);
    world.set("kube-apiserver", "n2", true);
    world.set("kube-apiserver", "n3", true);
    let refused = rails.before(&call(1, "POST", "/containers/kube-apiserver/restart")).await.unwrap_err();
    assert!(refused.contains("no other API server is ready: n2, n3"), "{refused}");
    // One that serves nothing takes nothing away.
    world.set("kube-apiserver", "n1", true);
    rails.before(&call(1, "POST", "/containers/kube-apiserver/restart")).await.unwrap();
}

/// Where a cluster is being made, or etcd has lost its majority, rke may start anew what does not serve; from the first
/// majority on the rule holds.
#[tokio::test]
async fn a_cluster_that_does_not_live_yet_is_not_held() {
    let (world, rails) = rails_over(30, false);
    ["n1", "n2", "n3"].into_iter().for_each(|node| world.set("etcd", node, true));
    rails.before(&call(1, "POST", "/containers/etcd/stop")).await.unwrap();
    *world.members.lock().unwrap() = Some(0);
    rails.0.turns().clear();
    rails.before(&call(2, "POST", "/containers/etcd/stop")).await.unwrap();
    rails.0.turns().clear();
    *world.members.lock().unwrap() = None;
    ["n1", "n2"].into_iter().for_each(|node| world.set("etcd", node, false));
    let refused = rails.before(&call(1, "POST", "/containers/etcd/stop")).await.unwrap_err();
    assert!(refused.contains("while n3 is down"), "{refused}");
    *world.members.lock().unwrap() = Some(0);
    let refused = rails.before(&call(1, "POST", "/containers/etcd/stop")).await.unwrap_err();
    assert!(refused.contains("no member of etcd says"), "it has lived: {refused}");
}

/// There is no other way, and the plan has said so.
#[tokio::test]
async fn one_or_two_members_may_be_away_for_a_restart() {
    for count in [1, 2] {
        let (world, rails) = rails(30);
        *world.members.lock().unwrap() = Some(count);
        rails.before(&call(1, "POST", "/containers/etcd/stop")).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_leaves_the_turn_to_others() {
    let (world, rails) = rails(WHILE);
    world.set("etcd", "n3", true);
    let waiting = call(1, "POST", "/containers/etcd/restart");
    assert!(tokio::time::timeout(Duration::from_millis(20), rails.before(&waiting)).await.is_err());
    world.set("etcd", "n3", false);
    rails.before(&call(2, "POST", "/containers/etcd/restart")).await.unwrap();
}

/// Docker may still be at it when its answer is not waited for.
#[tokio::test]
async fn a_call_without_an_answer_keeps_its_turn_for_a_while() {
    let (_, rails) = rails(WHILE);
    let first = call(1, "POST", "/containers/etcd/restart");
    rails.before(&first).await.unwrap();
    rails.after(&first, None);
    assert_eq!(rails.0.turns().get(&Held::Etcd).map(String::as_str), Some("n1"));
    rails.before(&call(2, "POST", "/containers/etcd/restart")).await.unwrap();
}

#[tokio::test]
async fn what_is_not_this_clusters_is_refused_and_what_ends_nothing_passes() {
    let (_, rails) = rails(WHILE);
    let refused = rails.before(&call(1, "POST", "/containers/postgres/stop")).await.unwrap_err();
    assert_eq!(refused, "container postgres on n1 is none of RKE's");
    let refused = rails.before(&call(9, "POST", "/containers/etcd/restart")).await.unwrap_err();
    assert_eq!(refused, "10.0.0.9 is no node of this cluster");
    for (method, path) in [
        ("POST", "/containers/postgres/start"),
        ("GET", "/containers/json"),
        ("POST", "/containers/kubelet/restart"),
        ("DELETE", "/containers/rke-log-linker"),
    ] {
        rails.before(&call(1, method, path)).await.unwrap();
    }
}
