//! The credentials that requests are signed with, remembered so that newer ones can be told from them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

/// The provider that the chain found, with what it gave last.
#[derive(Clone, Debug)]
pub(crate) struct Provided(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: SharedCredentialsProvider,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    latest: Credentials,
    /// No request has asked for them yet; asking the provider again may start a program twice.
    is_fresh: bool,
}

impl Provided {
    /// Loads credentials once, so that missing ones show early.
    pub(crate) async fn load(
        provider: SharedCredentialsProvider,
    ) -> Result<Self, CredentialsError> {
        let latest = provider.provide_credentials().await?;
        let state = Mutex::new(State { latest, is_fresh: true });
        Ok(Self(Arc::new(Inner { provider, state })))
    }

    /// Returns what was given last.
    pub(crate) fn latest(&self) -> Credentials {
        self.state().latest.clone()
    }

    fn take_fresh(&self) -> Option<Credentials> {
        let mut state = self.state();
        std::mem::take(&mut state.is_fresh).then(|| state.latest.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvideCredentials for Provided {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            if let Some(credentials) = self.take_fresh() {
                return Ok(credentials);
            }
            let credentials = self.0.provider.provide_credentials().await?;
            self.state().latest = credentials.clone();
            Ok(credentials)
        })
    }
}

/// Returns whether both sign the same, whatever they say of their end.
pub(crate) fn are_same(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id() == other.access_key_id()
        && one.secret_access_key() == other.secret_access_key()
        && one.session_token() == other.session_token()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_later_end_alone_does_not_make_new_credentials() {
        let credentials = |token: &str, end| {
            Credentials::new("key", "secret", Some(token.to_owned()), end, "given")
        };
        let ended = credentials("one", None);

        assert!(are_same(&ended, &credentials("one", Some(SystemTime::now()))));
        assert!(!are_same(&ended, &credentials("two", None)));
    }
}
