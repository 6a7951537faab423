//! What rke may do to a running cluster, held on its way to Docker: whatever would end a second etcd or API server waits until
//! the first one is back, and a container that is none of RKE's is left alone.
//!
//! `rke cert rotate` restarts every etcd at once and then every API server at once (rancher/rke v1.8.0: cmd/cert.go), and `rke up`
//! replaces one container of etcd after the other without asking for health in between (services/etcd.go, RunEtcdPlane). Its client
//! waits 50 s for an answer of Docker (hosts/dialer.go) and asks three times (docker/docker.go): so a call is held for less, and
//! then refused as Docker would, which is one of rke's three tries.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fail::fail_point;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::engine::member_rule::{Answer, Member, MemberChange, Person, judge};
use crate::engine::rke::containers::is_of_rke;
use crate::remote::{DockerCall, Gate};

/// What there is to restart one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Held {
    Etcd,
    Api,
}

impl Held {
    fn of(container: &str) -> Option<Held> {
        match container {
            "etcd" => Some(Held::Etcd),
            "kube-apiserver" => Some(Held::Api),
            _ => None,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Etcd => write!(to, "etcd"),
            Held::Api => write!(to, "kube-apiserver"),
        }
    }
}

/// A fresh look at what the rule goes by.
pub trait Looks: Send + Sync {
    /// etcd's members, each asked alone; empty when nobody gave a list.
    fn etcd(&self) -> BoxFuture<'_, Vec<Member>>;
    /// Every control plane by its node's name, and whether its API server serves everything.
    fn apis(&self) -> BoxFuture<'_, Vec<(String, bool)>>;
}

/// What happens on the way, for people.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It ends now; so long it had waited for its turn.
    Ends {
        what: Held,
        node: String,
        waited: f64,
    },
    /// So long after that it was back, in seconds.
    Back {
        what: Held,
        node: String,
        after: f64,
    },
    Refused {
        why: String,
    },
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// How long a call is held.
    hold: Duration,
    /// Between two looks.
    pause: Duration,
    /// How long after a call without an answer a container may still be ended by it.
    unanswered: Duration,
}

/// rke gives its restart 5 s to end in order.
const USUAL: Limits =
    Limits { hold: Duration::from_secs(35), pause: Duration::from_millis(300), unanswered: Duration::from_secs(15) };

/// The gate for one run of rke.
pub struct Rails(Arc<Inner>);

struct Inner {
    /// `address` in cluster.yml, and the node's name.
    nodes: Vec<(String, String)>,
    looks: Box<dyn Looks>,
    tell: Box<dyn Fn(Told) + Send + Sync>,
    limits: Limits,
    /// etcd has had a majority at a time. Before that, as in a cluster that is just being made, ending a member takes
    /// nothing away.
    lived: AtomicBool,
    /// Whose turn it is.
    turns: Mutex<HashMap<Held, String>>,
    moved: Notify,
}

impl Rails {
    /// `lives`: the API answered just before, and so etcd had a majority.
    pub fn new(
        nodes: Vec<(String, String)>,
        looks: Box<dyn Looks>,
        tell: Box<dyn Fn(Told) + Send + Sync>,
        lives: bool,
    ) -> Rails {
        Rails::within(nodes, looks, tell, (lives, USUAL))
    }

    fn within(
        nodes: Vec<(String, String)>,
        looks: Box<dyn Looks>,
        tell: Box<dyn Fn(Told) + Send + Sync>,
        (lives, limits): (bool, Limits),
    ) -> Rails {
        let (lived, turns, moved) = (AtomicBool::new(lives), Mutex::default(), Notify::new());
        Rails(Arc::new(Inner { nodes, looks, tell, limits, lived, turns, moved }))
    }
}

impl Gate for Rails {
    fn before<'a>(&'a self, call: &'a DockerCall) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let allowed = self.0.allowed(call).await;
            if let Err(why) = &allowed {
                tracing::warn!(node = %call.node, method = %call.method, path = %call.path, %why, "docker call of rke refused");
                (self.0.tell)(Told::Refused { why: why.clone() });
            }
            allowed
        })
    }

    fn after(&self, call: &DockerCall, status: Option<u16>) {
        call.keep(status);
        let held = call.ends().and_then(Held::of);
        // Where the program itself ends, nobody waits for a turn any more.
        if let (Some(what), Some(node), Ok(runtime)) = (held, self.0.node(call), Handle::try_current()) {
            runtime.spawn(self.0.clone().until_back(what, node.to_owned(), status));
        }
    }
}

