//! The HTTP client: plain connections at once, TLS only when an https address comes, and no answer
//! without an end.
//!
//! Loading the host's certificates costs time, and debug builds of the SDK's client panic on a host
//! that has none, even when every address is plain http.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_sdk_s3::{
    config::{HttpClient, RuntimeComponents, SharedAsyncSleep, SharedHttpClient},
    error::DisplayErrorContext,
};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    bounded_response::{asks_for_content, bounded},
    ca_bundle::{Bundle, BundleConnector},
};
use crate::roots;
use crate::s3::error::{
    error_chain::chain,
    no_response::{BAD_CERTIFICATE, NEEDS_USER, SpeaksTls, ThroughProxy},
    proxy::{Proxies, Proxy},
};

/// Makes connections for both schemes; one pool per client configuration.
pub(crate) struct Dispatch {
    bundle: Option<Bundle>,
    proxies: Proxies,
    connectors: std::sync::Mutex<Vec<(HttpConnectorSettings, SharedHttpConnector)>>,
}

impl Dispatch {
    /// Trusts the certificates of a bundle, or those of the host.
    pub(crate) fn client(bundle: Option<Bundle>, proxies: Proxies) -> SharedHttpClient {
        SharedHttpClient::new(Self { bundle, proxies, connectors: std::sync::Mutex::default() })
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").finish_non_exhaustive()
    }
}

impl HttpClient for Dispatch {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let mut connectors =
            self.connectors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let same = |known: &HttpConnectorSettings| format!("{known:?}") == format!("{settings:?}");
        if let Some((_, connector)) = connectors.iter().find(|(known, _)| same(known)) {
            return connector.clone();
        }
        // All of the components would have this client among them, which would never be freed then.
        let sleep = components.sleep_impl();
        let connector = SharedHttpConnector::new(BothSchemes {
            plain: SharedHttpConnector::new(
                builder(settings, sleep.clone(), &self.proxies).build_http(),
            ),
            secure: OnceLock::new(),
            own: OnceLock::new(),
            bundle: self.bundle.clone(),
            proxies: self.proxies.clone(),
            has_answered: Arc::default(),
            settings: settings.clone(),
            sleep,
        });
        connectors.push((settings.clone(), connector.clone()));
        connector
    }
}

struct BothSchemes {
    plain: SharedHttpConnector,
    secure: OnceLock<SharedHttpConnector>,
    /// With the certificates of the bundle, and without a proxy.
    own: OnceLock<BundleConnector>,
    bundle: Option<Bundle>,
    proxies: Proxies,
    /// Is set if any request was answered: the scheme of the endpoint is right then.
    has_answered: Arc<AtomicBool>,
    settings: HttpConnectorSettings,
    sleep: Option<SharedAsyncSleep>,
}

impl BothSchemes {
    fn secure(&self) -> &SharedHttpConnector {
        self.secure.get_or_init(|| {
            let trust = match &self.bundle {
                Some(bundle) => TrustStore::empty().with_pem_certificate(bundle.pem()),
                None => TrustStore::default(),
            };
            let context = TlsContext::builder().with_trust_store(trust).build();
            let connector = builder(&self.settings, self.sleep.clone(), &self.proxies)
                .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                .tls_context(context.expect("a context with a trust store is complete"))
                .build();
            SharedHttpConnector::new(connector)
        })
    }
}

impl fmt::Debug for BothSchemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BothSchemes").finish_non_exhaustive()
    }
}

