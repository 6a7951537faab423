//! haproxy: asks Rancher itself on every node, and takes a node out when it does not answer.

use super::{Front, Layer, Place, Refused, Target, TlsFiles};
use crate::tls::Refusal;

/// The whole haproxy.cfg, for haproxy 2.2 or newer.
///
/// haproxy reads the key from the certificate's own file or from that file's name with `.key` at its end
/// (its manual: `ssl-load-extra-files`); another place is refused.
pub fn haproxy(front: &Front, files: &TlsFiles) -> Result<String, Refused> {
    front.refuse_tls_files(files)?;
    let certificate = match &files.certificate {
        Some(place) => place.to_string(),
        None => format!("/etc/haproxy/tls/{}.pem", front.hostname()),
    };
    key_is_found(&certificate, files.key.as_ref())?;
    let body = match front.layer {
        Layer::Four => layer_4(front),
        Layer::Seven => layer_7(front, &certificate),
    };
    Ok(heading(front, &certificate) + GLOBAL + &body + STATISTICS)
}

fn key_is_found(certificate: &str, key: Option<&Place>) -> Result<(), Refused> {
    let found = format!("{certificate}.key");
    match key {
        Some(key) if key.to_string() != found && key.to_string() != certificate => Err(Refused::Options(Refusal::new(
            format!("--key: haproxy looks for the key of {certificate} in that file or in {found}, not in {key}"),
            format!("put the key at {found}, or behind the certificates in {certificate}, and leave --key out"),
        ))),
        Some(_) | None => Ok(()),
    }
}

fn heading(front: &Front, certificate: &str) -> String {
    let mut lines = vec![
        "Place it at /etc/haproxy/haproxy.cfg (haproxy 2.2 or newer), then".to_owned(),
        "  haproxy -c -f /etc/haproxy/haproxy.cfg    # must call it valid".into(),
        "  systemctl reload haproxy".into(),
        "  curl -s '127.0.0.1:8404/;csv'             # which nodes are up".into(),
        "  cowhand verify                            # from outside, through this balancer".into(),
    ];
    if front.layer == Layer::Seven {
        lines.push(format!("{certificate} holds the certificate and its intermediates;"));
        lines.push(
            "the key stands behind them, or in the file of the same name with .key at its end (mode 0600).".into(),
        );
    }
    lines.extend(front.advice());
    front.heading("haproxy", &lines)
}

const GLOBAL: &str = "
global
    log stdout format raw local0
    user haproxy
    group haproxy
    chroot /var/lib/haproxy
";

/// What both layers share: how soon a node that is gone is noticed, and what happens to connections to it.
const DEFAULTS: &str = "    log global
    option dontlognull
    # A connection that a node does not take goes to another one.
    timeout connect 2s
    retries 3
    option redispatch 1
    # A node is gone after three questions without the right answer. What still hangs on it is cut then, or clients would
    # wait for hours; agents and browsers connect anew.
    timeout check 3s
    default-server inter 2s fastinter 1s fall 3 rise 2 on-marked-down shutdown-sessions
";

fn layer_4(front: &Front) -> String {
    let hostname = front.hostname();
    let bind = |port| binds(front, port, "");
    format!(
        "
defaults
    mode tcp
    option tcplog
{DEFAULTS}\
    \x20   # Agents and shells keep WebSockets open that may be silent for long.
    timeout client 4h
    timeout server 4h
    timeout client-fin 30s
    timeout server-fin 30s

frontend rancher_https
{https}    default_backend rancher_https

backend rancher_https
    balance leastconn
    # Not only the port: Rancher is asked, over TLS and by its name. Whether clients trust the certificate is not asked.
    option httpchk
    http-check send meth GET uri /ping ver HTTP/1.1 hdr Host {hostname} hdr Connection close
    http-check expect string pong
{asked}
frontend rancher_http
{http}    default_backend rancher_http

# Port 80 redirects to https and answers ACME; a node that is out above is out here.
backend rancher_http
    balance leastconn
{tracked}",
        https = bind(443),
        http = bind(80),
        asked =
            servers(front, |one| { format!("{} check check-ssl check-sni {hostname} verify none", one.socket(443)) }),
        tracked = servers(front, |one| format!("{} track rancher_https/{}", one.socket(80), one.name())),
    )
}

fn layer_7(front: &Front, certificate: &str) -> String {
    let hostname = front.hostname();
    format!(
        "    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    option httplog
{DEFAULTS}\
    \x20   timeout http-request 30s
    timeout http-keep-alive 60s
    timeout client 30m
    timeout server 30m
    # Agents and shells keep WebSockets open that may be silent for long.
    timeout tunnel 4h
    timeout client-fin 30s

frontend rancher_http
{http}    http-request redirect prefix https://{hostname} code 301

frontend rancher_https
{https}    # What a client says of itself is not passed on. The Host stays as it came.
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Port 443
    http-request del-header X-Forwarded-Host
    http-request del-header Forwarded
    default_backend rancher

backend rancher
    balance leastconn
    # Not only the port: Rancher is asked, by its name.
    option httpchk
    http-check send meth GET uri /ping ver HTTP/1.1 hdr Host {hostname} hdr X-Forwarded-Proto https hdr Connection close
    http-check expect string pong
    # What only reads may be asked again of another node.
    retry-on conn-failure empty-response 502 503 504
    http-request disable-l7-retry unless METH_GET
{servers}",
        http = binds(front, 80, ""),
        https = binds(front, 443, &format!(" ssl crt {certificate} alpn h2,http/1.1")),
        servers = servers(front, |one| format!("{} check", one.socket(80))),
    )
}

fn binds(front: &Front, port: u16, more: &str) -> String {
    let mut text = format!("    bind :{port}{more}\n");
    if front.listens_on_ipv6() {
        text += &format!("    bind :::{port} v6only{more}\n");
    }
    text
}

fn servers(front: &Front, line: impl Fn(&Target) -> String) -> String {
    front.targets.iter().map(|one| format!("    server {} {}\n", one.name(), line(one))).collect()
}

const STATISTICS: &str = "
# For people on this machine only.
frontend statistics
    mode http
    bind 127.0.0.1:8404
    stats enable
    stats uri /
";
