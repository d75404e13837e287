//! Finds the store: credentials, region and endpoint from the AWS chain and from flags.
//!
//! The one place in core that lets a library read the environment: the AWS chain is made of it.

use std::{borrow::Cow, path::PathBuf, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain,
    profile::{
        ProfileFileCredentialsProvider, ProfileFileLoadError, ProfileFileRegionProvider, ProfileSet,
    },
    provider_config::ProviderConfig,
    retry::RetryConfig,
};
use aws_credential_types::{Credentials, provider::error::CredentialsError};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_s3::config::{
    RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_types::{
    os_shim_internal::{Env, Fs},
    service_config::ServiceConfigKey,
};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    abandoned::Children,
    access::Access,
    answer::chain,
    asked::Compared,
    bundle::Bundle,
    credential_error::{Chain, CredentialError},
    credentials::Provided,
    escaped,
    headers::{ExtraHeaders, RequestHeaders},
    lenient::Lenient,
    observe::Observer,
    proxy::Proxies,
    quirks::Quirks,
    stop::Stop,
    store::{Store, StoreOptions},
    text::StoreText,
    tls::Dispatch,
};
use crate::{
    cancel::Cancelled,
    fs::{At, PathError},
    kind::{HasKind, Kind},
    limits::Limit,
    secret::{Secret, without_secrets},
};

/// Where AWS keeps buckets that nobody placed.
const USUAL_REGION: &str = "us-east-1";

/// How long the chain may take: it may start a program that waits for a person.
const TIME_FOR_CREDENTIALS: Duration = Duration::from_secs(30);

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
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The endpoint is no address.
    #[error("the endpoint `{0}` is not an address such as `https://s3.example.com`")]
    Endpoint(StoreText),
    /// The proxy for the endpoint is none that can be used.
    #[error("{0} cannot be used: it is no address such as `http://proxy.example.com:3128`")]
    Proxy(StoreText),
    /// The region is none.
    #[error("`{0}` is no region such as `eu-central-1`")]
    Region(StoreText),
    /// The file of certificates cannot be read.
    #[error(transparent)]
    CaBundle(#[from] PathError),
    /// What only AWS has was asked of another store, or does not go together.
    #[error("{0}")]
    NotHere(&'static str),
    /// The key that objects are encrypted with would go over the network unprotected.
    #[error("`{0}` is plain HTTP: the encryption key would be readable on the way")]
    KeyInClear(String),
    /// A certificate in the file of certificates is damaged.
    #[error("a certificate in `{}` cannot be read", .0.display())]
    BadCertificate(PathBuf),
    /// The file of certificates has none.
    #[error("no certificate in `{}`", .0.display())]
    NoCertificate(PathBuf),
}

impl HasKind for ConnectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled(error) => error.kind(),
            Self::Credentials(error) => error.kind(),
            Self::NotHere(_) => Kind::Usage,
            Self::KeyInClear(_) => Kind::Denied,
            Self::CaBundle(error) if Limit::within(error).is_some() => Kind::Temporary,
            Self::Endpoint(_)
            | Self::Proxy(_)
            | Self::Region(_)
            | Self::CaBundle(_)
            | Self::BadCertificate(_)
            | Self::NoCertificate(_) => Kind::Configuration,
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
        if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| !is_address(endpoint)) {
            return Err(ConnectError::Endpoint(without_secrets(endpoint).into()));
        }
        let address = endpoint.as_deref().unwrap_or("https://s3.amazonaws.com");
        if let Some(proxy) = proxies().for_address(address).filter(|proxy| !proxy.is_usable()) {
            return Err(ConnectError::Proxy(proxy.to_string().into()));
        }
        if let Some(region) = config.region().filter(|region| !is_region(region.as_ref())) {
            return Err(ConnectError::Region(region.as_ref().into()));
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
            .interceptor(Lenient(observer.clone()))
            .interceptor(Compared);
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
    let children = Children::now();
    let loaded = match config.credentials_provider() {
        Some(provider) => {
            tokio::time::timeout(TIME_FOR_CREDENTIALS, Provided::load(provider)).await
        }
        None => Ok(Err(CredentialsError::not_loaded_no_source())),
    };
    if let Ok(Ok(provided)) = loaded {
        return Ok(provided);
    }
    let (env, files) = (Env::real(), profiles(options).await);
    let files = files.as_ref().map_err(|error| told(error).into());
    let chain = Chain { env: &env, profile: options.profile.as_deref(), files };
    if let Ok(Err(error)) = loaded {
        return Err(chain.explain(&error).into());
    }
    children.kill_newer();
    Err(chain.late(TIME_FOR_CREDENTIALS).into())
}

