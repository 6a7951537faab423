//! The lock on a cluster that was there before: one run at a time, from whichever laptop.
//!
//! A Lease, renewed while the run lives. Its times are the API server's own (the Date of its answers), so that the
//! clocks of two laptops need not agree. Who is gone renews nothing: then the lock is free after its duration.

use std::time::Duration;

use fail::fail_point;
use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::client::Body;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::{Cluster, ClusterError, FIELD_MANAGER};
use crate::failure::Hint;
use crate::remote::since_boot;

/// Where it lies: a namespace that every cluster has.
pub const LEASE: (&str, &str) = ("kube-system", "cowhand");
/// How long a lock outlives the last sign of its holder's life (seconds), as the lock on a node does.
const DURATION: i32 = 60;
const BEAT: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("another run is under way, as the lease {}/{} says: {holder}", LEASE.0, LEASE.1)]
    Held { holder: String, free_in: i64 },
    #[error("the lock on the cluster (lease {}/{}) could not be taken", LEASE.0, LEASE.1)]
    Cluster { source: Box<ClusterError> },
}

impl Hint for LeaseError {
    fn hint(&self) -> Option<String> {
        match self {
            LeaseError::Held { free_in, .. } => {
                Some(format!("wait for it, or end it; if its holder is gone, the lock is free in {free_in} s"))
            }
            LeaseError::Cluster { source } => source.hint(),
        }
    }
}

/// Held while it is kept and the API answers; renewed in the background.
pub struct LeaseLock {
    api: Api<Lease>,
    lost: watch::Receiver<bool>,
    asked: mpsc::Sender<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    holder: String,
}

impl LeaseLock {
    /// Takes the lock or says who holds it. `holder` is read by people.
    pub async fn take(cluster: &Cluster, holder: &str) -> Result<LeaseLock, LeaseError> {
        let failed = |source: ClusterError| LeaseError::Cluster { source: Box::new(source) };
        let refused = |error: kube::Error| failed(cluster.error("take the lock", error));
        let api: Api<Lease> = Api::namespaced(cluster.client.clone(), LEASE.0);
        let now = cluster.now().await.map_err(failed)?;
        let there = api.get_opt(LEASE.1).await.map_err(refused)?;
        if let Some((holder, free_in)) = there.as_ref().and_then(|lease| holder_of(lease, now)) {
            return Err(LeaseError::Held { holder, free_in });
        }
        let version = there.and_then(|lease| lease.metadata.resource_version);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let wanted = lease(holder, now, version.clone());
        fail_point!("lease.take");
        let taken = match version {
            None => api.create(&parameters, &wanted).await,
            Some(_) => api.replace(LEASE.1, &parameters, &wanted).await,
        };
        match taken {
            Ok(_) => {}
            // Somebody else was faster by a moment.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let there = api.get_opt(LEASE.1).await.map_err(refused)?;
                let (holder, free_in) = there
                    .as_ref()
                    .and_then(|lease| holder_of(lease, now))
                    .unwrap_or_else(|| ("it has just begun".into(), i64::from(DURATION)));
                return Err(LeaseError::Held { holder, free_in });
            }
            Err(error) => return Err(refused(error)),
        }
        let (tell, lost) = watch::channel(false);
        let (asked, mut questions) = mpsc::channel(1);
        let keeper = Keeper { client: cluster.client.clone(), api: api.clone(), holder: holder.to_owned() };
        let task = tokio::spawn(async move {
            let renew = || {
                let keeper = keeper.clone();
                async move { keeper.renew().await.map_err(drop) }
            };
            keep(renew, since_boot, STEP, &mut questions).await;
            // Nobody listens any more when the run is over.
            let _ = tell.send(true);
        });
        Ok(LeaseLock { api, lost, asked, task, holder: holder.to_owned() })
    }

    /// Renews it now: whether it is still ours. For the moment before something is changed.
    pub async fn renewed(&self) -> bool {
        let (answer, renewed) = oneshot::channel();
        self.asked.send(answer).await.is_ok() && renewed.await.is_ok()
    }

    /// Comes back when the lock is lost: taken by another, or not renewed for as long as it lasts.
    pub async fn lost(&self) {
        told(self.lost.clone()).await;
    }

    /// Gives it back at once; one that was lost meanwhile is left to its new holder.
    pub async fn release(self) {
        self.task.abort();
        // What cannot be given back frees itself.
        let Ok(Some(lease)) = self.api.get_opt(LEASE.1).await else { return };
        let ours = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.holder);
        if ours {
            let preconditions =
                Preconditions { resource_version: lease.metadata.resource_version, uid: lease.metadata.uid };
            let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            let _ = self.api.delete(LEASE.1, &how).await;
        }
    }
}

