//! Reads the lock information in terraform's error message.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// The words in the title of terraform's message about a lock that somebody else holds.
const TITLE: &str = "Error acquiring the state lock";

/// The words before the id of the holder, where a backend knows it.
const HELD: &str = "already locked: ID=";

/// Go's `time.Time.String()` in UTC, without its zone.
const CREATED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]");

/// Who holds the lock of a state; each part as far as terraform said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateLock {
    /// The id that `force-unlock` wants.
    pub id: Option<String>,
    /// User and host.
    pub who: Option<String>,
    /// What they do: `OperationTypeApply`.
    pub operation: Option<String>,
    /// Since when.
    pub created: Option<OffsetDateTime>,
}

impl StateLock {
    /// Finds the lock information in what terraform said of an error.
    ///
    /// Returns nothing if the message is about something else. Some backends print the lock that terraform
    /// asked for itself, since it `started`: nothing of that is true of the holder.
    pub fn find(lines: &[String], started: OffsetDateTime) -> Option<Self> {
        let start = lines.iter().position(|line| is_title(line))?;
        let lines: Vec<_> = lines[start..].iter().map(|line| without_frame(line)).collect();
        let lock = Self::of_fields(&lines);
        // Terraform breaks lines at spaces.
        let text = lines.join(" ");
        let holder = text.split_once(HELD).map(|(_, rest)| rest);
        let holder =
            holder.and_then(|rest| rest.split(|c: char| c.is_whitespace() || c == '"').next());
        match holder {
            Some(id) if lock.id.as_deref() != Some(id) => {
                Some(Self { id: Some(id.to_owned()), ..Self::default() })
            }
            None if lock.created.is_some_and(|created| created >= started) => Some(Self::default()),
            _ => Some(lock),
        }
    }

    fn of_fields(lines: &[&str]) -> Self {
        let mut lock = Self::default();
        for (key, value) in lines.iter().filter_map(|line| line.split_once(':')) {
            let value = value.trim().to_owned();
            match key {
                "ID" if !value.is_empty() => lock.id = Some(value),
                "Who" if !value.is_empty() => lock.who = Some(value),
                "Operation" if !value.is_empty() => lock.operation = Some(value),
                "Created" => lock.created = parse_created(&value),
                _ => {}
            }
        }
        lock
    }

    /// Says who holds the lock, to follow "the state is locked".
    pub fn sentence(&self) -> String {
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

/// Returns whether a line is the title of the message: the same words within another message, as a provisioner
/// may print them, say nothing of a lock.
fn is_title(line: &str) -> bool {
    let line = line.strip_prefix("│ ").unwrap_or(line);
    line.starts_with("Error: ") && line.contains(TITLE)
}

/// Removes what terraform draws before the lines of a message.
fn without_frame(line: &str) -> &str {
    line.trim_start_matches(|c: char| matches!(c, '│' | '|') || c.is_whitespace()).trim_end()
}

fn parse_created(text: &str) -> Option<OffsetDateTime> {
    let without_zone = text.split(" +").next()?;
    let created = time::PrimitiveDateTime::parse(without_zone, CREATED).ok()?;
    Some(created.assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const EARLIER: OffsetDateTime = datetime!(2026-03-04 05:06:07 UTC);
    const LATER: OffsetDateTime = datetime!(2026-03-04 05:06:08 UTC);

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

        let lock = StateLock::find(&lines, LATER).unwrap();

        assert_eq!(lock.id.as_deref(), Some("3f1c9d3e-3b1e-7a0e-1f6a-0f6f0a7c2f11"));
        assert_eq!(lock.who.as_deref(), Some("ada@build-7"));
        assert_eq!(lock.created, Some(datetime!(2026-03-04 05:06:07.123456789 UTC)));
        assert!(lock.sentence().starts_with(" by ada@build-7 (lock id 3f1c9d3e"));
    }

    #[test]
    fn a_lock_without_details_is_still_a_lock() {
        let lines = ["Error: Error acquiring the state lock".to_owned(), "HTTP 423".to_owned()];

        assert_eq!(StateLock::find(&lines, LATER), Some(StateLock::default()));
        assert_eq!(StateLock::find(&["Error: Invalid reference".to_owned()], LATER), None);
        for said in ["Error acquiring the state lock", "  Error: Error acquiring the state lock"] {
            assert_eq!(
                StateLock::find(&[said.to_owned(), "ID: x".to_owned()], LATER),
                None,
                "{said}"
            );
        }
    }

    #[test]
    fn our_own_lock_is_not_the_holders() {
        let lines: Vec<_> = MESSAGE.lines().map(str::to_owned).collect();
        let held = "│ Error message: HTTP remote state already\n│ locked: ID=11111111-2222-3333";
        let named = MESSAGE.replace("│ Error message: resource temporarily unavailable", held);
        let named: Vec<_> = named.lines().map(str::to_owned).collect();

        assert_eq!(StateLock::find(&lines, EARLIER), Some(StateLock::default()));
        let id = Some("11111111-2222-3333".to_owned());
        let holder = StateLock { id, ..StateLock::default() };
        assert_eq!(StateLock::find(&named, EARLIER), Some(holder));
    }
}
