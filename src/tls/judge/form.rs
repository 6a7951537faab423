//! The files themselves: is each what its name says, and in what shape.

use secrecy::zeroize::Zeroizing;

use super::super::agent::{self, Fault};
use super::super::certificate;
use super::super::key::{NotAKey, PrivateKeyFacts, read_private_key};
use super::super::pem::{self, Block, NotPem, Oddity, Pem};
use super::Bench;
use super::rules::{FORM, KEY_ENCRYPTED, UNREADABLE};

/// The certificates of a file in their order, as DER; `None` when not one can be read.
pub(super) fn certificates(bench: &mut Bench, file: &str, bytes: &[u8]) -> Option<Vec<Zeroizing<Vec<u8>>>> {
    let read = text(bench, file, bytes)?;
    let mut found = Vec::new();
    let mut good = true;
    for block in &read.blocks {
        if block.joined {
            good = false;
            let seen = format!("line {}: the line break between its END and the next BEGIN is missing", block.line);
            let fix = "put it between `-----END …-----` and `-----BEGIN …-----`: files that are put together need one at their ends";
            bench.fail(&UNREADABLE, file, seen, fix.into());
        }
        match certificate_of(block) {
            Ok(der) => {
                if let Err((seen, fix)) = agent_reads(&der) {
                    good = false;
                    bench.fail(&UNREADABLE, file, format!("line {}: {seen}", block.line), fix);
                }
                found.push(der);
            }
            Err((seen, fix)) => {
                good = false;
                bench.fail(&UNREADABLE, file, format!("line {}: {seen}", block.line), fix);
            }
        }
    }
    if good {
        bench.pass(&UNREADABLE, file, format!("{} in PEM", count(found.len(), "certificate")));
    }
    Some(found).filter(|found| !found.is_empty())
}

/// The one private key of a file.
pub(super) fn private_key(bench: &mut Bench, file: &str, bytes: &[u8]) -> Option<PrivateKeyFacts> {
    let read = text(bench, file, bytes)?;
    let keys: Vec<&Block> = read.blocks.iter().filter(|block| block.is_private_key()).collect();
    let [only] = keys[..] else {
        let labels: Vec<&str> = read.blocks.iter().map(|block| block.label.as_str()).collect();
        let (seen, fix) = match keys.len() {
            0 => (
                format!("no private key in it, but: {}", labels.join(", ")),
                "give the file whose first line reads `-----BEGIN PRIVATE KEY-----` (or RSA or EC PRIVATE KEY)",
            ),
            several => (format!("{several} private keys in it"), "leave the one that belongs to the certificate"),
        };
        bench.fail(&UNREADABLE, file, seen, fix.into());
        return None;
    };
    match read_private_key(only) {
        Ok(facts) => {
            bench.pass(&UNREADABLE, file, format!("a private key, {} in {}", facts.kind, facts.wrapping));
            bench.pass(&KEY_ENCRYPTED, file, "it is not encrypted".into());
            Some(facts)
        }
        Err(NotAKey::Encrypted) => {
            bench.fail(&KEY_ENCRYPTED, file, format!("the key at line {} is encrypted", only.line), String::new());
            None
        }
        Err(why @ (NotAKey::WrongBlock(_) | NotAKey::Broken(_))) => {
            let fix =
                "write it as PKCS#8: `openssl pkey -in KEY -out NEW`, or `ssh-keygen -p -m PKCS8` for an OpenSSH key";
            bench.fail(&UNREADABLE, file, format!("line {}: {why}", only.line), fix.into());
            None
        }
    }
}

fn text(bench: &mut Bench, file: &str, bytes: &[u8]) -> Option<Pem> {
    let read = match pem::read(bytes) {
        Ok(read) => read,
        Err(why) => {
            bench.fail(&UNREADABLE, file, why.to_string(), fix_of(why).into());
            return None;
        }
    };
    if read.oddities.is_empty() {
        bench.pass(&FORM, file, "plain PEM text".into());
    } else {
        let odd: Vec<String> = read.oddities.iter().map(|odd| words(*odd)).collect();
        bench.warn(&FORM, file, odd.join(", "), String::new());
    }
    Some(read)
}

