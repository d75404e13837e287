//! Has a store bring objects back from its archives, so that they can be read.

mod wait;

use std::str::FromStr;

use aws_sdk_s3::{
    Client,
    types::{GlacierJobParameters, RestoreRequest, Tier as SdkTier},
};
use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

pub use self::wait::{Waited, Waiting, wait_for_thaw};
use crate::s3::{
    download::get::head_of_existing,
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        response::{ListedObject, ObjectHead},
        storage_class::{ColdTier, RestoreStatus, may_be_cold},
        text::StoreText,
        uri::S3Uri,
    },
    plan::filter::Filter,
    request::{
        context::{CancelPolicy, RequestOptions, S3Context},
        list::list,
    },
};

const OPERATION: &str = "RestoreObject";

/// How fast a store fetches from an archive, which decides what that costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetrievalTier {
    /// In minutes; not from deep archives, and only while the store has room for it.
    Expedited,
    /// In hours.
    #[default]
    Standard,
    /// In many hours, for the least money.
    Bulk,
}

impl RetrievalTier {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expedited => "expedited",
            Self::Standard => "standard",
            Self::Bulk => "bulk",
        }
    }
}

impl FromStr for RetrievalTier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Expedited, Self::Standard, Self::Bulk]
            .into_iter()
            .find(|tier| tier.name() == text)
            .ok_or_else(|| format!("`{text}` is none of expedited, standard, bulk"))
    }
}

/// The options of a thaw.
#[derive(Clone, Copy, Debug)]
pub struct ThawOptions {
    /// For how many days a copy is to stay.
    pub days: u16,
    /// How fast it is to be there.
    pub tier: RetrievalTier,
    /// The present moment.
    pub now: OffsetDateTime,
}

impl ThawOptions {
    /// Returns until when a copy is to stay.
    pub fn until(&self) -> Option<OffsetDateTime> {
        self.now.checked_add(time::Duration::days(self.days.into()))
    }
}

/// The clock of a store may be so far behind ours, and a copy end so much earlier.
const CLOCKS_DIFFER: time::Duration = time::Duration::hours(1);

/// The request that an object needs to stay readable as long as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThawStep {
    /// The store is asked to fetch it out of this archive.
    Ask(ColdTier),
    /// The store is asked to keep the copy for longer.
    Extend,
    /// Nothing.
    Leave,
}

/// The result of thawing an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThawOutcome {
    /// The store took the request, and will have it in some time.
    Asked,
    /// The copy stays for as long as was asked for, from now on.
    Extended,
    /// Nothing had to be done.
    Left(RestoreStatus),
}

/// The objects under a prefix that may be in an archive.
#[derive(Clone, Debug, Default)]
pub struct ColdObjects {
    /// Those that a filter takes.
    pub objects: Vec<ListedObject>,
    /// The number of others it takes, which can be read as they are.
    pub n_others: usize,
    /// The number of objects there are, those included that a filter leaves out.
    pub n_listed: usize,
}

/// Decides what an object needs; a copy is never made to stay for less long than it does.
pub fn plan_thaw(state: RestoreStatus, options: &ThawOptions) -> ThawStep {
    let wanted = options.until();
    match state {
        RestoreStatus::Cold(archive) => ThawStep::Ask(archive),
        RestoreStatus::Restored(Some(until)) if wanted.is_some_and(|wanted| until >= wanted) => {
            ThawStep::Leave
        }
        RestoreStatus::Restored(_) => ThawStep::Extend,
        RestoreStatus::Restoring | RestoreStatus::NotCold => ThawStep::Leave,
    }
}

