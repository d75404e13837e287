//! Adds to an error what may help.

use std::collections::HashSet;

use devops_cli::{Failure, quote};
use devops_core::s3::{
    ConnectError, CredentialError, JournalError, Left, RequestError, RequestErrorKind, S3Context,
    S3Error, S3Uri, SourceError, keeps_versions, list,
};

/// The hints that were given already: what many files share need not be said of each.
#[derive(Default)]
pub(crate) struct Hints(HashSet<String>);

impl Hints {
    /// Returns the message of a failure, with its hint unless that was given already.
    pub(crate) fn message(&mut self, failure: &Failure) -> String {
        let message = failure.chain().join(": ");
        match &failure.hint {
            Some(hint) if self.0.insert(hint.clone()) => format!("{message} ({hint})"),
            _ => message,
        }
    }
}

/// Turns an error of core into a failure with a hint.
pub(crate) fn explain(error: impl Into<S3Error>) -> Failure {
    let error = error.into();
    let hint = hint(&error);
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Turns an error of core about one object into a failure with a hint.
pub(crate) fn explain_object(error: S3Error, uri: &S3Uri) -> Failure {
    let is_archived = is_archived(&error);
    let thaw_hint = format!("it is archived: let `devops-s3push thaw {uri}` bring it back first");
    let failure = explain(error);
    if is_archived { Failure { hint: Some(thaw_hint), ..failure } } else { failure }
}

/// Turns an error about one object into a failure; of a key without an object it says what else there is.
pub(crate) async fn explain_missing(
    context: S3Context<'_>,
    error: S3Error,
    uri: &S3Uri,
) -> Failure {
    let error_kind = match &error {
        S3Error::Request(call) => Some(call.error_kind.clone()),
        _ => None,
    };
    let failure = explain_object(error, uri);
    let hint = match error_kind {
        Some(
            RequestErrorKind::NoObject
            | RequestErrorKind::DeleteMarker
            | RequestErrorKind::Rejected,
        ) if uri.version_id.is_some() => {
            let uri = uri.with_key(uri.key.clone());
            let others =
                format!("`devops-s3push list {uri} --versions` shows the versions there are");
            Some(unversioned(context, &uri.bucket).await.unwrap_or(others))
        }
        Some(RequestErrorKind::NoObject) => what_is_there(context, uri).await,
        _ => None,
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Returns what to say where a bucket keeps no versions; nothing where it does, or the store does not tell.
pub(crate) async fn unversioned(context: S3Context<'_>, bucket: &str) -> Option<String> {
    let is_off = matches!(keeps_versions(context, bucket).await, Ok(Some(false)));
    is_off.then(|| format!("versioning is off in `{bucket}`: there is only what it has now"))
}

/// Turns an error of a listing of versions into a failure; where the bucket keeps none, it says so.
pub(crate) async fn explain_versions(
    context: S3Context<'_>,
    error: impl Into<S3Error>,
    bucket: &str,
) -> Failure {
    let error = error.into();
    let is_response = matches!(&error, S3Error::Request(call) if call.error_kind.is_response());
    let failure = explain(error);
    if !is_response || failure.hint.is_some() {
        return failure;
    }
    match unversioned(context, bucket).await {
        Some(hint) => failure.hint(hint),
        None => failure.hint("the store may keep no versions: `devops-s3push doctor` tells"),
    }
}

/// Returns what a key without an object may have been meant for: a folder, or a pattern.
pub(crate) async fn what_is_there(context: S3Context<'_>, uri: &S3Uri) -> Option<String> {
    if let Some(at) = uri.key.find(['*', '?', '[', '{']) {
        let folder = uri.key[..at].rfind('/').map_or(0, |slash| slash + 1);
        let (prefix, pattern) = uri.key.split_at(folder);
        let prefix = S3Uri::new(&uri.bucket, prefix).ok()?;
        let pattern = quote(pattern.as_ref());
        return Some(format!(
            "a key is no pattern: get the prefix `{prefix}` with --include '{pattern}'"
        ));
    }
    let folder = S3Uri::new(&uri.bucket, &format!("{}/", uri.key)).ok()?;
    let mut is_there = false;
    list(context, &folder, &mut |_| {
        is_there = true;
        false
    })
    .await
    .ok()?;
    is_there.then(|| format!("there are objects below it: end the prefix with a slash, `{folder}`"))
}

/// Returns whether bytes cannot be read because they are in an archive.
pub(crate) fn is_archived(error: &S3Error) -> bool {
    matches!(error, S3Error::Request(call) if call.error_kind == RequestErrorKind::InColdStorage)
}

fn hint(error: &S3Error) -> Option<String> {
    match error {
        S3Error::Exists(_) => Some("pass --overwrite to replace it".to_owned()),
        S3Error::Request(failure) => hint_for(failure),
        S3Error::AbortFailed { uri, upload_id, .. } => Some(format!(
            "remove it with `devops-s3push uploads abort {uri} --upload-id {upload_id} --older-than 0s`"
        )),
        S3Error::Uncertain { uri, .. } => Some(format!(
            "look with `devops-s3push list {uri}`; the same command finds out, or pass --restart"
        )),
        S3Error::Resumable { id, source } => {
            let again = format!("go on with the same command, or with `devops-s3push resume {id}`");
            Some(match hint(source) {
                _ if matches!(**source, S3Error::Exists(_)) => {
                    "pass --overwrite to replace it and go on with what was sent".to_owned()
                }
                Some(first) => format!("{first}, then {again}"),
                None => again,
            })
        }
        S3Error::Journal(JournalError::Changed(_) | JournalError::Otherwise { .. }) => {
            Some("`put` or `sync` of it aborts that upload and begins anew".to_owned())
        }
        S3Error::Source(SourceError::Plan(_)) => Some("choose --part-size or --max-memory".to_owned()),
        S3Error::Unprotected { uri, left, .. } => Some(hint_unprotected(uri, left)),
        S3Error::ProofTooWeak { .. } => Some(
            "it is stored, and only the proof is missing: choose another --checksum, or a lower --require-proof"
                .to_owned(),
        ),
        S3Error::Source(SourceError::Unsized(_)) => {
            Some("put it as a stream: `devops-s3push put - s3://BUCKET/KEY < FILE`".to_owned())
        }
        S3Error::Source(SourceError::Changed(_)) => {
            Some("try again when nothing writes to it".to_owned())
        }
        S3Error::Cancelled(_)
        | S3Error::Path(_)
        | S3Error::Journal(
            JournalError::Busy(_) | JournalError::Gone(_) | JournalError::Unusable(_),
        )
        | S3Error::Mismatch { .. }
        | S3Error::Source(SourceError::Length { .. }) => None,
    }
}

/// Returns what may help when there is no way to a store.
pub(super) fn hint_for_connection(error: &ConnectError) -> Option<String> {
    match error {
        ConnectError::Credentials(error) => Some(hint_for_credentials(error)),
        ConnectError::Endpoint(_) | ConnectError::Region(_) => Some(WHERE_FROM.to_owned()),
        ConnectError::Proxy(_) => {
            Some("correct the variable, or name the store in NO_PROXY".to_owned())
        }
        ConnectError::Cancelled(_)
        | ConnectError::CaBundle(_)
        | ConnectError::NotHere(_)
        | ConnectError::KeyInClear(_)
        | ConnectError::BadCertificate(_)
        | ConnectError::NoCertificate(_) => None,
    }
}

const WHERE_FROM: &str = "look at --region and --endpoint-url, and where their values come from: \
    `devops-s3push config show --origin`, AWS_REGION, AWS_ENDPOINT_URL and the AWS profile";

fn hint_for_credentials(error: &CredentialError) -> String {
    let text = match error {
        CredentialError::NoLogin(profile) => {
            return format!("log in with `aws sso login --profile {profile}`");
        }
        CredentialError::NoProfile(_) => {
            "the name comes from --profile or AWS_PROFILE; `aws configure list-profiles` shows those there are"
        }
        CredentialError::Nowhere | CredentialError::NotInProfile(_) => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a --profile"
        }
        CredentialError::TokenFile { .. } => {
            "see that the token is mounted where AWS_WEB_IDENTITY_TOKEN_FILE, or the profile, says"
        }
        CredentialError::SecondFactor { .. } => {
            "begin a session with `aws sts get-session-token`, or let a `credential_process` ask for the code"
        }
        CredentialError::Program { .. } => {
            "run that command by hand: it must end with 0 and print the credentials as JSON"
        }
        CredentialError::Late { .. } => {
            "run what gives the credentials by hand: it may wait for a person"
        }
        CredentialError::Configuration(_) => {
            "correct ~/.aws/config or ~/.aws/credentials; `aws configure export-credentials` can give what is not supported here"
        }
        CredentialError::Unreachable(_) => {
            "check the network, HTTPS_PROXY and NO_PROXY: credentials come from another address than the store's"
        }
        CredentialError::Other(_) => {
            "name a --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows what works elsewhere"
        }
    };
    text.to_owned()
}

fn hint_unprotected(uri: &S3Uri, left: &Left) -> String {
    match left {
        Left::Unsent | Left::Removed => {
            "use a store and a bucket that have it, or do without".to_owned()
        }
        Left::There | Left::Stuck(_) => format!(
            "others may read or delete it: remove it with `devops-s3push rm {uri}`, or do without"
        ),
        Left::Before => "pass --overwrite to store it anew".to_owned(),
    }
}

fn hint_for(failure: &RequestError) -> Option<String> {
    let text = match &failure.error_kind {
        RequestErrorKind::Unreachable if failure.proxy.is_some() => {
            "check the proxy, and name the store in NO_PROXY if it is reached without one"
        }
        RequestErrorKind::Unreachable => {
            "check --endpoint-url, the network, and whether the store needs --host-style"
        }
        RequestErrorKind::OtherScheme(scheme) => {
            return Some(format!("pass an --endpoint-url that begins with {scheme}://"));
        }
        RequestErrorKind::Elsewhere(address) => {
            return Some(format!("if that is the store, pass --endpoint-url {address}"));
        }
        RequestErrorKind::HostLimit(limit) => limit.hint(),
        RequestErrorKind::Certificate => "name the store's certificate authority with --ca-bundle",
        RequestErrorKind::NoAddress => WHERE_FROM,
        RequestErrorKind::NoBucket => {
            "look at its name, and at --endpoint-url: it may be in another store"
        }
        RequestErrorKind::NoCredentials(error) => return Some(hint_for_credentials(error)),
        RequestErrorKind::BadCredentials => match failure.code() {
            "SignatureDoesNotMatch" => "the secret key does not belong to the access key",
            _ => "the store does not know this access key",
        },
        RequestErrorKind::Expired => "the session has ended: log in again",
        RequestErrorKind::Clock => "set this host's clock",
        RequestErrorKind::Denied if failure.proxy.is_some() => {
            "write them into the variable: http://NAME:PASSWORD@HOST:PORT"
        }
        RequestErrorKind::Denied => {
            "the credentials lack a permission, or the bucket's policy forbids it"
        }
        RequestErrorKind::OtherRegion(Some(region)) => {
            return Some(format!("pass --region {region}"));
        }
        RequestErrorKind::OtherRegion(None) => "pass the bucket's --region",
        RequestErrorKind::Throttled | RequestErrorKind::Server | RequestErrorKind::Broken => {
            "try again later"
        }
        RequestErrorKind::Unreadable | RequestErrorKind::OtherResponse => {
            "does something else than a store answer at that address?"
        }
        RequestErrorKind::InColdStorage => {
            "it is archived (GLACIER or DEEP_ARCHIVE): let `devops-s3push thaw` bring it back first"
        }
        RequestErrorKind::NoExpedited => "choose --tier standard, or try again later",
        RequestErrorKind::Conflict => "someone else writes to the same key",
        RequestErrorKind::NoObject
        | RequestErrorKind::DeleteMarker
        | RequestErrorKind::NoUpload
        | RequestErrorKind::Exists
        | RequestErrorKind::ChecksumRefused
        | RequestErrorKind::ConditionRefused
        | RequestErrorKind::CopyRefused
        | RequestErrorKind::Damaged
        | RequestErrorKind::Rejected
        | RequestErrorKind::Interrupted(_) => return None,
    };
    Some(text.to_owned())
}
