//! Every fault of the server at every request of what deletes: nothing goes that has to stay, and nothing
//! is said to be gone that is there.

use std::{collections::BTreeMap, fs, path::PathBuf};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        DeleteOutcome, DeleteTarget, Deletion, Filter, PutOptions, RemovalOutcome, RemoveOptions,
        SyncScope, check_listing, delete, for_each_concurrent, plan_removal, plan_sync, put,
        remove, upload_if_changed,
    },
};
use devops_fakes::s3::FAULTS;

use crate::s3::{
    fault_case::{CaseOutcome, InjectedError, uses_short_timeouts, with_enough_patience},
    fault_matrix::{Case, check, check_pairs, kinds_of, pairs, passes},
    test_store::{TestStore, time_enough, uri},
};

pub(crate) type Objects = BTreeMap<String, Vec<u8>>;

/// What a run said it did.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// These are what the files are.
    pub(crate) alike: Vec<String>,
    /// These are gone.
    pub(crate) gone: Vec<String>,
    /// These failed, or stay, and were named.
    pub(crate) failed: Vec<(String, Kind)>,
    /// These stay, because something below them failed.
    pub(crate) covers: Vec<String>,
    /// The whole ended with this.
    pub(crate) error: Option<Kind>,
}

impl Claims {
    fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.covers.is_empty() && self.error.is_none()
    }
}

/// What deletes, and what has to be there before and after.
pub(crate) trait Removal: Sync + Sized {
    fn name(&self) -> &'static str;

    /// Fills the store and the folder.
    fn prepare(&self, test_store: &TestStore);

    fn run(&self, test_store: &TestStore) -> Claims;

    /// Returns what is to be there in the end, of what was there.
    fn wanted(&self, before: &Objects) -> Objects;
}

/// Some [`Removal`] while these things go wrong.
pub(crate) struct OneRemoval<R> {
    pub(crate) removal: R,
    pub(crate) wrongs: Vec<InjectedError>,
}

impl<R: Removal> OneRemoval<R> {
    fn judge_in(&self, test_store: &mut TestStore) -> Result<CaseOutcome, String> {
        self.removal.prepare(test_store);
        let before = objects(test_store);
        let wanted = self.removal.wanted(&before);
        test_store.let_go_wrong(&self.wrongs);
        let claims = self.removal.run(test_store);
        let met = test_store.let_go_well(&self.wrongs)?;
        let after = objects(test_store);
        check_what_stays((&before, &after), &wanted)
            .and_then(|()| check_claims(&claims, &after, &wanted))
            .and_then(|()| check_kinds(&claims, &met))
            .map_err(|wrong| format!("{wrong}: {claims:?}"))?;
        test_store.connect_again(time_enough());
        let last = self.removal.run(test_store);
        // There may be nothing left to do.
        let is_over = last.is_whole() || last.error == Some(Kind::NotFound);
        if !is_over || objects(test_store) != wanted {
            return Err(format!("not even at the end it is as wanted: {last:?}"));
        }
        Ok(if claims.is_whole() { CaseOutcome::Stored } else { CaseOutcome::ReportedFailure })
    }
}

impl<R: Removal> Case for OneRemoval<R> {
    fn name(&self) -> String {
        let wrongs: Vec<String> = self.wrongs.iter().map(ToString::to_string).collect();
        format!("{}, {}", self.removal.name(), wrongs.join(" + "))
    }

    fn judge(&self) -> Result<CaseOutcome, String> {
        with_enough_patience(&self.wrongs, |retry_config| {
            let mut test_store = TestStore::with(retry_config);
            (self.judge_in(&mut test_store), test_store.has_missed(&[]))
        })
    }

    fn waits(&self) -> bool {
        uses_short_timeouts(&self.wrongs)
    }
}

fn objects(test_store: &TestStore) -> Objects {
    let keys = test_store.server.keys("backups").into_iter();
    keys.map(|key| (key.clone(), test_store.server.object("backups", &key).unwrap().bytes()))
        .collect()
}

/// What is wanted stays, as it was or as it is to be.
fn check_what_stays((before, after): (&Objects, &Objects), wanted: &Objects) -> Result<(), String> {
    for key in wanted.keys().filter(|key| before.contains_key(*key)) {
        let now = after.get(key);
        if now.is_none() || now != before.get(key) && now != wanted.get(key) {
            return Err(format!("`{key}` is lost"));
        }
    }
    let is_known = |key: &&String| before.contains_key(*key) || wanted.contains_key(*key);
    match after.keys().find(|key| !is_known(key)) {
        Some(strange) => Err(format!("`{strange}` came from nowhere")),
        None => Ok(()),
    }
}

