//! A source of which most is gone, at the public functions.

use std::{fs, path::Path};

use devops_core::{
    archive::{CreateOptions, Recipients},
    profile::{Profile, ProfileEvent, Report, ShrinkRule, Status},
    retention::KeepPolicy,
};

use super::fixture::{Fixture, code_of, run_with, write};

/// A profile of one source with ten files, and a folder for what is remembered.
struct Shrinking {
    fixture: Fixture,
    warnings: Vec<String>,
    recipients: Option<Recipients>,
}

impl Shrinking {
    fn new() -> Self {
        let mut fixture = Fixture::new();
        fixture.sources.truncate(1);
        fs::remove_file(fixture.sources[0].path.join("file")).unwrap();
        let shrinking = Self { fixture, warnings: Vec::new(), recipients: None };
        shrinking.fill(10);
        shrinking
    }

    fn source(&self) -> &Path {
        &self.fixture.sources[0].path
    }

    /// Makes the source hold so many files.
    fn fill(&self, n: usize) {
        for file in fs::read_dir(self.source()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        for file in 0..n {
            write(self.source().join(file.to_string()), [7; 100]);
        }
    }

    /// Runs a night, in which two archives are kept.
    fn night(&mut self, accepted: bool, remembers: bool) -> Report {
        self.fixture.next_day();
        let state = self.fixture.dir.path().join("state");
        let profile = self.fixture.profile();
        let create = CreateOptions {
            state: remembers.then_some(state.as_path()),
            encryption: self.recipients.as_ref(),
            ..profile.create.clone()
        };
        let profile = Profile {
            create,
            verify: false,
            keep: KeepPolicy { last: 2, ..KeepPolicy::default() },
            shrink: ShrinkRule { is_accepted: accepted, ..ShrinkRule::default() },
            ..profile
        };
        let warnings = &mut self.warnings;
        run_with(&profile, &devops_core::cancel::Cancel::new(), &mut |event| {
            if let ProfileEvent::Warning(what) = event {
                warnings.push(what.to_owned());
            }
        })
    }

    fn n_archives(&self) -> usize {
        self.fixture.archives().len()
    }
}

#[test]
fn nothing_is_pruned_while_most_of_a_source_is_gone_until_it_is_back() {
    let mut shrinking = Shrinking::new();
    for _ in 0..3 {
        assert_eq!(shrinking.night(false, true).exit_code(&code_of), 0);
    }
    assert_eq!(shrinking.n_archives(), 2);

    shrinking.fill(4);
    // More nights than archives that count: the shrunken ones never become what is usual.
    for night in 1..=9 {
        let report = shrinking.night(false, true);

        assert_eq!((report.status, report.exit_code(&code_of)), (Status::Partial, 3), "{night}");
        assert_eq!(shrinking.n_archives(), 2 + night);
        let json = report.to_json(3);
        let shrunk = &json["sources"][0]["shrunk"];
        assert_eq!((&shrunk["entries_before"], &shrunk["entries"]), (&10.into(), &4.into()));
        assert_eq!((&shrunk["bytes_before"], &shrunk["bytes"]), (&1000.into(), &400.into()));
        assert_eq!(json["pruned"]["removed"], 0);
        assert!(report.text().contains("4 of 10 entries and 400 B of 1000 B are left"));
    }
    shrinking.fill(10);

    assert_eq!(shrinking.night(false, true).exit_code(&code_of), 0);
    assert_eq!(shrinking.n_archives(), 2);
    assert_eq!(shrinking.warnings, [""; 0]);
}

#[test]
fn an_accepted_loss_is_the_level_from_then_on() {
    let mut shrinking = Shrinking::new();
    shrinking.night(false, true);
    shrinking.night(false, true);
    shrinking.fill(4);
    assert_eq!(shrinking.night(false, true).exit_code(&code_of), 3);

    let accepted = shrinking.night(true, true);
    assert_eq!((accepted.exit_code(&code_of), shrinking.n_archives()), (0, 2));
    assert_eq!(accepted.to_json(0)["sources"][0]["shrunk"]["accepted"], true);
    assert_eq!(shrinking.night(false, true).exit_code(&code_of), 0);

    shrinking.fill(2);
    assert_eq!(shrinking.night(false, true).exit_code(&code_of), 0);
    shrinking.fill(1);
    assert_eq!(shrinking.night(false, true).exit_code(&code_of), 3);
}

#[test]
fn an_emptied_source_is_named_and_bytes_count_as_entries_do() {
    let mut shrinking = Shrinking::new();
    shrinking.night(false, true);

    for file in 0..10 {
        write(shrinking.source().join(file.to_string()), "");
    }
    let emptied = shrinking.night(false, true);
    assert_eq!(emptied.exit_code(&code_of), 3);
    assert!(emptied.text().contains("10 of 10 entries and 0 B of 1000 B"), "{}", emptied.text());

    shrinking.fill(0);
    let empty = shrinking.night(false, true);
    assert_eq!(empty.exit_code(&code_of), 3);
    let said = format!("\n`{}` is empty\n", shrinking.source().display());
    assert!(empty.text().contains(&said), "{}", empty.text());
}

#[test]
fn without_a_state_folder_the_indexes_tell_and_an_answer_counts_once() {
    let mut shrinking = Shrinking::new();
    shrinking.night(false, false);
    shrinking.fill(4);
    assert_eq!(shrinking.night(false, false).exit_code(&code_of), 3);

    assert_eq!(shrinking.night(true, false).exit_code(&code_of), 0);

    assert_eq!(shrinking.warnings.len(), 1);
    assert!(shrinking.warnings[0].ends_with("for this run alone: it cannot be remembered"));
}

#[test]
fn the_sizes_of_encrypted_archives_are_remembered_or_it_is_said_that_they_are_not() {
    let mut shrinking = Shrinking::new();
    let mut recipients = Recipients::default();
    recipients.add("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa").unwrap();
    shrinking.recipients = Some(recipients);
    shrinking.night(false, true);
    shrinking.fill(4);
    assert_eq!(shrinking.night(false, true).exit_code(&code_of), 3);
    assert_eq!(shrinking.warnings, [""; 0]);

    assert_eq!(shrinking.night(false, false).exit_code(&code_of), 0);

    let said = format!(
        "cannot tell whether `{}` shrank: no earlier archive says its size",
        shrinking.source().display()
    );
    assert_eq!(shrinking.warnings, [said]);
}
