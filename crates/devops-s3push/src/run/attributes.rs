//! What new objects are stored with, from the flags.

use devops_cli::{Failure, Session, When};
use devops_core::{
    clock::Clock,
    s3::{Attributes, Encryption, Method, ObjectLock, Tags},
};

use super::timestamp::rfc3339;
use crate::cli::{AttributeFlags, Protection};

/// Reads the flags; says what does not go together before anything is sent.
pub(super) fn attributes(
    flags: &AttributeFlags,
    checksum: Protection,
    session: &Session,
) -> Result<Attributes, Failure> {
    let tags = Tags::new(flags.tag.iter().cloned());
    let attributes = Attributes {
        metadata: flags.metadata.iter().cloned().collect(),
        content_type: flags.content_type.clone(),
        storage_class: flags.storage_class.clone(),
        encryption: encryption(flags)?,
        tags: tags.map_err(|error| Failure::usage(format!("--tag: {error}")))?,
        lock: lock(flags, session)?,
        legal_hold: flags.legal_hold,
    };
    if attributes.is_locked() && checksum.0.is_none() {
        return Err(
            Failure::usage("a locked object needs a checksum").hint("leave out `--checksum none`")
        );
    }
    Ok(attributes)
}

fn encryption(flags: &AttributeFlags) -> Result<Option<Encryption>, Failure> {
    match (flags.sse, &flags.sse_kms_key_id) {
        (None | Some(Method::Store), Some(_)) => {
            Err(Failure::usage("--sse-kms-key-id goes with `--sse aws:kms` or `aws:kms:dsse`"))
        }
        (method, key_id) => Ok(method.map(|method| Encryption { method, key_id: key_id.clone() })),
    }
}

fn lock(flags: &AttributeFlags, session: &Session) -> Result<Option<ObjectLock>, Failure> {
    match (flags.lock_mode, flags.lock_until) {
        (None, None) => Ok(None),
        (Some(mode), Some(when)) => {
            let past = || Failure::usage("--lock-until is not in the future, or too far");
            let until = when.after(session.clock().now()).ok_or_else(past)?;
            session.status(format!("Locking until {}", rfc3339(until)));
            Ok(Some(ObjectLock { mode, until, is_from_now: matches!(when, When::In(_)) }))
        }
        _ => Err(Failure::usage("--lock-mode and --lock-until go together")),
    }
}
