//! What `up` says at its end: where Rancher answers, how to log in, how to go on.

use std::path::Path;

use crate::remote::Words;
use crate::session::inputs::Inputs;
use crate::session::project::Project;

pub fn text(inputs: &Inputs<'_>) -> String {
    let project = inputs.project;
    let rancher = &project.inventory.rancher;
    let agents = match &inputs.picture.predicted {
        crate::tls::Predicted::Checksum(sum) => format!("agents will see checksum {}…", &sum[..sum.len().min(12)]),
        crate::tls::Predicted::Empty => "agents go by their system's CA store".into(),
        crate::tls::Predicted::KnownAfterInstall { .. } => "agents will see the checksum of Rancher's own CA".into(),
    };
    let mut text = format!("https://{} answers on every path that was tried; {agents}\n", rancher.hostname);
    text += &format!("first login  user admin, bootstrap password in {}\n", project.password_file().display());
    if let Some(ca) = project.made_ca() {
        text += &format!("trust        {} (the CA for browsers)\n", ca.certificate.display());
    }
    text + "kubectl      " + &kubectl(project)
}

/// How a person goes on with kubectl: a kubeconfig with contexts of other clusters may lead to one of these.
fn kubectl(project: &Project) -> String {
    let export = |file: &Path| format!("export KUBECONFIG={}", Words::new(file.display().to_string()).line());
    let file = project.inventory.engine.kubeconfig(&project.workspace);
    match project.inventory.engine.given_cluster().and_then(|given| given.context.as_ref()) {
        None => export(&file),
        Some(context) => {
            let file = file.display().to_string();
            Words::new("kubectl").arg("--kubeconfig").arg(file).arg("--context").arg(context).line()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Engine, Existing};

    #[test]
    fn kubectl_is_led_to_the_context_of_the_inventory() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::of_test(folder.path());
        assert!(
            kubectl(&project).starts_with("export KUBECONFIG=")
                && kubectl(&project).ends_with("kube_config_cluster.yml")
        );
        project.inventory.engine =
            Engine::Existing(Existing { kubeconfig: "/home/me/.kube/config".into(), context: Some("a b".into()) });
        assert_eq!(kubectl(&project), "kubectl --kubeconfig /home/me/.kube/config --context 'a b'");
    }
}
