//! The HTTP client: plain connections at once, TLS only when an https address comes, and no answer
//! without an end.
//!
//! Loading the host's certificates costs time, and debug builds of the SDK's client panic on a host
//! that has none, even when every address is plain http.

use std::{fmt, sync::OnceLock};

use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedAsyncSleep, SharedHttpClient};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
};

use super::bounded::{asks_for_content, bounded};

/// Makes connections for both schemes; one pool per client configuration.
pub(crate) struct Dispatch {
    trust: TrustStore,
    connectors: std::sync::Mutex<Vec<(HttpConnectorSettings, SharedHttpConnector)>>,
}

impl Dispatch {
    /// Trusts the certificates in `ca_bundle` (PEM), or those of the host.
    pub(crate) fn client(ca_bundle: Option<Vec<u8>>) -> SharedHttpClient {
        let trust = match ca_bundle {
            Some(pem) => TrustStore::empty().with_pem_certificate(pem),
            None => TrustStore::default(),
        };
        SharedHttpClient::new(Self { trust, connectors: std::sync::Mutex::default() })
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
            plain: SharedHttpConnector::new(builder(settings, sleep.clone()).build_http()),
            secure: OnceLock::new(),
            trust: self.trust.clone(),
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
    trust: TrustStore,
    settings: HttpConnectorSettings,
    sleep: Option<SharedAsyncSleep>,
}

impl BothSchemes {
    fn secure(&self) -> &SharedHttpConnector {
        self.secure.get_or_init(|| {
            let context = TlsContext::builder().with_trust_store(self.trust.clone()).build();
            let connector = builder(&self.settings, self.sleep.clone())
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
        let answer = if request.uri().starts_with("http://") {
            self.plain.call(request)
        } else {
            self.secure().call(request)
        };
        HttpConnectorFuture::new(async move { bounded(answer.await?, is_content) })
    }
}

fn builder(
    settings: &HttpConnectorSettings,
    sleep: Option<SharedAsyncSleep>,
) -> aws_smithy_http_client::ConnectorBuilder {
    let mut builder = Connector::builder()
        .connector_settings(settings.clone())
        .proxy_config(ProxyConfig::from_env());
    builder.set_sleep_impl(sleep);
    builder
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

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
            .http_client(Dispatch::client(None));
        let client = Client::from_conf(config.build());
        client.list_buckets().send().await.unwrap_err();

        drop(client);

        assert_eq!(Arc::strong_count(&mark), 1);
    }
}
