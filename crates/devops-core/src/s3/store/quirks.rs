//! Known differences of stores from S3, as data.
//!
//! A store is known by the host of its endpoint, or by the `Server` header of its answers. What no source
//! tells stays [`Support::Unknown`]: that is tried, and given up when the store refuses it.

use crate::s3::plan::parts::Limits;

/// Is set if a store does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// No source tells.
    Unknown,
}

/// The differences of a store from S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Its name.
    pub name: &'static str,
    /// Its endpoints are these hosts, or are below them.
    hosts: &'static [&'static str],
    /// The `Server` header of its answers begins like this.
    server: Option<&'static str>,
    /// Its limits on parts.
    pub limits: Limits,
    /// Is set if the bucket must stand in the host's name; every other store takes it in the path.
    pub host_style: bool,
    /// Is set if an `ETag` is the MD5 of the content, or of the MD5s of the parts.
    pub etag_is_md5: Support,
    /// Is set if it takes checksum headers; `Content-MD5` is what every store takes.
    pub checksums: Support,
    /// Is set if it respects `If-None-Match` on writes.
    pub conditions: Support,
    /// Is set if it copies pieces of objects into multipart uploads.
    pub copies: Support,
    /// The source of the fact.
    pub source: &'static str,
}

/// A store nobody has told about: everything is tried.
static UNKNOWN: Quirks = PLAIN;

const PLAIN: Quirks = Quirks {
    name: "unknown",
    hosts: &[],
    server: None,
    limits: Limits::S3,
    host_style: false,
    etag_is_md5: Support::Unknown,
    checksums: Support::Unknown,
    conditions: Support::Unknown,
    copies: Support::Unknown,
    source: "",
};

static AWS: Quirks = Quirks {
    name: "AWS S3",
    hosts: &["amazonaws.com", "amazonaws.com.cn"],
    // `AmazonS3` is what rclone and others call themselves, too.
    server: None,
    host_style: true,
    // With SSE-KMS and SSE-C it is not.
    etag_is_md5: Support::Yes,
    checksums: Support::Yes,
    conditions: Support::Yes,
    copies: Support::Yes,
    source: "S3 user guide: multipart upload limits, checking object integrity, conditional requests",
    ..PLAIN
};

static OTHERS: &[Quirks] = &[
    Quirks {
        name: "Cloudflare R2",
        hosts: &["r2.cloudflarestorage.com"],
        limits: Limits { equal: true, ..Limits::S3 },
        source: "rclone provider/Cloudflare.yaml; R2 docs: all parts but the last are equal",
        ..PLAIN
    },
    Quirks {
        name: "Backblaze B2",
        hosts: &["backblazeb2.com"],
        checksums: Support::No,
        source: "stonith404/pingvin-share#798: `Unsupported header 'x-amz-checksum-crc32'`",
        ..PLAIN
    },
    Quirks {
        name: "Google Cloud Storage",
        hosts: &["storage.googleapis.com"],
        copies: Support::No,
        source: "rclone provider/GCS.yaml; issuetracker.google.com/issues/323465186",
        ..PLAIN
    },
    Quirks {
        name: "Scaleway",
        hosts: &["scw.cloud"],
        limits: Limits { max_parts: 1_000, ..Limits::S3 },
        checksums: Support::Yes,
        conditions: Support::Yes,
        source: "rclone provider/Scaleway.yaml: max_upload_parts 1000; Scaleway docs",
        ..PLAIN
    },
    Quirks {
        name: "Storj",
        hosts: &["storjshare.io"],
        limits: Limits { min_part: 64 << 20, ..Limits::S3 },
        copies: Support::No,
        source: "rclone provider/Storj.yaml; storj/roadmap#40",
        ..PLAIN
    },
    Quirks {
        name: "Ceph",
        server: Some("Ceph Object Gateway"),
        source: "rclone provider/Ceph.yaml",
        ..PLAIN
    },
    Quirks {
        name: "SeaweedFS",
        server: Some("SeaweedFS"),
        source: "rclone provider/SeaweedFS.yaml",
        ..PLAIN
    },
    Quirks { name: "MinIO", server: Some("MinIO"), source: "rclone provider/Minio.yaml", ..PLAIN },
    Quirks {
        name: "Wasabi",
        hosts: &["wasabisys.com"],
        server: Some("WasabiS3"),
        source: "rclone provider/Wasabi.yaml",
        ..PLAIN
    },
    Quirks {
        name: "DigitalOcean Spaces",
        hosts: &["digitaloceanspaces.com"],
        source: "rclone provider/DigitalOcean.yaml",
        ..PLAIN
    },
    Quirks {
        name: "Alibaba OSS",
        hosts: &["aliyuncs.com"],
        server: Some("AliyunOSS"),
        host_style: true,
        etag_is_md5: Support::No,
        source: "rclone provider/Alibaba.yaml: use_multipart_etag false; OSS: SecondLevelDomainForbidden",
        ..PLAIN
    },
    Quirks {
        name: "Tencent COS",
        hosts: &["myqcloud.com"],
        server: Some("tencent-cos"),
        host_style: true,
        etag_is_md5: Support::No,
        source: "rclone provider/TencentCOS.yaml: use_multipart_etag false; COS: PathStyleDomainForbidden",
        ..PLAIN
    },
];

