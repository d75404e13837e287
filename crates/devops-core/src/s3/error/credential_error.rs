//! The reason there are no credentials: which link of the AWS chain was asked, and what is wrong with it.

use std::{error::Error, io, time::Duration};

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::os_shim_internal::Env;

use super::error_chain::chain;
use crate::kind::{HasKind, Kind};
use crate::s3::object::text::StoreText;

/// The reason there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Nothing that was asked has any.
    #[error("no credentials were found")]
    Nowhere,
    /// The profile has none, and names no way to any.
    #[error("no credentials are in the profile `{0}`")]
    NotInProfile(StoreText),
    /// No file has that profile.
    #[error("no profile `{0}` is in the AWS configuration files")]
    NoProfile(StoreText),
    /// IAM Identity Center has no session for the profile, or no longer.
    #[error("the profile `{0}` has no session of IAM Identity Center: not logged in")]
    NoLogin(StoreText),
    /// The file that proves a web identity cannot be read.
    #[error("the web identity token file `{path}` cannot be read: {message}")]
    TokenFile {
        /// The file.
        path: StoreText,
        /// The system's message.
        message: StoreText,
    },
    /// The role wants a second factor, which is not asked for.
    #[error("the profile `{profile}` has `mfa_serial`, and no code is asked for here: {message}")]
    SecondFactor {
        /// The profile.
        profile: StoreText,
        /// The message of the token service.
        message: StoreText,
    },
    /// The program that a profile names gives none.
    #[error("the `credential_process` of the profile `{profile}` gives no credentials: {message}")]
    Program {
        /// The profile.
        profile: StoreText,
        /// The error.
        message: StoreText,
    },
    /// Nothing came in time.
    #[error("{source_name} gave no credentials within {} s", .limit.as_secs())]
    Late {
        /// The credential source.
        source_name: StoreText,
        /// The time that was waited.
        limit: Duration,
    },
    /// The configuration of the chain contradicts itself, or cannot be read.
    #[error("the AWS configuration is wrong: {0}")]
    Configuration(StoreText),
    /// The service that gives them cannot be reached.
    #[error("the service that gives credentials cannot be reached: {0}")]
    Unreachable(StoreText),
    /// Anything else.
    #[error("credentials could not be loaded: {0}")]
    Other(StoreText),
}

impl CredentialError {
    /// Reads an error that came when a request was to be signed.
    pub(crate) fn at_a_request(error: &CredentialsError) -> Self {
        let message = StoreText::from(innermost(error));
        match error {
            CredentialsError::CredentialsNotLoaded(_) => Self::Nowhere,
            _ if is_unreachable(error) => Self::Unreachable(message),
            _ => Self::Other(message),
        }
    }
}

impl HasKind for CredentialError {
    fn kind(&self) -> Kind {
        match self {
            Self::Late { .. } | Self::Unreachable(_) => Kind::Temporary,
            Self::Configuration(_) => Kind::Configuration,
            Self::Nowhere
            | Self::NotInProfile(_)
            | Self::NoProfile(_)
            | Self::NoLogin(_)
            | Self::TokenFile { .. }
            | Self::SecondFactor { .. }
            | Self::Program { .. }
            | Self::Other(_) => Kind::Permission,
        }
    }
}

/// The settings of the credential chain.
pub(crate) struct Chain<'a> {
    pub(crate) env: &'a Env,
    /// The profile that was named for this run.
    pub(crate) profile: Option<&'a str>,
    /// The configuration files; an error if they cannot be read.
    pub(crate) files: Result<&'a ProfileSet, StoreText>,
}

