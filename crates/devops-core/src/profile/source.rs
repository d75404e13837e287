//! One source of a run: room for its archive, the archive, its proof, and what of the earlier ones goes.

use std::hash::{BuildHasher, RandomState};

use super::{
    event::ProfileEvent,
    options::{ProfileSource, Rehearsal},
    report::{Problem, Shrinkage, SourceReport, chain},
    room,
    running::Run,
    series::{self, Series},
};
use crate::{
    archive::{
        Archive, ArchiveError, ArchiveName, Candidate, CreateEvent, CreateOptions, Created,
        FileMark, PrunePlan, RehearsalRequest, Rehearsed, create_in_folder, rehearse,
        remove_pruned, verify,
    },
    fs::{OpenFolder, remove_stale},
    kind::{HasKind, Kind},
    retention::Comparison,
    units::{agree, count},
};

impl<'a> Run<'a, '_> {
    /// Fails if the archives will not fit, after what the policy would remove anyway is gone.
    pub(super) fn make_room(&mut self) -> Result<(), Problem> {
        let profile = self.profile;
        let shortage = || room::shortage(profile).map_err(|error| Problem::from(&error));
        let mut lacking = shortage()?;
        for n in 0..profile.sources.len() {
            if lacking.is_none() {
                break;
            }
            self.make_room_of(n).map_err(|error| Problem::from(&error))?;
            lacking = shortage()?;
        }
        match lacking {
            None => Ok(()),
            Some(lacking) => Err(Problem::new(Kind::Failed, lacking.to_string())),
        }
    }

    /// Removes what of a source would go once its next archive is there, and returns how many went.
    fn make_room_of(&mut self, n: usize) -> Result<usize, ArchiveError> {
        let (profile, name) = (self.profile, &self.profile.sources[n].name);
        // A killed run may have left most of an archive.
        let is_ours = |found: &std::ffi::OsStr| {
            ArchiveName::parse(found).is_some_and(|found| found.name == *name)
        };
        remove_stale(&OpenFolder::open_within(profile.dest, profile.create.within)?, is_ours)?;
        if profile.keep.is_empty() {
            return Ok(0);
        }
        let series = Series { profile, name };
        let mut plan = series.plan_room(self.cancel)?;
        if series.is_shrunk(&plan) {
            return Ok(0);
        }
        let budget = plan.most_removals(profile.limits.max_delete);
        plan.postpone(budget.saturating_sub(self.n_removed[n]));
        let pruned = self.report.pruned.get_or_insert_default();
        let mut n_removed = 0;
        remove_pruned(&plan, self.cancel, &mut |candidate| {
            pruned.made_room(candidate);
            n_removed += 1;
        })?;
        self.n_removed[n] += n_removed;
        if n_removed > 0 {
            self.warn(&format!("removed {n_removed} of `{name}` to make room for the next one"));
        }
        Ok(n_removed)
    }

    pub(super) fn back_up(&mut self, n: usize) {
        let source: &'a ProfileSource = &self.profile.sources[n];
        (self.on_event)(ProfileEvent::Begun(source));
        let mut created = self.archive(source);
        if created.as_ref().is_err_and(room::is_full) && self.make_room_of(n).is_ok_and(|n| n > 0) {
            created = self.archive(source);
        }
        let mut report = SourceReport::new(source);
        let problem = match created {
            Ok(created) => {
                let problem = self.prove(source, &created, &mut report);
                report.created = Some(created);
                problem
            }
            Err(error) => Some(Problem::of_source(&error, &source.path)),
        };
        report.error = problem.as_ref().map(|problem| problem.message.clone());
        self.report.sources.push(report);
        if let Some(problem) = problem {
            self.fail(problem);
        }
    }

    fn archive(&mut self, source: &ProfileSource) -> Result<Created, ArchiveError> {
        let template = self.profile.create.clone();
        let any_owner = self.profile.limits.any_owner;
        let options = CreateOptions { source: &source.path, any_owner, lock: None, ..template };
        let (dest, on_event) = (self.profile.dest, &mut *self.on_event);
        let mut tell = |event: CreateEvent<'_>| on_event(ProfileEvent::Create(event));
        create_in_folder(&options, dest, &source.name, self.cancel, &mut tell)
    }

    /// Verifies and rehearses an archive, which stays if it turns out damaged, for a person to look at.
    fn prove(
        &mut self,
        source: &ProfileSource,
        created: &Created,
        report: &mut SourceReport,
    ) -> Option<Problem> {
        (self.on_event)(ProfileEvent::Created(source, created));
        let proven = self.verify(created).and_then(|()| self.rehearse(source, created));
        match proven {
            Ok(rehearsed) => {
                let problem = rehearsed.as_ref().and_then(|found| differing(found, source));
                report.rehearsed = rehearsed;
                problem
            }
            Err(ArchiveError::Encrypted { .. }) if self.profile.keys.is_empty() => {
                let name = &source.name;
                self.warn(&format!(
                    "the archive of `{name}` is for others, who alone can verify it"
                ));
                None
            }
            Err(error) => Some(Problem::of_source(&error, &source.path)),
        }
    }

    fn verify(&mut self, created: &Created) -> Result<(), ArchiveError> {
        if !self.profile.verify {
            return Ok(());
        }
        (self.on_event)(ProfileEvent::Checking("verifying", &created.path));
        let archive = Archive { path: &created.path, keys: self.profile.keys };
        let mark = FileMark::of(&created.path);
        let verified = verify(archive, self.cancel, &mut |_| {});
        if let Some(mark) = mark {
            let CreateOptions { state, clock, .. } = &self.profile.create;
            mark.remember(&created.path, &verified, *state, clock.now());
        }
        verified.map(drop)
    }

    fn rehearse(
        &mut self,
        source: &ProfileSource,
        created: &Created,
    ) -> Result<Option<Rehearsed>, ArchiveError> {
        let Some(Rehearsal { share, folder }) = self.profile.rehearsal else { return Ok(None) };
        (self.on_event)(ProfileEvent::Checking("rehearsing", &created.path));
        let request = RehearsalRequest {
            archive: Archive { path: &created.path, keys: self.profile.keys },
            share,
            seed: RandomState::new().hash_one(&created.path),
            folder,
            source: Some(&source.path),
        };
        let rehearsed = rehearse(&request, self.cancel, &mut |_| {})?;
        (self.on_event)(ProfileEvent::Rehearsed(source, &rehearsed));
        Ok(Some(rehearsed))
    }

    /// Decides about the archives of those sources that have a new one: nothing old goes while nothing new
    /// comes, and while most of a source is gone.
    pub(super) fn settle(&mut self) -> Result<(), Problem> {
        for n in 0..self.report.sources.len() {
            if self.report.sources[n].error.is_none() {
                self.settle_one(n).map_err(|error| Problem::from(&error))?;
            }
        }
        Ok(())
    }

    fn settle_one(&mut self, n: usize) -> Result<(), ArchiveError> {
        let (profile, source) = (self.profile, &self.profile.sources[n]);
        let is_pruned = !profile.keep.is_empty();
        if !is_pruned && profile.shrink.limit >= 1.0 {
            return Ok(());
        }
        let series = Series { profile, name: &source.name };
        let mut plan = match series.plan(true, self.cancel) {
            Err(error) if !is_pruned && error.kind() != Kind::Interrupted => {
                self.warn(&format!(
                    "cannot tell whether `{}` shrank: {}",
                    source.path.display(),
                    chain(&error)
                ));
                return Ok(());
            }
            planned => planned?,
        };
        let shrinkage = self.look_for_shrinkage(&series, n, &plan);
        self.report.sources[n].shrunk = shrinkage;
        if let Some(shrinkage) = shrinkage {
            (self.on_event)(ProfileEvent::Shrunk(source, shrinkage));
        }
        if !is_pruned {
            return Ok(());
        }
        let is_held = shrinkage.is_some_and(|shrinkage| !shrinkage.is_accepted);
        let budget = plan.most_removals(profile.limits.max_delete);
        plan.postpone(if is_held { 0 } else { budget.saturating_sub(self.n_removed[n]) });
        let pruned = self.report.pruned.get_or_insert_default();
        pruned.plan(&plan);
        let mut count = |candidate: &Candidate| pruned.removed(candidate);
        remove_pruned(&plan, self.cancel, &mut count)?;
        (self.on_event)(ProfileEvent::Pruned(source, &plan));
        Ok(())
    }

    /// Compares a source with what it was, and remembers its size.
    fn look_for_shrinkage(
        &mut self,
        series: &Series<'_>,
        n: usize,
        plan: &PrunePlan,
    ) -> Option<Shrinkage> {
        let shown = self.profile.sources[n].path.display();
        let created = self.report.sources[n].created.as_ref()?;
        let size = created.summary.source_size();
        let newest = plan.candidates.iter().find(|newest| newest.path == created.path)?;
        let mut remembered_sizes = series.remembered_sizes();
        remembered_sizes.retain(&plan.candidates);
        remembered_sizes.remember(&newest.path, newest.size, size);
        let shrunk =
            match series.compare(size, &series::before(plan, newest), &mut remembered_sizes) {
                Comparison::Usual => None,
                Comparison::Unknown => {
                    self.warn(&format!(
                        "cannot tell whether `{shown}` shrank: no earlier archive says its size"
                    ));
                    None
                }
                Comparison::Shrunk(shrunk) => Some(shrunk),
            };
        let is_accepted = self.profile.shrink.is_accepted;
        if shrunk.is_some() && is_accepted {
            remembered_sizes.accept(newest.time);
        }
        let saved = remembered_sizes.save();
        if shrunk.is_some() && is_accepted && !saved.is_ok_and(|is_saved| is_saved) {
            self.warn(&format!(
                "that `{shown}` shrank is accepted for this run alone: it cannot be remembered"
            ));
        }
        shrunk.map(|shrunk| Shrinkage { shrunk, is_accepted })
    }
}

/// Returns what was wrong with what was restored.
fn differing(rehearsed: &Rehearsed, source: &ProfileSource) -> Option<Problem> {
    let first = rehearsed.differences.first()?;
    let n = rehearsed.differences.len();
    let message = format!(
        "of {} of `{}` {n} {}, first `{}`: {}",
        count(rehearsed.n_sampled, "restored file"),
        source.path.display(),
        agree(n, "differs", "differ"),
        first.path.display(),
        first.reason
    );
    Some(Problem::new(Kind::Mismatch, message))
}
