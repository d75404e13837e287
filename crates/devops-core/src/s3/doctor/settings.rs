//! Checks the settings of the bucket, and says what they mean for backups in it.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketVersioningStatus, ExpirationStatus, LifecycleRule,
    ObjectLockConfiguration, ServerSideEncryptionConfiguration,
};

use super::{doctor_run::DoctorRun, finding::Finding};
use crate::{
    cancel::Cancelled,
    s3::error::request_error::{RequestError, RequestErrorKind},
    units::count,
};

/// An upload that broke off on a Friday is gone on with on a Monday, holidays included.
const RESUME_WINDOW_DAYS: i32 = 7;

impl DoctorRun<'_> {
    /// Tells of the bucket's settings; returns whether every new object is locked.
    pub(super) async fn settings(&self) -> Result<bool, Cancelled> {
        let bucket = &self.options.prefix.bucket;
        let response = self
            .ask("GetBucketVersioning", |client| {
                client.get_bucket_versioning().bucket(bucket).send()
            })
            .await?;
        self.keeps_versions.set(response.as_ref().ok().map(|response| response.status().is_some()));
        self.report(match &response {
            Ok(response) => versioning(response.status()),
            Err(failure) => unknown_setting("versioning", failure, "s3:GetBucketVersioning"),
        });
        let response = self
            .ask("GetObjectLockConfiguration", |client| {
                client.get_object_lock_configuration().bucket(bucket).send()
            })
            .await?;
        let configuration = match &response {
            Ok(response) => Ok(response.object_lock_configuration()),
            Err(failure) if is_unset(failure) => Ok(None),
            Err(failure) => Err(failure),
        };
        self.report(match &configuration {
            Ok(configuration) => lock(*configuration),
            Err(failure) => {
                unknown_setting("object lock", failure, "s3:GetBucketObjectLockConfiguration")
            }
        });
        let locks = default_lock(configuration.ok().flatten()).is_some();
        self.lifecycle().await?;
        self.encryption().await?;
        Ok(locks)
    }

    async fn lifecycle(&self) -> Result<(), Cancelled> {
        let prefix = self.options.prefix;
        let response = self
            .ask("GetBucketLifecycleConfiguration", |client| {
                client.get_bucket_lifecycle_configuration().bucket(&prefix.bucket).send()
            })
            .await?;
        self.report(match &response {
            Ok(response) => lifecycle(response.rules(), &prefix.key),
            Err(failure) if is_unset(failure) => lifecycle(&[], &prefix.key),
            Err(failure) => unknown_setting("lifecycle", failure, "s3:GetLifecycleConfiguration"),
        });
        Ok(())
    }

    async fn encryption(&self) -> Result<(), Cancelled> {
        let bucket = &self.options.prefix.bucket;
        let response = self
            .ask("GetBucketEncryption", |client| {
                client.get_bucket_encryption().bucket(bucket).send()
            })
            .await?;
        self.report(match &response {
            Ok(response) => encryption(response.server_side_encryption_configuration()),
            Err(failure) if is_unset(failure) => encryption(None),
            Err(failure) => unknown_setting("encryption", failure, "s3:GetEncryptionConfiguration"),
        });
        Ok(())
    }
}

/// Each setting has a code of its own for not being set (S3 API reference), all with status 404.
fn is_unset(failure: &RequestError) -> bool {
    failure.error_kind == RequestErrorKind::NoObject
}

fn unknown_setting(check: &'static str, failure: &RequestError, permission: &str) -> Finding {
    if failure.error_kind == RequestErrorKind::Denied {
        let advice = Some(format!("allow {permission} to have it looked at").into());
        return Finding {
            advice,
            ..Finding::warn(check, "these credentials may not ask for it", None)
        };
    }
    let why = failure.code.clone().unwrap_or_else(|| failure.to_string().into());
    Finding::warn(check, format!("the store does not tell ({why})"), None)
}

fn versioning(status: Option<&BucketVersioningStatus>) -> Finding {
    if status == Some(&BucketVersioningStatus::Enabled) {
        return Finding::ok("versioning", "what is overwritten or deleted is kept as a version");
    }
    let message = "what is overwritten or deleted is gone, whoever did it";
    Finding::warn("versioning", message, "enable versioning on the bucket")
}

/// Returns how new objects are locked when nothing is asked for.
fn default_lock(configuration: Option<&ObjectLockConfiguration>) -> Option<String> {
    let retention = configuration?.rule()?.default_retention()?;
    let mode = retention.mode().map_or("", |mode| mode.as_str()).to_lowercase();
    Some(match (retention.days(), retention.years()) {
        (Some(days), _) => format!("{mode}, {}", count(days, "day")),
        (None, Some(years)) => format!("{mode}, {}", count(years, "year")),
        (None, None) => mode,
    })
}

