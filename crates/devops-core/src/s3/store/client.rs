//! The way to a store while it is used: the region it was found in, and credentials that end.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use aws_credential_types::Credentials;
use aws_sdk_s3::{
    Client,
    config::{Builder, Region},
};

use super::{
    aws_config::reload,
    credentials::{Provided, are_same},
    options::{ConnectError, ConnectOptions},
};

/// The SDK client and its credentials at present.
struct ClientState {
    config: Builder,
    client: Client,
    /// Nothing for requests without a signature.
    credentials: Option<Provided>,
}

/// The way to a store, and how another one is found.
pub(crate) struct ClientHandle {
    state: RwLock<ClientState>,
    /// The options of the credential chain.
    options: ConnectOptions,
    moved: AtomicBool,
    renewing: tokio::sync::Mutex<()>,
}

/// The client and the credentials of one attempt.
pub(crate) struct ClientSnapshot {
    pub(crate) client: Client,
    credentials: Option<Credentials>,
}

/// The result of renewing credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The chain gave others.
    New,
    /// Another request has found them already.
    Already,
    /// The chain gives the same again, or there are none.
    Same,
}

impl ClientHandle {
    pub(crate) fn new(
        config: Builder,
        credentials: Option<Provided>,
        options: ConnectOptions,
    ) -> Self {
        let config = match &credentials {
            Some(provided) => config.credentials_provider(provided.clone()),
            None => config,
        };
        let client = Client::from_conf(config.clone().build());
        Self {
            state: RwLock::new(ClientState { config, client, credentials }),
            options,
            moved: AtomicBool::new(false),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn current(&self) -> ClientSnapshot {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let credentials = state.credentials.as_ref().map(Provided::latest);
        ClientSnapshot { client: state.client.clone(), credentials }
    }

    /// Returns the credentials in use, unless requests are not signed.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.current().credentials
    }

    /// Turns to the region the store named in its answer to `used`; only once, so that two regions
    /// that each name the other do not go on for ever. Returns whether to try again.
    ///
    /// Credentials go to the address made from that region, never to one named in an answer.
    pub(crate) fn move_to(&self, region: &str, used: &ClientSnapshot) -> bool {
        let name = |client: &Client| client.config().region().map(ToString::to_string);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if name(&state.client) != name(&used.client) {
            // Another request heard it first.
            return true;
        }
        if name(&state.client).as_deref() == Some(region) || self.moved.swap(true, Ordering::SeqCst)
        {
            return false;
        }
        state.config = state.config.clone().region(Region::new(region.to_owned()));
        state.client = Client::from_conf(state.config.clone().build());
        true
    }

    /// Asks the whole chain again after the store said that the credentials of `used` have ended.
    ///
    /// Files of the AWS configuration are read anew, so that a login elsewhere counts at once.
    pub(crate) async fn renew(&self, used: &ClientSnapshot) -> Result<Renewal, ConnectError> {
        let Some(ended) = &used.credentials else { return Ok(Renewal::Same) };
        // The parts of one object hear of it together, and the chain may start a program.
        let _one = self.renewing.lock().await;
        if self.has_newer_than(used) {
            return Ok(Renewal::Already);
        }
        let provided = reload(&self.options).await?;
        if are_same(&provided.latest(), ended) {
            return Ok(Renewal::Same);
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.config = state.config.clone().credentials_provider(provided.clone());
        state.client = Client::from_conf(state.config.clone().build());
        state.credentials = Some(provided);
        Ok(Renewal::New)
    }

    /// Returns whether there are other credentials than those an attempt was made with.
    pub(crate) fn has_newer_than(&self, used: &ClientSnapshot) -> bool {
        match (self.credentials(), &used.credentials) {
            (Some(now), Some(then)) => !are_same(&now, then),
            _ => false,
        }
    }
}
