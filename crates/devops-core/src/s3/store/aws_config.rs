//! The configuration of AWS: credentials, region, endpoint, certificates.

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

use super::{
    abandoned_process::Children,
    ca_bundle::Bundle,
    credentials::Provided,
    options::{ConnectError, ConnectOptions},
    tls::Dispatch,
};
use crate::s3::error::{credential_error::Chain, error_chain::chain, proxy::Proxies};

/// The region of AWS that has buckets created without a region.
pub(crate) const USUAL_REGION: &str = "us-east-1";

/// The time limit of the chain: it may start a program that waits for a person.
pub(crate) const TIME_FOR_CREDENTIALS: Duration = Duration::from_secs(30);

/// Asks the chain for credentials again, its files included.
pub(crate) async fn reload(options: &ConnectOptions) -> Result<Provided, ConnectError> {
    provided(&load(options).await?, options).await
}

pub(crate) async fn provided(
    config: &SdkConfig,
    options: &ConnectOptions,
) -> Result<Provided, ConnectError> {
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
pub(crate) fn told(error: &ProfileFileLoadError) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Reads the configuration files of the chain.
pub(crate) async fn profiles(options: &ConnectOptions) -> Result<ProfileSet, ProfileFileLoadError> {
    let profile = options.profile.clone().map(Cow::Owned);
    let (fs, env, files) = (Fs::real(), Env::real(), EnvConfigFiles::default());
    aws_config::profile::load(&fs, &env, &files, profile).await
}

/// Returns the file of certificates: the flag's, or what the environment or the profile says of it.
pub(crate) async fn ca_bundle(options: &ConnectOptions) -> Option<PathBuf> {
    let of_environment = || std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
    let given = options.ca_bundle.clone().or_else(|| of_environment().map(PathBuf::from));
    match given {
        Some(path) => Some(path),
        // Files that cannot be read are told of where they are needed.
        None => profiles(options).await.ok()?.get("ca_bundle").map(PathBuf::from),
    }
}

pub(crate) async fn load(options: &ConnectOptions) -> Result<SdkConfig, ConnectError> {
    let certificates = ca_bundle(options).await.map(read_certificates).transpose()?;
    let http = Dispatch::client(certificates, proxies());
    // A dated version, because the newest changes retries and checksums under our feet.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        // Our own retries know about uploads, and their pauses end with a signal.
        .retry_config(RetryConfig::disabled())
        // It takes a paused upload for a stalled one; `StallDetector` knows better.
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
pub(crate) fn proxies() -> Proxies {
    Proxies::of(|variable| std::env::var(variable).ok())
}

/// Returns the credentials of a profile that was named, which the environment's must not stand in for.
pub(crate) async fn of_profile(
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
pub(crate) fn region(options: &ConnectOptions) -> RegionProviderChain {
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
pub(crate) fn endpoint(config: &SdkConfig) -> Option<String> {
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

pub(crate) fn read_certificates(path: PathBuf) -> Result<Bundle, ConnectError> {
    let text = crate::fs::read_text(&path, 16 << 20)?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(ConnectError::NoCertificate(path));
    }
    Bundle::read(text.into_bytes()).ok_or(ConnectError::BadCertificate(path))
}