fn check_claims(claims: &Claims, after: &Objects, wanted: &Objects) -> Result<(), String> {
    if let Some(key) = claims.gone.iter().find(|key| after.contains_key(*key)) {
        return Err(format!("`{key}` is said to be gone"));
    }
    if let Some(key) = claims.alike.iter().find(|key| after.get(*key) != wanted.get(*key)) {
        return Err(format!("`{key}` is said to be what the file is"));
    }
    if claims.failed.is_empty() && !claims.covers.is_empty() {
        return Err("something stays for no reason".to_owned());
    }
    if claims.is_whole() && after != wanted {
        return Err("all is said to be done".to_owned());
    }
    Ok(())
}

fn check_kinds(claims: &Claims, met: &[InjectedError]) -> Result<(), String> {
    if !claims.is_whole() && met.iter().all(passes) {
        return Err("nothing that went wrong is worth a failure".to_owned());
    }
    let fits = |kind: &Kind| met.iter().any(|wrong| kinds_of(wrong).contains(kind));
    let kinds = claims.failed.iter().map(|(_, kind)| kind).chain(&claims.error);
    match kinds.into_iter().find(|kind| !fits(kind)) {
        Some(kind) => Err(format!("a failure of a kind that does not fit: {}", kind.name())),
        None => Ok(()),
    }
}

/// Tries every fault once and always at each of these operations.
pub(crate) fn check_every<R: Removal + Clone>(removal: &R, operations: &[&'static str]) {
    let mut cases = Vec::new();
    for &operation in operations {
        for fault in FAULTS {
            for wrong in
                [InjectedError::once(operation, fault), InjectedError::always(operation, fault)]
            {
                cases.push(OneRemoval { removal: removal.clone(), wrongs: vec![wrong] });
            }
        }
    }
    check(cases);
}

/// A folder and a prefix, not alike in any way that two can be unlike.
#[derive(Clone)]
struct Mirror {
    /// Is set if the listing gives tags that are no MD5, so that the store is asked for each object.
    asks: bool,
}

const FILES: [(&str, &str); 4] = [("a", "1"), ("b", "new"), ("d/same", "same"), ("d/new", "2")];

impl Mirror {
    fn folder(test_store: &TestStore) -> PathBuf {
        test_store.path("folder")
    }
}

impl Removal for Mirror {
    fn name(&self) -> &'static str {
        if self.asks { "sync that asks" } else { "sync" }
    }

    fn prepare(&self, test_store: &TestStore) {
        let folder = Self::folder(test_store);
        fs::create_dir_all(folder.join("d")).unwrap();
        for (name, content) in FILES {
            std::io::Write::write_all(
                &mut fs::File::create(folder.join(name)).unwrap(),
                content.as_bytes(),
            )
            .unwrap();
        }
        let there = [("p/d/same", "same"), ("p/gone", "x"), ("p/gone ", "y")];
        let elsewhere = [("q/a", "1"), ("p", "z"), ("p-a", "w")];
        // Nothing is replaced but what has the tag that was listed.
        let other = (!self.asks).then_some(("p/b", "old"));
        for (key, content) in there.into_iter().chain(elsewhere).chain(other) {
            test_store.server.put("backups", key, content.as_bytes());
        }
    }

    fn run(&self, test_store: &TestStore) -> Claims {
        if self.asks {
            test_store.server.faults(&["ListObjectsV2:wrong-etag:always"]);
        }
        let mut claims = Claims::default();
        let error = test_store.run(async |context| {
            let (folder, prefix, filter) = (Self::folder(test_store), uri("p/"), Filter::default());
            let pair = SyncScope { folder: &folder, prefix: &prefix, filter: &filter };
            let planned = plan_sync(context, pair, false, Some(Deletion::default())).await;
            let (_, plan) = planned.map_err(|error| error.kind())?;
            let options = PutOptions::default();
            let work = async |file| {
                let put = async |source: &_, options: &_| put(context, source, options).await;
                upload_if_changed(context, file, &options, put).await
            };
            let mut stored = Vec::new();
            for_each_concurrent(context, &plan.files, work, |file, result| match result {
                Ok(object) => {
                    claims.alike.push(object.uri.key.clone());
                    stored.push(object);
                }
                Err(error) => claims.failed.push((file.source.uri.key.clone(), error.kind())),
            })
            .await
            .map_err(|error| error.kind())?;
            if !claims.failed.is_empty() {
                return Ok(());
            }
            let checked = check_listing(context, &prefix, &plan, &stored).await;
            checked.map_err(|error| error.kind())?;
            let extra = plan.extra.iter();
            let targets: Vec<DeleteTarget> =
                extra.map(|object| object.uri.clone().into()).collect();
            delete(context, &targets, &mut |target, outcome| claims.deletion(target, &outcome))
                .await
                .map_err(|error| error.kind())
        });
        claims.error = error.err();
        claims
    }

    fn wanted(&self, before: &Objects) -> Objects {
        let elsewhere = before.clone().into_iter().filter(|(key, _)| !key.starts_with("p/"));
        let files = FILES.map(|(name, content)| (format!("p/{name}"), content.into()));
        elsewhere.chain(files).collect()
    }
}