/// Lists the objects under a prefix to their end and returns those that may be in an archive.
pub fn find_cold_objects<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    filter: &'a Filter,
) -> LocalBoxFuture<'a, Result<ColdObjects, S3Error>> {
    Box::pin(async move {
        let mut found = ColdObjects::default();
        list(context, prefix, &mut |object| {
            found.n_listed += 1;
            // A store that lists more than it was asked for must not cost what was not named.
            let rest = object.uri.key.strip_prefix(&prefix.key);
            if rest.is_some_and(|rest| filter.takes_key(rest)) {
                if may_be_cold(object.storage_class.as_ref().map(StoreText::as_sent)) {
                    found.objects.push(object);
                } else {
                    found.n_others += 1;
                }
            }
            true
        })
        .await?;
        Ok(found)
    })
}

/// Asks what a store says of an object, its state in an archive included; there has to be one.
pub fn inspect<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
) -> LocalBoxFuture<'a, Result<ObjectHead, S3Error>> {
    Box::pin(async move { head_of_existing(context, uri).await })
}

/// Has the store bring an object back, if that is needed; returns what it said of it before.
pub fn thaw<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    options: &'a ThawOptions,
) -> LocalBoxFuture<'a, Result<(ObjectHead, ThawOutcome), S3Error>> {
    Box::pin(async move {
        let head = inspect(context, uri).await?;
        let (days, outcome) = match plan_thaw(head.restore_status, options) {
            ThawStep::Leave => {
                let state = head.restore_status;
                return Ok((head, ThawOutcome::Left(state)));
            }
            ThawStep::Ask(archive) => {
                check_tier(archive, options.tier)?;
                (archive.gives_copies().then_some(options.days), ThawOutcome::Asked)
            }
            ThawStep::Extend => (Some(options.days), ThawOutcome::Extended),
        };
        match context.restore(uri, days, options.tier).await {
            Ok(()) => {
                if outcome == ThawOutcome::Extended {
                    check_stay(uri, inspect(context, uri).await?.restore_status, options.until())?;
                }
                Ok((head, outcome))
            }
            Err(failure) if failure.code() == "RestoreAlreadyInProgress" => {
                Ok((head, ThawOutcome::Left(RestoreStatus::Restoring)))
            }
            Err(failure) if is_not_cold(&failure) => changed(context, uri, failure).await,
            Err(failure) => Err(failure.into()),
        }
    })
}

/// Fails where a store never fetches that fast.
pub fn check_tier(archive: ColdTier, tier: RetrievalTier) -> Result<(), S3Error> {
    if tier == RetrievalTier::Expedited && !archive.is_quick() {
        let message = format!("there is no expedited retrieval from {}", archive.name());
        return Err(RequestError::local(OPERATION, RequestErrorKind::Rejected, message).into());
    }
    Ok(())
}

/// Fails where the store says that a copy ends before it was asked to.
fn check_stay(
    uri: &S3Uri,
    state: RestoreStatus,
    wanted: Option<OffsetDateTime>,
) -> Result<(), S3Error> {
    match (state, wanted) {
        (RestoreStatus::Restored(Some(until)), Some(asked)) if until + CLOCKS_DIFFER < asked => {
            let (until, asked) = (until.date(), asked.date());
            let message =
                format!("the store keeps `{uri}` readable until {until}, and not until {asked}");
            Err(RequestError::local(OPERATION, RequestErrorKind::Damaged, message).into())
        }
        _ => Ok(()),
    }
}

fn is_not_cold(failure: &RequestError) -> bool {
    matches!(failure.code(), "InvalidObjectState" | "ObjectAlreadyInActiveTierError")
}

/// Looks again at an object that a store says is in no archive: somebody may have put another one.
async fn changed(
    context: S3Context<'_>,
    uri: &S3Uri,
    failure: RequestError,
) -> Result<(ObjectHead, ThawOutcome), S3Error> {
    let head = inspect(context, uri).await?;
    let state = head.restore_status;
    if matches!(state, RestoreStatus::Cold(_)) {
        return Err(RequestError { error_kind: RequestErrorKind::Rejected, ..failure }.into());
    }
    Ok((head, ThawOutcome::Left(state)))
}

