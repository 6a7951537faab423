//! Certificates: read, judged, made; the mode x issuer table; the CA checksum.
