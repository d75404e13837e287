//! The certificates of a file that are trusted instead of the host's, and the TLS connections that trust them.
//!
//! The SDK's own client takes no certificate of an authority from a server. `openssl req -x509` makes such
//! certificates for servers, and other tools accept one that is itself in the file.

use std::{fmt, sync::Arc};

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector as TcpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

/// Certificates that are trusted, as a file has them.
#[derive(Clone)]
pub(crate) struct Bundle {
    pem: Vec<u8>,
    config: Arc<ClientConfig>,
}

impl Bundle {
    /// Reads certificates in PEM; nothing if there is none, or one that is damaged.
    pub(crate) fn read(pem: Vec<u8>) -> Option<Self> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let found = found.ok()?;
        let mut roots = RootCertStore::empty();
        for certificate in &found {
            roots.add(certificate.clone()).ok()?;
        }
        let config = config(roots, found)?;
        Some(Self { pem, config: Arc::new(config) })
    }

    /// Returns the certificates as they stand in the file.
    pub(crate) fn pem(&self) -> &[u8] {
        &self.pem
    }

    /// Returns what makes TLS connections that trust these certificates.
    pub(crate) fn connector(&self, settings: &HttpConnectorSettings) -> BundleConnector {
        let mut tcp = TcpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(settings.connect_timeout());
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(ClientConfig::clone(&self.config))
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new());
        BundleConnector(client.build(tls))
    }
}

fn config(
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
) -> Option<ClientConfig> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = SignedOrListed { signed: verifier.build().ok()?, listed: certificates };
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Some(builder.with_no_client_auth())
}

/// Accepts what a listed authority has signed, and a listed certificate that a server shows itself.
#[derive(Debug)]
struct SignedOrListed {
    signed: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for SignedOrListed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.signed.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The time was checked before, and the name would have been checked after it.
            Err(Error::InvalidCertificate(reason))
                if is_of_authority(&reason) && self.listed.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

/// Returns whether the only fault of a certificate is that it is one of an authority (RFC 5280, 4.2.1.9).
fn is_of_authority(reason: &CertificateError) -> bool {
    // The library has no name of its own for it.
    matches!(reason, CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity"))
}

/// Makes TLS connections that trust a bundle.
pub(crate) struct BundleConnector(Client<HttpsConnector<TcpConnector>, SdkBody>);

impl fmt::Debug for BundleConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleConnector").finish_non_exhaustive()
    }
}

impl HttpConnector for BundleConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let answering = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let response = answering.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