impl S3Context<'_> {
    async fn restore(
        &self,
        uri: &S3Uri,
        days: Option<u16>,
        tier: RetrievalTier,
    ) -> Result<(), RequestError> {
        let tier = match tier {
            RetrievalTier::Expedited => SdkTier::Expedited,
            RetrievalTier::Standard => SdkTier::Standard,
            RetrievalTier::Bulk => SdkTier::Bulk,
        };
        let job = GlacierJobParameters::builder().tier(tier).build().expect("the tier is given");
        let request = RestoreRequest::builder().set_days(days.map(i32::from));
        let request = request.glacier_job_parameters(job).build();
        let send = |client: Client| {
            let call = client.restore_object().bucket(&uri.bucket).key(&uri.key);
            call.restore_request(request.clone()).send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.metadata_request(OPERATION)
        };
        self.execute(request, send).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::kind::{HasKind, Kind};

    fn step(state: RestoreStatus) -> ThawStep {
        let now = datetime!(2026-11-25 12:00 UTC);
        plan_thaw(state, &ThawOptions { days: 7, tier: RetrievalTier::Standard, now })
    }

    #[test]
    fn only_what_cannot_be_read_for_long_enough_is_asked_for() {
        assert_eq!(step(RestoreStatus::Cold(ColdTier::Deep)), ThawStep::Ask(ColdTier::Deep));
        for state in [RestoreStatus::Restoring, RestoreStatus::NotCold] {
            assert_eq!(step(state), ThawStep::Leave);
        }
    }

    #[test]
    fn a_copy_is_kept_for_longer_and_never_for_less() {
        let thawed = |until| step(RestoreStatus::Restored(until));

        assert_eq!(thawed(Some(datetime!(2026-12-02 11:59 UTC))), ThawStep::Extend);
        assert_eq!(thawed(Some(datetime!(2020-01-01 0:00 UTC))), ThawStep::Extend);
        assert_eq!(thawed(None), ThawStep::Extend);
        assert_eq!(thawed(Some(datetime!(2026-12-02 12:00 UTC))), ThawStep::Leave);
        assert_eq!(thawed(Some(datetime!(2027-12-02 0:00 UTC))), ThawStep::Leave);
    }

    #[test]
    fn no_time_is_too_far_away_for_a_decision() {
        let now = time::PrimitiveDateTime::MAX.assume_utc();
        let options = ThawOptions { days: u16::MAX, tier: RetrievalTier::Bulk, now };

        assert_eq!(plan_thaw(RestoreStatus::Restored(Some(now)), &options), ThawStep::Extend);
    }

    #[test]
    fn a_copy_that_ends_before_it_was_asked_to_is_told_of() {
        let uri: S3Uri = "s3://backups/k".parse().unwrap();
        let asked = Some(datetime!(2026-12-02 12:00 UTC));
        let check = |until, asked| check_stay(&uri, RestoreStatus::Restored(until), asked);
        let early = Some(datetime!(2026-12-02 10:59 UTC));

        assert_eq!(check(early, asked).unwrap_err().kind(), Kind::Mismatch);
        for (until, asked) in
            [(early, None), (None, asked), (Some(datetime!(2026-12-02 11:00 UTC)), asked)]
        {
            assert!(check(until, asked).is_ok());
        }
        assert!(check_stay(&uri, RestoreStatus::NotCold, asked).is_ok());
    }

    #[test]
    fn deep_archives_are_never_quick() {
        let may = |archive| check_tier(archive, RetrievalTier::Expedited).is_ok();

        assert!(may(ColdTier::Glacier) && may(ColdTier::Tier));
        assert!(!may(ColdTier::Deep) && !may(ColdTier::DeepTier));
        assert!(check_tier(ColdTier::Deep, RetrievalTier::Standard).is_ok());
    }

    #[test]
    fn tiers_have_names() {
        for tier in [RetrievalTier::Expedited, RetrievalTier::Standard, RetrievalTier::Bulk] {
            assert_eq!(tier.name().parse(), Ok(tier));
        }
        assert!("quick".parse::<RetrievalTier>().is_err());
    }
}
