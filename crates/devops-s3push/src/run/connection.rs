//! Connects to the store that the flags and the AWS chain name.

use devops_cli::{Failure, ResultExt, Session};
use devops_core::{
    s3::{ConnectError, ConnectOptions, Patience, Stop, Store, StoreOptions, connect},
    units::ByteSize,
};

use crate::cli::{Connection, Transfer};

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
        let options = ConnectOptions {
            endpoint_url: connection.endpoint_url.clone(),
            region: connection.region.clone(),
            profile: connection.profile.clone(),
            path_style: connection.path_style,
            ca_bundle: connection.ca_bundle.clone(),
            anonymous: connection.no_sign_request,
            key: None,
        };
        let patience =
            Patience { before_first_answer: connection.retry_time, stall: connection.stall_time };
        let store_options = StoreOptions {
            concurrency: transfer.map_or(0, |transfer| transfer.concurrency.0),
            max_memory: transfer.map_or(ByteSize::mib(128), |transfer| transfer.max_memory),
            patience,
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