impl Claims {
    fn deletion(&mut self, target: &DeleteTarget, outcome: &DeleteOutcome) {
        let key = target.uri.key.clone();
        match outcome {
            DeleteOutcome::Deleted | DeleteOutcome::Hidden { .. } => self.gone.push(key),
            DeleteOutcome::Refused(failure) | DeleteOutcome::Failed(failure) => {
                self.failed.push((key, failure.kind()));
            }
        }
    }
}

/// What a person names.
#[derive(Clone)]
struct Remove {
    named: &'static [&'static str],
    options: RemoveOptions,
}

impl Removal for Remove {
    fn name(&self) -> &'static str {
        if self.options.versions { "rm of versions" } else { "rm" }
    }

    fn prepare(&self, test_store: &TestStore) {
        if self.options.versions {
            test_store.server.keep_versions("backups");
        }
        // One has versions, and one goes by a request of its own.
        for key in ["logs/a", "logs/b", "logs/b", "logs/c ", "logs", "logs-old/a", "other"] {
            test_store.server.put("backups", key, b"12345");
        }
    }

    fn run(&self, test_store: &TestStore) -> Claims {
        let mut claims = Claims::default();
        let error = test_store.run(async |context| {
            let named: Vec<_> = self.named.iter().map(|key| uri(key)).collect();
            let planned = plan_removal(context, &named, &self.options).await;
            let planned = planned.map_err(|error| error.kind())?;
            let told = remove(context, &planned, &mut |planned, outcome| {
                let key = planned.target.uri.key.clone();
                let kind = match outcome {
                    RemovalOutcome::Removed | RemovalOutcome::Hidden => {
                        return claims.gone.push(key);
                    }
                    RemovalOutcome::Denied(failure) | RemovalOutcome::Failed(failure) => {
                        failure.kind()
                    }
                    // The failure that it stays because of is told by itself.
                    RemovalOutcome::Covers => {
                        claims.covers.push(key);
                        return;
                    }
                    RemovalOutcome::Locked(_) => panic!("nothing is locked"),
                };
                claims.failed.push((key, kind));
            })
            .await;
            // Of several versions some may go, also when a failure ends the work before the others.
            let n_planned = |key: &String| {
                planned.iter().filter(|planned| planned.target.uri.key == *key).count()
            };
            let told_of = claims.gone.clone();
            let n_gone = |key: &String| told_of.iter().filter(|gone| *gone == key).count();
            claims.gone.retain(|key| n_gone(key) == n_planned(key));
            told.map_err(|error| error.kind())
        });
        claims.error = error.err();
        claims
    }

    fn wanted(&self, before: &Objects) -> Objects {
        let names = |key: &str| {
            self.named
                .iter()
                .any(|named| key == *named || named.ends_with('/') && key.starts_with(named))
        };
        before.clone().into_iter().filter(|(key, _)| !names(key)).collect()
    }
}

fn everything_in(named: &'static [&'static str], versions: bool) -> Remove {
    let options = RemoveOptions { recursive: true, versions, ..RemoveOptions::default() };
    Remove { named, options }
}

#[test]
fn a_sync_loses_nothing_and_claims_nothing_whatever_goes_wrong() {
    check_every(
        &Mirror { asks: false },
        &["ListObjectsV2", "PutObject", "DeleteObjects", "DeleteObject"],
    );
    let once = |fault| OneRemoval {
        removal: Mirror { asks: true },
        wrongs: vec![InjectedError::once("HeadObject", fault)],
    };
    check(FAULTS.map(once).into());
}

#[test]
fn a_sync_loses_nothing_and_claims_nothing_whatever_goes_wrong_twice() {
    let places = ["ListObjectsV2", "PutObject", "DeleteObjects", "DeleteObject"];
    let pairs = pairs(&places.map(|operation| (operation, None)));
    check_pairs("sync", 131, &pairs, |pair| OneRemoval {
        removal: Mirror { asks: false },
        wrongs: pair.to_vec(),
    });
}

#[test]
fn what_is_named_goes_and_nothing_else_whatever_goes_wrong() {
    let some = Remove { named: &["logs/a", "other"], options: RemoveOptions::default() };
    check_every(&some, &["HeadObject", "DeleteObjects"]);
    let all = ["ListObjectsV2", "DeleteObjects", "DeleteObject"];
    check_every(&everything_in(&["logs/"], false), &all);
    let versions = ["ListObjectVersions", "DeleteObjects", "DeleteObject"];
    check_every(&everything_in(&["logs/"], true), &versions);
}

#[test]
fn what_is_named_goes_and_nothing_else_whatever_goes_wrong_twice() {
    for (operation, versions) in [("ListObjectsV2", false), ("ListObjectVersions", true)] {
        let places = [operation, "DeleteObjects", "DeleteObject"];
        let pairs = pairs(&places.map(|operation| (operation, None)));
        check_pairs("rm", 131, &pairs, |pair| OneRemoval {
            removal: everything_in(&["logs/"], versions),
            wrongs: pair.to_vec(),
        });
    }
}
