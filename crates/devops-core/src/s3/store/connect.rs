//! Finds the store: credentials, region and endpoint from the AWS chain and from flags.
//!
//! The one place in core that lets a library read the environment: the AWS chain is made of it.

use futures_util::future::LocalBoxFuture;

use super::{
    aws_config::{endpoint, load, provided, proxies},
    cancel_token::CancelToken,
    client::ClientHandle,
    lenient_xml::Lenient,
    options::{Addresses, ConnectError, ConnectOptions},
    quirks::Quirks,
    response_check::Compared,
    response_interceptor::ResponseInterceptor,
    s3_store::{Store, StoreOptions},
};
use crate::s3::object::{
    endpoint::{is_address, is_in_clear, is_region, with_slash},
    headers::ExtraHeaders,
};
use crate::{fs::IoResultExt, secret::without_secrets};

/// Returns a client of the store, with its credentials loaded once so that missing ones show early.
pub fn connect<'a>(
    options: &'a ConnectOptions,
    store: StoreOptions,
    cancel_token: &'a CancelToken,
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
            cancelled = cancel_token.requested() => return Err(cancelled.into()),
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
        let interceptor = ResponseInterceptor::default();
        let mut builder = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(path_style)
            .accelerate(options.addresses.accelerate)
            .interceptor(interceptor.clone())
            .interceptor(Lenient(interceptor.clone()))
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
        let client = ClientHandle::new(builder, credentials, options.clone());
        Ok(Store::new(client, interceptor, address, store))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::RequestHeaders;

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
