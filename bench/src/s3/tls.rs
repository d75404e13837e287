//! TLS before the server: `stunnel` with a certificate that is made for it, so that each client pays for TLS and the
//! server stays what it is.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{place::Place, report::write};

/// A way to the server that speaks TLS.
pub(super) struct Tls {
    pub(super) port: u16,
    pub(super) certificate: PathBuf,
    pub(super) words: Vec<String>,
}

impl Tls {
    /// Makes a certificate of loopback and the settings that lead from one port to the other.
    pub(super) fn new(place: &Place, port: u16, to: u16) -> Result<Self> {
        let options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
                       -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.pem";
        let openssl: Vec<&str> =
            ["openssl"].into_iter().chain(options.split_whitespace()).collect();
        place.prepare(&openssl, &[]).context("a certificate is made with openssl")?;
        let settings = place.path("stunnel.conf");
        let text = format!(
            "foreground = yes\npid =\n[s3]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{to}\n\
             cert = {}\nkey = {}\n",
            place.path("tls.pem").display(),
            place.path("tls.key").display(),
        );
        write(&settings, &text).context("stunnel.conf")?;
        let words = vec!["stunnel4".to_owned(), settings.display().to_string()];
        Ok(Self { port, certificate: place.path("tls.pem"), words })
    }
}
