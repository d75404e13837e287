//! `sync S3_URI DIR`: the files in a folder become what the objects under a prefix are.

use std::{path::Path, time::Instant};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    fs::{IfExists, OpenFolder},
    kind::Kind,
    s3::{
        Deletion, DownPlan, Event, ExtraFile, Filter, GetOptions, PartSize, S3Context, S3Uri,
        Skipped, SyncScope, check_extra, delete_extra, plan_sync_down,
    },
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::explain,
    get::{Fetched, GetRun},
    reporter::{Reporter, insert},
    sync_refusal::refused,
};
use crate::cli::SyncArgs;

pub(super) async fn sync_down(
    args: &SyncArgs,
    (prefix, folder): (&S3Uri, &Path),
    deletion: Option<Deletion>,
    session: &Session,
) -> Result<Outcome, Failure> {
    let filter = Filter::new(&args.include, &args.exclude)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    let reporter = Reporter::new(session, "downloading", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let scope = SyncScope { folder, prefix, filter: &filter };
    let plan = plan_sync_down(context, scope, deletion).await.map_err(refused)?;
    if plan.targets.n_listed == 0 {
        return Err(Failure::new(Kind::NotFound, format!("no object under `{prefix}`")));
    }
    let replace = IfExists::Replace;
    let options = GetOptions {
        replace,
        mode: None,
        group: None,
        preserve: args.object.attributes.preserve,
        part_size: PartSize::Auto,
    };
    let get = GetRun { context, options, session, reporter: &reporter };
    let mut run =
        DownRun { scope, plan: &plan, get: &get, fetched: Fetched::default(), n_deleted: 0 };
    run.fetched.skip_all(&plan.targets, session);
    if args.dry_run { run.dry().await } else { run.real().await }
}

struct DownRun<'a> {
    scope: SyncScope<'a>,
    plan: &'a DownPlan,
    get: &'a GetRun<'a>,
    fetched: Fetched,
    n_deleted: usize,
}

impl DownRun<'_> {
    async fn real(mut self) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let targets = &self.plan.targets;
        let got = self.get.get_all(self.scope.folder, targets, &mut self.fetched).await;
        let ended = match got {
            Ok(()) => self.delete().await,
            Err(error) => Err(explain(error)),
        };
        self.get.reporter.emit("summary", |object| {
            insert(object, self.fetched.fields(begun));
            insert(object, json!({"deleted": self.n_deleted}));
        });
        ended?;
        self.fetched.outcome()
    }

    /// Deletes what has no object, now that everything else is done.
    async fn delete(&mut self) -> Result<(), Failure> {
        let session = self.get.session;
        self.warn_of_unread();
        self.name_left();
        if self.plan.extra.is_empty() {
            return Ok(());
        }
        if self.fetched.has_failed() {
            session.warn("nothing is deleted, because not every object was fetched");
            return Ok(());
        }
        check_extra(self.get.context, self.scope, self.plan).await.map_err(refused)?;
        let folder = OpenFolder::open(self.scope.folder)?;
        let (get, fetched, n_deleted) = (self.get, &mut self.fetched, &mut self.n_deleted);
        let mut each = |relative: &Path, result| {
            let path = folder.path().join(relative);
            match result {
                Ok(ExtraFile::Deleted) => {
                    *n_deleted += 1;
                    // A failure of stdout is remembered by the session and decides nothing here.
                    let _printed = show(get, "deleted", &path, "Deleted");
                }
                Ok(ExtraFile::OtherName) => {
                    fetched.keep(&path, "it is the file of an object, by another name", session);
                }
                Ok(ExtraFile::Changed) => {
                    fetched.keep(&path, "it was written while this was running", session);
                }
                Err(error) => {
                    fetched.keep(&path, &Failure::from(error).chain().join(": "), session);
                }
            }
        };
        delete_extra(get.context, &folder, self.plan, &mut each).await.map_err(explain)
    }

    /// Names what has no object and is not deleted, since it is no file.
    fn name_left(&mut self) {
        let session = self.get.session;
        for Skipped { path, reason, .. } in &self.plan.left {
            self.fetched.keep(path, reason, session);
        }
        for folder in &self.plan.empty_folders {
            session.warn(format!(
                "`{}` is an empty folder without an object: it stays",
                quote(folder)
            ));
        }
    }

    fn warn_of_unread(&self) {
        if let Some(path) = &self.plan.unread {
            let path = quote(path);
            self.get
                .session
                .warn(format!("nothing is deleted, because `{path}` could not be read"));
        }
    }

    async fn dry(mut self) -> Result<Outcome, Failure> {
        let (folder, files) = (self.scope.folder, &self.plan.targets.files);
        self.get.foresee_all(folder, files, &mut self.fetched).await.map_err(explain)?;
        self.warn_of_unread();
        self.name_left();
        for relative in &self.plan.extra {
            show(self.get, "planned", &folder.join(relative), "would delete")?;
        }
        self.fetched.outcome()
    }
}

fn show(get: &GetRun<'_>, kind: &str, path: &Path, word: &str) -> Result<(), Failure> {
    get.reporter.emit(kind, |object| {
        insert_path(object, "path", path);
        insert(object, json!({"action": "delete"}));
    });
    if get.session.json() { Ok(()) } else { get.session.line(format!("{word} {}", quote(path))) }
}
