//! Storage classes that an object must be restored from before it can be read.
//!
//! S3 user guide, "Restoring an archived object": of an object in the class `GLACIER` or `DEEP_ARCHIVE` the
//! store makes a copy that stays for some days; one that `INTELLIGENT_TIERING` has archived it moves back.

use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    primitives::{DateTime, DateTimeFormat},
};
use time::OffsetDateTime;

use super::timestamp::time_of;

/// A storage class that an object must be restored from before it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdTier {
    /// The class `GLACIER`, "Flexible Retrieval".
    Glacier,
    /// The class `DEEP_ARCHIVE`.
    Deep,
    /// The Archive Access tier of `INTELLIGENT_TIERING`.
    Tier,
    /// The Deep Archive Access tier of `INTELLIGENT_TIERING`.
    DeepTier,
}

impl ColdTier {
    /// Returns S3's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glacier => "GLACIER",
            Self::Deep => "DEEP_ARCHIVE",
            Self::Tier => "ARCHIVE_ACCESS",
            Self::DeepTier => "DEEP_ARCHIVE_ACCESS",
        }
    }

    /// Returns whether what comes out of it is a copy that stays for some days, and not the object itself.
    pub(crate) fn gives_copies(self) -> bool {
        matches!(self, Self::Glacier | Self::Deep)
    }

    /// Returns whether the store fetches from it in minutes, if asked to.
    pub(crate) fn is_quick(self) -> bool {
        matches!(self, Self::Glacier | Self::Tier)
    }

    fn of(class: Option<&str>, tier: Option<&str>) -> Option<Self> {
        match (tier, class) {
            (Some("ARCHIVE_ACCESS"), _) => Some(Self::Tier),
            (Some("DEEP_ARCHIVE_ACCESS"), _) => Some(Self::DeepTier),
            (_, Some("GLACIER")) => Some(Self::Glacier),
            (_, Some("DEEP_ARCHIVE")) => Some(Self::Deep),
            _ => None,
        }
    }
}

/// Is set if the bytes of an object can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestoreStatus {
    /// They can, since it is in no archive.
    #[default]
    NotCold,
    /// They cannot: it is in this archive.
    Cold(ColdTier),
    /// Not yet: the store is fetching it.
    Restoring,
    /// They can, until then: there is a copy of it.
    Restored(Option<OffsetDateTime>),
}

impl RestoreStatus {
    /// Returns whether the bytes can be read now.
    pub fn is_readable(self) -> bool {
        matches!(self, Self::NotCold | Self::Restored(_))
    }

    /// Returns its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotCold => "not_archived",
            Self::Cold(_) => "archived",
            Self::Restoring => "thawing",
            Self::Restored(_) => "thawed",
        }
    }

    pub(crate) fn of(head: &HeadObjectOutput) -> Self {
        let class = head.storage_class().map(aws_sdk_s3::types::StorageClass::as_str);
        let tier = head.archive_status().map(aws_sdk_s3::types::ArchiveStatus::as_str);
        state(ColdTier::of(class, tier), head.restore().and_then(read_restore))
    }
}

/// Returns whether objects that a listing gives this class may be in an archive.
pub(crate) fn may_be_cold(class: Option<&str>) -> bool {
    // A listing does not say in which tier an object is.
    ColdTier::of(class, None).is_some() || class == Some("INTELLIGENT_TIERING")
}

/// The value of the header `x-amz-restore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestoreHeader {
    Ongoing,
    Done(Option<OffsetDateTime>),
}

/// Reads `ongoing-request="true"`, or `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`.
fn read_restore(header: &str) -> Option<RestoreHeader> {
    let value = |name: &str| {
        let (_, rest) = header.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0)
    };
    match value("ongoing-request")? {
        "true" => Some(RestoreHeader::Ongoing),
        "false" => {
            let date = value("expiry-date");
            let date =
                date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
            Some(RestoreHeader::Done(date.as_ref().and_then(time_of)))
        }
        _ => None,
    }
}

