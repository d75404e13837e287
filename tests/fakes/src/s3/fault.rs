//! What goes wrong, when and how often.

use std::{str::FromStr, time::Duration};

/// Something that goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This error instead of an answer; nothing is carried out.
    Error {
        /// The HTTP status.
        status: u16,
        /// S3's code.
        code: String,
        /// The message.
        message: String,
    },
    /// The store asks for fewer requests, and to be left alone for so many milliseconds.
    LeaveAlone(u32),
    /// Status 200 with an error in the body; nothing is carried out.
    ErrorIn200,
    /// The connection ends without an answer; nothing is carried out.
    DropBefore,
    /// The request is carried out; then the connection ends without an answer.
    DropAfter,
    /// The request is carried out; the answer is 500.
    ErrorAfter,
    /// No answer ever; nothing is carried out.
    Stall,
    /// An answer of this status whose body never ends; nothing is carried out.
    Endless(u16),
    /// The answer has more headers than any of S3.
    LongHeaders,
    /// The page of a listing leads to itself.
    SamePage,
    /// The listing does not have this key.
    Hide(String),
    /// Half of the answer's body, then nothing more.
    StallBody,
    /// Half of the answer's body, then the connection ends.
    Truncate,
    /// Nothing happens for a while.
    Delay(Duration),
    /// Nothing happens until the server releases what it holds; see [`Server::release`](super::Server::release).
    Hold,
    /// The answer's `ETag` is not that of the bytes.
    WrongEtag,
    /// The answer's checksum is not that of the bytes.
    WrongChecksum,
    /// The first size in the answer's body is negative.
    NegativeSize,
    /// The answer has no checksums, as if the store did not know them.
    NoChecksum,
    /// The answer has no user metadata.
    NoMetadata,
    /// The XML of the answer has another root, as moto's `ListParts` has one that is not S3's.
    OtherRoot,
    /// `If-None-Match` is not looked at.
    IgnoreCondition,
    /// The store speaks as another does.
    Dialect(Dialect),
    /// Checksum headers are an error.
    RefuseChecksums,
    /// A header or a parameter of this name is not looked at.
    Ignore(String),
    /// Something is wrong with the headers and elements of this name in the answer.
    Slip(Slip, String),
    /// The checksum in the request is not looked at, and comes back in the answers.
    EchoChecksum,
    /// The headers of the request that stored an object come back in the answers about it.
    EchoHeaders,
    /// The first byte of the body is stored as another one.
    Damage,
    /// Conditional writes are an error.
    RefuseConditions,
    /// Requests with this session token are refused, as if it had ended.
    ExpiredToken(String),
    /// Of several keys, the deletion of this one fails in the answer's body.
    FailKey(String),
    /// Requests signed for another region are sent to this one.
    Region(String),
    /// Such requests are refused as garage does it: the region stands in the body alone.
    RegionInBody(String),
}

/// The name of every fault, with a value where it needs one; a new fault belongs here too, so that it is
/// tried everywhere, unless it only ends when told to, or sends megabytes.
pub const FAULTS: [&str; 31] = [
    "error-in-200",
    "drop-before",
    "drop-after",
    "error-after",
    "stall",
    "stall-body",
    "truncate",
    "delay=5",
    "wrong-etag",
    "wrong-checksum",
    "no-checksum",
    "no-metadata",
    "other-root",
    "ignore-condition",
    "renamed-root",
    "strict-parts",
    "short-checksums",
    "refuse-checksums",
    "refuse-conditions",
    "region=eu-west-1",
    "slow-down",
    "internal-error",
    "expired-token",
    "denied",
    "no-bucket",
    "no-upload",
    "conflict",
    "not-implemented",
    "invalid-part",
    "bad-digest",
    "skewed",
];

impl Fault {
    /// Returns whether the same request may succeed when it is made again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Error { code, .. } => {
                ["SlowDown", "InternalError", "BadDigest"].contains(&code.as_str())
            }
            Self::LeaveAlone(_)
            | Self::ErrorIn200
            | Self::DropBefore
            | Self::DropAfter
            | Self::ErrorAfter
            | Self::Stall
            | Self::StallBody
            | Self::Truncate
            | Self::OtherRoot => true,
            _ => false,
        }
    }
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError(String);

impl std::fmt::Display for FaultError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a fault such as `slow-down`", self.0)
    }
}

impl std::error::Error for FaultError {}

