//! Flags and defaults.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, builder::TypedValueParser, error::ErrorKind};
use devops_cli::{SecondSignal, Tool};
use devops_core::{
    secret::Secret,
    terraform::{Fingerprint, PathPattern, Variable},
    units::{UnitError, parse_duration},
};

mod guards;
mod report;
mod seal;
mod trust;

pub(crate) use guards::GuardArgs;
pub(crate) use report::{ReportArgs, ReportFile, ReportPlanArgs};

pub(crate) const TOOL: Tool = Tool {
    name: "devops-tf",
    table: "tf",
    trust: trust::TRUST,
    subjects: trust::SUBJECTS,
    secret: &["backend-config", "var"],
    profile: None,
    // Terraform gets each of them; it must not be left alone after the second.
    synonyms: &[],
    second_signal: SecondSignal::Counts,
    fails_with_1: Some("detailed-exitcode"),
};

const AFTER_HELP: &str = "\
EXAMPLES
  devops-tf run infra                          init, plan, show, ask, apply exactly that plan
  devops-tf run infra --auto-approve --deny-destroy --max-changes 20
  devops-tf plan infra --out infra.tfplan      write the plan and its seal
  devops-tf apply infra.tfplan                 apply it, if the seal is unbroken
  devops-tf run infra --approved p.seal.json   plan anew, and apply only what was approved
  devops-tf compare approved.tfplan new.tfplan 10 if they would not do the same
  devops-tf report plan.json --report markdown=body.md --report junit=plan.xml
  devops-tf report plan.json --policy policy   judge by the policies in Rego of a folder, as conftest does
  devops-tf drift infra                        10 if reality differs from the state
  devops-tf recover infra                      save the state that terraform could not save
  devops-tf plan infra -- -parallelism=2       what follows -- goes to terraform as is

EXIT CODES
  0    done; no changes where --detailed-exitcode asks
  1    terraform failed
  2    wrong usage, a question without a terminal, or changes with --detailed-exitcode
  5    no such folder, plan, workspace or output
  10   changes with --fail-on-changes, drift, a plan that differs, files that are not formatted
  11   refused by a guard, a policy, by a broken seal, by the person, or since a state waits for `recover`
  75   the state is locked
  78   a config file or a policy is wrong
  124  a command took longer than --timeout     126, 127  terraform cannot be run, was not found
  129, 130, 131, 143  ended by HUP, INT, QUIT, TERM

SEALS
  Without --seal-key a seal guards against mistakes: who can write plan and seal can make both anew. With it, \
  a seal cannot be made without the key. A bare fingerprint says of a sensitive value only that it changes. \
  With --approved a seal is for its folder, workspace and backend; a bare fingerprint is for any. Neither \
  covers provisioners and settings of providers: a plan does not hold them whole.

SIGNALS
  The first INT, QUIT, TERM or HUP becomes one SIGINT for terraform, which stops cleanly and saves its \
  state. A second INT or TERM makes it exit at once and may lose data; a third kills it.";

/// Run Terraform so that what is applied is exactly the plan that was shown.
#[derive(Parser)]
#[command(about, after_long_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Init, plan, show, check the guards, ask, and apply exactly that plan
    Run(RunArgs),
    /// Prepare the folder: backend, providers, modules
    Init(InitArgs),
    /// Show what would change, and write the plan if asked to
    Plan(PlanArgs),
    /// Show a plan or the state, sensitive values hidden
    Show(ShowArgs),
    /// Apply a sealed plan, or plan a folder, ask and apply
    Apply(ApplyArgs),
    /// Plan to destroy everything, show, ask, and apply exactly that plan
    Destroy(RunArgs),
    /// Compare the state with reality
    Drift(DriftArgs),
    /// Print the outputs, sensitive values hidden
    Output(OutputArgs),
    /// Tell whether two plans would do the same: 10 if they would not
    Compare(CompareArgs),
    /// Check the configuration
    Validate(ValidateArgs),
    /// Format the files of the configuration
    Fmt(FmtArgs),
    /// Run the tests of the configuration
    Test(TestArgs),
    /// Save the state that terraform could not save (errored.tfstate)
    Recover(RecoverArgs),
    /// Show who holds the lock of the state, ask, and break it
    Unlock(UnlockArgs),
    /// Write reports of a plan's JSON, without terraform
    Report(ReportPlanArgs),
}

