//! Waits with an end, which tell what they saw last.

use std::time::Duration;

use tokio::time::Instant;

use super::pull::{Pulls, Stuck, stuck};
use super::why::pod_troubles;
use super::{Cluster, ClusterError, Condition, Seen};
use crate::failure::Hint;

const PAUSE: Duration = Duration::from_millis(500);

/// A wait that did not come to a good end.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("{what} not ready after {}; last seen: {seen}{}", duration(*limit), list(why))]
    NotInTime { what: String, limit: Duration, seen: String, why: Vec<String> },
    #[error("{what} failed: {seen}{}", list(why))]
    Failed { what: String, seen: String, why: Vec<String> },
    #[error("{what} cannot be seen")]
    Unseen { what: String, source: ClusterError },
}

impl Hint for WaitError {
    fn hint(&self) -> Option<String> {
        match self {
            WaitError::Unseen { source, .. } => source.hint(),
            WaitError::NotInTime { why, .. } | WaitError::Failed { why, .. } => {
                let said = |word: &str| why.iter().any(|line| line.contains(word));
                let reasons = ["ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"];
                if reasons.into_iter().any(said) {
                    return Some(
                        "the image cannot be pulled on that node: see that its name and tag are right, try `docker pull` there, check the registry and its proxy"
                            .into(),
                    );
                }
                said("runAsNonRoot")
                    .then(|| "the image's USER is not a number; use an image that names one by number".into())
            }
        }
    }
}

/// A limit as people say it: `5m30s`.
pub fn duration(limit: Duration) -> String {
    match (limit.as_secs() / 60, limit.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

fn list(why: &[String]) -> String {
    why.iter().map(|line| format!("\n  {line}")).collect()
}

impl Cluster {
    /// Waits until `what` is true, at most `limit`; returns what was seen then. `progress` hears every new sight.
    /// A passing error of the API is a sight, not an end: while a cluster comes up, its API blinks.
    pub async fn wait(
        &self,
        what: &Condition,
        limit: Duration,
        mut progress: impl FnMut(&str),
    ) -> Result<String, WaitError> {
        let end = Instant::now() + limit;
        let (mut last, mut pulls) = (String::new(), Pulls::default());
        loop {
            let seen = self.sight(what, end).await?;
            let text = match seen {
                Seen::Met(text) => return Ok(text),
                Seen::Never(seen) => return Err(self.failed(what, seen).await),
                Seen::NotYet(text) => {
                    let (text, stuck) = self.with_clause(what, text).await;
                    if let Some(stuck) = self.given_up(what, pulls.hear(stuck, Instant::now())).await {
                        return Err(self.failed(what, stuck.text()).await);
                    }
                    text
                }
            };
            if text != last {
                progress(&text);
                last = text;
            }
            if Instant::now() + PAUSE >= end {
                let why = self.explain(what).await;
                return Err(WaitError::NotInTime { what: what.to_string(), limit, seen: last, why });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits for all of them, one after the other, within one limit. `progress` hears which, and what was seen.
    pub async fn wait_all(
        &self,
        all: &[Condition],
        limit: Duration,
        mut progress: impl FnMut(&str),
    ) -> Result<(), WaitError> {
        let end = Instant::now() + limit;
        for what in all {
            let left = end.saturating_duration_since(Instant::now());
            self.wait(what, left, |seen| progress(&format!("{what}: {seen}"))).await.map_err(|error| match error {
                WaitError::NotInTime { what, seen, why, limit: _ } => WaitError::NotInTime { what, limit, seen, why },
                WaitError::Failed { .. } | WaitError::Unseen { .. } => error,
            })?;
        }
        Ok(())
    }

    /// One look that ends in time, passing errors taken for a sight.
    async fn sight(&self, what: &Condition, end: Instant) -> Result<Seen, WaitError> {
        // However little time is left, one honest look is worth a few seconds.
        let end = end.max(Instant::now() + Duration::from_secs(5));
        match tokio::time::timeout_at(end, self.look(what)).await {
            Err(_) => Ok(Seen::NotYet(format!("no answer from {} in time", self.server))),
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) if error.is_passing() => Ok(Seen::NotYet(error.to_string())),
            Ok(Err(source)) => Err(WaitError::Unseen { what: what.to_string(), source }),
        }
    }

    async fn failed(&self, what: &Condition, seen: String) -> WaitError {
        WaitError::Failed { what: what.to_string(), seen, why: self.explain(what).await }
    }

    /// The pod without an image, unless it is being pulled just now.
    async fn given_up(&self, what: &Condition, stuck: Option<Stuck>) -> Option<Stuck> {
        let (stuck, namespace) = stuck.zip(what.object().and_then(|object| object.namespace))?;
        (!self.is_pulling(&namespace, &stuck).await).then_some(stuck)
    }

    /// What was seen, with a clause about a pod that is not well, and the pod that has no image.
    async fn with_clause(&self, what: &Condition, text: String) -> (String, Option<Stuck>) {
        // The next look tells of an API that does not answer.
        let Ok(Some((workload, pods))) = self.workload(what).await else { return (text, None) };
        let stuck = stuck(&workload, &pods);
        let clause = stuck.as_ref().map(Stuck::text).or_else(|| pods.iter().flat_map(pod_troubles).next());
        (clause.map_or(text.clone(), |clause| format!("{text} · {clause}")), stuck)
    }

    /// What is not ready of it, with a clause about why; `None` when it is, or is not there.
    pub async fn unready(&self, what: &Condition) -> Result<Option<String>, ClusterError> {
        let there = match what.object() {
            Some(object) => self.get(&object).await?.is_some(),
            None => true,
        };
        match self.look(what).await? {
            Seen::NotYet(text) | Seen::Never(text) if there => Ok(Some(self.with_clause(what, text).await.0)),
            Seen::NotYet(_) | Seen::Never(_) | Seen::Met(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_ran_out_says_what_when_and_why() {
        let error = WaitError::NotInTime {
            what: "deployment a/b".into(),
            limit: Duration::from_secs(330),
            seen: "1 of 3 ready".into(),
            why: vec!["b-1 on n3: ImagePullBackOff".into()],
        };
        assert_eq!(
            error.to_string(),
            "deployment a/b not ready after 5m30s; last seen: 1 of 3 ready\n  b-1 on n3: ImagePullBackOff"
        );
        assert!(error.hint().unwrap().contains("docker pull"));
    }
}
