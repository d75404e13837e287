//! TLS as every HTTP client here uses it.

use std::sync::{Arc, LazyLock};

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The certificates this host trusts.
static ROOTS: LazyLock<Arc<Vec<Certificate<'static>>>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs().certs;
    Arc::new(found.iter().map(|root| Certificate::from_der(root).to_owned()).collect())
});

/// Returns whether this host trusts anybody.
pub(crate) fn has_roots() -> bool {
    !ROOTS.is_empty()
}

/// Trusts what the host trusts, through the one crypto provider of this workspace.
pub(crate) fn tls() -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::clone(&ROOTS)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}
