//! What a name means, asked from here and from every node.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::network;
use crate::remote::{Ended, Remote, Stdin, Words};

/// For one answer, however many servers are asked.
const LIMIT: Duration = Duration::from_secs(10);

/// A name's addresses, sorted and each once, or why there are none.
pub type Resolved = Result<Vec<IpAddr>, String>;

const NO_ADDRESS: &str = "the name has no address";

/// Asks this DNS server, or this machine's own resolver.
pub async fn resolve(server: Option<SocketAddr>, hostname: &str) -> Resolved {
    let asking = async {
        match server {
            Some(server) => ask(server, hostname).await,
            None => {
                let found = tokio::net::lookup_host((hostname, 443)).await;
                found.map(|found| found.map(|address| address.ip()).collect()).map_err(|error| error.to_string())
            }
        }
    };
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(answer) => tidy(answer?),
        Err(_) => {
            let whose = server.map(|server| format!("the inventory's DNS server {server}"));
            Err(format!("{} gave no answer within {} s", whose.as_deref().unwrap_or("the DNS"), LIMIT.as_secs()))
        }
    }
}

async fn ask(server: SocketAddr, hostname: &str) -> Resolved {
    let asked = server;
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    let resolver = resolver.map_err(|error| error.to_string())?;
    match resolver.lookup_ip(format!("{hostname}.")).await {
        Ok(found) => Ok(found.iter().collect()),
        Err(error) if error.is_no_records_found() => Err(NO_ADDRESS.into()),
        Err(error) => Err(format!("the inventory's DNS server {asked} does not help: {error}")),
    }
}

/// As programs on that machine resolve it: files, DNS and whatever else its name service switch says.
const ASK: &str = r#"command -v getent >/dev/null || { echo 'getent is not installed' >&2; exit 127; }
getent ahosts "$1" || getent hosts "$1""#;

/// Asks a machine.
pub async fn resolve_on<R: Remote>(machine: &R, hostname: &str) -> Resolved {
    let words = Words::shell(ASK).args(["sh", hostname]).within(LIMIT);
    let output = machine.run(&words, Stdin::Empty).await.map_err(|error| error.to_string())?;
    // getent's own code for a name that is not known (glibc and musl)
    if output.ended == Ended::Code(2) {
        return Err(NO_ADDRESS.into());
    }
    let text = output.success(&words, machine.name()).map_err(|error| error.to_string())?;
    tidy(network::named_addresses(text.lines()))
}

fn tidy(mut addresses: Vec<IpAddr>) -> Resolved {
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() { Err(NO_ADDRESS.into()) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Output;
    use crate::remote::scripted::Machine;

    async fn against(code: i32, out: &'static str, err: &'static str) -> Resolved {
        let machine = Machine::new("n1").answer(move |_, _| Some(Output::new(Ended::Code(code), out, err)));
        let resolved = resolve_on(&machine, "rancher.example.com").await;
        assert!(machine.lines()[0].ends_with(" sh rancher.example.com"), "{:?}", machine.lines());
        resolved
    }

    #[tokio::test]
    async fn a_machine_answers_through_getent() {
        // captured on Debian 13: each address once a socket type
        let ahosts = "10.0.0.12      STREAM rancher.example.com\n10.0.0.12      DGRAM  \n10.0.0.12      RAW    \n\
             10.0.0.11      STREAM \n10.0.0.11      DGRAM  \n10.0.0.11      RAW    \n";
        let expected = vec!["10.0.0.11".parse().unwrap(), "10.0.0.12".parse().unwrap()];
        assert_eq!(against(0, ahosts, "").await, Ok(expected));
    }

    #[tokio::test]
    async fn no_such_name_is_told_apart_from_not_asked() {
        assert_eq!(against(2, "", "").await, Err(NO_ADDRESS.into()));
        assert!(against(127, "", "getent is not installed").await.unwrap_err().contains("getent is not installed"));
    }

    /// A real DNS server that knows one name answers on loopback.
    #[tokio::test]
    async fn a_server_of_ones_own_is_asked() {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let question = &buffer[12..length];
                let end = question.iter().position(|byte| *byte == 0).unwrap() + 5;
                let known = question[..end].starts_with(b"\x07rancher") && question[end - 3] == 1;
                let (code, count) = if known { (0, 1) } else { (3, 0) };
                let mut answer = buffer[..2].to_vec();
                answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
                answer.extend(&question[..end]);
                if known {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, 9, 9]);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        assert_eq!(resolve(Some(server), "rancher.example.com").await, Ok(vec!["10.9.9.9".parse().unwrap()]));
        assert_eq!(resolve(Some(server), "other.example.com").await, Err(NO_ADDRESS.into()));
    }
}
