//! Answers that repeat the headers of requests: gofakes3, which is `rclone serve s3`, keeps them beside an object and
//! gives all of them back, the key of the customer included. What they say was asked for, and not done.

use aws_smithy_runtime_api::http::Headers;

/// Headers that no answer of S3 has: a key, or those that sign a request. The hash alone does not count: moto
/// returns it, and keeps the locks that it reports.
const OF_REQUESTS: [&[&str]; 2] =
    [&["x-amz-server-side-encryption-customer-key"], &["x-amz-content-sha256", "x-amz-date"]];

/// The beginnings of what is asked for beside keeping the bytes, and what is compared with them.
const ASKED: [&str; 5] = [
    "x-amz-checksum-",
    "x-amz-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-storage-class",
    "x-amz-tagging",
];

/// Removes what such an answer only repeats, and returns whether it is one.
pub(in crate::s3) fn leave_out(headers: &mut Headers) -> bool {
    let has = |name: &&str| headers.get(*name).is_some();
    if !OF_REQUESTS.iter().any(|names| names.iter().all(has)) {
        return false;
    }
    let is_asked = |name: &&str| ASKED.iter().any(|beginning| name.starts_with(beginning));
    let names = headers.iter().map(|(name, _)| name).filter(is_asked);
    for name in names.map(str::to_owned).collect::<Vec<_>>() {
        headers.remove(name);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_a_request_says_nothing_of_what_was_asked_for() {
        for (tells, is_repeated) in [
            (&["x-amz-content-sha256", "x-amz-date"][..], true),
            (&["x-amz-server-side-encryption-customer-key"], true),
            (&["x-amz-content-sha256"], false),
            (&["x-amz-server-side-encryption-customer-key-md5"], false),
        ] {
            let mut headers = Headers::new();
            for name in [
                "etag",
                "x-amz-meta-a",
                "x-amz-checksum-crc64nvme",
                "x-amz-server-side-encryption",
                "x-amz-object-lock-mode",
            ]
            .iter()
            .chain(tells)
            {
                headers.insert(*name, "x");
            }

            assert_eq!(leave_out(&mut headers), is_repeated, "{tells:?}");

            assert_eq!(headers.get("x-amz-object-lock-mode").is_none(), is_repeated);
            assert_eq!(headers.get("x-amz-server-side-encryption").is_none(), is_repeated);
            assert!(headers.get("etag").is_some() && headers.get("x-amz-meta-a").is_some());
        }
    }
}
