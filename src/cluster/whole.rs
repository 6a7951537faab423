//! Whether a kubeconfig as RKE writes it is there to its end: RKE writes it in place, and may be killed while it does.

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::{Access, ClusterError};
use data_encoding::BASE64;

/// The kubeconfig of this text, when it is whole: its CA, client certificate and key stand in it to their last line.
pub fn whole_kubeconfig(text: &str) -> Result<Access, ClusterError> {
    let access = Access::from_yaml(text)?;
    let cut = |what: &str| ClusterError::Kubeconfig { why: format!("its {what} is missing or cut off") };
    let named = access.kubeconfig.contexts.iter().find(|one| one.name == access.context);
    let context = named.and_then(|one| one.context.as_ref()).ok_or_else(|| cut("context"))?;
    let cluster = access.kubeconfig.clusters.iter().find(|one| one.name == context.cluster);
    let authority = cluster.and_then(|one| one.cluster.as_ref()?.certificate_authority_data.as_deref());
    let user = access.kubeconfig.auth_infos.iter().find(|one| Some(&one.name) == context.user.as_ref());
    let user = user.and_then(|one| one.auth_info.as_ref()).ok_or_else(|| cut("user"))?;
    let key = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
    for (what, data) in
        [("CA", authority), ("client certificate", user.client_certificate_data.as_deref()), ("key", key)]
    {
        if !data.is_some_and(is_pem_to_its_end) {
            return Err(cut(what));
        }
    }
    Ok(access)
}

fn is_pem_to_its_end(base64: &str) -> bool {
    // Our reader does without the padding, kubectl's does not.
    let padded = base64.trim().len().is_multiple_of(4);
    let bytes = BASE64.decode(base64.trim().as_bytes()).ok().filter(|_| padded).map(Zeroizing::new);
    let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    let last = text.lines().last().unwrap_or_default();
    // RKE's end with a newline, as Go writes all of them.
    text.starts_with("-----BEGIN ") && last.starts_with("-----END ") && text.ends_with("-----\n")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As RKE writes it (rancher/rke v1.8.0: pki/kubeconfig.go), with certificates that are none.
    pub(crate) fn kubeconfig() -> String {
        use k8s_openapi::ByteString;
        let pem = |what: &str| format!("-----BEGIN {what}-----\nQUJD\n-----END {what}-----\n");
        let base64 = |what| serde_json::to_value(ByteString(pem(what).into_bytes())).unwrap();
        let (certificate, key) = (base64("CERTIFICATE"), base64("RSA PRIVATE KEY"));
        let (certificate, key) = (certificate.as_str().unwrap(), key.as_str().unwrap());
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    api-version: v1\n    certificate-authority-data: {certificate}\n    \
             server: \"https://10.0.0.11:6443\"\n  name: \"prod\"\ncontexts:\n- context:\n    cluster: \"prod\"\n    \
             user: \"kube-admin-prod\"\n  name: \"prod\"\ncurrent-context: \"prod\"\nusers:\n- name: \"kube-admin-prod\"\n  user:\n    \
             client-certificate-data: {certificate}\n    client-key-data: {key}"
        )
    }

    #[test]
    fn a_kubeconfig_that_is_cut_anywhere_is_not_whole() {
        let text = kubeconfig();
        assert_eq!(whole_kubeconfig(&text).unwrap().server(), "https://10.0.0.11:6443");
        for length in 0..text.len() {
            assert!(whole_kubeconfig(&text[..length]).is_err(), "{}", &text[..length]);
        }
    }
}
