//! The arguments of terraform's commands.

use std::{ffi::OsString, path::Path, time::Duration};

use super::{
    TerraformError,
    command_line::{Arguments, JSON, joined, quote},
    credentials::{credentials_in, credentials_in_file},
    environment::{refuse_other_states, refuse_ours},
    hcl,
    inputs::Inputs,
    options::{InitOptions, PlanMode, PlanOptions},
    private_plan::PrivatePlanDir,
    saved::SavedPlan,
    stack::Stack,
    watch::Watch,
};
use crate::fs::PathError;

/// Stands for a setting of the backend that is neither `KEY=VALUE` nor a file.
const UNNAMED: &str = "--backend-config FILE";

fn shared(arguments: &mut Arguments, stack: &Stack, lock_timeout: Option<Duration>) {
    arguments.push("-input=false");
    if !stack.color {
        arguments.push("-no-color");
    }
    if let Some(timeout) = lock_timeout {
        arguments.push(format!("-lock-timeout={}ms", timeout.as_millis()));
    }
}

pub(super) fn init(
    stack: &Stack,
    options: &InitOptions,
    place: &PrivatePlanDir,
    watch: &mut Watch<'_>,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("init")?;
    refuse_ours(&options.extra, "init")?;
    let mut arguments = Arguments::new("init");
    arguments.push(JSON);
    shared(&mut arguments, stack, stack.lock_timeout);
    for (index, setting) in options.backend_config.iter().enumerate() {
        let name = format!("backend-{index}");
        // A setting is often a credential, and the command line is public.
        let (file, shown) = if let Some((key, value)) = setting.split_once('=') {
            for secret in credentials_in(key, value) {
                watch.secrets.add_given(&secret);
            }
            let is_literal = hcl::is_collection(value);
            let value = if is_literal { value.to_owned() } else { hcl::quoted(value) };
            let text = format!("{key} = {value}\n");
            (place.file(&name, text.as_bytes())?, format!("-backend-config={key}=***"))
        } else {
            let path = Path::new(setting);
            // What names no file may be a secret that went astray.
            let unnamed = |error| match path.symlink_metadata() {
                Ok(_) => error,
                Err(_) => PathError { path: UNNAMED.into(), ..error },
            };
            let file = place.bring(path, &name, watch.cancel).map_err(unnamed)?;
            for secret in credentials_in_file(&file) {
                watch.secrets.add_given(&secret);
            }
            (file, quote(format!("-backend-config={setting}").as_ref()))
        };
        arguments.push_hidden(joined("-backend-config=", &file), shown);
    }
    arguments.extend(&options.extra);
    Ok(arguments)
}

pub(super) fn plan(
    stack: &Stack,
    options: &PlanOptions,
    place: &PrivatePlanDir,
    inputs: &Inputs,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("plan")?;
    refuse_ours(&options.extra, "plan")?;
    let mut arguments = Arguments::new("plan");
    arguments.push(JSON);
    shared(&mut arguments, stack, stack.lock_timeout);
    arguments.push(joined("-out=", place.path()));
    match options.mode {
        PlanMode::Normal => {}
        PlanMode::Destroy => arguments.push("-destroy"),
        PlanMode::RefreshOnly => arguments.push("-refresh-only"),
    }
    if options.no_lock {
        arguments.push("-lock=false");
    }
    for target in &options.targets {
        arguments.push(format!("-target={target}"));
    }
    inputs.add_to(&mut arguments, &options.extra);
    Ok(arguments)
}

pub(super) fn apply(
    stack: &Stack,
    plan: &SavedPlan,
    extra: &[OsString],
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("apply")?;
    refuse_ours(extra, "apply")?;
    refuse_other_states(extra, "apply")?;
    let mut arguments = Arguments::new("apply");
    if !stack.native {
        arguments.push(JSON);
    }
    shared(&mut arguments, stack, stack.lock_timeout);
    match plan.inputs() {
        Some(inputs) => inputs.add_to(&mut arguments, extra),
        None => arguments.extend(extra),
    }
    arguments.push(plan.path());
    Ok(arguments)
}

pub(super) fn test(
    stack: &Stack,
    options: &PlanOptions,
    inputs: &Inputs,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("test")?;
    refuse_ours(&options.extra, "test")?;
    let mut arguments = Arguments::new("test");
    arguments.push(JSON);
    arguments.push("-no-color");
    inputs.add_to(&mut arguments, &options.extra);
    Ok(arguments)
}

pub(super) fn show(
    stack: &Stack,
    extra: &[OsString],
    plan: Option<&Path>,
) -> Result<Arguments, TerraformError> {
    refuse_ours(extra, "show")?;
    let mut arguments = Arguments::new("show");
    if !stack.color {
        arguments.push("-no-color");
    }
    arguments.extend(extra);
    if let Some(plan) = plan {
        arguments.push(plan);
    }
    Ok(arguments)
}
