//! Draws a plan for people, in terraform's words and signs.
//!
//! Terraform's own text is drawn from what the providers' schemas say, and cannot be redacted without
//! guessing. This one is drawn from the plan's JSON, so each value is judged before it becomes text.

use std::fmt::Write;

mod body;
mod header;
mod options;
mod paint;
mod sequence;
mod text;

use body::Body;
use paint::Paint;

pub use options::DiffOptions;
pub(super) use text::harmless;

use super::{
    patterns::PathPattern,
    plan::{Change, Invocation, OutputChange, Plan, ResourceChange},
    redact::Secrets,
    shown::Shown,
};

/// More changes than this are folded by type, unless all are asked for.
const FOLD_AT: usize = 200;

/// As many changes of one kind and type are drawn in full where they are folded.
const SHOWN_OF_A_FOLD: usize = 3;

/// Draws what a plan would do: resources in the order of the plan, outputs, actions, and a summary that
/// names first what is destroyed.
pub fn diff(plan: &Plan, secrets: &Secrets, options: DiffOptions) -> Shown<String> {
    let mut page = Page::new(plan, secrets, options);
    let resources: Vec<_> = plan
        .resources()
        .filter(|resource| !resource.deferred)
        .filter(|resource| resource.is_change() || resource.change == Change::Read)
        .collect();
    page.resources("Terraform will perform the following actions:", &resources, false);
    let deferred: Vec<_> = plan.resources().filter(|resource| resource.deferred).collect();
    page.resources("Terraform leaves these for a later plan:", &deferred, false);
    page.invocations(plan);
    page.outputs(plan);
    page.summary(plan, &resources);
    Shown::redacted(page.text)
}

/// Draws what was changed outside of terraform, without resources of which only ignored paths were changed.
pub fn diff_drift(
    plan: &Plan,
    secrets: &Secrets,
    options: DiffOptions,
    ignored: &[PathPattern],
) -> Shown<String> {
    let mut page = Page::new(plan, secrets, options);
    let resources = plan.drifted_except(ignored).resources;
    page.resources("Objects have changed outside of Terraform:", &resources, true);
    if resources.is_empty() {
        page.line(0, "No changes outside of Terraform.");
    }
    Shown::redacted(page.text)
}

struct Page<'a> {
    secrets: Secrets,
    options: DiffOptions,
    paint: Paint,
    text: String,
    plan: &'a Plan,
}

impl<'a> Page<'a> {
    fn new(plan: &'a Plan, secrets: &Secrets, options: DiffOptions) -> Self {
        let secrets = if options.revealed { Secrets::default() } else { secrets.with_plan(plan) };
        Self { secrets, options, paint: Paint::new(options.color), text: String::new(), plan }
    }

    fn line(&mut self, indent: usize, text: &str) {
        let _written = writeln!(self.text, "{:indent$}{text}", "");
    }

    fn resources(&mut self, title: &str, resources: &[&ResourceChange], outside: bool) {
        if resources.is_empty() {
            return;
        }
        self.line(0, title);
        self.line(0, "");
        if self.options.full || resources.len() <= FOLD_AT {
            for resource in resources {
                self.resource(resource, outside);
            }
            return;
        }
        for group in groups(resources) {
            let (drawn, folded) = group.split_at(group.len().min(SHOWN_OF_A_FOLD));
            for resource in drawn {
                self.resource(resource, outside);
            }
            self.folded(folded, outside);
        }
    }

    fn resource(&mut self, resource: &ResourceChange, outside: bool) {
        for line in header::lines(resource, outside, &self.secrets) {
            let line = self.paint.bold(&harmless(&line));
            self.line(2, &line);
        }
        let body = Body::new(&self.secrets, &self.paint, self.options);
        self.text.push_str(&body.resource(resource, outside));
        self.line(0, "");
    }

    /// Names what is lost one by one, and counts the others.
    fn folded(&mut self, resources: &[&ResourceChange], outside: bool) {
        let Some(first) = resources.first() else { return };
        if first.change.destroys() || first.change == Change::Forget {
            for resource in resources {
                let line = header::lines(resource, outside, &self.secrets).swap_remove(0);
                self.line(2, &harmless(&line));
            }
        } else {
            let (n, kind) = (resources.len(), harmless(&first.kind));
            let what = header::phrase(first, outside);
            self.line(2, &format!("# {n} more {kind} {what}; `--full` shows them"));
        }
        self.line(0, "");
    }

    fn invocations(&mut self, plan: &Plan) {
        let all: Vec<_> = plan.invocations().chain(plan.deferred_invocations()).collect();
        if all.is_empty() {
            return;
        }
        self.line(0, "Actions to be invoked:");
        self.line(0, "");
        for invocation in all {
            self.invocation(invocation);
        }
    }

    fn invocation(&mut self, invocation: &Invocation) {
        let line = header::invocation(invocation);
        let line = self.paint.bold(&harmless(&line));
        self.line(2, &line);
        let body = Body::new(&self.secrets, &self.paint, self.options);
        self.text.push_str(&body.invocation(invocation));
        self.line(0, "");
    }

    fn outputs(&mut self, plan: &Plan) {
        let outputs: Vec<&OutputChange> = plan.outputs().collect();
        if outputs.is_empty() {
            return;
        }
        self.line(0, "Changes to Outputs:");
        let body = Body::new(&self.secrets, &self.paint, self.options);
        self.text.push_str(&body.outputs(&outputs));
        self.line(0, "");
    }

    fn summary(&mut self, plan: &Plan, resources: &[&ResourceChange]) {
        if self.text.is_empty() {
            let same = "No changes. Your infrastructure matches the configuration.";
            self.line(0, same);
            return;
        }
        let summary = self.plan.summary();
        self.line(0, &format!("Plan: {summary}."));
        let mut lost: Vec<_> = resources.iter().filter(|one| one.change.destroys()).collect();
        lost.sort_by_key(|resource| std::cmp::Reverse(resource.change));
        if resources.len() > 1 && !lost.is_empty() {
            self.line(0, "What exists and will be destroyed:");
            for resource in lost {
                let sign = self.paint.sign(header::sign(resource));
                let address = harmless(&header::name(resource));
                self.line(0, &format!("{sign} {address}"));
            }
        }
        if plan.errored() {
            self.line(0, "Planning failed: this plan is incomplete and cannot be applied.");
        }
    }
}

/// Puts changes of one kind and type together: what is destroyed first, then in the order of the plan.
fn groups<'a>(resources: &[&'a ResourceChange]) -> Vec<Vec<&'a ResourceChange>> {
    let mut groups = std::collections::BTreeMap::<_, Vec<_>>::new();
    for resource in resources {
        let key = (std::cmp::Reverse(resource.change), resource.kind.as_str());
        groups.entry(key).or_default().push(*resource);
    }
    groups.into_values().collect()
}