impl Quirks {
    /// Returns what is known of the store at an endpoint; without one it is AWS.
    pub fn of_endpoint(endpoint: Option<&str>) -> &'static Self {
        let Some(endpoint) = endpoint else { return &AWS };
        let host = host(endpoint).to_ascii_lowercase();
        let is_below = |name: &&str| {
            host.strip_suffix(*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        all().find(|quirks| quirks.hosts.iter().any(is_below)).unwrap_or(&UNKNOWN)
    }

    /// Returns what is known of a server by the header of that name.
    pub fn of_server(header: &str) -> &'static Self {
        let is_it = |quirks: &&Self| quirks.server.is_some_and(|name| header.starts_with(name));
        all().find(is_it).unwrap_or(&UNKNOWN)
    }

    /// Returns whether it is S3 itself, which refuses what it does not do.
    pub(crate) fn is_aws(&self) -> bool {
        std::ptr::eq(self, &raw const AWS)
    }

    /// Returns whether nobody has told about this store.
    pub fn is_unknown(&self) -> bool {
        self.source.is_empty()
    }
}

fn all() -> impl Iterator<Item = &'static Quirks> {
    OTHERS.iter().chain([&AWS])
}

/// Returns the host of an address, without its port.
fn host(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(endpoint: &str) -> &'static str {
        Quirks::of_endpoint(Some(endpoint)).name
    }

    #[test]
    fn a_store_is_known_by_the_end_of_its_host() {
        assert_eq!(Quirks::of_endpoint(None).name, "AWS S3");
        assert_eq!(name("https://s3.eu-west-1.amazonaws.com"), "AWS S3");
        assert_eq!(name("https://0123.R2.cloudflarestorage.com:443/"), "Cloudflare R2");
        assert_eq!(name("https://s3.us-west-004.backblazeb2.com"), "Backblaze B2");
        assert_eq!(name("https://storage.googleapis.com/x"), "Google Cloud Storage");
        assert_eq!(name("https://s3.fr-par.scw.cloud"), "Scaleway");
    }

    #[test]
    fn a_host_that_only_looks_alike_is_unknown() {
        for endpoint in
            ["https://notscw.cloud", "https://scw.cloud.example.com", "http://[::1]:9000"]
        {
            assert!(Quirks::of_endpoint(Some(endpoint)).is_unknown(), "{endpoint}");
        }
    }

    #[test]
    fn only_a_known_provider_wants_the_bucket_in_the_hosts_name() {
        let host_style = |endpoint| Quirks::of_endpoint(endpoint).host_style;

        for endpoint in [
            None,
            Some("https://s3.eu-west-1.amazonaws.com"),
            Some("https://s3.cn-north-1.amazonaws.com.cn/"),
            Some("https://oss-eu-central-1.aliyuncs.com"),
            Some("https://cos.eu-frankfurt.myqcloud.com"),
        ] {
            assert!(host_style(endpoint), "{endpoint:?}");
        }
        for endpoint in [
            "http://minio:9000",
            "http://localhost:9000",
            "https://s3.example.com",
            "https://fra1.digitaloceanspaces.com",
            "https://amazonaws.com.example.com",
        ] {
            assert!(!host_style(Some(endpoint)), "{endpoint}");
        }
    }

    #[test]
    fn a_server_is_known_by_what_it_says_of_itself() {
        assert_eq!(Quirks::of_server("SeaweedFS 30GB 3.88").name, "SeaweedFS");
        assert_eq!(Quirks::of_server("Ceph Object Gateway (squid)").name, "Ceph");
        for pretended in ["nginx", "AmazonS3"] {
            assert!(Quirks::of_server(pretended).is_unknown(), "{pretended}");
        }
    }

    #[test]
    fn every_row_says_by_what_a_store_is_known_and_who_says_so() {
        for quirks in all() {
            assert!(!quirks.hosts.is_empty() || quirks.server.is_some(), "{}", quirks.name);
            assert!(!quirks.source.is_empty(), "{}", quirks.name);
            assert!(quirks.limits.min_part < quirks.limits.max_part, "{}", quirks.name);
        }
    }
}