fn lock(configuration: Option<&ObjectLockConfiguration>) -> Finding {
    let Some(configuration) = configuration else {
        let message = "off: nothing keeps a version from being deleted";
        return Finding::ok("object lock", message);
    };
    let message = match default_lock(Some(configuration)) {
        Some(how) => format!("on: new objects are locked ({how})"),
        None => "on: --lock-mode locks an object".to_owned(),
    };
    Finding::ok("object lock", message)
}

fn lifecycle(rules: &[LifecycleRule], prefix: &str) -> Finding {
    let days = rules.iter().filter(|rule| covers(rule, prefix)).filter_map(|rule| {
        rule.abort_incomplete_multipart_upload()
            .and_then(AbortIncompleteMultipartUpload::days_after_initiation)
    });
    let Some(days) = days.min() else {
        let message =
            "no rule aborts unfinished uploads: their parts cost money until somebody does";
        let advice = "add AbortIncompleteMultipartUpload after 7 days, or run `uploads abort`";
        return Finding::warn("lifecycle", message, advice);
    };
    let message = format!("unfinished uploads are aborted after {}", count(days, "day"));
    if days < RESUME_WINDOW_DAYS {
        let message = format!("{message}: until then `resume` can go on with one");
        return Finding::warn("lifecycle", message, "a week leaves time to notice");
    }
    Finding::ok("lifecycle", message)
}

/// Returns whether a rule is for every object below a prefix.
fn covers(rule: &LifecycleRule, prefix: &str) -> bool {
    #[allow(deprecated, reason = "older rules have their prefix here")]
    let old = rule.prefix();
    let filter = rule.filter();
    let is_narrow = filter.is_some_and(|filter| {
        filter.tag().is_some()
            || filter.and().is_some()
            || filter.object_size_greater_than().is_some()
            || filter.object_size_less_than().is_some()
    });
    let of = filter.and_then(|filter| filter.prefix()).or(old).unwrap_or_default();
    rule.status() == &ExpirationStatus::Enabled && !is_narrow && prefix.starts_with(of)
}

fn encryption(configuration: Option<&ServerSideEncryptionConfiguration>) -> Finding {
    let rules = configuration.map(ServerSideEncryptionConfiguration::rules).unwrap_or_default();
    let by_default = rules.iter().find_map(|rule| rule.apply_server_side_encryption_by_default());
    Finding::ok(
        "encryption",
        match by_default {
            Some(default) => {
                format!("new objects are encrypted with {}", default.sse_algorithm().as_str())
            }
            None => "the store names no default; --sse asks for it".to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        DefaultRetention, LifecycleRuleFilter, ObjectLockRetentionMode, ObjectLockRule, Tag,
    };

    use super::{super::finding::Severity, *};

    fn rule(days: i32, filter: LifecycleRuleFilter) -> LifecycleRule {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build();
        LifecycleRule::builder()
            .status(ExpirationStatus::Enabled)
            .filter(filter)
            .abort_incomplete_multipart_upload(abort)
            .build()
            .unwrap()
    }

    fn below(prefix: &str) -> LifecycleRuleFilter {
        LifecycleRuleFilter::builder().prefix(prefix).build()
    }

    #[test]
    fn a_rule_that_aborts_unfinished_uploads_leaves_time_to_go_on() {
        let severity = |rules: &[LifecycleRule]| lifecycle(rules, "backups/").severity;

        assert_eq!(severity(&[rule(7, below("")), rule(3, below("logs/"))]), Severity::Ok);
        assert_eq!(severity(&[rule(30, below("")), rule(1, below("backups/"))]), Severity::Warn);
        assert_eq!(severity(&[]), Severity::Warn);
    }

    #[test]
    fn a_rule_for_some_objects_only_is_none_for_all() {
        let tag = Tag::builder().key("a").value("b").build().unwrap();
        let tagged = LifecycleRuleFilter::builder().tag(tag).build();

        assert!(!covers(&rule(7, tagged), "backups/"));
        assert!(!covers(&rule(7, below("backups/db/")), "backups/"));
    }

    #[test]
    fn only_versions_save_what_is_overwritten() {
        assert_eq!(versioning(Some(&BucketVersioningStatus::Enabled)).severity, Severity::Ok);
        assert_eq!(versioning(Some(&BucketVersioningStatus::Suspended)).severity, Severity::Warn);
        assert_eq!(versioning(None).severity, Severity::Warn);
    }

    #[test]
    fn a_default_lock_is_told_with_its_length() {
        let retention =
            DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(30).build();
        let rule = ObjectLockRule::builder().default_retention(retention).build();
        let configuration = ObjectLockConfiguration::builder().rule(rule).build();

        assert_eq!(default_lock(Some(&configuration)).as_deref(), Some("compliance, 30 days"));
        assert_eq!(default_lock(Some(&ObjectLockConfiguration::builder().build())), None);
    }
}
