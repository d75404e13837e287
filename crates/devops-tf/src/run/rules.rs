//! The rules that a plan must pass: guards and policies.

use std::time::Duration;

use devops_cli::{Failure, Session};
use devops_core::terraform::{
    Guards, Plan, Policies, PolicyError, PolicyOptions, Secrets, Verdict,
};

use crate::cli::GuardArgs;

/// The time that policies may take to judge a plan.
const POLICY_LIMIT: Duration = Duration::from_mins(1);

/// The rules that a plan must pass.
pub(super) struct Rules {
    guards: Guards,
    policies: Option<Policies>,
}

impl Rules {
    /// Reads the rules, before any work.
    pub(super) fn read(args: &GuardArgs, session: &Session) -> Result<Self, Failure> {
        let guards = args.guards()?;
        let policies = if args.policy.is_empty() { None } else { Some(policies(args, session)?) };
        Ok(Self { guards, policies })
    }

    /// Judges a plan; names a guard that guards nothing, what policies warn of, and what was taken out.
    pub(super) fn judge(
        &self,
        plan: &Plan,
        secrets: &Secrets,
        session: &Session,
    ) -> Result<Verdict, Failure> {
        for pattern in self.guards.unmatched(plan) {
            session.warn(format_args!("`--protect {pattern}` matches no resource"));
        }
        let mut verdict = self.guards.judge(plan);
        if let Some(policies) = &self.policies {
            verdict.extend(policies.judge(plan, secrets, session.cancel())?);
        }
        for lifted in &verdict.lifted {
            session.warn(format_args!("`--unprotect`: {lifted}"));
        }
        for warning in &verdict.warnings {
            session.warn(format_args!("`{}`: {}", warning.rule, warning.message));
        }
        for exception in &verdict.exceptions {
            session.warn(&exception.message);
        }
        Ok(verdict)
    }
}

fn policies(args: &GuardArgs, session: &Session) -> Result<Policies, Failure> {
    let options = PolicyOptions {
        paths: args.policy.clone(),
        namespaces: args.policy_namespace.clone(),
        limit: POLICY_LIMIT,
    };
    Policies::load(&options, session.cancel()).map_err(|error| match error {
        PolicyError::NoRule { .. } => {
            Failure::from(error).hint("name the package with `--policy-namespace`")
        }
        error => error.into(),
    })
}
