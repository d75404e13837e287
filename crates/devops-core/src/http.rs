//! TLS as every HTTP client here uses it.

use std::sync::{Arc, LazyLock};

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::roots;

/// The certificates this host trusts.
static ROOTS: LazyLock<Arc<Vec<Certificate<'static>>>> = LazyLock::new(|| {
    Arc::new(roots::certificates().map(|root| Certificate::from_der(root).to_owned()).collect())
});

/// Trusts what the host trusts, through the one crypto provider of this workspace.
pub(crate) fn tls() -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::clone(&ROOTS)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}
