//! A profile as its table says, checked, with its paths made absolute.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf, absolute},
};

use devops_cli::{Failure, ProfileTable, ResultExt, Session};
use devops_core::{
    archive::{BackupName, CreateOptions},
    clock::SystemClock,
    fs::{IoResultExt, OpenFolder},
    profile::{Hooks, Profile, ProfileSource, PruneLimits, Rehearsal, SecretUrl, ShrinkRule},
    secret::Secret,
};

use crate::{
    cli::{RunArgs, profile::ProfileKeys},
    run::{
        create,
        host::{HostIdentity, profile_state_folder},
        keys::Encryption,
    },
};

/// One profile, ready to run.
pub(in crate::run) struct Settings {
    pub(in crate::run) name: String,
    /// The config file, absolute.
    pub(in crate::run) file: PathBuf,
    /// The folder that the profile may not leave, if its file is a project's.
    project: Option<OpenFolder>,
    pub(in crate::run) sources: Vec<ProfileSource>,
    pub(in crate::run) dest: PathBuf,
    pub(in crate::run) metrics_dir: Option<PathBuf>,
    pub(in crate::run) hooks: Hooks,
    healthcheck: Option<SecretUrl>,
    webhooks: Vec<SecretUrl>,
    keys: ProfileKeys,
    pub(in crate::run) encryption: Encryption,
    host: HostIdentity,
    state: Option<PathBuf>,
    rehearsals: PathBuf,
    clock: SystemClock,
}

impl Settings {
    pub(in crate::run) fn read(table: &ProfileTable, session: &Session) -> Result<Self, Failure> {
        let mut keys: ProfileKeys = table.read()?;
        let dest = keys.dest.take().ok_or_else(|| table.invalid("dest", "`dest` is missing"))?;
        let metrics_dir = keys.metrics_dir.take();
        let hooks = Hooks {
            before: std::mem::take(&mut keys.before),
            after: std::mem::take(&mut keys.after),
            on_failure: std::mem::take(&mut keys.on_failure),
            finally: std::mem::take(&mut keys.finally),
            timeout: Some(keys.hook_timeout).filter(|timeout| !timeout.is_zero()),
        };
        resolve_all(table, "exclude_from", &mut keys.create.exclude_from)?;
        let seal = &mut keys.create.seal;
        resolve_all(table, "recipients_file", &mut seal.recipients_file)?;
        resolve_all(table, "passphrase_file", &mut seal.passphrase_file)?;
        let encryption =
            Encryption::read(seal, session).context(format!("profile `{}`", table.name))?;
        let state = profile_state_folder(&table.name);
        Ok(Self {
            name: table.name.clone(),
            file: absolute(&table.file).at(&table.file, "resolve")?,
            project: table.project()?,
            sources: sources(table, &keys)?,
            dest: table.path("dest", &dest)?,
            metrics_dir: metrics_dir.map(|dir| table.path("metrics_dir", &dir)).transpose()?,
            hooks,
            healthcheck: keys
                .healthcheck
                .take()
                .map(|secret| url(table, "healthcheck", &secret))
                .transpose()?,
            webhooks: keys
                .webhook
                .drain(..)
                .map(|secret| url(table, "webhook", &secret))
                .collect::<Result<_, _>>()?,
            host: HostIdentity::of(&keys.create.series),
            keys,
            encryption,
            rehearsals: state.clone().unwrap_or_else(std::env::temp_dir),
            state,
            clock: session.clock(),
        })
    }

    /// Returns the profile, as the flags of this run change it.
    pub(in crate::run) fn profile(
        &self,
        args: &RunArgs,
        session: &Session,
    ) -> Result<Profile<'_>, Failure> {
        let create = create::options(&self.keys.create, &self.host, &self.clock, session)
            .context(format!("profile `{}`", self.name))?;
        let create = CreateOptions {
            state: self.state.as_deref(),
            within: self.project.as_ref(),
            ..self.encryption.apply(create)
        };
        let limits = &self.keys.limits;
        Ok(Profile {
            name: &self.name,
            sources: &self.sources,
            dest: &self.dest,
            create,
            verify: self.keys.verify,
            keys: &self.encryption.keys,
            keep: self.keys.keep.policy(),
            limits: PruneLimits {
                any_owner: limits.any_owner,
                accept_small: limits.accept_small,
                max_delete: limits.max_delete,
            },
            shrink: ShrinkRule {
                limit: args.shrink_limit.unwrap_or(self.keys.shrink_limit),
                is_accepted: args.accept_shrunk,
            },
            keep_free: args.keep_free.unwrap_or(self.keys.keep_free).0,
            rehearsal: self
                .keys
                .rehearse
                .map(|share| Rehearsal { share, folder: &self.rehearsals }),
            hooks: self.hooks.clone(),
            healthcheck: self.healthcheck.clone(),
            webhooks: self.webhooks.clone(),
            metrics_dir: self.metrics_dir.clone(),
        })
    }

    pub(in crate::run) fn has_hooks(&self) -> bool {
        self.hooks != Hooks { timeout: self.hooks.timeout, ..Hooks::default() }
    }

    pub(in crate::run) fn has_urls(&self) -> bool {
        self.healthcheck.is_some() || !self.webhooks.is_empty()
    }
}

/// Gives each source a name of its own: two under one name would count against each other's retention.
fn sources(table: &ProfileTable, keys: &ProfileKeys) -> Result<Vec<ProfileSource>, Failure> {
    if keys.source.is_empty() {
        return Err(table.invalid("source", "`source` is missing"));
    }
    let base = match &keys.name {
        Some(name) => name.to_string(),
        None => table.name.clone(),
    };
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for source in &keys.source {
        let path = table.path("source", source)?;
        let name = match keys.source.len() {
            1 => base.clone(),
            _ => format!("{base}-{}", last_part(&path)),
        };
        let name: BackupName = name.parse().map_err(|error| table.invalid("source", error))?;
        if !names.insert(name.clone()) {
            let what = format!("two sources would be archived as `{name}`");
            return Err(table.invalid("source", what).hint("give each a profile of its own"));
        }
        sources.push(ProfileSource { path, name });
    }
    Ok(sources)
}

fn last_part(path: &Path) -> String {
    path.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Makes paths absolute.
fn resolve_all<'a>(
    table: &ProfileTable,
    key: &str,
    paths: impl IntoIterator<Item = &'a mut PathBuf>,
) -> Result<(), Failure> {
    for path in paths {
        *path = table.path(key, path)?;
    }
    Ok(())
}

fn url(table: &ProfileTable, key: &str, secret: &Secret) -> Result<SecretUrl, Failure> {
    SecretUrl::parse(secret.expose())
        .map_err(|error| table.invalid(key, format!("`{key}`: {error}")))
}
