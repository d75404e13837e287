//! Values of input variables, brought to a private place before terraform reads them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    TerraformError,
    command_line::{Arguments, joined, unnamed_values},
    hcl,
    options::{PlanOptions, Variable},
    private_plan::PrivatePlanDir,
    stack::Stack,
    variables::{Variables, constants, secrets_in},
};
use crate::{cancel::Cancel, fs, secret::Secret};

/// The largest file with values of variables that is read.
const SIZE_LIMIT: u64 = 16 << 20;

/// Values of input variables, as terraform takes them.
///
/// Each file that was named is read once, since it may be a pipe. Values that were given by themselves become
/// a last file: the last one wins over all others, and other users of the host cannot read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs {
    files: Vec<NamedFile>,
    vars: Vec<Variable>,
    last: Option<PathBuf>,
    /// Values that are not to be shown.
    pub(super) secrets: Vec<Secret>,
}

/// A copy of a file, with the name it was given by.
#[derive(Clone, Debug)]
struct NamedFile {
    name: PathBuf,
    copy: PathBuf,
}

impl Inputs {
    /// Reads what was given into `place`.
    pub(super) fn bring(
        stack: &Stack,
        options: &PlanOptions,
        place: &PrivatePlanDir,
        cancel: &Cancel,
    ) -> Result<Self, TerraformError> {
        let variables = Variables::of(&stack.dir)?;
        let mut inputs = Self { vars: options.vars.clone(), ..Self::default() };
        for (index, name) in options.var_files.iter().enumerate() {
            let copy = place.bring(name, &index.to_string(), cancel)?;
            inputs.learn_file(&copy, &variables);
            inputs.files.push(NamedFile { name: name.clone(), copy });
        }
        inputs.learn_environment(stack, &variables);
        inputs.learn_vars(&variables);
        inputs.secrets.extend(unnamed_values(&options.extra).map(Secret::new));
        if !inputs.vars.is_empty() {
            let text: String = inputs.vars.iter().map(|var| assignment(var, &variables)).collect();
            inputs.last = Some(place.file("last.tfvars", text.as_bytes())?);
        }
        Ok(inputs)
    }

    /// Returns whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.vars.is_empty()
    }

    /// Adds the values to a command, those that win behind all other arguments.
    pub(super) fn add_to(&self, arguments: &mut Arguments, extra: &[OsString]) {
        for file in &self.files {
            arguments
                .push_shown(joined("-var-file=", &file.copy), &joined("-var-file=", &file.name));
        }
        arguments.extend(extra);
        if let Some(last) = &self.last {
            let shown: Vec<_> =
                self.vars.iter().map(|var| format!("-var={}=***", var.name)).collect();
            arguments.push_hidden(joined("-var-file=", last), shown.join(" "));
        }
    }

    fn learn_file(&mut self, path: &Path, variables: &Variables) {
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        // A file that is no text is for terraform to complain about.
        if let Ok(text) = fs::read_text(path, SIZE_LIMIT) {
            self.secrets.extend(secrets_in(&text, is_json, variables));
        }
    }

    /// Learns what terraform takes by itself: from the environment, and from files with certain names.
    fn learn_environment(&mut self, stack: &Stack, variables: &Variables) {
        for (name, value) in stack.environment.variables() {
            if variables.get(name).is_sensitive {
                self.secrets.extend(constants(value));
            }
        }
        for entry in std::fs::read_dir(&stack.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let stem = name.strip_suffix(".json").unwrap_or(&name);
            if stem == "terraform.tfvars" || stem.ends_with(".auto.tfvars") {
                self.learn_file(&entry.path(), variables);
            }
        }
    }

    fn learn_vars(&mut self, variables: &Variables) {
        let sensitive = self.vars.iter().filter(|var| variables.get(&var.name).is_sensitive);
        let found: Vec<_> = sensitive.flat_map(|var| constants(var.value.expose())).collect();
        self.secrets.extend(found);
    }
}

/// Writes a value into a file as terraform reads it after `-var`.
fn assignment(var: &Variable, variables: &Variables) -> String {
    let value = var.value.expose();
    let is_literal = variables.get(&var.name).is_literal();
    let value = if is_literal { hcl::quoted(value) } else { value.to_owned() };
    format!("{} = {value}\n", var.name)
}