/// Flags of every subcommand.
#[derive(Args)]
pub(crate) struct StackArgs {
    /// Program to run instead of the terraform or tofu on the PATH
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) bin: Option<OsString>,
    /// Work in this workspace, whichever is selected; it must exist, as one that the environment names
    #[arg(long, value_name = "NAME")]
    pub(crate) workspace: Option<String>,
    /// Interrupt a terraform command that runs longer than this; 0s is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Interrupt a terraform command that writes nothing for this long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) silence_timeout: Option<Duration>,
    /// Interrupt whatever runs after this time in all
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) total_timeout: Option<Duration>,
    /// Try init and plan again so often after errors of the network or of a busy service
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u32,
    /// Wait this long for the lock of the state
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) lock_timeout: Option<Duration>,
    /// Show every change of a large plan, and long values whole
    #[arg(long)]
    pub(crate) full: bool,
    /// Show terraform's own text of a plan, and of an apply as it comes
    #[arg(long)]
    pub(crate) native: bool,
    /// Show sensitive values in the diff of a plan, in show and output; never in errors, reports and logs
    #[arg(long)]
    pub(crate) no_redact: bool,
    /// Add a line to this log of what was done, chained to the line before by its hash
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,
    /// Setting of the backend, also a list or an object, or a file with settings; used when init runs
    #[arg(long, value_name = "KEY=VALUE|FILE")]
    pub(crate) backend_config: Vec<String>,
}

/// What terraform gets as it is.
#[derive(Args)]
pub(crate) struct ExtraArgs {
    /// Arguments for terraform, as they are
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) extra: Vec<OsString>,
}

/// What a plan is made from.
#[derive(Args)]
pub(crate) struct VarArgs {
    /// Value of a variable; wins over files and over all arguments for terraform
    #[arg(long, value_name = "NAME=VALUE", value_parser = VariableParser)]
    pub(crate) var: Vec<Variable>,
    /// File or pipe with values of variables, relative to the current folder
    #[arg(long, value_name = "FILE")]
    pub(crate) var_file: Vec<PathBuf>,
    /// Plan only this address and what it depends on
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) target: Vec<String>,
}

/// Flags for comparing plans.
#[derive(Args)]
pub(crate) struct SameArgs {
    /// Compare plans without the values at this path, such as module.app.*:tags.build; * and ? are wildcards
    #[arg(long, value_name = "ADDRESS:PATH")]
    pub(crate) volatile: Vec<PathPattern>,
}

/// Flags for the metrics of a run.
#[derive(Args)]
pub(crate) struct RecordArgs {
    /// Write here how the run went, as metrics for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_file: Option<PathBuf>,
}

/// Flags of the seal of a plan.
#[derive(Args)]
pub(crate) struct SealArgs {
    /// File with a secret that proves who sealed a plan; without it a seal guards against mistakes alone
    #[arg(long, value_name = "FILE")]
    pub(crate) seal_key: Option<PathBuf>,
    /// File with secret keys of age, one a line, that open an encrypted plan and its seal
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
}

/// The folder of a stack, and how to work in it.
#[derive(Args)]
pub(crate) struct DirArgs {
    /// Folder of the stack
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) stack: StackArgs,
}

/// What a plan is made from, and what it must pass.
#[derive(Args)]
pub(crate) struct PlanningArgs {
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    #[command(flatten)]
    pub(crate) guards: GuardArgs,
    /// Create the workspace if it does not exist
    #[arg(long)]
    pub(crate) create_workspace: bool,
    #[command(flatten)]
    pub(crate) reports: ReportArgs,
    #[command(flatten)]
    pub(crate) extra: ExtraArgs,
}

