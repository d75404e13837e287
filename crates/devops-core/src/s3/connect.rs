//! Finds the store: credentials, region and endpoint from the AWS chain and from flags.
//!
//! The one place in core that lets a library read the environment: the AWS chain is made of it.

use std::path::PathBuf;

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    provider_config::ProviderConfig,
    retry::RetryConfig,
};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{
    RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    access::Access,
    credentials::Provided,
    escaped,
    headers::{ExtraHeaders, RequestHeaders},
    observe::Observer,
    quirks::Quirks,
    roots::Roots,
    stop::Stop,
    store::{Store, StoreOptions},
    tls::Dispatch,
};
use crate::{
    cancel::Cancelled,
    fs::{At, PathError},
    kind::{HasKind, Kind},
    limits::Limit,
    secret::Secret,
};

/// Where AWS keeps buckets that nobody placed.
const USUAL_REGION: &str = "us-east-1";

/// How to reach a store; what is not given comes from the AWS chain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConnectOptions {
    /// The address of a store that is not AWS.
    pub endpoint_url: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile in the AWS configuration files.
    pub profile: Option<String>,
    /// Puts the bucket into the path instead of the host name.
    pub path_style: bool,
    /// Puts the bucket into the host name, also where the store is not known to want it there.
    #[serde(default)]
    pub host_style: bool,
    /// A file of certificates to trust instead of the host's (PEM).
    #[serde(with = "escaped::optional")]
    pub ca_bundle: Option<PathBuf>,
    /// Sends requests without a signature.
    pub anonymous: bool,
    /// Which of AWS's addresses are used.
    #[serde(default)]
    pub addresses: Addresses,
    /// What every request says beside what it is.
    #[serde(default)]
    pub headers: RequestHeaders,
    /// A key with its secret, instead of what the chain finds.
    #[serde(skip)]
    pub key: Option<(String, Secret)>,
}

/// Which of AWS's addresses are used; other stores have none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Addresses {
    /// Those that have IPv6 too.
    pub dualstack: bool,
    /// Those with validated cryptography.
    pub fips: bool,
    /// Those near this host, which cost more.
    pub accelerate: bool,
}

/// Why a store cannot be reached with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A signal came.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The chain has no credentials, or they cannot be loaded.
    #[error("{0}")]
    Credentials(String),
    /// The endpoint is no address.
    #[error("the endpoint `{0}` is not an address such as `https://s3.example.com`")]
    Endpoint(String),
    /// The file of certificates cannot be read.
    #[error(transparent)]
    CaBundle(#[from] PathError),
    /// What only AWS has was asked of another store, or does not go together.
    #[error("{0}")]
    NotHere(&'static str),
    /// The key that objects are encrypted with would go over the network unprotected.
    #[error("`{0}` is plain HTTP: the encryption key would be readable on the way")]
    KeyInClear(String),
    /// The file of certificates has none.
    #[error("no certificate in `{}`", .0.display())]
    NoCertificate(PathBuf),
}

impl HasKind for ConnectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled(error) => error.kind(),
            Self::Credentials(_) => Kind::Permission,
            Self::NotHere(_) => Kind::Usage,
            Self::KeyInClear(_) => Kind::Denied,
            Self::CaBundle(error) if Limit::within(error).is_some() => Kind::Temporary,
            Self::Endpoint(_) | Self::CaBundle(_) | Self::NoCertificate(_) => Kind::Configuration,
        }
    }
}

