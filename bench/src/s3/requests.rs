//! What the server was asked for, as its log tells it.

use std::collections::{BTreeMap, BTreeSet};

use super::bucket::BUCKET;

/// One request.
#[derive(serde::Deserialize)]
pub(super) struct Request {
    pub(super) operation: String,
    path: String,
    /// 0 when the client was gone before the answer.
    status: u16,
    /// How many bytes of its body came.
    received: u64,
    headers: BTreeMap<String, String>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns whether the body is part of what is signed.
    fn is_signed(&self) -> bool {
        let hash = self.header("x-amz-content-sha256");
        !hash.is_empty() && !hash.contains("UNSIGNED")
    }

    fn is_taken(&self) -> bool {
        self.status == 200
    }
}

/// The requests that carried the bytes of one object, or of all below a prefix.
pub(super) struct Sent<'a>(Vec<&'a Request>);

impl<'a> Sent<'a> {
    pub(super) fn to(key: &str, requests: &'a [Request]) -> Self {
        let path = format!("/{BUCKET}/{key}");
        let is_data = |request: &&Request| {
            let carries = ["PutObject", "UploadPart"].contains(&request.operation.as_str());
            carries && request.path.starts_with(&path)
        };
        Self(requests.iter().filter(is_data).collect())
    }

    /// Returns how many bytes arrived, those of requests that broke off with them.
    pub(super) fn n_bytes(&self) -> u64 {
        self.0.iter().map(|request| request.received).sum()
    }

    pub(super) fn are_signed(&self) -> bool {
        self.0.iter().all(|request| request.is_signed())
    }

    /// Counts the objects that were answered with 200, in one request each.
    pub(super) fn n_taken(&self) -> usize {
        let is_object = |request: &&&Request| request.operation == "PutObject";
        let taken = self.0.iter().filter(is_object).filter(|request| request.is_taken());
        taken.map(|request| &request.path).collect::<BTreeSet<_>>().len()
    }

    /// Returns whether every body that was taken came with this header.
    pub(super) fn are_proven_by(&self, header: &str) -> bool {
        let mut taken = self.0.iter().filter(|request| request.is_taken());
        taken.all(|request| !request.header(header).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: &str, path: &str, status: u16, hash: &str) -> Request {
        let mut headers = BTreeMap::from([("x-amz-content-sha256".to_owned(), hash.to_owned())]);
        headers.insert("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned());
        let (operation, path) = (operation.to_owned(), path.to_owned());
        Request { operation, path, status, received: 10, headers }
    }

    #[test]
    fn only_what_carries_bytes_to_the_key_is_counted() {
        let requests = [
            request("PutObject", "/bench/a/1", 200, "0a"),
            request("PutObject", "/bench/a/1", 200, "0a"),
            request("UploadPart", "/bench/a/2", 0, "0a"),
            request("UploadPartCopy", "/bench/a/2", 200, "0a"),
            request("PutObject", "/bench/b/1", 200, "UNSIGNED-PAYLOAD"),
        ];

        let sent = Sent::to("a/", &requests);

        assert_eq!((sent.n_bytes(), sent.n_taken()), (30, 1));
        assert!(sent.are_signed() && sent.are_proven_by("x-amz-checksum-crc32"));
        assert!(!sent.are_proven_by("x-amz-checksum-crc64nvme"));
        assert!(!Sent::to("b/", &requests).are_signed());
    }
}