/// A fault with the requests it is for.
///
/// As text: `OPERATION:FAULT[:part=N][:after=N][:times=N|always]`, with `*` for every operation;
/// `after` requests go well before, and unless `times` says more only one goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    operation: String,
    text: String,
    fault: Fault,
    part: Option<u32>,
    after: usize,
    times: Option<usize>,
}

/// The reason a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError(String);

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a rule such as `UploadPart:slow-down:times=2`", self.0)
    }
}

impl std::error::Error for RuleError {}

impl Rule {
    /// Returns the fault if it is for this request, and counts it.
    pub(crate) fn apply(&mut self, operation: &str, part: Option<u32>) -> Option<(Fault, String)> {
        let matches = self.operation == "*" || self.operation == operation;
        if !matches || (self.part.is_some() && self.part != part) {
            return None;
        }
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        match &mut self.times {
            Some(0) => return None,
            Some(times) => *times -= 1,
            None => {}
        }
        Some((self.fault.clone(), self.text.clone()))
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let error = || RuleError(text.to_owned());
        let mut words = text.split(':');
        let operation = words.next().filter(|word| !word.is_empty()).ok_or_else(error)?.to_owned();
        let name = words.next().ok_or_else(error)?;
        let mut rule = Self {
            operation,
            text: name.to_owned(),
            fault: name.parse().map_err(|_| error())?,
            part: None,
            after: 0,
            times: Some(1),
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse::<usize>().map_err(|_| error());
            match key {
                "part" => rule.part = Some(value.parse().map_err(|_| error())?),
                "after" => rule.after = number()?,
                "times" if value == "always" => rule.times = None,
                "always" => rule.times = None,
                "times" => rule.times = Some(number()?),
                _ => return Err(error()),
            }
        }
        Ok(rule)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        named(text).ok_or_else(|| FaultError(text.to_owned()))
    }
}

fn named(text: &str) -> Option<Fault> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Some(match name {
        "error-in-200" => Fault::ErrorIn200,
        "drop-before" => Fault::DropBefore,
        "drop-after" => Fault::DropAfter,
        "error-after" => Fault::ErrorAfter,
        "stall" => Fault::Stall,
        "endless" => Fault::Endless(value.parse().ok()?),
        "long-headers" => Fault::LongHeaders,
        "same-page" => Fault::SamePage,
        "stall-body" => Fault::StallBody,
        "truncate" => Fault::Truncate,
        "delay" => Fault::Delay(Duration::from_millis(value.parse().ok()?)),
        "hold" => Fault::Hold,
        "wrong-etag" => Fault::WrongEtag,
        "wrong-checksum" => Fault::WrongChecksum,
        "negative-size" => Fault::NegativeSize,
        "no-checksum" => Fault::NoChecksum,
        "no-metadata" => Fault::NoMetadata,
        "other-root" => Fault::OtherRoot,
        "ignore-condition" => Fault::IgnoreCondition,
        "ignore" if !value.is_empty() => Fault::Ignore(value.to_owned()),
        "leave-out" if !value.is_empty() => Fault::Slip(Slip::LeaveOut, value.to_owned()),
        "repeat" if !value.is_empty() => Fault::Slip(Slip::Repeat, value.to_owned()),
        "contradict" if !value.is_empty() => Fault::Slip(Slip::Contradict, value.to_owned()),
        "echo-checksum" => Fault::EchoChecksum,
        "echo-headers" => Fault::EchoHeaders,
        "damage" => Fault::Damage,
        "refuse-checksums" => Fault::RefuseChecksums,
        "refuse-conditions" => Fault::RefuseConditions,
        "hide" if !value.is_empty() => Fault::Hide(value.to_owned()),
        "fail-key" if !value.is_empty() => Fault::FailKey(value.to_owned()),
        "region" if !value.is_empty() => Fault::Region(value.to_owned()),
        "region-in-body" if !value.is_empty() => Fault::RegionInBody(value.to_owned()),
        "leave-alone" => Fault::LeaveAlone(value.parse().ok()?),
        "expired-token" if !value.is_empty() => Fault::ExpiredToken(value.to_owned()),
        _ => return error_named(name).or_else(|| Dialect::named(name).map(Fault::Dialect)),
    })
}

