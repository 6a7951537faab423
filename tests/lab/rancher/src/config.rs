//! What the container is told: arguments and environment, as the chart passes them.

use anyhow::{Context, Result, anyhow, bail};
use std::net::IpAddr;
use std::path::PathBuf;

/// What was asked for on the command line.
#[derive(Debug, PartialEq)]
pub enum Command {
    Serve(Args),
    Version,
    /// The chart's post-delete hook: there is nothing to clean up.
    PostDelete,
}

#[derive(Debug, PartialEq)]
pub struct Args {
    pub no_cacerts: bool,
    pub http_port: u16,
    pub https_port: u16,
    pub debug: bool,
}

/// Everything the server needs to know, checked.
pub struct Config {
    pub no_cacerts: bool,
    pub http_port: u16,
    pub https_port: u16,
    pub bind: IpAddr,
    pub namespace: String,
    pub pod: String,
    pub server_url: String,
    pub agent_tls_mode: String,
    pub bootstrap_password: String,
    pub ssl_dir: PathBuf,
    pub service_account_dir: PathBuf,
    /// `host:port` of the Kubernetes API; without one everything is kept in memory.
    pub kubernetes: Option<String>,
}

impl Command {
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut parsed = Args { no_cacerts: false, http_port: 80, https_port: 443, debug: false };
        for arg in args {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg.as_str(), None),
            };
            match (name, value) {
                ("--version", None) => return Ok(Self::Version),
                ("--post-delete", None) => return Ok(Self::PostDelete),
                ("--no-cacerts", None | Some("true")) => parsed.no_cacerts = true,
                ("--debug", None | Some("true")) => parsed.debug = true,
                ("--http-listen-port", Some(port)) => parsed.http_port = port_number(name, port)?,
                ("--https-listen-port", Some(port)) => parsed.https_port = port_number(name, port)?,
                ("--add-local", Some("true")) => {}
                // since 2.5 Rancher refuses to start with anything else
                ("--add-local", _) => bail!("add-local flag must be set to 'true', see Rancher 2.5.0 release notes"),
                _ => bail!("flag provided but not defined: {arg}"),
            }
        }
        Ok(Self::Serve(parsed))
    }
}

impl Config {
    pub fn new(args: &Args, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| env(name).filter(|value| !value.is_empty());
        let or = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_string());
        let agent_tls_mode = or("CATTLE_AGENT_TLS_MODE", "strict");
        if !["strict", "system-store"].contains(&agent_tls_mode.as_str()) {
            bail!("agent-tls-mode must be 'strict' or 'system-store', not {agent_tls_mode:?}");
        }
        let server_url = or("CATTLE_SERVER_URL", "");
        if !server_url.is_empty() && host_of(&server_url).is_none() {
            bail!("server-url must be https://HOST, not {server_url:?}");
        }
        let bind = or("LAB_RANCHER_BIND", "0.0.0.0");
        let kubernetes = get("KUBERNETES_SERVICE_HOST").map(|host| {
            let port = or("KUBERNETES_SERVICE_PORT", "443");
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        });
        Ok(Self {
            no_cacerts: args.no_cacerts,
            http_port: args.http_port,
            https_port: args.https_port,
            bind: bind.parse().with_context(|| format!("LAB_RANCHER_BIND {bind:?}"))?,
            namespace: or("CATTLE_NAMESPACE", "cattle-system"),
            pod: or("HOSTNAME", "unknown"),
            server_url,
            agent_tls_mode,
            bootstrap_password: or("CATTLE_BOOTSTRAP_PASSWORD", ""),
            ssl_dir: or("LAB_RANCHER_SSL_DIR", "/etc/rancher/ssl").into(),
            service_account_dir: or("LAB_RANCHER_TOKEN_DIR", "/var/run/secrets/kubernetes.io/serviceaccount").into(),
            kubernetes,
        })
    }

    /// The host of `server-url`, the only name that gets a certificate once it is known.
    pub fn server_host(&self) -> Option<&str> {
        host_of(&self.server_url)
    }
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let authority = rest.split('/').next()?;
    let host = authority.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

fn port_number(name: &str, text: &str) -> Result<u16> {
    text.parse().map_err(|_| anyhow!("invalid value {text:?} for flag {name}: not a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command> {
        Command::parse(args.iter().map(|arg| arg.to_string()))
    }

    #[test]
    fn the_charts_arguments() {
        let args = ["--no-cacerts", "--http-listen-port=80", "--https-listen-port=443", "--add-local=true"];
        let expected = Args { no_cacerts: true, http_port: 80, https_port: 443, debug: false };
        assert_eq!(parse(&args).unwrap(), Command::Serve(expected));
        assert_eq!(parse(&["--version"]).unwrap(), Command::Version);
        for wrong in ["--no-cacert", "--add-local=false", "--http-listen-port=99999", "serve"] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_environment_is_judged() {
        let args = Args { no_cacerts: false, http_port: 80, https_port: 443, debug: false };
        let with = |name: &'static str, value: &'static str| {
            Config::new(&args, move |asked| (asked == name).then(|| value.to_string()))
        };
        assert_eq!(with("CATTLE_SERVER_URL", "https://rancher.test").unwrap().server_host(), Some("rancher.test"));
        assert_eq!(with("NONE", "").unwrap().agent_tls_mode, "strict");
        assert!(with("CATTLE_AGENT_TLS_MODE", "lenient").is_err());
        assert!(with("CATTLE_SERVER_URL", "http://rancher.test").is_err());
    }
}
