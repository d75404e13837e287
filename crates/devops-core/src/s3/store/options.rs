//! The options of a connection, and its errors.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::s3::{
    error::credential_error::CredentialError,
    object::{headers::RequestHeaders, path_serde, text::StoreText},
};
use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    limits::Limit,
    secret::Secret,
};

/// The settings of a connection; what is not given comes from the AWS chain.
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
    #[serde(with = "path_serde::optional")]
    pub ca_bundle: Option<PathBuf>,
    /// Sends requests without a signature.
    pub anonymous: bool,
    /// The addresses of AWS that are used.
    #[serde(default)]
    pub addresses: Addresses,
    /// Headers of every request.
    #[serde(default)]
    pub headers: RequestHeaders,
    /// A key with its secret, instead of what the chain finds.
    #[serde(skip)]
    pub key: Option<(String, Secret)>,
}

/// The addresses of AWS that are used; other stores have none of these.
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

/// The reason a store cannot be reached with these settings.
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
    /// An option of AWS alone was given for another store, or with one that excludes it.
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
