//! The real helm: rendering, adoption of what an addon delivered, and what a killed run leaves.

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cowhand::cluster::{Apply, ChartRef, Helm, HelmError, HelmRun, ObjectRef, ReleaseStatus, Render, split_for_addon};
use cowhand::failure::Hint;
use cowhand::plan::release::unfinished;
use serde_json::{Value, json};

use crate::api::{api, namespace};

/// A chart with one of each: an object, one without namespace, a Secret, a hook, a strict schema.
fn chart(folder: &Path) -> PathBuf {
    let chart = folder.join("cow");
    fs::create_dir_all(chart.join("templates")).unwrap();
    let write = |name: &str, text: &str| fs::write(chart.join(name), text).unwrap();
    write("Chart.yaml", "apiVersion: v2\nname: cow\nversion: 1.2.3\nappVersion: v4\nkubeVersion: '< 1.33.0-0'\n");
    write("values.yaml", "hostname: ''\nhang: false\n");
    write(
        "values.schema.json",
        r#"{"type": "object", "additionalProperties": false, "properties": {"hostname": {"type": "string"}, "hang": {"type": "boolean"}}}"#,
    );
    write(
        "templates/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cow, labels: {app: cow}}\ndata: {hostname: {{ .Values.hostname | quote }}}\n",
    );
    write(
        "templates/role.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: cow-{{ .Release.Namespace }}}\nrules: []\n",
    );
    write("templates/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: cow}\nstringData: {k: v}\n");
    write(
        "templates/hook.yaml",
        concat!(
            "{{- if .Values.hang }}\napiVersion: batch/v1\nkind: Job\nmetadata: {name: cow-hook, annotations: {helm.sh/hook: \"post-install,post-upgrade\"}}\n",
            "spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: none.test/x}]}}}\n{{- end }}\n"
        ),
    );
    chart
}

fn render(chart: PathBuf, namespace: &str, values: Value) -> Render {
    Render { chart: ChartRef::Path(chart), release: "cow".into(), namespace: namespace.into(), values }
}

fn helm(folder: &Path) -> Helm {
    Helm::new(crate::program("helm"), folder.join("helm-home"))
}

#[tokio::test]
async fn a_chart_is_rendered_for_the_engines_version() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, chart) = (helm(folder.path()), chart(folder.path()));
    let facts = helm.show_chart(&ChartRef::Path(chart.clone())).await.unwrap();
    assert_eq!((facts.name.as_str(), facts.version.as_str()), ("cow", "1.2.3"));
    let wanted = render(chart, "a", json!({"hostname": "yes", "hang": true}));
    let manifests = helm.template(&wanted, "v1.32.2-rancher1-1").await.unwrap();
    let kinds: Vec<_> = manifests.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Secret", "ConfigMap", "ClusterRole", "Job"]);
    assert_eq!(manifests[1]["data"]["hostname"], "yes", "a value stays the text that it is");
    let parts = split_for_addon(manifests.clone(), "cow", "a").unwrap();
    assert_eq!((parts.addon.len(), parts.secrets.len(), parts.dropped_hooks.len()), (3, 1, 1));
    assert_eq!(parts, split_for_addon(helm.template(&wanted, "v1.32.2").await.unwrap(), "cow", "a").unwrap());
}

#[tokio::test]
async fn what_a_chart_refuses_is_told_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, chart) = (helm(folder.path()), chart(folder.path()));
    let error = helm.template(&render(chart.clone(), "a", json!({})), "v1.34.1").await.unwrap_err();
    assert!(error.to_string().contains("chart requires kubeVersion: < 1.33.0-0 which is incompatible"), "{error}");
    assert!(error.hint().unwrap().contains("engine.rke.kubernetes"));
    let error = helm.template(&render(chart, "a", json!({"hostnam": "x"})), "v1.32.2").await.unwrap_err();
    assert!(error.to_string().contains("hostnam") && error.hint().unwrap().contains("value"), "{error}");
}