impl Inner {
    fn node(&self, call: &DockerCall) -> Option<&str> {
        let found = self.nodes.iter().find(|(address, _)| *address == call.node);
        found.map(|(_, name)| name.as_str())
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Held, String>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn allowed(&self, call: &DockerCall) -> Result<(), String> {
        let Some(container) = call.ends() else { return Ok(()) };
        let Some(node) = self.node(call) else {
            return Err(format!("{} is no node of this cluster", call.node));
        };
        let Some(what) = Held::of(container) else {
            return match is_of_rke(container) {
                true => Ok(()),
                false => Err(format!("container {container} on {node} is none of RKE's")),
            };
        };
        if off() {
            return Ok(());
        }
        let began = Instant::now();
        let mut last = String::new();
        let turn = tokio::time::timeout(self.limits.hold, self.turn(what, node, &mut last)).await;
        match turn {
            Ok(Ok(())) => {
                let waited = began.elapsed().as_secs_f64();
                (self.tell)(Told::Ends { what, node: node.to_owned(), waited });
                Ok(())
            }
            Ok(Err(why)) => Err(format!("{what} on {node} is not ended: {why}")),
            Err(_) => Err(format!("{what} on {node} is not ended: {last}")),
        }
    }

    /// Waits for the turn, and then until the rule lets it go.
    async fn turn(&self, what: Held, node: &str, last: &mut String) -> Result<(), String> {
        loop {
            match self.claim(what, node) {
                // It is this one that is away already.
                Claim::Had => return Ok(()),
                Claim::New(mut claim) => match self.rule(what, node).await {
                    Ok(None) => {
                        claim.kept = true;
                        return Ok(());
                    }
                    Ok(Some(why)) => *last = why,
                    Err(why) => return Err(why),
                },
                Claim::Others(other) => *last = format!("{what} on {other} is not back"),
            }
            tokio::select! {
                () = self.moved.notified() => {}
                () = tokio::time::sleep(self.limits.pause) => {}
            }
        }
    }

    fn claim<'a>(&'a self, what: Held, node: &str) -> Claim<'a> {
        let mut turns = self.turns();
        match turns.get(&what) {
            Some(holder) if holder == node => Claim::Had,
            Some(other) => Claim::Others(other.clone()),
            None => {
                turns.insert(what, node.to_owned());
                Claim::New(Claimed { of: self, what, kept: false })
            }
        }
    }

    /// `None`: it may go; else what it waits for.
    ///
    /// # Errors
    /// When waiting does not help.
    async fn rule(&self, what: Held, node: &str) -> Result<Option<String>, String> {
        match what {
            Held::Etcd => self.etcd_rule(&node.to_lowercase()).await,
            Held::Api => Ok(self.api_rule(node).await),
        }
    }

    async fn etcd_rule(&self, node: &str) -> Result<Option<String>, String> {
        let members = self.looks.etcd().await;
        let answer = judge(&members, &MemberChange::Restart { node: node.to_owned() });
        let majority = !members.is_empty() && !matches!(answer, Answer::Person { why: Person::NoQuorum { .. } });
        let lived = self.lived.fetch_or(majority, Ordering::Relaxed) || majority;
        match &answer {
            _ if !lived => Ok(None),
            _ if members.is_empty() => Ok(Some("no member of etcd says who the members are".into())),
            // One or two members restart in no other way.
            _ if answer.lets_up_go() => Ok(None),
            Answer::Go => Ok(None),
            Answer::WaitFor { .. } | Answer::Person { why: Person::NoQuorum { .. } } => Ok(Some(answer.to_string())),
            Answer::Person { why: Person::LastMember { .. } | Person::Away { .. } | Person::Alarm { .. } } => {
                Err(answer.to_string())
            }
        }
    }

    /// One that serves nothing takes nothing away.
    async fn api_rule(&self, node: &str) -> Option<String> {
        let apis = self.looks.apis().await;
        let (own, others): (Vec<_>, Vec<_>) = apis.iter().partition(|(name, _)| name == node);
        let serves = own.iter().any(|(_, ready)| *ready);
        let down: Vec<&str> = others.iter().filter(|(_, ready)| !ready).map(|(name, _)| name.as_str()).collect();
        let none_left = !others.is_empty() && down.len() == others.len();
        (serves && none_left).then(|| format!("no other API server is ready: {}", down.join(", ")))
    }

    async fn is_back(&self, what: Held, node: &str) -> bool {
        match what {
            Held::Etcd => {
                let members = self.looks.etcd().await;
                let node = node.to_lowercase();
                let own = members.iter().find(|member| member.node == node);
                !members.is_empty() && own.is_none_or(|member| member.answers)
            }
            Held::Api => self.looks.apis().await.iter().any(|(name, ready)| name == node && *ready),
        }
    }

    /// Gives the turn back once the one that was ended is well again; the end of the run ends the waiting as well.
    async fn until_back(self: Arc<Self>, what: Held, node: String, status: Option<u16>) {
        let began = Instant::now();
        let ends = Arc::downgrade(&self);
        let (limits, unanswered) = (self.limits, status.is_none());
        drop(self);
        if unanswered {
            tokio::time::sleep(limits.unanswered).await;
        }
        loop {
            // Nobody asks any more where the run is over.
            let Some(inner) = ends.upgrade() else { return };
            if inner.is_back(what, &node).await {
                inner.give_back(what, &node, began);
                return;
            }
            drop(inner);
            tokio::time::sleep(limits.pause).await;
        }
    }

    fn give_back(&self, what: Held, node: &str, began: Instant) {
        let mut turns = self.turns();
        if turns.get(&what).is_some_and(|holder| holder == node) {
            turns.remove(&what);
            drop(turns);
            let after = began.elapsed().as_secs_f64();
            (self.tell)(Told::Back { what, node: node.to_owned(), after });
        }
        self.moved.notify_waiters();
    }
}

/// Tests switch the rule off, to see that a record from outside goes red then.
fn off() -> bool {
    fail_point!("rails.off", |_| true);
    false
}

enum Claim<'a> {
    New(Claimed<'a>),
    Had,
    Others(String),
}

/// Given back unless it is kept: whoever stops waiting has ended nothing.
struct Claimed<'a> {
    of: &'a Inner,
    what: Held,
    kept: bool,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.of.turns().remove(&self.what);
            self.of.moved.notify_waiters();
        }
    }
}

#[cfg(test)]
#[path = "rails_tests.rs"]
mod tests;
