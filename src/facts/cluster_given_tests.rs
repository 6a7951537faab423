//! What Rancher hands out, as an API tells it that is only a list of answers.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::cluster::{Access, Route};

/// A cluster whose API has these answers by path, and says 404 to everything else.
async fn api(answers: Vec<(&'static str, Value)>) -> Cluster {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let answers = answers.clone();
            tokio::spawn(async move {
                let mut line = String::new();
                while stream.read_line(&mut line).await.unwrap_or_default() > 0 {
                    let path = line.split([' ', '?']).nth(1).unwrap_or_default().to_string();
                    while line != "\r\n" {
                        line.clear();
                        stream.read_line(&mut line).await.unwrap();
                    }
                    line.clear();
                    let found = answers.iter().find(|(wanted, _)| *wanted == path);
                    let (code, body) = match found {
                        Some((_, body)) => (200, body.to_string()),
                        None => (
                            404,
                            json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})
                                .to_string(),
                        ),
                    };
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {code} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
            });
        }
    });
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\nusers: [{{name: u, user: {{token: x}}}}]\n"
    );
    Cluster::open(&Access::from_yaml(&kubeconfig).unwrap(), Route::Direct).await.unwrap()
}

fn kinds(path: &'static str, group: &str, kind: &str, name: &str, namespaced: bool) -> (&'static str, Value) {
    let resource = json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get"]});
    (path, json!({"kind": "APIResourceList", "groupVersion": group, "resources": [resource]}))
}

fn deployment(spec: Value) -> Vec<(&'static str, Value)> {
    let metadata = json!({"name": "rancher", "namespace": "cattle-system"});
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": spec}}});
    vec![
        kinds("/apis/apps/v1", "apps/v1", "Deployment", "deployments", true),
        ("/apis/apps/v1/namespaces/cattle-system/deployments/rancher", object),
    ]
}

fn secret(path: &'static str, key: &str, base64: &str) -> (&'static str, Value) {
    (path, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {key: base64}}))
}

const TLS_CA: &str = "/api/v1/namespaces/cattle-system/secrets/tls-ca";
const TLS_RANCHER: &str = "/api/v1/namespaces/cattle-system/secrets/tls-rancher";

fn mounted() -> Value {
    json!({"volumes": [{"secret": {"secretName": "tls-ca"}}], "containers": []})
}

#[tokio::test]
async fn it_is_looked_for_where_the_deployment_points() {
    let cluster = api([deployment(mounted()), vec![secret(TLS_CA, "cacerts.pem", "Z2l2ZW4=")]].concat()).await;
    let seen = given(&cluster, None).await.unwrap();
    assert_eq!(seen, Given { handed_out: HandedOut::File, cacerts: Some("given".into()), served: None });
    let none = api(deployment(json!({"containers": [{"args": ["--no-cacerts"]}]}))).await;
    assert_eq!(given(&none, None).await.unwrap().cacerts.as_deref(), Some(""));
}

#[tokio::test]
async fn where_the_deployment_pointed_before_rke_changed_it_counts() {
    let now = deployment(json!({"containers": [{"args": ["--no-cacerts"]}]}));
    let cluster = api([now, vec![secret(TLS_CA, "cacerts.pem", "Z2l2ZW4=")]].concat()).await;
    assert_eq!(given(&cluster, Some(HandedOut::File)).await.unwrap().cacerts.as_deref(), Some("given"));
}

#[tokio::test]
async fn without_a_deployment_or_its_secret_what_is_left_tells_and_else_nobody() {
    assert_eq!(given(&api(vec![]).await, None).await.unwrap().cacerts, None);
    let left = api(vec![secret(TLS_RANCHER, "tls.crt", "b3du")]).await;
    let own = Some("own".to_string());
    let seen = given(&left, None).await.unwrap();
    assert_eq!(seen, Given { handed_out: HandedOut::TlsRancher, cacerts: own.clone(), served: own });
    let setting = vec![
        kinds("/apis/management.cattle.io/v3", "management.cattle.io/v3", "Setting", "settings", false),
        (
            "/apis/management.cattle.io/v3/settings/cacerts",
            json!({"apiVersion": "management.cattle.io/v3", "kind": "Setting", "metadata": {"name": "cacerts"}, "value": "set"}),
        ),
    ];
    let cluster = api([deployment(mounted()), setting].concat()).await;
    assert_eq!(given(&cluster, None).await.unwrap().cacerts.as_deref(), Some("set"));
}