/// Returns a client of the store, with its credentials loaded once so that missing ones show early.
pub fn connect<'a>(
    options: &'a ConnectOptions,
    store: StoreOptions,
    stop: &'a Stop,
) -> LocalBoxFuture<'a, Result<Store, ConnectError>> {
    Box::pin(async move {
        let loading = async {
            let config = load(options).await?;
            let credentials =
                if options.anonymous { None } else { Some(provided(&config, options).await?) };
            Ok::<_, ConnectError>((config, credentials))
        };
        let (config, credentials) = tokio::select! {
            biased;
            cancelled = stop.requested() => return Err(cancelled.into()),
            loaded = loading => loaded?,
        };
        let endpoint = endpoint(&config);
        if let Some(endpoint) = &endpoint
            && !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme))
        {
            return Err(ConnectError::Endpoint(endpoint.clone()));
        }
        let wants_host_style =
            options.host_style || Quirks::of_endpoint(endpoint.as_deref()).host_style;
        let path_style = options.path_style || !wants_host_style;
        check(options, endpoint.as_deref(), path_style)?;
        let observer = Observer::default();
        let mut builder = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(path_style)
            .accelerate(options.addresses.accelerate)
            .interceptor(observer.clone())
            .interceptor(Roots);
        if let Some(endpoint) = &endpoint {
            builder = builder.endpoint_url(with_slash(endpoint));
        }
        if let Some(headers) = ExtraHeaders::of(&options.headers) {
            builder = builder.interceptor(headers);
        }
        if options.anonymous {
            builder = builder.allow_no_auth();
        }
        let region = config.region().map(ToString::to_string);
        let ca_bundle = options.ca_bundle.as_ref().map(std::path::absolute).transpose();
        let ca_bundle = ca_bundle.at(".", "find")?;
        let address = ConnectOptions {
            endpoint_url: endpoint,
            region,
            path_style,
            host_style: !path_style,
            ca_bundle,
            ..options.clone()
        };
        let access = Access::new(builder, credentials, options.clone());
        Ok(Store::new((access, observer), address, store))
    })
}