/// Returns an error with its causes.
fn told(error: &ProfileFileLoadError) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Reads the configuration files of the chain.
async fn profiles(options: &ConnectOptions) -> Result<ProfileSet, ProfileFileLoadError> {
    let profile = options.profile.clone().map(Cow::Owned);
    let (fs, env, files) = (Fs::real(), Env::real(), EnvConfigFiles::default());
    aws_config::profile::load(&fs, &env, &files, profile).await
}

/// Returns the file of certificates: the flag's, or what the environment or the profile says of it.
async fn ca_bundle(options: &ConnectOptions) -> Option<PathBuf> {
    let of_environment = || std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
    let given = options.ca_bundle.clone().or_else(|| of_environment().map(PathBuf::from));
    match given {
        Some(path) => Some(path),
        // Files that cannot be read are told of where they are needed.
        None => profiles(options).await.ok()?.get("ca_bundle").map(PathBuf::from),
    }
}

async fn load(options: &ConnectOptions) -> Result<SdkConfig, ConnectError> {
    let certificates = ca_bundle(options).await.map(read_certificates).transpose()?;
    let http = Dispatch::client(certificates, proxies());
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

/// Returns the proxies that the environment names.
fn proxies() -> Proxies {
    Proxies::of(|variable| std::env::var(variable).ok())
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

/// Returns whether an endpoint is an address of HTTP that names a host.
pub(crate) fn is_address(endpoint: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
    let Some(rest) = rest else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let after_host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) if is_ipv6(host) => after,
        Some(_) => return false,
        None => {
            let (host, after) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_odd = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
            if host.is_empty() || host.contains(is_odd) {
                return false;
            }
            after
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let has_place = after_host.is_empty() || after_host.strip_prefix(':').is_some_and(is_port);
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
    has_place && !rest.contains(is_odd)
}

fn is_ipv6(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _zone)| address);
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Returns whether a region can stand in the name of a host and in a signature.
fn is_region(region: &str) -> bool {
    let is_odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    (1..=63).contains(&region.len()) && !region.contains(is_odd)
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

fn read_certificates(path: PathBuf) -> Result<Bundle, ConnectError> {
    let text = crate::fs::read_text(&path, 16 << 20)?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(ConnectError::NoCertificate(path));
    }
    Bundle::read(text.into_bytes()).ok_or(ConnectError::BadCertificate(path))
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
    fn an_endpoint_names_a_host_and_a_port_that_there_can_be() {
        for endpoint in [
            "http://127.0.0.1:9000",
            "https://s3.example.com/storage/v1/s3",
            "http://[::1]:9000/",
            "http://minio_1:9000",
            "https://xn--bcher-kva.example/",
        ] {
            assert!(is_address(endpoint), "{endpoint}");
        }
        for endpoint in [
            "s3.example.com",
            "ftp://s3.example.com",
            "http://",
            "https:///bucket",
            "http://:9000",
            "http://s3.example.com:99999",
            "http://s3.example.com:",
            "http://s3.example.com:0",
            "http://s3.example.com:port",
            "http://s3 .example.com",
            "http://s3.example.com/a b",
            "https://s3.example.com?x=1",
            "https://user:secret@s3.example.com",
            "http://[::1",
            "http://[zz]:80",
        ] {
            assert!(!is_address(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn a_region_fits_into_the_name_of_a_host() {
        for region in ["us-east-1", "garage", "RegionOne", "auto"] {
            assert!(is_region(region), "{region}");
        }
        for region in ["eu west", "", "eu-west-1/", "eu.west", "\u{fc}"] {
            assert!(!is_region(region), "{region:?}");
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