fn state(archive: Option<ColdTier>, restore: Option<RestoreHeader>) -> RestoreStatus {
    match (restore, archive) {
        (Some(RestoreHeader::Ongoing), _) => RestoreStatus::Restoring,
        // What was moved back out of a tier and still stands in one was archived again.
        (_, Some(archive)) if !archive.gives_copies() => RestoreStatus::Cold(archive),
        (Some(RestoreHeader::Done(None)) | None, None) => RestoreStatus::NotCold,
        // Stores have archives of other names, too.
        (Some(RestoreHeader::Done(until)), _) => RestoreStatus::Restored(until),
        (None, Some(archive)) => RestoreStatus::Cold(archive),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{RestoreStatus as Is, *};

    const DONE: &str = r#"ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT""#;

    fn seen(class: Option<&str>, tier: Option<&str>, restore: Option<&str>) -> RestoreStatus {
        state(ColdTier::of(class, tier), restore.and_then(read_restore))
    }

    #[test]
    fn the_header_says_whether_it_goes_on_and_until_when_it_lasts() {
        let until = Some(datetime!(2012-12-21 0:00 UTC));

        assert_eq!(read_restore(r#"ongoing-request="true""#), Some(RestoreHeader::Ongoing));
        assert_eq!(read_restore(DONE), Some(RestoreHeader::Done(until)));
        assert_eq!(
            read_restore(r#"expiry-date="Fri, 21 Dec 2012 00:00:00 GMT", ongoing-request="false""#),
            Some(RestoreHeader::Done(until))
        );
    }

    #[test]
    fn what_is_no_such_header_says_nothing() {
        for header in
            ["", "ongoing-request", "ongoing-request=\"", "ongoing-request=\"maybe\"", "ü"]
        {
            assert_eq!(read_restore(header), None, "{header}");
        }
        for date in ["", "tomorrow", "Fri, 99 Dec 2012 00:00:00 GMT"] {
            let header = format!(r#"ongoing-request="false", expiry-date="{date}""#);
            assert_eq!(read_restore(&header), Some(RestoreHeader::Done(None)), "{header}");
        }
    }

    #[test]
    fn an_object_of_an_archive_class_is_archived_until_a_copy_is_there() {
        for (class, archive) in [("GLACIER", ColdTier::Glacier), ("DEEP_ARCHIVE", ColdTier::Deep)] {
            let of = |restore| seen(Some(class), None, restore);

            assert_eq!(of(None), Is::Cold(archive));
            assert_eq!(of(Some("nonsense")), Is::Cold(archive));
            assert_eq!(of(Some(r#"ongoing-request="true""#)), Is::Restoring);
            assert_eq!(of(Some(DONE)), Is::Restored(Some(datetime!(2012-12-21 0:00 UTC))));
            assert_eq!(of(Some(r#"ongoing-request="false""#)), Is::Restored(None));
        }
    }

    #[test]
    fn other_classes_are_read_at_once() {
        for class in [None, Some("STANDARD"), Some("GLACIER_IR"), Some("INTELLIGENT_TIERING")] {
            assert_eq!(seen(class, None, None), Is::NotCold, "{class:?}");
        }
    }

    #[test]
    fn a_tier_counts_more_than_what_was_restored_from_it_before() {
        let of = |tier, restore| seen(Some("INTELLIGENT_TIERING"), tier, restore);
        let done = Some(r#"ongoing-request="false""#);

        assert_eq!(of(Some("ARCHIVE_ACCESS"), None), Is::Cold(ColdTier::Tier));
        assert_eq!(of(Some("DEEP_ARCHIVE_ACCESS"), done), Is::Cold(ColdTier::DeepTier));
        assert_eq!(of(Some("ARCHIVE_ACCESS"), Some(r#"ongoing-request="true""#)), Is::Restoring);
        assert_eq!(of(None, done), Is::NotCold);
    }
}
