//! nginx: what open-source nginx can do, which is to notice a node that is gone by the requests that fail there.

use super::{Front, Layer, Refused, TlsFiles};

/// The whole nginx.conf, for nginx 1.18 or newer.
pub fn nginx(front: &Front, files: &TlsFiles) -> Result<String, Refused> {
    front.refuse_tls_files(files)?;
    let certificate = match &files.certificate {
        Some(place) => place.to_string(),
        None => format!("/etc/nginx/tls/{}.pem", front.hostname()),
    };
    let key = match &files.key {
        Some(place) => place.to_string(),
        None => format!("{certificate}.key"),
    };
    let body = match front.layer {
        Layer::Four => layer_4(front),
        Layer::Seven => layer_7(front, &certificate, &key),
    };
    Ok(heading(front, &certificate, &key) + &body)
}

fn heading(front: &Front, certificate: &str, key: &str) -> String {
    let mut lines = vec![
        "Place it at /etc/nginx/nginx.conf (nginx 1.18 or newer), then".to_owned(),
        "  nginx -t                    # must call it successful".into(),
        "  systemctl reload nginx".into(),
        "  cowhand verify              # from outside, through this balancer".into(),
    ];
    match front.layer {
        Layer::Four => {
            lines.push("Needs the stream module: on Debian and Ubuntu the package libnginx-mod-stream.".into())
        }
        Layer::Seven => {
            lines.push(format!("{certificate} holds the certificate, then its intermediates;"));
            lines.push(format!("{key} the key (mode 0600). nginx reads both when it starts and when it is reloaded."));
        }
    }
    lines.push(String::new());
    lines.push(
        "Open-source nginx asks no node whether it is well: it notices by failed connections, and a node that takes"
            .into(),
    );
    lines.push("connections without answering stays in use. Where that matters, `cowhand lb haproxy` asks Rancher on each node.".into());
    lines.push(String::new());
    lines.extend(front.advice());
    front.heading("nginx", &lines)
}

/// The modules that Debian and Fedora load by such lines; a pattern without a file is no error.
const HEAD: &str = "
worker_processes auto;
worker_rlimit_nofile 40000;
error_log /var/log/nginx/error.log warn;
include /etc/nginx/modules-enabled/*.conf;
include /usr/share/nginx/modules/*.conf;

events {
    worker_connections 8192;
}
";

fn layer_4(front: &Front) -> String {
    let part = |name: &str, port: u16| {
        format!(
            "
    upstream {name} {{
        least_conn;
        zone {name} 64k;
{servers}    }}

    server {{
{listen}        proxy_pass {name};
    }}
",
            servers = servers(front, port),
            listen = listen(front, port, ""),
        )
    };
    format!(
        "{HEAD}
stream {{
    # A connection that a node does not take goes to another one.
    proxy_connect_timeout 2s;
    proxy_next_upstream on;
    # Agents and shells keep WebSockets open that may be silent for long.
    proxy_timeout 4h;
{}{}}}
",
        part("rancher_https", 443),
        part("rancher_http", 80),
    )
}

#[expect(clippy::too_many_lines, reason = "a text, not code")]
fn layer_7(front: &Front, certificate: &str, key: &str) -> String {
    let hostname = front.hostname();
    format!(
        "{HEAD}
http {{
    access_log /var/log/nginx/access.log;
    server_tokens off;

    # An upgrade to a WebSocket is passed on; other requests share connections to the nodes.
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ''      '';
    }}

    upstream rancher {{
        least_conn;
        zone rancher 64k;
{servers}        keepalive 32;
    }}

    server {{
{http}        server_name {hostname};
        return 301 https://{hostname}$request_uri;
    }}

    server {{
{https}        server_name {hostname};

        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:10m;

        # Rancher judges how large a request may be; streams are passed on as they come.
        client_max_body_size 0;
        proxy_buffering off;
        proxy_request_buffering off;

        location / {{
            proxy_pass http://rancher;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            # What a client says of itself is not passed on.
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Port 443;
            proxy_set_header X-Forwarded-Host '';
            proxy_set_header Forwarded '';
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;

            # What a node does not take, or what its ingress cannot pass on, goes to another one.
            proxy_connect_timeout 2s;
            proxy_next_upstream error timeout http_502 http_503 http_504;
            # Agents and shells keep WebSockets open that may be silent for long.
            proxy_read_timeout 4h;
            proxy_send_timeout 4h;
        }}
    }}
}}
",
        servers = servers(front, 80),
        http = listen(front, 80, " default_server"),
        https = listen(front, 443, " ssl http2 default_server"),
    )
}

fn listen(front: &Front, port: u16, more: &str) -> String {
    let mut text = format!("        listen {port}{more};\n");
    if front.listens_on_ipv6() {
        text += &format!("        listen [::]:{port}{more};\n");
    }
    text
}

/// Two failures within three seconds take a node out for as long. No longer: while a dead node's pod is still among
/// Rancher's, the ingress of any node fails now and then, and with all of them out nginx would answer nothing but 502.
fn servers(front: &Front, port: u16) -> String {
    let line = |socket: String| format!("        server {socket} max_fails=2 fail_timeout=3s;\n");
    front.targets.iter().map(|one| line(one.socket(port))).collect()
}
