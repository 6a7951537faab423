//! What a control plane gives on the port of its API, told apart as far as it can be seen from the node itself.

use std::time::Duration;

use tokio::time::timeout;

use super::{Fact, Unseen, gather::chain};
use crate::cluster::{Access, Cluster, ClusterError, Distrust, Route};
use crate::remote::{Connection, Door, Forward, Remote, Stdin, Words};

/// The port of kube-apiserver on the nodes of RKE.
pub const API_PORT: u16 = 6443;

/// How long an API server may take to say its version.
pub const ANSWER: Duration = Duration::from_secs(10);
/// How long one that answers may take until it serves everything: it may have just started.
pub const READY: Duration = Duration::from_secs(45);

/// The answer of one control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAnswer {
    Ready,
    /// It answers, and does not serve everything, e.g. for want of etcd.
    NotReady(String),
    /// Nothing listens on the port, as the node's own table of sockets says.
    NothingListens,
    /// Something listens, and does not answer.
    Silent(String),
    /// Its certificate, or ours to it, is not trusted.
    NotTrusted(Distrust, String),
    /// It does not know who we are, or does not let us in.
    Refused(String),
    /// Neither an answer nor whether anything listens could be seen.
    Unseen(String),
}

impl ApiAnswer {
    /// What was seen, as a clause.
    pub fn text(&self) -> String {
        match self {
            ApiAnswer::Ready => "ready".into(),
            ApiAnswer::NothingListens => format!("nothing listens on port {API_PORT}"),
            ApiAnswer::Silent(why) => format!("something listens, and does not answer: {why}"),
            ApiAnswer::NotReady(why) | ApiAnswer::NotTrusted(_, why) | ApiAnswer::Refused(why) => why.clone(),
            ApiAnswer::Unseen(why) => format!("not seen: {why}"),
        }
    }
}

/// Asks the API server on this node, at `127.0.0.1:port`; `ready` is how long it may take to become ready.
pub async fn ask(connection: &Connection, access: &Access, port: u16, ready: Duration) -> ApiAnswer {
    let door = Door { connection: connection.clone(), host: "127.0.0.1".into(), port };
    let forward = match Forward::start(vec![door]).await {
        Ok(forward) => forward,
        Err(error) => return ApiAnswer::Unseen(format!("no port on this machine could be opened: {error}")),
    };
    let route = Route::Through { port: forward.address().port() };
    let why = match asked(access, route, ready).await {
        Ok(()) => return ApiAnswer::Ready,
        Err(Trouble::NotReady(why)) => return ApiAnswer::NotReady(why),
        Err(Trouble::Cluster(ClusterError::NotTrusted { cause, why, .. })) => return ApiAnswer::NotTrusted(cause, why),
        Err(Trouble::Cluster(error @ ClusterError::Refused { .. })) => return ApiAnswer::Refused(error.to_string()),
        Err(Trouble::Cluster(ClusterError::NoAnswer { why, .. })) => why,
        Err(Trouble::Cluster(error)) => error.to_string(),
    };
    match listens(connection, port).await {
        Ok(true) => ApiAnswer::Silent(why),
        Ok(false) => ApiAnswer::NothingListens,
        Err(unseen) => ApiAnswer::Unseen(format!("{why}; {unseen}")),
    }
}

enum Trouble {
    NotReady(String),
    Cluster(ClusterError),
}

async fn asked(access: &Access, route: Route, ready: Duration) -> Result<(), Trouble> {
    let cluster = Cluster::open(access, route).await.map_err(Trouble::Cluster)?;
    match timeout(ANSWER, cluster.version()).await {
        Ok(version) => version.map_err(Trouble::Cluster)?,
        Err(_) => {
            let why = format!("no answer within {} s", ANSWER.as_secs());
            return Err(Trouble::Cluster(ClusterError::NoAnswer { server: access.server().into(), why }));
        }
    };
    cluster.ready_within(ready).await.map_err(Trouble::NotReady)
}

/// The node's sockets that listen, with the header of the table, which tells that it was seen.
const SOCKETS: &str = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -e local_address -e ' 0A '";

/// Whether anything on the machine listens on this TCP port.
pub async fn listens(remote: &impl Remote, port: u16) -> Fact<bool> {
    let words = Words::shell(SOCKETS).within(ANSWER);
    let table = remote.text(&words, Stdin::Empty).await.map_err(|error| Unseen(chain(&error)))?;
    if !table.contains("local_address") {
        return Err(Unseen("the node's table of sockets could not be read".into()));
    }
    // `0: 0100007F:192B 00000000:0000 0A …`
    let listening = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&"0A") && words.get(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
    };
    Ok(table.lines().any(listening))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::scripted::Machine;
    use crate::remote::{Ended, Output};

    async fn seen(table: &'static str) -> Fact<bool> {
        let machine = Machine::new("n1").answer(move |_, _| Some(Output::new(Ended::Code(0), table, "")));
        listens(&machine, API_PORT).await
    }

    #[tokio::test]
    async fn only_the_nodes_own_table_says_that_nothing_listens() {
        const HEAD: &str = "  sl  local_address rem_address   st\n";
        assert_eq!(seen(HEAD).await, Ok(false));
        assert_eq!(seen("  sl  local_address x st\n   0: 00000000:192B 00000000:0000 0A 0:0\n").await, Ok(true));
        let connected = "  sl  local_address x st\n   0: 0100007F:192B 0100007F:D431 01 0:0\n";
        assert_eq!(seen(connected).await, Ok(false), "a connection that is left over");
        let other = "  sl  local_address x st\n   0: 0100007F:192C 00000000:0000 0A 0:0\n";
        assert_eq!(seen(other).await, Ok(false));
        assert!(seen("").await.is_err(), "not seen is not absent");
    }
}