fn certificate_of(block: &Block) -> Result<Zeroizing<Vec<u8>>, (String, String)> {
    if !block.is_certificate() {
        return Err((format!("a {} where a certificate is wanted", block.label), wrong_block(block).into()));
    }
    let der = block.content.as_ref().map_err(|why| {
        (format!("a certificate, but {why}"), "copy the file again: it was damaged on its way".to_owned())
    })?;
    match certificate::parse(der) {
        Ok(_) => Ok(der.clone()),
        Err(why) => Err((
            format!("not a certificate inside: {}", certificate::shown(&why)),
            "copy the file again: it was damaged on its way".into(),
        )),
    }
}

/// What the parser here takes and agents do not. Keys of kinds that they do not have are named by a rule of their own.
fn agent_reads(der: &[u8]) -> Result<(), (String, String)> {
    match agent::read(der) {
        Ok(_) | Err(Fault::Curve | Fault::CurveSpeltOut) => Ok(()),
        Err(why) => Err((
            format!("agents, and all that is written in Go, cannot read this certificate: {why}"),
            why.fix().into(),
        )),
    }
}

fn wrong_block(block: &Block) -> &'static str {
    match block.label.as_str() {
        label if label.ends_with("PRIVATE KEY") => {
            "keep the key in a file of its own, given as `tls.key` (or `tls.ca_key`)"
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "this is the request: send it to the CA, and give the certificate that comes back"
        }
        "PKCS7" | "CMS" => {
            "take the certificates out: `openssl pkcs7 -in FILE -print_certs`, and put the server's first"
        }
        "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => "write it plainly: `openssl x509 -in FILE`",
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "give the certificate, not only its public key",
        _ => "take this block out of the file",
    }
}

fn fix_of(why: NotPem) -> &'static str {
    match why {
        NotPem::Empty => "the file was not written to the end: copy it again",
        NotPem::Der => {
            "convert it: `openssl x509 -inform der -in FILE` for a certificate, `openssl pkey -inform der -in FILE` for a key"
        }
        NotPem::Pkcs12 => {
            "take both out: `openssl pkcs12 -in FILE -nokeys` and `openssl pkcs12 -in FILE -nocerts -noenc`"
        }
        NotPem::JavaKeyStore => {
            "convert it: `keytool -importkeystore -srckeystore FILE -destkeystore NEW.p12 -deststoretype PKCS12`, then `openssl pkcs12`"
        }
        NotPem::Utf16 => "save it as plain text: `iconv -f UTF-16 -t ASCII FILE`",
        NotPem::Joined => {
            "copy the file again with its line breaks: `-----BEGIN …-----` and `-----END …-----` are lines of their own"
        }
        NotPem::Pkcs7 => {
            "take the certificates out: `openssl pkcs7 -inform der -in FILE -print_certs`, and put the server's first"
        }
        NotPem::EncodedPem => "decode it once: `base64 -d FILE`",
        NotPem::BareBase64 => {
            "convert it: `base64 -d FILE | openssl x509 -inform der`, which writes the lines around it"
        }
        NotPem::NoBlock => "give the file that has a line `-----BEGIN …-----`",
    }
}

fn words(odd: Oddity) -> String {
    match odd {
        Oddity::ByteOrderMark(1) => "a byte order mark at the start".into(),
        Oddity::ByteOrderMark(line) => format!("a byte order mark in the middle (line {line})"),
        Oddity::WindowsLineEnds => "Windows line ends".into(),
        Oddity::Indented => "indented lines".into(),
        Oddity::Comments(line) => format!("other text around the blocks (line {line})"),
    }
}

pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
