//! The CA of the bucket that etcd's snapshots go to: text of the inventory, or a file that it names.

use crate::inventory::{BucketCa, Inventory};
use crate::remote::read_regular;
use crate::tls::only_certificates;

/// No list of CAs comes near this.
const LARGEST: u64 = 1024 * 1024;

/// Key and reason, when it cannot be used.
pub fn unfit(inventory: &Inventory) -> Option<(String, String)> {
    read(inventory).err().map(|why| (BucketCa::KEY.to_owned(), why))
}

/// Its certificates as PEM; `None` when the inventory names none.
///
/// # Errors
/// Why there is no certificate to be had.
pub fn read(inventory: &Inventory) -> Result<Option<String>, String> {
    let Some(rke) = inventory.engine.rke_settings() else { return Ok(None) };
    let bytes = match &rke.bucket_ca {
        None => return Ok(None),
        Some(BucketCa::Text(text)) => text.clone().into_bytes(),
        Some(BucketCa::File(path)) => {
            read_regular(path, LARGEST).map_err(|why| format!("{} cannot be read: {why}", path.display()))?
        }
    };
    only_certificates(&bytes).map(Some).map_err(|why| format!("rke wants a CA in PEM here: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Engine;
    use crate::session::project::Project;

    #[test]
    fn only_certificates_come_out_of_text_and_file_alike() {
        let folder = tempfile::tempdir().unwrap();
        let made = crate::tls::make_ca("bucket", jiff::Timestamp::now()).unwrap();
        let both = format!("{}{}", made.certificate_pem, secrecy::ExposeSecret::expose_secret(&made.key_pem));
        let path = folder.path().join("both.pem");
        std::fs::write(&path, both).unwrap();
        let mut project = Project::of_test(folder.path());
        let mut with = |given: Option<BucketCa>| {
            let Engine::Rke(rke) = &mut project.inventory.engine else { panic!("{:?}", project.inventory.engine) };
            rke.bucket_ca = given;
            read(&project.inventory)
        };
        assert_eq!(with(None), Ok(None));
        let of_file = with(Some(BucketCa::File(path))).unwrap().unwrap();
        assert_eq!(Some(of_file.clone()), with(Some(BucketCa::Text(made.certificate_pem.clone()))).unwrap());
        assert!(!of_file.contains("PRIVATE KEY") && of_file.contains("BEGIN CERTIFICATE"), "{of_file}");
        let none = with(Some(BucketCa::Text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into())));
        assert!(none.unwrap_err().starts_with("rke wants a CA in PEM here: "));
        let absent = with(Some(BucketCa::File(folder.path().join("none.pem"))));
        assert!(absent.unwrap_err().contains("none.pem cannot be read: No such file"));
    }
}
