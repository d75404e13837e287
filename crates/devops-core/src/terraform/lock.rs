//! Reads the lock information in terraform's error message.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// The words that begin terraform's message about a lock that somebody else holds.
const TITLE: &str = "Error acquiring the state lock";

/// Go's `time.Time.String()` in UTC, up to the seconds.
const CREATED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// Who holds the lock of a state; each part as far as terraform said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockInfo {
    /// The id that `force-unlock` wants.
    pub id: Option<String>,
    /// User and host.
    pub who: Option<String>,
    /// What they do: `OperationTypeApply`.
    pub operation: Option<String>,
    /// Since when.
    pub created: Option<OffsetDateTime>,
}

impl LockInfo {
    /// Finds the lock information in what terraform wrote to stderr.
    ///
    /// Returns nothing if the message is about something else.
    pub fn find(lines: &[String]) -> Option<Self> {
        let start = lines.iter().position(|line| line.contains(TITLE))?;
        let mut lock = Self::default();
        for line in &lines[start..] {
            let text = line.trim_start_matches(|c: char| c == '│' || c.is_whitespace());
            let Some((key, value)) = text.split_once(':') else { continue };
            let value = value.trim().to_owned();
            match key {
                "ID" if !value.is_empty() => lock.id = Some(value),
                "Who" if !value.is_empty() => lock.who = Some(value),
                "Operation" if !value.is_empty() => lock.operation = Some(value),
                "Created" => lock.created = parse_created(&value),
                _ => {}
            }
        }
        Some(lock)
    }

    /// Says who holds the lock, to follow "the state is locked".
    pub(super) fn sentence(&self) -> String {
        let mut text = String::new();
        if let Some(who) = &self.who {
            text.push_str(&[" by ", who].concat());
        }
        if let Some(id) = &self.id {
            text.push_str(&[" (lock id ", id, ")"].concat());
        }
        text
    }
}

fn parse_created(text: &str) -> Option<OffsetDateTime> {
    let seconds = text.get(..19)?;
    time::PrimitiveDateTime::parse(seconds, CREATED).ok().map(time::PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// As terraform 1.11.4 prints it.
    const MESSAGE: &str = "\
╷
│ Error: Error acquiring the state lock
│ 
│ Error message: resource temporarily unavailable
│ Lock Info:
│   ID:        3f1c9d3e-3b1e-7a0e-1f6a-0f6f0a7c2f11
│   Path:      terraform.tfstate
│   Operation: OperationTypeApply
│   Who:       ada@build-7
│   Version:   1.11.4
│   Created:   2026-03-04 05:06:07.123456789 +0000 UTC
│   Info:      
│ 
│ 
│ Terraform acquires a state lock to protect the state from being written
╵
";

    #[test]
    fn finds_who_holds_the_lock() {
        let lines: Vec<_> = MESSAGE.lines().map(str::to_owned).collect();

        let lock = LockInfo::find(&lines).unwrap();

        assert_eq!(lock.id.as_deref(), Some("3f1c9d3e-3b1e-7a0e-1f6a-0f6f0a7c2f11"));
        assert_eq!(lock.who.as_deref(), Some("ada@build-7"));
        assert_eq!(lock.created, Some(datetime!(2026-03-04 05:06:07 UTC)));
        assert!(lock.sentence().starts_with(" by ada@build-7 (lock id 3f1c9d3e"));
    }

    #[test]
    fn a_lock_without_details_is_still_a_lock() {
        let lines = ["Error: Error acquiring the state lock".to_owned(), "HTTP 423".to_owned()];

        assert_eq!(LockInfo::find(&lines), Some(LockInfo::default()));
        assert_eq!(LockInfo::find(&["Error: Invalid reference".to_owned()]), None);
    }
}
