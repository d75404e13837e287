//! The conditions of reads and writes.

use s3s::{
    S3Result,
    dto::{ETagCondition, IfNoneMatch},
    s3_error,
};

use super::object::StoredObject;

/// Marks a request whose conditions are not to be looked at.
#[derive(Clone)]
pub(crate) struct WithoutConditions;

fn refuse_if_taken(condition: Option<&IfNoneMatch>, taken: bool) -> S3Result<()> {
    if condition.is_some() && taken {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    Ok(())
}

pub(crate) fn refuse_if_other(
    condition: Option<&ETagCondition>,
    object: &StoredObject,
) -> S3Result<()> {
    match condition.and_then(ETagCondition::as_etag) {
        Some(etag) if etag.value() != object.etag => Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        )),
        _ => Ok(()),
    }
}

/// Checks the conditions of a write as S3 does, which knows no object to match in a missing one.
pub(crate) fn check_write(
    none: Option<&IfNoneMatch>,
    matching: Option<&ETagCondition>,
    there: Option<&StoredObject>,
) -> S3Result<()> {
    refuse_if_taken(none, there.is_some())?;
    match (matching, there) {
        (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        (Some(_), Some(object)) => refuse_if_other(matching, object),
        (None, _) => Ok(()),
    }
}
