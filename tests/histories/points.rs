//! A run that is killed at a point (see `cowhand::remote::POINTS`), and the same call again: it arrives, with the same CAs.
//!
//! A usual run kills at the first time that each point is met; `COWHAND_POINTS=all` at each time, in `up` and in `down`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cowhand::cluster::{Cluster, LeaseLock, Route};
use cowhand::remote::POINTS;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::model::{Call, Stage, Verb};
use crate::run::{How, ca};
use crate::world::{STRANGER, World};

/// Only on a cluster that was there before, with a lock of its own kind.
const OF_A_LEASE: [&str; 2] = ["lease.take", "lease.renew"];

/// What `up` does not meet: its remains are removed by `down`, and files are closed only where they were open.
fn call(point: &str) -> Verb {
    if point == "disk.remove" { Verb::Down } else { Verb::Up }
}

/// What the next run has to find as it was.
#[derive(Debug, PartialEq, Eq)]
struct Authorities {
    /// Of the state: the cluster's.
    cluster: Option<String>,
    /// The one that cowhand made for Rancher.
    made: Option<Vec<u8>>,
}

fn authorities(stage: &Stage) -> Authorities {
    let workspace = &stage.workspaces[0];
    let state = workspace.state_bytes().unwrap();
    let cluster = state.and_then(|bytes| ca(&serde_json::from_slice::<Value>(&bytes).unwrap()));
    Authorities { cluster, made: std::fs::read(workspace.folder().join("ca.pem")).ok() }
}

/// Kills a call when it meets the point for so many times, and calls again; whether it was met.
fn killed(verb: Verb, point: &str, after: usize) -> bool {
    let stage = Stage::new();
    if verb == Verb::Down || point == "workspace.close" {
        assert!(stage.call(&Call::of(0, Verb::Up)).has_built());
        let open = |path: PathBuf| std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        open(stage.workspaces[0].cluster_state());
    }
    let how = How { points: format!("{point}={after}*off->panic"), ..How::default() };
    let first = stage.call(&Call::of(0, verb).with(how));
    if first.code.is_some() {
        return false;
    }
    let before = authorities(&stage);
    let again = stage.call(&Call::of(0, verb));
    let place = format!("{verb:?}, {point} for the {}th time: {}", after + 1, again.said);
    assert_eq!(stage.broken(), [""; 0], "{place}");
    let after = authorities(&stage);
    match verb {
        Verb::Down => assert!(again.code == Some(0) && after.cluster.is_none(), "{place}"),
        Verb::Up | Verb::UpAtAnyTime | Verb::Recover | Verb::RecoverByForce => {
            assert!(again.has_built(), "{place}");
            assert!(before.cluster.is_none() || before.cluster == after.cluster, "{place}");
            let made = std::fs::read(stage.workspaces[0].secrets().join("ca-key.pem")).unwrap();
            cowhand::tls::check_ca(after.made.as_ref().unwrap(), &made).unwrap();
        }
    }
    assert!(before.made.is_none() || before.made == after.made, "{place}");
    true
}

/// Does this for all, a few of them side by side.
fn side_by_side<T: Send + Sync>(all: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                    work(one);
                }
            });
        }
    });
}

#[test]
fn a_run_that_was_killed_at_any_point_arrives_when_it_is_called_again() {
    let points: Vec<&str> = POINTS.iter().copied().filter(|point| !OF_A_LEASE.contains(point)).collect();
    side_by_side(&points, |point| assert!(killed(call(point), point, 0), "no run meets {point}"));
    if std::env::var("COWHAND_POINTS").is_ok_and(|which| which == "all") {
        let both: Vec<(Verb, &str)> =
            [Verb::Up, Verb::Down].iter().flat_map(|verb| points.iter().map(|point| (*verb, *point))).collect();
        side_by_side(&both, |(verb, point)| {
            let times = (0..).take_while(|after| killed(*verb, point, *after)).count();
            println!("{verb:?} meets {point} {times} times");
        });
    }
}

/// Nobody waits for a run that was killed while it took or renewed the lease; and one that cannot renew it stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_outlives_nobody() {
    let world = World::new().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let authority = world.book().cluster_of(STRANGER).unwrap().authority.clone();
    let served = world.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(crate::api::serve(served.clone(), STRANGER, stream));
        }
    });
    let config =
        authority.bundle("127.0.0.1")["kube-admin"]["config"].as_str().unwrap().replace("6443", &port.to_string());
    let cluster = std::sync::Arc::new(Cluster::connect(&config, Route::Direct).await.unwrap());
    let take = |holder: &'static str| {
        let cluster = cluster.clone();
        tokio::spawn(async move { LeaseLock::take(&cluster, holder).await })
    };
    fail::cfg("lease.take", "panic").unwrap();
    assert!(take("first").await.is_err_and(|error| error.is_panic()));
    fail::remove("lease.take");
    let lock = take("second").await.unwrap().unwrap();
    fail::cfg("lease.renew", "panic").unwrap();
    assert!(!lock.renewed().await, "a run that cannot renew its lock goes on");
    fail::remove("lease.renew");
    assert!(take("third").await.unwrap().is_err(), "it is held for as long as it lasts");
    if let Some(lease) = &mut world.book().lease {
        lease["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z".into();
    }
    take("third").await.unwrap().unwrap().release().await;
    assert!(world.book().lease.is_none());
}
