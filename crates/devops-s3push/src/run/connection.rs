//! Connects to the store that the flags and the AWS chain name.

use devops_cli::{Failure, ResultExt, Session};
use devops_core::{
    s3::{ConnectError, ConnectOptions, Pace, Patience, Stop, Store, StoreOptions, connect},
    units::ByteSize,
};

use crate::cli::{Connection, Transfer};

/// Returns how fast bytes may move, by the clock on the wall.
fn pace(transfer: Option<&Transfer>, session: &Session) -> Pace {
    let limit = transfer.and_then(|transfer| transfer.limit_rate.clone());
    limit.map_or_else(Pace::default, |limit| Pace::new(limit, session.clock()))
}

/// A connected store, and when to stop.
pub(crate) struct Connected {
    pub(crate) store: Store,
    pub(crate) stop: Stop,
}

impl Connected {
    pub(crate) async fn new(
        connection: &Connection,
        transfer: Option<&Transfer>,
        session: &Session,
    ) -> Result<Self, Failure> {
        let options = Self::options(connection);
        Self::with(options, connection, transfer, session).await
    }

    /// Connects to the store of an earlier run, but for what the flags say.
    pub(crate) async fn again(
        earlier: &ConnectOptions,
        connection: &Connection,
        transfer: &Transfer,
        session: &Session,
    ) -> Result<Self, Failure> {
        let flags = Self::options(connection);
        let options = ConnectOptions {
            endpoint_url: earlier.endpoint_url.clone(),
            region: flags.region.or_else(|| earlier.region.clone()),
            profile: flags.profile.or_else(|| earlier.profile.clone()),
            path_style: flags.path_style || earlier.path_style,
            ca_bundle: flags.ca_bundle.or_else(|| earlier.ca_bundle.clone()),
            anonymous: flags.anonymous || earlier.anonymous,
            key: None,
        };
        Self::with(options, connection, Some(transfer), session).await
    }

    fn options(connection: &Connection) -> ConnectOptions {
        ConnectOptions {
            endpoint_url: connection.endpoint_url.clone(),
            region: connection.region.clone(),
            profile: connection.profile.clone(),
            path_style: connection.path_style,
            ca_bundle: connection.ca_bundle.clone(),
            anonymous: connection.no_sign_request,
            key: None,
        }
    }

    async fn with(
        options: ConnectOptions,
        connection: &Connection,
        transfer: Option<&Transfer>,
        session: &Session,
    ) -> Result<Self, Failure> {
        let patience =
            Patience { before_first_answer: connection.retry_time, stall: connection.stall_time };
        let store_options = StoreOptions {
            concurrency: transfer.map_or(0, |transfer| transfer.concurrency.0),
            max_memory: transfer.map_or(ByteSize::mib(128), |transfer| transfer.max_memory),
            patience,
            pace: pace(transfer, session),
        };
        let stop = Stop::new(session.cancel());
        let store = match connect(&options, store_options, &stop).await {
            Err(error @ ConnectError::Credentials(_)) => {
                return Err(error)
                    .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a --profile");
            }
            other => other?,
        };
        Ok(Self { store, stop })
    }
}
