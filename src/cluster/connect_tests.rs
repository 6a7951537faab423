use std::os::unix::fs::PermissionsExt;

use super::*;

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
clusters:
- cluster: {api-version: v1, server: "https://10.0.0.11:6443", certificate-authority-data: Zm9v}
  name: prod
contexts:
- context: {cluster: prod, user: kube-admin-prod}
  name: prod
current-context: prod
users:
- name: kube-admin-prod
  user: {client-certificate-data: Zm9v, client-key-data: Q0FOQVJZ}
"#;

#[tokio::test]
async fn a_route_through_us_keeps_the_name_to_check() {
    let access = Access::from_yaml(KUBECONFIG).unwrap();
    assert_eq!(access.endpoint().unwrap(), ("10.0.0.11".into(), 6443));
    let folder = tempfile::tempdir().unwrap();
    let file = access.helm_kubeconfig(Route::Through { port: 4711 }, folder.path()).await.unwrap();
    assert_eq!(file.path().parent(), Some(folder.path()));
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.contains("https://127.0.0.1:4711"), "{text}");
    assert!(text.contains("tls-server-name: \"10.0.0.11\""), "{text}");
    assert!(text.contains("client-key-data: Q0FOQVJZ"), "{text}");
    let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let path = file.path().to_owned();
    drop(file);
    assert!(!path.exists());
}

#[test]
fn keys_do_not_show() {
    let access = Access::from_yaml(KUBECONFIG).unwrap();
    assert!(!format!("{access:?}").contains("Q0FOQVJZ"));
    let broken = Access::from_yaml("users: [Q0FOQVJZ").unwrap_err();
    assert!(!broken.to_string().contains("Q0FOQVJZ"), "{broken}");
}

#[test]
fn what_a_kubeconfig_lacks_is_named() {
    let text = KUBECONFIG.replace("current-context: prod", "current-context: test");
    let error = Access::from_yaml(&text).unwrap_err().to_string();
    assert_eq!(error, "the kubeconfig cannot be used: it has no context test; it has prod");
}

/// Such certificates are what `openssl x509 -req` makes where no extension is asked for.
#[tokio::test]
async fn a_client_certificate_of_version_1_is_the_users_own_and_not_the_servers() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/facts/client-v1");
    let user = format!("{{client-certificate: '{data}.pem', client-key: '{data}.key'}}");
    let text = KUBECONFIG
        .replace("{client-certificate-data: Zm9v, client-key-data: Q0FOQVJZ}", &user)
        .replace("certificate-authority-data: Zm9v", "insecure-skip-tls-verify: true");
    let error = Cluster::connect(&text, Route::Direct).await.err().unwrap();
    assert!(matches!(error, ClusterError::Kubeconfig { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("the client certificate of its user is of X.509 version 1"), "{said}");
    assert!(!said.contains("peer"), "{said}");
}

/// A kubeconfig for plain http on loopback.
fn plain(port: u16) -> String {
    let text = KUBECONFIG.replace("https://10.0.0.11:6443", &format!("http://127.0.0.1:{port}"));
    let text = text.replace("certificate-authority-data: Zm9v", "disable-compression: true");
    text.replace("{client-certificate-data: Zm9v, client-key-data: Q0FOQVJZ}", "{token: x}")
}

#[tokio::test]
async fn a_server_that_sheds_load_is_asked_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let version = r#"{"major":"1","minor":"32","gitVersion":"v1.32.2","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
    let answers = [("429 Too Many Requests", "{}"), ("503 Service Unavailable", "{}"), ("200 OK", version)];
    let server = tokio::spawn(async move {
        for (status, body) in answers {
            let (mut wire, _) = listener.accept().await.unwrap();
            let _ = wire.read(&mut [0; 4096]).await.unwrap();
            let head = format!("HTTP/1.1 {status}\r\nRetry-After: 0\r\nConnection: close\r\n");
            let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            wire.write_all(text.as_bytes()).await.unwrap();
        }
    });
    let cluster = Cluster::connect(&plain(port), Route::Direct).await.unwrap();
    assert_eq!(cluster.version().await.unwrap(), "v1.32.2");
    server.await.unwrap();
}

#[tokio::test]
async fn a_wait_for_readiness_ends_in_time_and_says_what_is_not_ready() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The first answer says what is missing, the second never comes.
    let server = tokio::spawn(async move {
        let (mut wire, _) = listener.accept().await.unwrap();
        let _ = wire.read(&mut [0; 4096]).await.unwrap();
        let body = "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n";
        let head = "HTTP/1.1 500 Internal Server Error\r\nConnection: close";
        let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        wire.write_all(text.as_bytes()).await.unwrap();
        drop(wire);
        let (_silent, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let cluster = Cluster::connect(&plain(port), Route::Direct).await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(cluster.ready_within(Duration::from_secs(3)).await, Err("not ready: etcd".into()));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.abort();
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut wire, _) = listener.accept().await.unwrap();
        let _ = wire.read(&mut [0; 4096]).await.unwrap();
        let mut sent = 0;
        wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").await.unwrap();
        // Until nobody listens any more.
        while wire.write_all(&[b' '; 65536]).await.is_ok() {
            sent += 65536;
        }
        sent
    });
    let cluster = Cluster::connect(&plain(port), Route::Direct).await.unwrap();
    let error = cluster.version().await.unwrap_err();
    assert!(error.to_string().contains("length limit exceeded"), "{error}");
    drop(cluster);
    assert!(server.await.unwrap() < 2 * LARGEST_ANSWER);
}

#[tokio::test]
async fn what_a_users_program_is_given_is_not_told_when_it_fails() {
    let exec = "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, \
            args: [-c, 'echo no luck >&2; exit 3', CANARYARG], env: [{name: SECRET, value: CANARYENV}]}}";
    let text = plain(1).replace("{token: x}", exec);
    let error = Cluster::connect(&text, Route::Direct).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "the kubeconfig cannot be used: the program that its user names failed with exit status: 3: no luck"
    );
}

#[tokio::test]
async fn nobody_there_is_said_in_one_sentence() {
    let cluster = Cluster::connect(&plain(1), Route::Direct).await.unwrap();
    let error = cluster.version().await.unwrap_err();
    assert_eq!(error.to_string(), "no answer from http://127.0.0.1:1: connection refused");
}