/// Comes back when the keeper says that the lock is lost, and when there is no keeper any more to renew it.
async fn told(mut lost: watch::Receiver<bool>) {
    let _ = lost.wait_for(|lost| *lost).await;
}

impl Drop for LeaseLock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How often it is looked at whether the machine has slept.
const STEP: Duration = Duration::from_secs(1);

/// Renews at every beat, and whenever somebody asks, until it cannot: comes back when the lock is another's, or was not
/// renewed for as long as it lasts by this clock.
async fn keep<Renewal: Future<Output = Result<bool, ()>>>(
    renew: impl Fn() -> Renewal,
    clock: impl Fn() -> Duration,
    step: Duration,
    questions: &mut mpsc::Receiver<oneshot::Sender<()>>,
) {
    let patience = Duration::from_secs(DURATION.unsigned_abs().into());
    let (mut renewed, mut tried) = (clock(), clock());
    let is_over = |renewed: Duration| clock().saturating_sub(renewed) >= patience;
    loop {
        let question = tokio::select! {
            () = tokio::time::sleep(step) => None,
            question = questions.recv() => question,
        };
        if is_over(renewed) {
            return;
        }
        if question.is_none() && clock().saturating_sub(tried) < BEAT {
            continue;
        }
        tried = clock();
        let asleep = async {
            while !is_over(renewed) {
                tokio::time::sleep(step).await;
            }
        };
        let answer = tokio::select! {
            answer = tokio::time::timeout(BEAT, renew()) => answer,
            () = asleep => return,
        };
        match answer {
            Ok(Ok(true)) => renewed = tried,
            Ok(Ok(false)) => return,
            // The API may blink; for how long, the clock says.
            Ok(Err(())) | Err(_) => {}
        }
        if let Some(question) = question {
            // Who asked may be gone.
            let _ = question.send(());
        }
    }
}

/// Renews it once.
#[derive(Clone)]
struct Keeper {
    client: kube::Client,
    api: Api<Lease>,
    holder: String,
}

impl Keeper {
    /// False when it is no longer ours.
    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(there) = self.api.get_opt(LEASE.1).await? else { return Ok(false) };
        if there.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref()) != Some(&self.holder) {
            return Ok(false);
        }
        let now = server_time(&self.client).await?.unwrap_or_else(Timestamp::now);
        fail_point!("lease.renew");
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let wanted = lease(&self.holder, now, there.metadata.resource_version);
        match self.api.replace(LEASE.1, &parameters, &wanted).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn lease(holder: &str, now: Timestamp, resource_version: Option<String>) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(LEASE.1.into()),
            namespace: Some(LEASE.0.into()),
            resource_version,
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(DURATION),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }),
    }
}

/// Who holds a lease that is still alive, and in how many seconds it is free without another sign of life.
fn holder_of(lease: &Lease, now: Timestamp) -> Option<(String, i64)> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let since = now.duration_since(spec.renew_time.as_ref()?.0).as_secs();
    let left = i64::from(spec.lease_duration_seconds.unwrap_or(DURATION)) - since;
    (left > 0).then_some((holder, left))
}

impl Cluster {
    /// The API server's clock, to the second.
    pub async fn now(&self) -> Result<Timestamp, ClusterError> {
        let answer = server_time(&self.client).await.map_err(|error| self.error("ask for the time", error))?;
        Ok(answer.unwrap_or_else(Timestamp::now))
    }
}

