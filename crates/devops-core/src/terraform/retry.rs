//! Tries again what failed for a reason that may pass.

use std::{collections::VecDeque, time::Duration};

use super::{TerraformError, TerraformEvent, watch::Watch};

/// The first wait; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The messages of transient errors of terraform and its providers.
const TRANSIENT: [&str; 13] = [
    "connection reset by peer",
    "connection timed out",
    "Client.Timeout exceeded",
    "i/o timeout",
    "TLS handshake timeout",
    "temporary failure in name resolution",
    "unexpected EOF",
    "429 Too Many Requests",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "504 Gateway Timeout",
    "ThrottlingException",
    "RequestLimitExceeded",
];

/// Returns whether an error may pass by itself.
pub(super) fn is_transient(lines: &VecDeque<String>) -> bool {
    lines.iter().any(|line| TRANSIENT.iter().any(|words| line.contains(words)))
}

/// Does what changes nothing, and tries again as often as it may.
pub(super) fn retried<T>(
    n_retries: u32,
    watch: &mut Watch<'_>,
    mut attempt: impl FnMut(&mut Watch<'_>) -> Result<T, TerraformError>,
) -> Result<T, TerraformError> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..n_retries {
        match attempt(watch) {
            Err(TerraformError::Failed { is_transient: true, .. }) => {}
            done => return done,
        }
        (watch.on_event)(TerraformEvent::Retrying { pause });
        watch.cancel.wait(pause)?;
        pause *= 2;
    }
    attempt(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let is_transient = |text: &str| is_transient(&VecDeque::from([text.to_owned()]));

        assert!(is_transient("Get \"https://registry\": net/http: TLS handshake timeout"));
        assert!(is_transient("read tcp 10.0.0.1: connection reset by peer"));
        assert!(!is_transient("Error: Invalid reference"));
        assert!(!is_transient("dial tcp 127.0.0.1:9: connect: connection refused"));
    }
}
