//! How a kubeconfig's user proves who it is, looked at without asking anybody.

use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, ExecConfig};

use super::Access;
use crate::remote::read_regular;
use data_encoding::BASE64;

/// No certificate comes near this (bytes).
const LARGEST: u64 = 1024 * 1024;

/// The proof that goes with the meant context; never a key or a token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The client certificate as PEM (it is no secret), or why it cannot be read.
    Certificate(Result<Vec<u8>, String>),
    Token,
    /// A file with a token, and whether it is there.
    TokenFile {
        path: PathBuf,
        there: bool,
    },
    /// A program that is asked for a token (exec plugin), and whether it is found.
    Program {
        command: String,
        found: bool,
        install_hint: Option<String>,
    },
    Password,
    /// An `auth-provider`, which newer clients no longer know.
    Provider(String),
    /// Nothing at all: the API will take us for anybody.
    Nothing,
}

impl Access {
    /// The meant context's name.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// How the context's user proves who it is; the last of the reasons why a kubeconfig that was fine is not.
    pub fn identity(&self) -> Identity {
        let context = self.kubeconfig.contexts.iter().find(|named| named.name == self.context);
        let user = context.and_then(|named| named.context.as_ref()?.user.clone()).unwrap_or_default();
        let found = self.kubeconfig.auth_infos.iter().find(|named| named.name == user);
        found.and_then(|named| named.auth_info.as_ref()).map_or(Identity::Nothing, of)
    }
}

/// In the order in which kube takes them.
fn of(user: &AuthInfo) -> Identity {
    if let Some(data) = &user.client_certificate_data {
        return Identity::Certificate(
            BASE64.decode(data.trim().as_bytes()).ok().ok_or_else(|| "client-certificate-data is not base64".into()),
        );
    }
    if let Some(file) = &user.client_certificate {
        let read = read_regular(Path::new(file), LARGEST).map_err(|error| match error.kind() {
            std::io::ErrorKind::Other => format!("{file}: {error}"),
            kind => format!("{file}: {kind}"),
        });
        return Identity::Certificate(read);
    }
    if let Some(program) = &user.exec {
        return program_of(program);
    }
    if user.token.is_some() {
        return Identity::Token;
    }
    if let Some(file) = &user.token_file {
        let path = PathBuf::from(file);
        return Identity::TokenFile { there: path.is_file(), path };
    }
    if let Some(provider) = &user.auth_provider {
        return Identity::Provider(provider.name.clone());
    }
    if user.username.is_some() { Identity::Password } else { Identity::Nothing }
}

fn program_of(program: &ExecConfig) -> Identity {
    let command = program.command.clone().unwrap_or_default();
    let found = !command.is_empty() && is_found(Path::new(&command));
    Identity::Program { found, command, install_hint: program.install_hint.clone() }
}

/// A path as it stands, a bare name along PATH.
fn is_found(command: &Path) -> bool {
    if command.components().count() > 1 {
        return command.is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(user: &str) -> Identity {
        let text = format!(
            "{{clusters: [{{name: a, cluster: {{server: 'https://10.0.0.1'}}}}], \
             contexts: [{{name: c, context: {{cluster: a, user: u}}}}], current-context: c, users: [{{name: u, user: {user}}}]}}"
        );
        Access::from_yaml(&text).unwrap().identity()
    }

    #[test]
    fn each_kind_of_proof_is_told_apart() {
        assert_eq!(identity("{client-certificate-data: YWJj}"), Identity::Certificate(Ok(b"abc".to_vec())));
        assert!(matches!(identity("{client-certificate-data: '?'}"), Identity::Certificate(Err(_))));
        assert!(matches!(identity("{client-certificate: /no/such.pem}"), Identity::Certificate(Err(_))));
        assert_eq!(identity("{token: x}"), Identity::Token);
        assert_eq!(identity("{tokenFile: /no/such}"), Identity::TokenFile { path: "/no/such".into(), there: false });
        let plugin = identity("{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin}}");
        assert_eq!(plugin, Identity::Program { command: "no-such-plugin".into(), found: false, install_hint: None });
        let shell = identity("{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh}}");
        assert!(matches!(shell, Identity::Program { found: true, .. }), "{shell:?}");
        assert_eq!(identity("{}"), Identity::Nothing);
    }
}