/// Returns the answer of a store that has this name.
fn error_named(name: &str) -> Option<Fault> {
    let answer = |status, code: &str, message: &str| Fault::Error {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    };
    Some(match name {
        "slow-down" => answer(503, "SlowDown", "Please reduce your request rate."),
        "internal-error" => answer(500, "InternalError", "We encountered an internal error."),
        "expired-token" => answer(400, "ExpiredToken", "The provided token has expired."),
        "denied" => answer(403, "AccessDenied", "Access Denied"),
        "archived" => answer(
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
        ),
        "no-expedited" => answer(
            503,
            "GlacierExpeditedRetrievalNotAvailable",
            "Glacier expedited retrievals are currently not available, please try again later",
        ),
        "no-match" => answer(
            412,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        ),
        "no-bucket" => answer(404, "NoSuchBucket", "The specified bucket does not exist"),
        "not-found" => answer(404, "", ""),
        "no-upload" => answer(404, "NoSuchUpload", "The specified upload does not exist."),
        "conflict" => {
            answer(409, "ConditionalRequestConflict", "A conflicting operation occurred.")
        }
        "not-allowed" => answer(405, "MethodNotAllowed", "The method is not allowed here."),
        "not-implemented" => answer(501, "NotImplemented", "This is not implemented."),
        "invalid-part" => {
            answer(400, "InvalidPart", "All parts but the last must have the same size.")
        }
        "too-small" => answer(400, "InvalidRequest", "Bad request: Source object is too small"),
        "bad-digest" => answer(400, "BadDigest", "The checksum did not match."),
        "skewed" => answer(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        _ => return None,
    })
}

/// The change to one field of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// It is not there.
    LeaveOut,
    /// It comes a second time, with another value.
    Repeat,
    /// It has another value.
    Contradict,
}

/// One way to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The root of an XML answer has another name, as that of gofakes3 for `CreateMultipartUpload`.
    RenamedRoot,
    /// Every listing is one of version 1: with a marker, and without a token.
    Version1,
    /// Every page of a listing is the first, and names another one.
    Forgetful,
    /// The list of parts may not say more than numbers and `ETag`s, as in the schema of Swift.
    StrictParts,
    /// Checksums in answers have half of their bytes, as CRC-64/NVME of moto has without its library.
    ShortChecksums,
    /// A copy restored from an archive stays for one day, however many are asked for.
    OneDay,
}

impl Dialect {
    /// Returns the dialect of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "renamed-root" => Self::RenamedRoot,
            "version-1" => Self::Version1,
            "forgetful" => Self::Forgetful,
            "strict-parts" => Self::StrictParts,
            "short-checksums" => Self::ShortChecksums,
            "one-day" => Self::OneDay,
            _ => return None,
        })
    }

    /// Returns the one of these faults that is one.
    pub(super) fn of(faults: &[Fault]) -> Option<Self> {
        faults.iter().find_map(|fault| match fault {
            Fault::Dialect(dialect) => Some(*dialect),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_the_requests_it_is_for() {
        let mut rule: Rule = "UploadPart:slow-down:after=1:times=2".parse().unwrap();
        let mut hits = |operation| rule.apply(operation, Some(1)).is_some();

        assert!(!hits("PutObject"));
        assert!(!hits("UploadPart"));
        assert!(hits("UploadPart") && hits("UploadPart"));
        assert!(!hits("UploadPart"));
    }

    #[test]
    fn a_rule_may_be_for_one_part_and_for_ever() {
        let mut rule: Rule = "*:stall:part=3:always".parse().unwrap();

        assert_eq!(rule.apply("UploadPart", Some(2)), None);
        assert!((0..9).all(|_| rule.apply("UploadPart", Some(3)).is_some()));
    }

    #[test]
    fn every_name_is_a_fault_of_its_own() {
        let faults: Vec<Fault> = FAULTS.iter().map(|name| name.parse().unwrap()).collect();

        for (n, fault) in faults.iter().enumerate() {
            assert!(!faults[..n].contains(fault), "{fault:?}");
        }
    }

    #[test]
    fn what_may_be_over_when_a_request_is_made_again_passes() {
        let is_transient = |name: &&str| name.parse::<Fault>().unwrap().is_transient();
        let passing: Vec<&str> = FAULTS.into_iter().filter(is_transient).collect();

        assert_eq!(
            passing,
            [
                "error-in-200",
                "drop-before",
                "drop-after",
                "error-after",
                "stall",
                "stall-body",
                "truncate",
                "other-root",
                "slow-down",
                "internal-error",
                "bad-digest",
            ]
        );
        assert!(Fault::LeaveAlone(5).is_transient());
    }

    #[test]
    fn refuses_what_is_no_rule() {
        for text in ["", "UploadPart", "UploadPart:burn", "*:stall:part=x", "*:region"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