/// Refuses what cannot work, or would give the key away.
fn check(
    options: &ConnectOptions,
    endpoint: Option<&str>,
    path_style: bool,
) -> Result<(), ConnectError> {
    let Addresses { dualstack, fips, accelerate } = options.addresses;
    if endpoint.is_some() && (dualstack || fips || accelerate) {
        let message =
            "dual-stack, FIPS and accelerated addresses are AWS's, and an endpoint is given";
        return Err(ConnectError::NotHere(message));
    }
    if accelerate && path_style {
        let message = "accelerated addresses have the bucket in the host's name, not in the path";
        return Err(ConnectError::NotHere(message));
    }
    match endpoint {
        Some(endpoint) if options.headers.customer_key.is_some() && is_in_clear(endpoint) => {
            Err(ConnectError::KeyInClear(endpoint.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Asks the chain for credentials again, its files included.
pub(crate) async fn reload(options: &ConnectOptions) -> Result<Provided, ConnectError> {
    provided(&load(options).await?, options).await
}

async fn provided(config: &SdkConfig, options: &ConnectOptions) -> Result<Provided, ConnectError> {
    let provided = Provided::load(config).await;
    match (provided, &options.profile) {
        (Err(ConnectError::Credentials(message)), Some(profile)) => {
            Err(ConnectError::Credentials(format!("{message} in the profile `{profile}`")))
        }
        (provided, _) => provided,
    }
}

async fn load(options: &ConnectOptions) -> Result<SdkConfig, ConnectError> {
    let ca_bundle =
        options.ca_bundle.clone().or_else(|| std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from));
    let http = Dispatch::client(ca_bundle.map(read_certificates).transpose()?);
    // A dated version, because the newest changes retries and checksums under our feet.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        // Our own retries know about uploads, and their pauses end with a signal.
        .retry_config(RetryConfig::disabled())
        // It takes a paused upload for a stalled one; `Watch` knows better.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // The SDK's own checksums would come as trailers, which many stores do not read.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    if options.addresses.dualstack {
        loader = loader.use_dual_stack(true);
    }
    if options.addresses.fips {
        loader = loader.use_fips(true);
    }
    if let Some(profile) = &options.profile {
        loader = loader
            .profile_name(profile)
            .credentials_provider(of_profile(profile, options, http).await);
    }
    if options.anonymous {
        loader = loader.no_credentials();
    }
    if let Some((key, secret)) = &options.key {
        let credentials = Credentials::new(key, secret.expose(), None, None, "given");
        loader = loader.credentials_provider(credentials);
    }
    Ok(loader.region(region(options)).load().await)
}

/// Returns the credentials of a profile that was named, which the environment's must not stand in for.
async fn of_profile(
    profile: &str,
    options: &ConnectOptions,
    http: SharedHttpClient,
) -> ProfileFileCredentialsProvider {
    let config = ProviderConfig::without_region()
        .with_http_client(http)
        .with_region(region(options).region().await);
    ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build()
}

/// Looks where the SDK does, except at the host's metadata service: there a wrong region is corrected
/// by the store's answer, and everywhere else asking for it only costs time.
fn region(options: &ConnectOptions) -> RegionProviderChain {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(Region::new(USUAL_REGION))
}

/// Returns the endpoint for S3 as the SDK finds it: the flag's, or what the environment or the profile says,
/// first of S3 and then of every service.
fn endpoint(config: &SdkConfig) -> Option<String> {
    let for_all = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return for_all();
    }
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config().and_then(|of_services| of_services.load_config(key)).or_else(for_all)
}

/// Returns whether others could read what goes to this address.
pub(crate) fn is_in_clear(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _port)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host != "localhost" && !is_loopback
}

/// Ends an endpoint that has a path with a slash: without it the SDK makes the bucket a part of its last name.
fn with_slash(endpoint: &str) -> String {
    let authority = endpoint.find("://").map_or(0, |at| at + 3);
    let has_path = endpoint[authority..].contains('/') && !endpoint.contains(['?', '#']);
    if has_path && !endpoint.ends_with('/') { format!("{endpoint}/") } else { endpoint.to_owned() }
}

fn read_certificates(path: PathBuf) -> Result<Vec<u8>, ConnectError> {
    let text = crate::fs::read_text(&path, 16 << 20)?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(ConnectError::NoCertificate(path));
    }
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_in_clear_to_this_host_only() {
        for endpoint in [
            "http://localhost:9000",
            "http://127.0.0.1",
            "http://[::1]:9000/",
            "https://s3.example.com",
        ] {
            assert!(!is_in_clear(endpoint), "{endpoint}");
        }
        for endpoint in
            ["http://s3.example.com", "http://10.0.0.1:9000", "http://127.0.0.1.example.com"]
        {
            assert!(is_in_clear(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn refuses_what_only_aws_has_elsewhere() {
        let with = |addresses| ConnectOptions { addresses, ..ConnectOptions::default() };
        let fips = with(Addresses { fips: true, ..Addresses::default() });
        let accelerate = with(Addresses { accelerate: true, ..Addresses::default() });

        assert!(check(&fips, Some("https://s3.example.com"), false).is_err());
        assert!(check(&fips, None, false).is_ok());
        assert!(check(&accelerate, None, true).is_err());
    }

    #[test]
    fn what_an_older_version_wrote_is_read() {
        let written = r#"{"endpoint_url":"http://s","region":"r","profile":null,"path_style":true,"ca_bundle":null,"anonymous":false}"#;

        let read: ConnectOptions = serde_json::from_str(written).unwrap();

        assert!(read.path_style && read.addresses == Addresses::default());
        assert_eq!(read.headers, RequestHeaders::default());
    }

    #[test]
    fn an_endpoint_with_a_path_ends_with_a_slash() {
        for (given, asked) in [
            ("https://s3.example.com", "https://s3.example.com"),
            ("https://s3.example.com/", "https://s3.example.com/"),
            ("https://p.example.com/storage/v1/s3", "https://p.example.com/storage/v1/s3/"),
            ("http://[::1]:9000/a/", "http://[::1]:9000/a/"),
        ] {
            assert_eq!(with_slash(given), asked);
        }
    }
}
