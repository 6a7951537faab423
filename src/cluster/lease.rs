//! The lock on a cluster that was there before: one run at a time, from whichever laptop.
//!
//! A Lease, renewed while the run lives. Its times are the API server's own (the Date of its answers), so that the
//! clocks of two laptops need not agree. Who is gone renews nothing: then the lock is free after its duration.

use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::client::Body;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Cluster, ClusterError, FIELD_MANAGER};

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

impl LeaseError {
    pub fn hint(&self) -> Option<String> {
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
        let keeper = Keeper { client: cluster.client.clone(), api: api.clone(), holder: holder.to_owned() };
        let task = tokio::spawn(async move {
            keeper.keep().await;
            // Nobody listens any more when the run is over.
            let _ = tell.send(true);
        });
        Ok(LeaseLock { api, lost, task, holder: holder.to_owned() })
    }

    /// Comes back when the lock is lost: taken by another, or not renewed for as long as it lasts.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending::<()>().await;
        }
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

impl Drop for LeaseLock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Renews until it cannot.
struct Keeper {
    client: kube::Client,
    api: Api<Lease>,
    holder: String,
}

impl Keeper {
    async fn keep(&self) {
        let patience = Duration::from_secs(DURATION.unsigned_abs().into());
        let mut last = Instant::now();
        while last.elapsed() < patience {
            tokio::time::sleep(BEAT).await;
            match tokio::time::timeout(BEAT, self.renew()).await {
                Ok(Ok(true)) => last = Instant::now(),
                Ok(Ok(false)) => return,
                // The API may blink; for how long, the loop's condition says.
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// False when it is no longer ours.
    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(there) = self.api.get_opt(LEASE.1).await? else { return Ok(false) };
        if there.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref()) != Some(&self.holder) {
            return Ok(false);
        }
        let now = server_time(&self.client).await?.unwrap_or_else(Timestamp::now);
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

    #[test]
    fn the_servers_date_is_read() {
        let date = jiff::fmt::rfc2822::parse("Mon, 23 Nov 2026 23:40:00 GMT").unwrap();
        assert_eq!(date.timestamp().to_string(), "2026-11-23T23:40:00Z");
    }
}
