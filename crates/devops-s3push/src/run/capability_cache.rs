//! What `doctor` found out, kept in this user's cache folder.

use std::path::PathBuf;

use devops_cli::{Session, user_folder};
use devops_core::{
    clock::Clock,
    fs::{PathError, create_private_folders, parent, read_text, replace},
    s3::{CachedCapabilities, Capabilities, Conditions, OverwritePolicy, PutOptions, Store},
};

/// What is kept has a few hundred bytes.
const LIMIT: u64 = 64 << 10;

fn path(store: &Store, bucket: &str) -> Option<PathBuf> {
    let folder = user_folder("XDG_CACHE_HOME", ".cache")?;
    let name = CachedCapabilities::file_name(store.address().endpoint_url.as_deref(), bucket);
    Some(folder.join("devops/s3push").join(name))
}

/// Tells the store what was found out about it in the last week; what cannot be read was not found out.
pub(super) fn load_capabilities(store: &Store, bucket: &str, session: &Session) {
    let Some(text) = path(store, bucket).and_then(|path| read_text(&path, LIMIT).ok()) else {
        return;
    };
    let endpoint = store.address().endpoint_url.as_deref();
    if let Some(capabilities) =
        CachedCapabilities::read(&text, endpoint, bucket, session.clock().now())
    {
        tracing::debug!("doctor found out: {capabilities:?}");
        store.assume(capabilities);
    }
}

/// The same before a put, which may need a warning.
pub(super) fn recall_for_put(store: &Store, bucket: &str, options: &PutOptions, session: &Session) {
    load_capabilities(store, bucket, session);
    if options.replace == OverwritePolicy::Refuse
        && store.capabilities().conditions == Some(Conditions::Ignored)
    {
        session.warn(
            "the store ignores conditions: what another writer puts at the same moment could be \
             overwritten",
        );
    }
}

/// Keeps what this run has found out beside its work; where that fails, the next one finds it out again.
pub(super) fn save_capabilities(store: &Store, bucket: &str, session: &Session) {
    let (Some(capabilities), Some(path)) = (store.learned(), path(store, bucket)) else { return };
    let text = read_text(&path, LIMIT).unwrap_or_default();
    let endpoint = store.address().endpoint_url.as_deref();
    let text =
        CachedCapabilities::updated(&text, endpoint, bucket, capabilities, session.clock().now());
    let kept =
        create_private_folders(parent(&path)).and_then(|()| replace(&path, text.as_bytes(), 0o600));
    if let Err(error) = kept {
        tracing::debug!("later runs will not know this: {error}");
    }
}

/// Keeps what was found out; returns whether there is a place for it.
pub(super) fn keep(
    store: &Store,
    bucket: &str,
    capabilities: Capabilities,
    session: &Session,
) -> Result<bool, PathError> {
    let Some(path) = path(store, bucket) else { return Ok(false) };
    create_private_folders(parent(&path))?;
    let endpoint = store.address().endpoint_url.as_deref();
    let text =
        CachedCapabilities::new(endpoint, bucket, capabilities, session.clock().now()).text();
    replace(&path, text.as_bytes(), 0o600)?;
    Ok(true)
}
