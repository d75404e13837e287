//! Checksums whose length is not that of their algorithm: they are neither a proof nor a difference.
//!
//! moto without `awscrt` answers four bytes as CRC-64/NVME, and others leave the value empty or write it in hexadecimal
//! digits.

use aws_smithy_runtime_api::http::Headers;

use super::{
    checksum::{Algorithm, Checksum},
    xml::{local, tags},
};

/// The header and the element of each checksum that is compared.
const NAMES: [(&str, &str, Algorithm); 3] = [
    ("x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", Algorithm::Crc64Nvme),
    ("x-amz-checksum-crc32c", "ChecksumCRC32C", Algorithm::Crc32c),
    ("x-amz-checksum-sha256", "ChecksumSHA256", Algorithm::Sha256),
];

/// Removes such headers, and returns whether there were any.
pub(in crate::s3) fn leave_out(headers: &mut Headers) -> bool {
    let mut any = false;
    for (name, _, algorithm) in NAMES {
        if headers.get(name).is_some_and(|value| !Checksum::has_length_of(algorithm, value)) {
            headers.remove(name);
            any = true;
        }
    }
    any
}

/// Returns a document without such elements, if it has any.
pub(in crate::s3) fn without(xml: &str) -> Option<String> {
    let mut left = String::new();
    let mut end = 0;
    let mut tags = tags(xml).peekable();
    while let Some(open) = tags.next() {
        let Some((_, _, algorithm)) = NAMES.iter().find(|(_, name, _)| *name == local(open.name))
        else {
            continue;
        };
        let text_at = open.at + open.text.len();
        let close = tags.next_if(|close| close.text.starts_with("</") && close.name == open.name);
        let (text, behind) = match &close {
            Some(close) => (&xml[text_at..close.at], close.at + close.text.len()),
            None if open.text.ends_with("/>") => ("", text_at),
            None => continue,
        };
        // What is written as an entity is not read here.
        if !text.contains('&') && !Checksum::has_length_of(*algorithm, text.trim()) {
            left.push_str(&xml[end..open.at]);
            end = behind;
        }
    }
    (end > 0).then(|| left + &xml[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_of_a_wrong_length_is_none() {
        for (algorithm, value, is_right) in [
            (Algorithm::Crc64Nvme, "rosUhgoNmIg=", true),
            (Algorithm::Crc64Nvme, "rosUhgoNmIg=-3", true),
            (Algorithm::Crc64Nvme, "rosUhg==", false),
            (Algorithm::Crc64Nvme, "ae8b14860a799888", false),
            (Algorithm::Crc64Nvme, "", false),
            (Algorithm::Crc32c, "4waSgw==", true),
            (Algorithm::Crc32c, "rosUhgoNmIg=", false),
            (Algorithm::Sha256, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=-2", true),
            (Algorithm::Sha256, "AAAA", false),
        ] {
            assert_eq!(Checksum::has_length_of(algorithm, value), is_right, "{value}");
        }
    }

    #[test]
    fn it_is_left_out_of_headers_and_documents_alone() {
        let mut headers = Headers::new();
        headers.insert("x-amz-checksum-crc64nvme", "rosUhg==");
        headers.insert("x-amz-checksum-crc32c", "4waSgw==");

        assert!(leave_out(&mut headers) && !leave_out(&mut headers));
        assert_eq!(headers.get("x-amz-checksum-crc32c"), Some("4waSgw=="));
        assert_eq!(headers.get("x-amz-checksum-crc64nvme"), None);
        for (given, expected) in [
            (
                "<R><ETag>e</ETag><ChecksumCRC64NVME>rosUhg==</ChecksumCRC64NVME><Size>1</Size></R>",
                Some("<R><ETag>e</ETag><Size>1</Size></R>"),
            ),
            (
                "<R><P><s:ChecksumSHA256>AA==</s:ChecksumSHA256></P><P><ChecksumCRC32C/></P></R>",
                Some("<R><P></P><P></P></R>"),
            ),
            ("<R><ChecksumCRC64NVME>rosUhgoNmIg=</ChecksumCRC64NVME></R>", None),
            ("<R><ChecksumCRC64NVME>rosUhgoNmIg&#61;</ChecksumCRC64NVME></R>", None),
            ("<R><ChecksumCRC64NVME>rosUhg==", None),
            ("<R><ChecksumType>FULL_OBJECT</ChecksumType></R>", None),
        ] {
            assert_eq!(without(given).as_deref(), expected, "{given}");
        }
    }
}
