//! Connects to the store that the flags and the AWS chain name.

use std::{io::Read, path::Path};

use devops_cli::{Failure, Session, quote};
use devops_core::{
    fs::{IoResultExt, open_file},
    s3::{
        Addresses, CancelToken, ConnectOptions, CustomerKey, RateLimiter, RequestHeaders,
        RetryConfig, Store, StoreOptions, connect,
    },
    units::ByteSize,
};

use super::explain::hint_for_connection;
use crate::cli::{Connection, Transfer};

/// Returns how fast bytes may move, by the clock on the wall.
fn rate_limiter(transfer: Option<&Transfer>, session: &Session) -> RateLimiter {
    let limit = transfer.and_then(|transfer| transfer.limit_rate.clone());
    limit.map_or_else(RateLimiter::default, |limit| RateLimiter::new(limit, session.clock()))
}

/// A connected store, and when to stop.
pub(crate) struct Connected {
    pub(crate) store: Store,
    pub(crate) cancel_token: CancelToken,
}

impl Connected {
    pub(crate) async fn new(
        connection: &Connection,
        transfer: Option<&Transfer>,
        session: &Session,
    ) -> Result<Self, Failure> {
        let options = Self::options(connection, session)?;
        Self::with(options, connection, transfer, session).await
    }

    /// Connects to the store of an earlier run, but for what the flags say.
    pub(crate) async fn again(
        earlier: &ConnectOptions,
        connection: &Connection,
        transfer: &Transfer,
        session: &Session,
    ) -> Result<Self, Failure> {
        let flags = Self::options(connection, session)?;
        if earlier.headers.has_customer_key && flags.headers.customer_key.is_none() {
            return Err(Failure::usage(
                "the upload is encrypted with a key: name --sse-c-key-file",
            ));
        }
        let bucket_owner = flags.headers.bucket_owner.clone();
        let options = ConnectOptions {
            endpoint_url: earlier.endpoint_url.clone(),
            region: flags.region.or_else(|| earlier.region.clone()),
            profile: flags.profile.or_else(|| earlier.profile.clone()),
            path_style: flags.path_style || earlier.path_style && !flags.host_style,
            host_style: flags.host_style || earlier.host_style && !flags.path_style,
            ca_bundle: flags.ca_bundle.or_else(|| earlier.ca_bundle.clone()),
            anonymous: flags.anonymous || earlier.anonymous,
            addresses: Addresses {
                dualstack: flags.addresses.dualstack || earlier.addresses.dualstack,
                fips: flags.addresses.fips || earlier.addresses.fips,
                accelerate: flags.addresses.accelerate || earlier.addresses.accelerate,
            },
            headers: RequestHeaders {
                requester_pays: flags.headers.requester_pays || earlier.headers.requester_pays,
                bucket_owner: bucket_owner.or_else(|| earlier.headers.bucket_owner.clone()),
                ..flags.headers
            },
            key: None,
        };
        Self::with(options, connection, Some(transfer), session).await
    }

    fn options(connection: &Connection, session: &Session) -> Result<ConnectOptions, Failure> {
        let key_file = connection.sse_c_key_file.as_deref();
        let customer_key = key_file.map(|path| customer_key(path, session)).transpose()?;
        Ok(ConnectOptions {
            endpoint_url: connection.endpoint_url.clone(),
            region: connection.region.clone(),
            profile: connection.profile.clone(),
            path_style: connection.path_style,
            host_style: connection.host_style,
            ca_bundle: connection.ca_bundle.clone(),
            anonymous: connection.no_sign_request,
            addresses: Addresses {
                dualstack: connection.dualstack,
                fips: connection.fips,
                accelerate: connection.accelerate,
            },
            headers: RequestHeaders {
                requester_pays: connection.requester_pays,
                bucket_owner: connection.expected_bucket_owner.clone(),
                has_customer_key: customer_key.is_some(),
                customer_key,
            },
            key: None,
        })
    }

    async fn with(
        options: ConnectOptions,
        connection: &Connection,
        transfer: Option<&Transfer>,
        session: &Session,
    ) -> Result<Self, Failure> {
        let retry_config = RetryConfig {
            before_first_response: connection.retry_time,
            stall: connection.stall_time,
            ..RetryConfig::default()
        };
        let store_options = StoreOptions {
            concurrency: transfer.map_or(0, |transfer| transfer.concurrency.0),
            max_memory: transfer.map_or(ByteSize::mib(128), |transfer| transfer.max_memory),
            retry_config,
            rate_limiter: rate_limiter(transfer, session),
        };
        let cancel_token = CancelToken::new(session.cancel());
        let store = match connect(&options, store_options, &cancel_token).await {
            Err(error) => {
                let hint = hint_for_connection(&error);
                let failure = Failure::from(error);
                return Err(match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                });
            }
            Ok(store) => store,
        };
        if options.headers.has_customer_key && store.address().endpoint_url.is_none() {
            session
                .warn("buckets that AWS made since April 2026 refuse --sse-c-key-file unless told");
        }
        Ok(Self { store, cancel_token })
    }
}

/// Reads the key that the store encrypts with.
fn customer_key(path: &Path, session: &Session) -> Result<CustomerKey, Failure> {
    let mut content = Vec::new();
    // A longer file is no key, whatever comes behind.
    let file = open_file(path)?;
    session.warn_of_readers(path, &file.metadata().at(path, "read")?);
    file.take(1024).read_to_end(&mut content).at(path, "read")?;
    CustomerKey::read(&content).ok_or_else(|| {
        Failure::usage(format!("`{}` is neither 32 bytes nor their base64", quote(path)))
    })
}