/// `run` and `destroy`.
#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    /// Apply the plan without asking
    #[arg(long)]
    pub(crate) auto_approve: bool,
    /// Apply the plan without asking if it does the same as an approved one: its fingerprint, or its seal
    #[arg(long, value_name = "FINGERPRINT|SEAL", conflicts_with = "auto_approve")]
    pub(crate) approved: Option<String>,
    /// With --approved and a seal, apply a plan that does only a part of what was approved
    #[arg(long, requires = "approved")]
    pub(crate) allow_subset: bool,
    #[command(flatten)]
    pub(crate) same: SameArgs,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

#[derive(Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    #[command(flatten)]
    pub(crate) extra: ExtraArgs,
}

#[derive(Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    /// Write the plan here, and its seal to PLAN.seal.json
    #[arg(long, value_name = "PLAN")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) same: SameArgs,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    /// Encrypt the plan and its seal to this X25519 key of age, age1...; may be given again
    #[arg(long, value_name = "KEY")]
    pub(crate) recipient: Vec<String>,
    /// Let the seal hold for this long only
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) valid_for: Option<Duration>,
    /// Exit with 10 if anything would change
    #[arg(long, conflicts_with = "detailed_exitcode")]
    pub(crate) fail_on_changes: bool,
    /// Exit as terraform does: 0 no changes, 1 failed in any way, 2 changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// Folder of a stack, or a plan
    #[arg(default_value = ".", hide_default_value = true, value_name = "DIR|PLAN")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) stack: StackArgs,
    #[command(flatten)]
    pub(crate) extra: ExtraArgs,
}

#[derive(Args)]
pub(crate) struct ApplyArgs {
    /// Plan with its seal beside it, or the folder of a stack
    #[arg(default_value = ".", hide_default_value = true, value_name = "PLAN|DIR")]
    pub(crate) path: PathBuf,
    /// Apply without asking; a sealed plan is never asked about
    #[arg(long)]
    pub(crate) auto_approve: bool,
    /// Refuse a plan that has not this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) expect: Option<Fingerprint>,
    #[command(flatten)]
    pub(crate) same: SameArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) stack: StackArgs,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

#[derive(Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    /// Ignore what was changed at this path, such as module.app.*:tags.build; * and ? are wildcards
    #[arg(long, value_name = "ADDRESS:PATH")]
    pub(crate) ignore: Vec<PathPattern>,
    /// Leave the state unlocked, so that no other run is held up
    #[arg(long)]
    pub(crate) no_lock: bool,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    #[command(flatten)]
    pub(crate) extra: ExtraArgs,
}

#[derive(Args)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    /// Print only this output, and only its value; a sensitive one is refused
    #[arg(long, value_name = "OUTPUT")]
    pub(crate) name: Option<String>,
}

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Plan, seal of a plan, or JSON of a plan
    #[arg(value_name = "APPROVED")]
    pub(crate) approved: PathBuf,
    /// Plan or JSON of a plan to compare with it
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) same: SameArgs,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) stack: StackArgs,
}

#[derive(Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
}

#[derive(Args)]
pub(crate) struct FmtArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    /// Change nothing, and exit with 10 if a file is not formatted
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    #[command(flatten)]
    pub(crate) extra: ExtraArgs,
}

#[derive(Args)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
}

#[derive(Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) at: DirArgs,
    /// Lock to break; without it the one that terraform finds
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

fn duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}

/// Reads NAME=VALUE; unlike a function it does not let clap repeat a text that may be a secret gone astray.
#[derive(Clone)]
struct VariableParser;

impl TypedValueParser for VariableParser {
    type Value = Variable;

    fn parse_ref(
        &self,
        cmd: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Variable, clap::Error> {
        let refuse = || {
            let message = "a variable is given as NAME=VALUE to `--var`\n";
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(cmd)
        };
        value.to_str().and_then(variable).ok_or_else(refuse)
    }
}

fn variable(text: &str) -> Option<Variable> {
    let (name, value) = text.split_once('=')?;
    let is_allowed = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let is_name = !name.is_empty() && name.chars().all(is_allowed);
    is_name.then(|| Variable { name: name.to_owned(), value: Secret::new(value) })
}
