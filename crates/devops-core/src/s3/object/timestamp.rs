//! Times as the SDK gives them.

use time::OffsetDateTime;

pub(crate) fn time_of(time: &aws_sdk_s3::primitives::DateTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(time.as_nanos()).ok()
}
