//! Every rule that certificates are judged by. `check --list` prints this table.

use serde::Serialize;

/// One rule: what is asked, why it matters, what to do when it is broken.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    pub id: &'static str,
    pub what: &'static str,
    pub why: &'static str,
    pub fix: &'static str,
}

macro_rules! rules {
    ($($name:ident = $id:literal: $what:literal, $why:literal, $fix:literal;)*) => {
        $(pub static $name: Rule = Rule { id: $id, what: $what, why: $why, fix: $fix };)*
        /// All rules, in the order in which they are judged.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    UNREADABLE = "tls.unreadable":
        "each TLS file holds what its name says, as PEM",
        "ingress controllers, cert-manager and Rancher read PEM only, and serve a certificate of their own making when they cannot",
        "convert the file to PEM with `openssl`";
    FORM = "tls.form":
        "the PEM text is plain: no byte order mark, Windows line ends, indentation or comments",
        "Go passes over a block that does not start a line, and every stray character in a CA changes the checksum that agents compare",
        "nothing need be done here: cowhand sends the text without it; tidy the file if others use it too";
    KEY_ENCRYPTED = "tls.key-encrypted":
        "private keys are not encrypted",
        "a Kubernetes Secret holds the key as servers use it, and nobody could type the passphrase",
        "write it without passphrase: `openssl pkey -in KEY -out PLAIN`";
    KEY_MISMATCH = "tls.key-mismatch":
        "the private key belongs to the certificate",
        "a server cannot use the pair; ingress controllers then serve a fake certificate without saying so",
        "find the key that was made with the request of this certificate, or have a new certificate made";
    NAME = "tls.name":
        "the certificate covers Rancher's name, as a subject alternative name",
        "browsers and agents compare the name that they called; the common name alone counts nowhere since 2017 (RFC 9525)",
        "have the certificate made anew with this name as DNS (or IP) subject alternative name";
    CHAIN_ORDER = "tls.chain-order":
        "the file starts with the server's certificate, and each one is followed by its issuer",
        "servers send the file as it stands, and many clients do not sort it",
        "put the server's certificate first, then the intermediate that signed it, and so on";
    CHAIN_INCOMPLETE = "tls.chain-incomplete":
        "all intermediate certificates are there",
        "clients know the root only; browsers may find a missing intermediate by themselves, agents never do",
        "append the missing intermediate's certificate, which the CA publishes";
    ROOT_INCLUDED = "tls.root-included":
        "the root is not sent along",
        "a client that does not know the root will not believe it from the server: it only makes each handshake longer",
        "take the self-signed certificate out of the file";
    CA_MISMATCH = "tls.ca-mismatch":
        "the certificate leads to a CA that clients are told to trust",
        "in mode strict agents trust exactly the CA that Rancher hands them; with another one nothing can join",
        "give the CA that really signed the certificate as `tls.ca`";
    CA_UNKNOWN = "tls.ca-unknown":
        "without `tls.ca`, the certificate leads to a public CA: one that this machine's system knows",
        "a CA of your own that nobody is told of fails in every browser and agent, and only at the end of `up`",
        "give the CA's certificate as `tls.ca`; a public CA that this machine does not know yet can be given, too";
    CA_CHAIN = "tls.ca-chain":
        "in the file of a CA that is to sign, the signing certificate is first, and all others lead up from it",
        "cert-manager issues nothing with a CA file that is not one single chain, and signs with the first certificate",
        "leave the signing CA's certificate first, then its issuer's, up to the root, and nothing else";
    NOT_A_CA = "tls.not-a-ca":
        "what signs is allowed to: basicConstraints CA:TRUE, and keyCertSign where a keyUsage is given",
        "clients refuse a chain through a certificate that is not a CA, and cert-manager refuses to sign with it",
        "use the CA's own certificate, made with `basicConstraints=critical,CA:TRUE` and `keyUsage=keyCertSign,cRLSign`";
    PATH_LENGTH = "tls.path-length":
        "no CA in the chain signs deeper than its path length allows",
        "clients refuse the whole chain, often with nothing but `unknown authority`",
        "have the certificate signed by a CA further up, or the intermediate made anew with a greater path length";
    EXPIRED = "tls.expired":
        "the certificate has not ended",
        "no client accepts it",
        "have it renewed";
    NOT_YET_VALID = "tls.not-yet-valid":
        "the certificate has begun",
        "no client accepts it before",
        "wait, have it made with an earlier start, or set this machine's clock right";
    ENDS_SOON = "tls.ends-soon":
        "the certificate is good for 30 days and more",
        "when it ends, users and agents are locked out in the same second",
        "have it renewed now, while there is time";
    TOO_LONG = "tls.too-long":
        "the server's certificate does not live longer than clients accept",
        "browsers refuse public certificates of more than 398 days, and Apple's systems private ones of more than 825 (support.apple.com 103769, 102028)",
        "have it made for a shorter time";
    NODE_CLOCK = "tls.node-clock":
        "by every node's clock the certificates have begun",
        "agents and Rancher's pods judge by the node's clock, not by yours",
        "set the node's clock right (NTP)";
    WEAK_SIGNATURE = "tls.weak-signature":
        "the certificate is not signed with SHA-1 or MD5",
        "Go since 1.18 refuses them, and with it every agent",
        "have it signed with SHA-256";
    WEAK_KEY = "tls.weak-key":
        "RSA keys have 2048 bits and more",
        "browsers and current OpenSSL refuse shorter ones",
        "make a new key (`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`) and have the certificate made anew";
    KEY_KIND = "tls.key-kind":
        "the key is of a kind that all clients take: RSA, EC P-256 or P-384",
        "browsers refuse P-521 in part and Ed25519 altogether; other curves are unknown to Go",
        "make a new key (`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`) and have the certificate made anew";
    SERVER_AUTH = "tls.server-auth":
        "the certificate may be used by a server",
        "clients refuse a certificate whose extended key usage does not name serverAuth",
        "have it made anew with `extendedKeyUsage=serverAuth` and `keyUsage=digitalSignature`";
    CRITICAL = "tls.critical":
        "no certificate has a critical extension that agents do not know",
        "Go, of which agents are made, refuses a certificate with a critical extension that it does not know, and name constraints of other kinds than DNS, address, e-mail and URI are one",
        "have it made anew without this extension, or with the extension not marked critical";
    STRICT = "tls.strict":
        "an agent in mode strict would accept the certificate, with nothing but `tls.ca` to trust",
        "this tries the whole of it at once, also what has no rule of its own here, such as name constraints",
        "put right what the other findings name";
    CA_CHECKSUM = "tls.ca-checksum":
        "the checksum of the CA, as agents will compute it, is known beforehand",
        "an agent refuses a Rancher whose CA has another checksum than its registration command says",
        "make the CA file readable first";
    CA_KEPT = "tls.ca-kept":
        "the CA's text passes unchanged through a Kubernetes Secret and Rancher's setting",
        "what is changed on the way has another checksum",
        "give the CA as plain PEM text";
}