#[tokio::test]
async fn helm_adopts_what_the_addon_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, chart) = (helm(folder.path()), chart(folder.path()));
    let cluster = api().cluster().await;
    let kubeconfig = api().access().helm_kubeconfig(api().route(), folder.path()).await.unwrap();
    let run = HelmRun { kubeconfig: kubeconfig.path(), limit: Duration::from_secs(60) };
    let wanted = render(chart, "adopt", json!({"hostname": "cow.test"}));
    let parts = split_for_addon(helm.template(&wanted, "v1.32.2").await.unwrap(), "cow", "adopt").unwrap();
    let all: Vec<Value> = parts.addon.into_iter().chain(parts.secrets).collect();
    cluster.apply(&all, &Apply::default(), |_| ()).await.unwrap();
    let object = ObjectRef::new("v1", "ConfigMap", Some("adopt"), "cow");
    let uid = |found: Option<Value>| found.unwrap().pointer("/metadata/uid").cloned();
    let before = uid(cluster.get(&object).await.unwrap());
    assert_eq!(helm.release(run, "adopt", "cow").await.unwrap(), None);
    helm.upgrade_install(run, &wanted).await.unwrap();
    let release = helm.release(run, "adopt", "cow").await.unwrap().unwrap();
    assert_eq!((release.status, release.chart.as_str()), (ReleaseStatus::Deployed, "cow-1.2.3"));
    assert_eq!(uid(cluster.get(&object).await.unwrap()), before, "adopted, not made anew");
    assert_eq!(helm.get_values(run, "adopt", "cow").await.unwrap(), json!({"hostname": "cow.test"}));
    assert!(helm.uninstall(run, "adopt", "cow").await.unwrap());
    assert!(!helm.uninstall(run, "adopt", "cow").await.unwrap());
    assert_eq!(cluster.get(&object).await.unwrap(), None);
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, chart) = (helm(folder.path()), chart(folder.path()));
    let cluster = api().cluster().await;
    namespace(&cluster, "theirs").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cow", "namespace": "theirs"}});
    cluster.apply(&[map], &Apply::default(), |_| ()).await.unwrap();
    let kubeconfig = api().access().helm_kubeconfig(api().route(), folder.path()).await.unwrap();
    let run = HelmRun { kubeconfig: kubeconfig.path(), limit: Duration::from_secs(60) };
    let error = helm.upgrade_install(run, &render(chart, "theirs", json!({}))).await.unwrap_err();
    assert!(error.hint().unwrap().contains("made by somebody else"), "{error}");
}

#[tokio::test]
async fn a_killed_run_is_freed_without_removing_anything() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, chart) = (helm(folder.path()), chart(folder.path()));
    let cluster = api().cluster().await;
    namespace(&cluster, "killed").await;
    let kubeconfig = api().access().helm_kubeconfig(api().route(), folder.path()).await.unwrap();
    let run = HelmRun { kubeconfig: kubeconfig.path(), limit: Duration::from_secs(600) };
    let hanging = render(chart.clone(), "killed", json!({"hang": true}));
    let hook = ObjectRef::new("batch/v1", "Job", Some("killed"), "cow-hook");
    // Dropped, helm is killed with its group: it waits for a hook that no kubelet runs.
    tokio::select! {
        ended = helm.upgrade_install(run, &hanging) => panic!("{ended:?}"),
        () = async { while cluster.get(&hook).await.unwrap().is_none() { tokio::time::sleep(Duration::from_millis(200)).await } } => {}
    }
    let good = render(chart, "killed", json!({"hostname": "x"}));
    let error = helm.upgrade_install(run, &good).await.unwrap_err();
    assert!(matches!(&error, HelmError::Failed { said, .. } if said.contains("another operation")), "{error}");
    let status = helm.release(run, "killed", "cow").await.unwrap().unwrap().status;
    assert_eq!(status, ReleaseStatus::PendingInstall);
    let record = unfinished("killed", "cow", "pending-install", 1).unwrap();
    assert!(cluster.delete(&record).await.unwrap(), "helm's record is called otherwise");
    let object = ObjectRef::new("v1", "ConfigMap", Some("killed"), "cow");
    assert!(cluster.get(&object).await.unwrap().is_some(), "what ran still runs");
    helm.upgrade_install(run, &good).await.unwrap();
    assert_eq!(helm.release(run, "killed", "cow").await.unwrap().unwrap().status, ReleaseStatus::Deployed);
    assert_eq!(unfinished("killed", "cow", "deployed", 1), None);
}

/// Packs the chart and serves it as a repository does.
fn repository(folder: &Path) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let chart = chart(folder);
    let run = |words: &[&str]| {
        let ran = std::process::Command::new(crate::program("helm")).args(words).current_dir(folder).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    run(&["package", chart.to_str().unwrap(), "-d", "served"]);
    run(&["repo", "index", "served", "--url", &url]);
    let served = folder.join("served");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            std::io::BufReader::new(&stream).read_line(&mut line).unwrap();
            let file = served.join(line.split(' ').nth(1).unwrap().trim_start_matches('/'));
            let (status, body) = match fs::read(file) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_chart_comes_from_its_repository_in_the_pinned_version() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, url) = (helm(folder.path()), repository(folder.path()));
    let from = |url: &str, version: &str| ChartRef::Repository {
        url: url.into(),
        name: "cow".into(),
        version: version.into(),
    };
    assert_eq!(helm.show_chart(&from(&url, "1.2.3")).await.unwrap().version, "1.2.3");
    let wanted = Render { chart: from(&url, "1.2.3"), ..render(PathBuf::new(), "a", json!({})) };
    assert_eq!(helm.template(&wanted, "v1.32.2").await.unwrap().len(), 3);
    let error = helm.show_chart(&from(&url, "9.9.9")).await.unwrap_err().to_string();
    assert!(error.contains("9.9.9"), "{error}");
    let error = helm.show_chart(&from("http://127.0.0.1:1", "1.2.3")).await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("repository does not answer")), "{error}");
}
