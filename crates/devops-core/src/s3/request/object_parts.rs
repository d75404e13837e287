//! The parts an object was uploaded in, as far as its store still knows them.

use aws_sdk_s3::{
    Client,
    operation::get_object_attributes::GetObjectAttributesOutput,
    types::{ObjectAttributes, ObjectPart},
};

use super::{context::S3Context, pages::Pages, read::size_of_object};
use crate::s3::{
    error::request_error::RequestError,
    object::{
        checksum::{Algorithm, Checksum},
        response::{ObjectHead, unquoted},
        text::as_sent,
        uri::S3Uri,
    },
    plan::parts::{MAX_PART, Part, PartPlan, PartSize},
};
use crate::units::ByteSize;

/// A store that does not know the request answers with the object itself, of which this much is read.
/// A page of 1,000 parts is smaller.
const MOST_OF_AN_OBJECT: &str = "bytes=0-1048575";

impl S3Context<'_> {
    /// Returns the parts of an object with their checksums, or nothing where the store does not tell all.
    pub(crate) async fn object_parts(
        &self,
        uri: &S3Uri,
        head: &ObjectHead,
    ) -> Result<Option<Vec<(Part, Checksum)>>, RequestError> {
        if !self.store.checksums_prove() {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let mut marker: Option<String> = None;
        let mut pages = Pages::default();
        loop {
            let Some(page) = self.page_of_parts(uri, marker.as_deref()).await? else {
                return Ok(None);
            };
            let list = page.object_parts();
            if unquoted(page.e_tag()) != head.etag
                || list.is_none_or(|list| !add_parts(&mut parts, list.parts()))
            {
                return Ok(None);
            }
            let next = list
                .filter(|list| list.is_truncated() == Some(true))
                .and_then(|list| list.next_part_number_marker().map(str::to_owned));
            if next.is_none() || next == marker {
                return Ok((end_of(&parts) == head.size).then_some(parts));
            }
            marker = Some(pages.next("GetObjectAttributes", next, &[parts.len()])?);
        }
    }

    /// Returns one page, or nothing where the store knows no such request.
    async fn page_of_parts(
        &self,
        uri: &S3Uri,
        marker: Option<&str>,
    ) -> Result<Option<GetObjectAttributesOutput>, RequestError> {
        let send = |client: Client| {
            let request = client
                .get_object_attributes()
                .bucket(&uri.bucket)
                .key(&uri.key)
                .set_version_id(as_sent(uri.version_id.as_ref()))
                .object_attributes(ObjectAttributes::Etag)
                .object_attributes(ObjectAttributes::ObjectParts)
                .set_part_number_marker(marker.map(str::to_owned));
            let request = request.customize().mutate_request(|request| {
                request.headers_mut().insert("range", MOST_OF_AN_OBJECT);
            });
            request.send()
        };
        match self.execute(self.metadata_request("GetObjectAttributes"), send).await {
            Ok((page, _)) => Ok(Some(page)),
            Err(failure) if failure.error_kind.is_unknown() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Returns how an object of `n_parts` was cut, if the store tells how large the first part and the last
    /// are, and those between them can be alike.
    pub(crate) async fn plan_of_object(
        &self,
        uri: &S3Uri,
        head: &ObjectHead,
        n_parts: u32,
    ) -> Result<Option<PartPlan>, RequestError> {
        let Some(first) = self.size_of_part(uri, 1).await? else { return Ok(None) };
        let plan = PartPlan::of_file(head.size, PartSize::Exactly(ByteSize(first))).ok();
        let Some(plan) = plan.filter(|plan| plan.n_parts() == n_parts) else { return Ok(None) };
        let last = plan.parts().last().map(|part| part.size);
        let is_confirmed = n_parts == 1 || self.size_of_part(uri, n_parts).await? == last;
        Ok(is_confirmed.then_some(plan))
    }

    async fn size_of_part(&self, uri: &S3Uri, number: u32) -> Result<Option<u64>, RequestError> {
        let number = i32::try_from(number).ok();
        let send = |client: Client| {
            let request = client.head_object().bucket(&uri.bucket).key(&uri.key);
            request.set_version_id(as_sent(uri.version_id.as_ref())).set_part_number(number).send()
        };
        match self.execute(self.metadata_request("HeadObject"), send).await {
            Ok((part, _)) => Ok(size_of_object(&part)),
            Err(failure) if failure.error_kind.is_unknown() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Adds a page of parts; returns whether all of them tell a size and a checksum that is known here.
fn add_parts(parts: &mut Vec<(Part, Checksum)>, page: &[ObjectPart]) -> bool {
    page.iter().all(|told| {
        let part = || {
            let number = u32::try_from(told.part_number()?).ok()?;
            let size = u64::try_from(told.size()?).ok().filter(|&size| size <= MAX_PART)?;
            Some((Part { number, offset: end_of(parts), size }, checksum_of_part(told)?))
        };
        let part = part();
        let is_confirmed = part.is_some();
        parts.extend(part);
        is_confirmed
    })
}

fn checksum_of_part(part: &ObjectPart) -> Option<Checksum> {
    let values = [
        (Algorithm::Crc64Nvme, part.checksum_crc64_nvme()),
        (Algorithm::Crc32c, part.checksum_crc32_c()),
        (Algorithm::Sha256, part.checksum_sha256()),
    ];
    values.into_iter().find_map(|(algorithm, value)| {
        value.map(|value| Checksum { algorithm, value: value.to_owned() })
    })
}

/// Returns how many bytes so many parts cover.
fn end_of(parts: &[(Part, Checksum)]) -> u64 {
    parts.last().map_or(0, |(part, _)| part.offset + part.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: i32, size: i64, checksum: Option<&str>) -> ObjectPart {
        ObjectPart::builder()
            .part_number(number)
            .size(size)
            .set_checksum_crc32_c(checksum.map(str::to_owned))
            .build()
    }

    #[test]
    fn parts_lie_one_behind_the_other() {
        let mut parts = Vec::new();

        assert!(add_parts(&mut parts, &[told(1, 5, Some("AA==")), told(2, 3, Some("BB=="))]));
        assert!(add_parts(&mut parts, &[told(4, 2, Some("CC=="))]));

        let places: Vec<_> = parts.iter().map(|(part, _)| (part.offset, part.size)).collect();
        assert_eq!(places, [(0, 5), (5, 3), (8, 2)]);
    }

    #[test]
    fn a_part_without_a_checksum_spoils_the_list() {
        assert!(!add_parts(&mut Vec::new(), &[told(1, 5, Some("AA==")), told(2, 3, None)]));
    }
}