impl Chain<'_> {
    /// Says why the chain gave nothing in time.
    pub(crate) fn late(&self, limit: Duration) -> CredentialError {
        let source_name = match self.with_key("credential_process") {
            Some((name, _)) => format!("the `credential_process` of the profile `{name}`"),
            None => "the AWS chain".to_owned(),
        };
        CredentialError::Late { source_name: source_name.into(), limit }
    }

    /// Says why the chain gave nothing.
    pub(crate) fn explain(&self, error: &CredentialsError) -> CredentialError {
        let message = || StoreText::from(innermost(error));
        if let Some(found) = self.in_files(error).or_else(|| self.token_file()) {
            return found;
        }
        match error {
            CredentialsError::CredentialsNotLoaded(_) => match self.named() {
                Some(name) => CredentialError::NotInProfile(name.into()),
                None => CredentialError::Nowhere,
            },
            CredentialsError::InvalidConfiguration(_) => CredentialError::Configuration(message()),
            _ if is_unreachable(error) => CredentialError::Unreachable(message()),
            _ => CredentialError::Other(message()),
        }
    }

    /// Looks for the reason in the configuration files.
    fn in_files(&self, error: &CredentialsError) -> Option<CredentialError> {
        let message = || StoreText::from(innermost(error));
        let files = match &self.files {
            Ok(files) => files,
            Err(error) => return Some(CredentialError::Configuration(error.clone())),
        };
        if let Some(name) = self.named().filter(|name| files.get_profile(name).is_none()) {
            return Some(CredentialError::NoProfile(name.into()));
        }
        if let Some((name, _)) = self.with_key("login_session") {
            let message = format!("`login_session` of the profile `{name}` is not supported");
            return Some(CredentialError::Configuration(message.into()));
        }
        if let Some((name, source)) = self.with_key("source_profile")
            && files.get_profile(source).is_none()
        {
            let message =
                format!("`source_profile` of `{name}` is `{source}`, which does not exist");
            return Some(CredentialError::Configuration(message.into()));
        }
        if matches!(error, CredentialsError::InvalidConfiguration(_)) || is_unreachable(error) {
            return None;
        }
        if let Some((name, _)) = self.with_key("credential_process") {
            return Some(CredentialError::Program { profile: name.into(), message: message() });
        }
        let session = self.with_key("sso_session").or_else(|| self.with_key("sso_start_url"));
        if let Some((name, _)) = session {
            return Some(CredentialError::NoLogin(name.into()));
        }
        let (name, _) = self.with_key("mfa_serial")?;
        Some(CredentialError::SecondFactor { profile: name.into(), message: message() })
    }

    /// Returns what is wrong with the file of a web identity, if anything is.
    fn token_file(&self) -> Option<CredentialError> {
        let of_profile = self.with_key("web_identity_token_file").map(|(_, path)| path);
        let of_environment =
            || self.env.get("AWS_WEB_IDENTITY_TOKEN_FILE").ok().filter(|_| self.profile.is_none());
        let path = of_profile.map(str::to_owned).or_else(of_environment)?;
        let error = std::fs::File::open(&path).err()?;
        Some(CredentialError::TokenFile { path: path.into(), message: error.to_string().into() })
    }

    /// Returns the profile that somebody named, which is more than a default.
    fn named(&self) -> Option<String> {
        let of_environment = || self.env.get("AWS_PROFILE").ok().filter(|name| !name.is_empty());
        self.profile.map(str::to_owned).or_else(of_environment)
    }

    /// Returns the first profile of the chain that has a key, and its value.
    fn with_key(&self, key: &str) -> Option<(&str, &str)> {
        /// More than that lead back to one of them.
        const LONGEST: usize = 16;
        let files = self.files.as_ref().ok()?;
        let name = self.named();
        let first = files.get_profile(name.as_deref().unwrap_or("default"))?;
        let next = |profile: &&Profile| files.get_profile(profile.get("source_profile")?);
        let mut chain = std::iter::successors(Some(first), next).take(LONGEST);
        chain.find_map(|profile| Some((profile.name(), profile.get(key)?)))
    }
}

/// Returns whether the request to a service of the chain came to no answer.
fn is_unreachable(error: &CredentialsError) -> bool {
    chain(error).any(<dyn Error>::is::<ConnectorError>)
}

/// Returns what happened; the wrappers only say that something did.
fn innermost(error: &CredentialsError) -> String {
    let causes: Vec<_> = chain(error).collect();
    // A bare error of the system says nothing of what it is about: what wraps it does.
    let of_system = causes.iter().position(|cause| cause.is::<io::Error>());
    match of_system {
        Some(at) if at > 0 => format!("{}: {}", causes[at - 1], causes[at]),
        _ => causes.last().map(ToString::to_string).unwrap_or_default(),
    }
}
