//! The certificates of authorities that this host trusts: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, or else where
//! its system keeps them.

use std::sync::LazyLock;

use rustls_native_certs::{CertificateResult, ErrorKind, load_native_certs};

use crate::kind::{HasKind, Kind};

static FOUND: LazyLock<CertificateResult> = LazyLock::new(load_native_certs);

/// This host trusts no authority: no certificate of a server can be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this host has no CA certificates{}", .reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
pub struct NoRoots {
    /// The reason none was found, where anything is known.
    pub reason: Option<String>,
}

impl HasKind for NoRoots {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

/// Fails if this host trusts no authority.
pub fn check() -> Result<(), NoRoots> {
    judge(&FOUND)
}

/// Returns the certificates in DER.
#[cfg(feature = "http")]
pub(crate) fn certificates() -> impl Iterator<Item = &'static [u8]> {
    FOUND.certs.iter().map(AsRef::as_ref)
}

fn judge(found: &CertificateResult) -> Result<(), NoRoots> {
    if !found.certs.is_empty() {
        return Ok(());
    }
    let reason = found.errors.first().map(|error| match &error.kind {
        ErrorKind::Io { inner, path } => format!("cannot read `{}`: {inner}", path.display()),
        _ => error.to_string(),
    });
    Err(NoRoots { reason })
}

#[cfg(test)]
mod tests {
    use rustls_native_certs::load_certs_from_paths;

    use super::*;

    #[test]
    fn a_file_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.pem");

        let error = judge(&load_certs_from_paths(Some(&missing), None)).unwrap_err();

        let missing = missing.display();
        assert_eq!(
            error.to_string(),
            format!(
                "this host has no CA certificates: cannot read `{missing}`: No such file or directory (os error 2)"
            )
        );
        assert_eq!(error.kind(), Kind::Configuration);
        let empty = judge(&load_certs_from_paths(None, Some(dir.path()))).unwrap_err();
        assert_eq!(empty.to_string(), "this host has no CA certificates");
    }
}
