//! The flags by which a store is reached and used.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use devops_core::{
    s3::{MIN_PART, RateLimit},
    units::{ByteSize, UnitError, parse_duration},
};

#[derive(Args)]
#[command(next_help_heading = "Transfer options")]
pub(crate) struct Transfer {
    /// How many requests carry data at the same time: auto or a number
    #[arg(long, value_name = "N", default_value = "auto", value_parser = concurrency)]
    pub(crate) concurrency: Concurrency,
    /// Memory limit for the buffers of streams and downloads; files are streamed from disk
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = memory)]
    pub(crate) max_memory: ByteSize,
    /// Move at most so many bytes a second (2MiB), or by the time of day ('08:00,2MiB 19:00,off')
    #[arg(long, value_name = "RATE")]
    pub(crate) limit_rate: Option<RateLimit>,
}

#[derive(Args)]
#[command(next_help_heading = "Connection options")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Connection {
    /// Use this store instead of AWS
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The region; a wrong one is corrected when the store names the right one
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Use this profile of the AWS configuration files
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Put the bucket into the path; so it is for every store that is not known to want it in the host name
    #[arg(long)]
    pub(crate) path_style: bool,
    /// Put the bucket into the host name, as AWS, Alibaba and Tencent want it
    #[arg(long, conflicts_with = "path_style")]
    pub(crate) host_style: bool,
    /// Trust the certificates in this file instead of the host's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_bundle: Option<PathBuf>,
    /// Send requests without a signature
    #[arg(long)]
    pub(crate) no_sign_request: bool,
    /// Use AWS's addresses that have IPv6 too
    #[arg(long)]
    pub(crate) dualstack: bool,
    /// Use AWS's addresses with validated cryptography
    #[arg(long)]
    pub(crate) fips: bool,
    /// Use AWS's addresses near this host, which cost more and have to be enabled on the bucket
    #[arg(long)]
    pub(crate) accelerate: bool,
    /// Pay for the requests, where the bucket's owner does not
    #[arg(long)]
    pub(crate) requester_pays: bool,
    /// Fail unless the bucket belongs to this account
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) expected_bucket_owner: Option<String>,
    /// Let the store encrypt and decrypt with the key in this file: 32 bytes, or their base64
    ///
    /// The store forgets the key: without the file nobody can read the objects again. Everything that reads
    /// or resumes needs it too. Buckets of AWS have to allow it (SSE-C).
    #[arg(long, value_name = "FILE")]
    pub(crate) sse_c_key_file: Option<PathBuf>,
    /// Retry limit: this long for the first response, four times as long per request afterwards
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) retry_time: Duration,
    /// Idle timeout of a connection
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) stall_time: Duration,
}

/// How many requests, 0 to choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Concurrency(pub(crate) usize);

fn concurrency(text: &str) -> Result<Concurrency, String> {
    match text.parse() {
        _ if text == "auto" => Ok(Concurrency(0)),
        Ok(n) if (1..=1000).contains(&n) => Ok(Concurrency(n)),
        _ => Err(format!("`{text}` is neither auto nor a number from 1 to 1000")),
    }
}

fn memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: UnitError| error.to_string())?;
    let least = ByteSize(MIN_PART);
    if size < least {
        return Err(format!("{least} is the least that works, since a part has to fit"));
    }
    Ok(size)
}

pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}