impl HttpConnector for BothSchemes {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_content = asks_for_content(&request);
        let url = request.uri().to_owned();
        let proxy = self.proxies.for_address(&url).cloned();
        let has_answered = Arc::clone(&self.has_answered);
        let trusts_host = self.bundle.is_none();
        let response = match &self.bundle {
            _ if url.starts_with("http://") => self.plain.call(request),
            Some(bundle) if proxy.is_none() => {
                self.own.get_or_init(|| bundle.connector(&self.settings)).call(request)
            }
            _ => self.secure().call(request),
        };
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(|error| {
                let is_refused = trusts_host && is_about_certificate(&error);
                match is_refused.then(roots::check) {
                    Some(Err(no_roots)) => ConnectorError::user(no_roots.into()),
                    _ => error,
                }
            });
            match (response, proxy) {
                (Ok(response), Some(proxy)) if response.status().as_u16() == 407 => {
                    Err(through(proxy, ConnectorError::user(NEEDS_USER.into())))
                }
                (Ok(response), _) => {
                    has_answered.store(true, Ordering::Relaxed);
                    bounded(response, is_content)
                }
                (Err(error), Some(proxy)) => Err(through(proxy, error)),
                (Err(error), None) if has_answered.load(Ordering::Relaxed) => Err(error),
                (Err(error), None) if is_answer_in_tls(&error, &url).await => {
                    Err(ConnectorError::user(SpeaksTls.into()))
                }
                (Err(error), None) => Err(error),
            }
        })
    }
}

fn is_about_certificate(error: &ConnectorError) -> bool {
    DisplayErrorContext(error).to_string().contains(BAD_CERTIFICATE)
}

/// Names the proxy in an error, which stays of its kind.
fn through(proxy: Proxy, error: ConnectorError) -> ConnectorError {
    let wrap = match () {
        () if error.is_io() => ConnectorError::io,
        () if error.is_timeout() => ConnectorError::timeout,
        () if error.is_user() => ConnectorError::user,
        () => |source| ConnectorError::other(source, None),
    };
    wrap(ThroughProxy { proxy, source: error.into() }.into())
}

/// The time in which a server must answer that it speaks TLS.
const TIME_FOR_AN_ALERT: Duration = Duration::from_secs(1);

/// A record of TLS with a greeting that has nothing in it (RFC 8446, 5.1), which a server of TLS refuses
/// by an alert.
const EMPTY_GREETING: [u8; 9] = [0x16, 3, 1, 0, 4, 1, 0, 0, 0];

/// The types of the records that servers of TLS begin with (RFC 8446, 5.1): alert and handshake.
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// Finds out whether an address that gave no answer of HTTP speaks TLS.
async fn is_answer_in_tls(error: &ConnectorError, url: &str) -> bool {
    let is_refused = chain(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    let Some(rest) = url.strip_prefix("http://").filter(|_| !is_refused) else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let place = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let asked = async {
        let mut stream = TcpStream::connect(place).await?;
        stream.write_all(&EMPTY_GREETING).await?;
        stream.read_u8().await
    };
    let first = tokio::time::timeout(TIME_FOR_AN_ALERT, asked).await;
    matches!(first, Ok(Ok(first)) if TLS_RECORDS.contains(&first))
}

fn builder(
    settings: &HttpConnectorSettings,
    sleep: Option<SharedAsyncSleep>,
    proxies: &Proxies,
) -> aws_smithy_http_client::ConnectorBuilder {
    let config = if proxies.are_off() { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
    let mut builder =
        Connector::builder().connector_settings(settings.clone()).proxy_config(config);
    builder.set_sleep_impl(sleep);
    builder
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::{
        Client,
        config::{AsyncSleep, BehaviorVersion, Config, Region, Sleep, retry::RetryConfig},
    };

    use super::*;

    #[derive(Debug)]
    struct Marked(#[allow(dead_code, reason = "only its end counts")] Arc<()>);

    impl AsyncSleep for Marked {
        fn sleep(&self, duration: Duration) -> Sleep {
            Sleep::new(tokio::time::sleep(duration))
        }
    }

    #[tokio::test]
    async fn a_client_that_was_used_is_freed() {
        let mark = Arc::new(());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:1")
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .sleep_impl(Marked(Arc::clone(&mark)))
            .http_client(Dispatch::client(None, Proxies::default()));
        let client = Client::from_conf(config.build());
        client.list_buckets().send().await.unwrap_err();

        drop(client);

        assert_eq!(Arc::strong_count(&mark), 1);
    }
}