/// The Date of an answer (RFC 9110, 6.6.1); `None` when the server gives none.
async fn server_time(client: &kube::Client) -> Result<Option<Timestamp>, kube::Error> {
    let request = Request::get("/version").body(Body::empty()).map_err(kube::Error::HttpError)?;
    let answer = client.send(request).await?;
    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    Ok(date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_free_when_its_holder_was_silent_for_its_duration() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let taken = lease("somebody", at(0), None);
        assert_eq!(holder_of(&taken, at(0)), Some(("somebody".into(), 60)));
        assert_eq!(holder_of(&taken, at(59)), Some(("somebody".into(), 1)));
        assert_eq!(holder_of(&taken, at(60)), None);
        assert_eq!(holder_of(&lease("", at(0), None), at(0)), None);
        assert_eq!(holder_of(&Lease::default(), at(0)), None);
    }

    /// A second of the clock in these tests.
    const SECOND: Duration = Duration::from_millis(1);

    /// Keeps a lock for 1,000 s of a clock that jumps ahead by `slept` once `awake` seconds are over: at which of its
    /// seconds the lock was renewed, and whether it was kept to the end.
    async fn kept(awake: u64, slept: u64, answer: Result<bool, ()>) -> (Vec<u64>, bool) {
        let (_asked, mut questions) = mpsc::channel(1);
        let (now, renewals) = (std::cell::Cell::new(0), std::cell::RefCell::new(Vec::new()));
        let renew = || {
            renewals.borrow_mut().push(now.get());
            std::future::ready(answer)
        };
        let time = async {
            for second in 1..1000 {
                tokio::time::sleep(SECOND).await;
                now.set(second + if second >= awake { slept } else { 0 });
            }
        };
        let kept = tokio::select! {
            () = keep(&renew, || Duration::from_secs(now.get()), SECOND, &mut questions) => false,
            () = time => true,
        };
        (renewals.take(), kept)
    }

    #[tokio::test]
    async fn a_machine_that_slept_longer_than_the_lock_lasts_has_lost_it() {
        let (renewals, kept_on) = kept(100, 3600, Ok(true)).await;
        assert!(!kept_on && renewals.len() > 3, "{renewals:?}");
        assert!(renewals.iter().all(|second| *second < 100), "renewed after it woke: {renewals:?}");
        assert!(kept(100, 10, Ok(true)).await.1, "a nap is none");
        let (renewals, kept_on) = kept(2000, 0, Ok(false)).await;
        assert!(!kept_on && renewals.len() == 1, "it is another's");
        let (renewals, kept_on) = kept(2000, 0, Err(())).await;
        assert!(!kept_on && renewals.iter().all(|second| *second < 60), "the API was away for longer than it lasts");
    }

    #[tokio::test]
    async fn a_lock_without_its_keeper_is_lost() {
        let (tell, lost) = watch::channel(false);
        drop(tell);
        let waited = tokio::time::timeout(Duration::from_secs(30), told(lost)).await;
        assert!(waited.is_ok(), "nobody renews it any more, and nobody was told");
    }

    #[tokio::test]
    async fn a_sleep_in_the_middle_of_a_renewal_is_seen_too() {
        let (_asked, mut questions) = mpsc::channel(1);
        let now = std::cell::Cell::new(0);
        let hangs = || {
            now.set(3600);
            std::future::pending()
        };
        let clock = || Duration::from_secs(now.replace(now.get() + 5));
        keep(hangs, clock, SECOND, &mut questions).await;
        assert!(now.get() >= 3600);
    }

    #[tokio::test]
    async fn who_asks_gets_an_answer_after_a_renewal_and_none_when_it_is_lost() {
        for ours in [true, false] {
            let (asked, mut questions) = mpsc::channel(1);
            let renewals = std::cell::Cell::new(0);
            let renew = || {
                renewals.set(renewals.get() + 1);
                std::future::ready(Ok(ours))
            };
            let keeping = async {
                keep(&renew, || Duration::ZERO, SECOND, &mut questions).await;
                drop(questions);
                std::future::pending::<()>().await;
            };
            let question = async {
                let (answer, renewed) = oneshot::channel();
                asked.send(answer).await.unwrap();
                renewed.await.is_ok()
            };
            tokio::select! {
                answered = question => assert_eq!((answered, renewals.get()), (ours, 1)),
                () = keeping => {}
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_clock_is_the_one_that_goes_on_in_sleep() {
        // proc(5): the first number of /proc/uptime is the time since boot, suspended time included.
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!((since_boot().as_secs_f64() - uptime).abs() < 2.0);
    }

    #[test]
    fn the_servers_date_is_read() {
        let date = jiff::fmt::rfc2822::parse("Mon, 23 Nov 2026 23:40:00 GMT").unwrap();
        assert_eq!(date.timestamp().to_string(), "2026-11-23T23:40:00Z");
    }
}
