//! Figures as the page and the terminal show them.

use std::time::Duration;

use devops_core::units::{ByteSize, format_duration};

/// Returns `12.3%`.
pub(crate) fn percent(percent: Option<f64>) -> String {
    percent.map_or("not known".to_owned(), |percent| format!("{percent:.1}%"))
}

/// Returns `1.5 KiB/s`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative, and no network brings more than 64 bits of bytes a second"
)]
pub(crate) fn rate(bytes_per_second: Option<f64>) -> String {
    bytes_per_second
        .map_or("measuring…".to_owned(), |rate| format!("{}/s", ByteSize(rate.round() as u64)))
}

/// Returns `200.0 MiB`.
pub(crate) fn size(bytes: Option<u64>) -> String {
    bytes.map_or("not known".to_owned(), |bytes| ByteSize(bytes).to_string())
}

/// Returns `3d 2h`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default().as_secs();
    if whole < 10 { format!("{whole}s") } else { format_duration(Duration::from_secs(whole)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_zero() {
        assert_eq!(percent(None), "not known");
        assert_eq!(percent(Some(0.0)), "0.0%");
        assert_eq!(rate(None), "measuring…");
        assert_eq!(rate(Some(1536.0)), "1.5 KiB/s");
    }

    #[test]
    fn uptimes_are_short() {
        assert_eq!(duration(7.9), "7s");
        assert_eq!(duration(180_061.5), "2d 2h");
        assert_eq!(duration(f64::NAN), "0s");
    }
}
