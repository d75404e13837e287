//! Objects in archives, which are read only after a restoration.

use std::time::{Duration, SystemTime};

use s3s::{S3Result, s3_error};
use time::OffsetDateTime;

use super::object::{Bucket, Restoration, Shelf, StoredObject};

#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;

const TIERED: &str = "INTELLIGENT_TIERING";

fn class(object: &StoredObject) -> &str {
    object.attributes.storage_class.as_deref().unwrap_or("STANDARD")
}

fn needs_copy(object: &StoredObject) -> bool {
    matches!(class(object), "GLACIER" | "DEEP_ARCHIVE")
}

fn restoration(object: &StoredObject) -> Option<Restoration> {
    object.attributes.keeping.shelf.restoration
}

fn is_done(object: &StoredObject) -> bool {
    restoration(object).is_some_and(|restoration| restoration.done().is_some())
}

fn is_archived(object: &StoredObject) -> bool {
    let in_tier = object.attributes.keeping.shelf.tier.is_some();
    (needs_copy(object) || in_tier) && !is_done(object)
}

/// Fails while the bytes of an object are in an archive.
pub(crate) fn refuse_if_archived(object: &StoredObject) -> S3Result<()> {
    if is_archived(object) {
        return Err(s3_error!(
            InvalidObjectState,
            "The operation is not valid for the object's storage class"
        ));
    }
    Ok(())
}

/// Begins a restoration, or lets a copy stay for longer; returns whether it has to be waited for.
pub(crate) fn restore(
    bucket: &mut Bucket,
    input: &RestoreObjectInput,
    takes: Option<Duration>,
) -> S3Result<bool> {
    let version = input.version_id.as_deref();
    let object = bucket.find(&input.key, version)?;
    let asked = input.restore_request.as_ref();
    let days = asked.and_then(|asked| asked.days);
    let tier = asked.and_then(|asked| Some(asked.glacier_job_parameters.as_ref()?.tier.as_str()));
    let (is_done, in_tier) = (is_done(object), class(object) == TIERED);
    check(object, days, tier)?;
    if restoration(object).is_some() && !is_done {
        return Err(s3_error!(RestoreAlreadyInProgress, "Object restore is already in progress"));
    }
    if !is_archived(object) && (in_tier || !is_done) {
        return Err(s3_error!(
            InvalidObjectState,
            "Restore is not allowed for the object's current storage class"
        ));
    }
    let now = SystemTime::now();
    let ready = if is_done { Some(now) } else { takes.map(|takes| now + takes) };
    bucket.keeping(&input.key, version)?.shelf.restoration = Some(Restoration { ready, days });
    Ok(!is_done)
}

/// Checks a request as S3 does.
fn check(object: &StoredObject, days: Option<i32>, tier: Option<&str>) -> S3Result<()> {
    match (class(object), days) {
        (TIERED, Some(_)) => Err(s3_error!(
            InvalidArgument,
            "INTELLIGENT_TIERING objects are not subject to restore expiry. Do not specify Days when restoring this object"
        )),
        ("GLACIER" | "DEEP_ARCHIVE", days) if days.is_none_or(|days| days < 1) => {
            Err(s3_error!(MalformedXML, "The XML you provided was not well-formed"))
        }
        ("DEEP_ARCHIVE", _) if tier == Some("Expedited") => Err(s3_error!(
            InvalidArgument,
            "Retrieval option is not supported by this storage class"
        )),
        _ => Ok(()),
    }
}

/// Adds to the answer to HEAD what is known of archives.
pub(crate) fn show(object: &StoredObject, output: &mut HeadObjectOutput) {
    let class = object.attributes.storage_class.clone();
    output.storage_class = class.filter(|class| class != "STANDARD").map(StorageClass::from);
    if is_archived(object) {
        output.archive_status =
            object.attributes.keeping.shelf.tier.clone().map(ArchiveStatus::from);
    }
    let Some(restoration) = restoration(object) else { return };
    output.restore = match restoration.done() {
        None => Some("ongoing-request=\"true\"".to_owned()),
        Some(ready) if needs_copy(object) => {
            let end = http_date(restoration.end(ready));
            Some(format!("ongoing-request=\"false\", expiry-date=\"{end}\""))
        }
        Some(_) => None,
    };
}

fn http_date(moment: SystemTime) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from(moment).format(format).expect("a date of these centuries")
}

/// Puts an object into a class, or into an archive tier of `INTELLIGENT_TIERING`.
pub(crate) fn archive(bucket: &mut Bucket, key: &str, place: &str) {
    let object = bucket.objects.get_mut(key).expect("the object exists");
    let in_tier = place.ends_with("_ACCESS");
    let class = if in_tier { TIERED } else { place };
    object.attributes.storage_class = Some(class.to_owned());
    let tier = in_tier.then(|| place.to_owned());
    object.attributes.keeping.shelf = Shelf { tier, restoration: None };
}

/// Ends all restorations that are under way.
pub(crate) fn finish(bucket: &mut Bucket) {
    for object in bucket.objects.values_mut() {
        if let Some(restoration) = &mut object.attributes.keeping.shelf.restoration {
            restoration.ready.get_or_insert_with(SystemTime::now);
        }
    }
}
