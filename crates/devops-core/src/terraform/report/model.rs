//! The content that all reports share.

use std::{borrow::Cow, cmp::Reverse};

use serde::Serialize;
use serde_json::{Value, json};

use crate::terraform::{
    guard::{Objection, Verdict},
    plan::{Change, Plan, ResourceChange, Summary, leaves::changed_leaves},
    redact::Secrets,
};

/// All that the reports tell, without secrets.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// The folder of the stack, as it was named.
    pub(super) stack: String,
    pub(super) summary: Summary,
    pub(super) has_changes: bool,
    pub(super) terraform_version: String,
    /// The changes of resources; what is destroyed stands first.
    pub(super) changes: Vec<Entry>,
    pub(super) outputs: Vec<Entry>,
    pub(super) invocations: Vec<Entry>,
    pub(super) findings: Vec<Finding>,
    pub(super) lifted: Vec<String>,
    /// The warnings of policies.
    pub(super) warnings: Vec<String>,
    /// The rules of policies that an exception took out.
    pub(super) exceptions: Vec<Objection>,
    /// The plan as it is drawn for people.
    pub(super) diff: String,
    /// Created, updated and deleted objects; a replacement counts twice.
    pub(super) counts: [usize; 3],
    pub(super) errored: bool,
}

/// One change in a report.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Entry {
    pub(super) address: String,
    pub(super) change: &'static str,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deposed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action_reason: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) imported: bool,
    /// The attributes that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<String>,
    #[serde(skip)]
    pub(super) destroys: bool,
}

/// Something to look at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// The rule that gives it.
    pub(super) rule: Cow<'static, str>,
    pub(super) level: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    pub(super) message: String,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// The plan is refused for it.
    Error,
    /// It should be seen before the plan is applied.
    Warning,
}

impl Model {
    pub(super) fn new(plan: &Plan, secrets: &Secrets, verdict: &Verdict) -> Self {
        let secrets = secrets.with_plan(plan);
        let mut changed: Vec<_> = plan.changes().collect();
        changed.sort_by_key(|resource| Reverse(rank(resource.change)));
        let outputs = plan.outputs().map(|output| Entry {
            address: output.name.clone(),
            change: output.change.name(),
            ..Entry::default()
        });
        let invocations = plan.invocations().map(|invocation| Entry {
            address: invocation.address.clone(),
            change: "invoke",
            kind: invocation.kind.clone(),
            ..Entry::default()
        });
        let count = |action: &str| {
            let actions = plan.changes().flat_map(|resource| &resource.actions);
            actions.filter(|one| *one == action).count()
        };
        Self {
            stack: String::new(),
            summary: plan.summary(),
            has_changes: plan.has_changes(),
            terraform_version: plan.terraform_version.clone(),
            changes: changed.iter().map(|resource| Entry::of(resource)).collect(),
            outputs: outputs.collect(),
            invocations: invocations.collect(),
            findings: findings(plan, &secrets, verdict),
            lifted: verdict.lifted.clone(),
            warnings: verdict.warnings.iter().map(|one| one.message.clone()).collect(),
            exceptions: verdict.exceptions.clone(),
            diff: String::new(),
            counts: ["create", "update", "delete"].map(count),
            errored: plan.errored(),
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Severity::Error)
    }

    pub(super) fn json(&self) -> Value {
        let exceptions: Vec<_> = self.exceptions.iter().map(|one| &*one.rule).collect();
        json!({
            "format_version": "1.0", "stack": self.stack, "terraform_version": self.terraform_version,
            "has_changes": self.has_changes, "errored": self.errored, "summary": self.summary,
            "refused": self.is_refused(), "findings": self.findings, "unprotected": self.lifted,
            "exceptions": exceptions,
            "changes": self.changes, "outputs": self.outputs, "invocations": self.invocations,
        })
    }
}

impl Entry {
    fn of(resource: &ResourceChange) -> Self {
        let mut attributes = Vec::new();
        if resource.change == Change::Update || resource.change == Change::Replace {
            changed_leaves(&resource.values, &mut |leaf| {
                let end = leaf.path.find(['.', '[']).unwrap_or(leaf.path.len());
                if attributes.last().is_none_or(|last| last != &leaf.path[..end]) {
                    attributes.push(leaf.path[..end].to_owned());
                }
            });
        }
        Self {
            address: resource.address.clone(),
            change: match resource.change {
                Change::None | Change::Read if resource.imported => "import",
                Change::None | Change::Read => "move",
                change => change.name(),
            },
            kind: resource.kind.clone(),
            actions: resource.actions.clone(),
            previous_address: resource.previous_address.clone().filter(|_| resource.moved),
            deposed: resource.deposed.clone(),
            action_reason: resource.action_reason.clone(),
            imported: resource.imported,
            attributes,
            destroys: resource.change.destroys(),
        }
    }
}

/// Puts first what is lost.
fn rank(change: Change) -> u8 {
    match change {
        Change::Destroy => 5,
        Change::Replace => 4,
        Change::Forget => 3,
        Change::Update => 2,
        Change::Create => 1,
        Change::None | Change::Read => 0,
    }
}

/// Returns the objections of the rules, what policies warn of, then what is lost, then what checks say.
fn findings(plan: &Plan, secrets: &Secrets, verdict: &Verdict) -> Vec<Finding> {
    let finding = |objection: &Objection, level| Finding {
        rule: objection.rule.clone(),
        level,
        address: objection.address.clone(),
        message: objection.message.clone(),
    };
    let objections = verdict.objections.iter().map(|one| finding(one, Severity::Error));
    let warnings = verdict.warnings.iter().map(|one| finding(one, Severity::Warning));
    let lost = plan
        .changes()
        .filter(|resource| resource.change.destroys() || resource.change == Change::Forget);
    let lost = lost.map(|resource| {
        let (rule, done) = match resource.change {
            Change::Replace => ("replace", "replaced"),
            Change::Forget => ("forget", "dropped from the state"),
            _ => ("destroy", "destroyed"),
        };
        let address = &resource.address;
        Finding {
            rule: rule.into(),
            level: Severity::Warning,
            address: Some(address.clone()),
            message: format!("`{address}` would be {done}"),
        }
    });
    let problems = plan.problems().iter().map(|problem| Finding {
        rule: "check".into(),
        level: Severity::Warning,
        address: None,
        message: secrets.text(problem).into_inner(),
    });
    objections.chain(warnings).chain(lost).chain(problems).collect()
}
