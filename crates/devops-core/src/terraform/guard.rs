//! Guards: rules a plan must pass before it is asked about.

use std::borrow::Cow;

use super::{
    patterns::{AddressPattern, names},
    plan::{Change, Invocation, Plan, ResourceChange},
};
use crate::{
    kind::{HasKind, Kind},
    units::{agree, count},
};

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    denied: Denied,
    protected: Vec<AddressPattern>,
    unprotected: Vec<AddressPattern>,
    allowed_types: Vec<AddressPattern>,
    max_changes: Option<usize>,
    max_destroy: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Denied {
    destroy: bool,
    actions: bool,
    forget: bool,
}

/// The verdict of the rules on a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The reasons to refuse the plan, in its order; none if it passes.
    pub objections: Vec<Objection>,
    /// The warnings of policies; the plan passes all the same.
    pub warnings: Vec<Objection>,
    /// The rules of policies that an exception took out.
    pub exceptions: Vec<Objection>,
    /// The objections that `--unprotect` took away.
    pub lifted: Vec<String>,
}

/// One reason to refuse a plan, or to look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The rule: by the name of its flag, `deny-destroy`, or of a policy, `main.deny_public_bucket`.
    pub rule: Cow<'static, str>,
    /// The resource or action it is about; the plan as a whole if there is none.
    pub address: Option<String>,
    /// The text for people.
    pub message: String,
}

/// The reason a plan may not be applied, one reason a rule and resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan is refused: {}", .reasons.join("; "))]
pub struct Refusal {
    /// The reasons, in the order of the plan.
    pub reasons: Vec<String>,
}

impl HasKind for Refusal {
    fn kind(&self) -> Kind {
        Kind::Denied
    }
}

impl Verdict {
    /// Fails if there is an objection.
    pub fn into_result(self) -> Result<(), Refusal> {
        let reasons: Vec<_> = self.objections.into_iter().map(|one| one.message).collect();
        if reasons.is_empty() { Ok(()) } else { Err(Refusal { reasons }) }
    }

    /// Adds what another judgment says.
    pub fn extend(&mut self, other: Self) {
        self.objections.extend(other.objections);
        self.warnings.extend(other.warnings);
        self.exceptions.extend(other.exceptions);
        self.lifted.extend(other.lifted);
    }

    fn object(&mut self, rule: &'static str, address: &str, message: String) {
        let address = Some(address.to_owned()).filter(|address| !address.is_empty());
        self.objections.push(Objection { rule: rule.into(), address, message });
    }
}

impl Guards {
    /// Refuses plans that destroy or replace anything.
    #[must_use]
    pub fn deny_destroy(mut self, deny: bool) -> Self {
        self.denied.destroy = deny;
        self
    }

    /// Refuses plans that invoke an action (terraform 1.14 and later).
    #[must_use]
    pub fn deny_actions(mut self, deny: bool) -> Self {
        self.denied.actions = deny;
        self
    }

    /// Refuses plans that drop anything from the state that lives on.
    #[must_use]
    pub fn deny_forget(mut self, deny: bool) -> Self {
        self.denied.forget = deny;
        self
    }

    /// Refuses plans that do anything to an existing resource whose address matches `pattern`, or invoke
    /// such an action, or one that such a resource triggers.
    ///
    /// Only `*`, which also matches dots, `**` and `?` are wildcards. What names no instance covers every
    /// instance, and what names a module covers all that lies in it.
    pub fn protect(mut self, pattern: &str) -> Result<Self, globset::Error> {
        self.protected.push(AddressPattern::new(pattern)?);
        Ok(self)
    }

    /// Takes protection away from what matches `pattern`; the verdict says where that mattered.
    pub fn unprotect(mut self, pattern: &str) -> Result<Self, globset::Error> {
        self.unprotected.push(AddressPattern::new(pattern)?);
        Ok(self)
    }

    /// Refuses plans that concern a resource or an action of another type than the allowed ones; patterns
    /// add up, and without any every type is allowed.
    pub fn allow_types(mut self, pattern: &str) -> Result<Self, globset::Error> {
        self.allowed_types.push(AddressPattern::new(pattern)?);
        Ok(self)
    }

    /// Refuses plans that concern more than `limit` resources and actions.
    #[must_use]
    pub fn max_changes(mut self, limit: Option<usize>) -> Self {
        self.max_changes = limit;
        self
    }

    /// Refuses plans that destroy or replace more than `limit` resources.
    #[must_use]
    pub fn max_destroy(mut self, limit: Option<usize>) -> Self {
        self.max_destroy = limit;
        self
    }

    /// Fails if a rule refuses the plan.
    pub fn check(&self, plan: &Plan) -> Result<(), Refusal> {
        self.judge(plan).into_result()
    }

    /// Judges a plan by every rule.
    pub fn judge(&self, plan: &Plan) -> Verdict {
        let mut verdict = Verdict::default();
        for resource in plan.changes() {
            self.judge_resource(resource, &mut verdict);
        }
        for invocation in plan.invocations() {
            self.judge_invocation(invocation, &mut verdict);
        }
        let n_invocations = plan.invocations().count();
        let n_changes = plan.changes().count() + n_invocations;
        let changes = match n_invocations {
            0 => count(n_changes, "resource"),
            _ => format!("{n_changes} {}", agree(n_changes, "action", "resources and actions")),
        };
        if let Some(limit) = self.max_changes.filter(|limit| n_changes > *limit) {
            let message = format!("{changes} would change, and at most {limit} may");
            verdict.object("max-changes", "", message);
        }
        let n_lost = plan.changes().filter(|resource| resource.change.destroys()).count();
        if let Some(limit) = self.max_destroy.filter(|limit| n_lost > *limit) {
            let message = format!(
                "{} would be destroyed, and at most {limit} may",
                count(n_lost, "resource")
            );
            verdict.object("max-destroy", "", message);
        }
        verdict
    }

    fn judge_resource(&self, resource: &ResourceChange, verdict: &mut Verdict) {
        let (address, done) = (&resource.address, done(resource));
        if self.denied.destroy && resource.change.destroys() {
            verdict.object("deny-destroy", address, format!("`{address}` would be {done}"));
        } else if self.denied.forget && resource.change == Change::Forget {
            verdict.object("deny-forget", address, format!("`{address}` would be {done}"));
        } else if resource.change != Change::Create || resource.moved {
            let previous = resource.previous_address.as_deref();
            self.judge_protected(address, [Some(&**address), previous], done, verdict);
        }
        self.judge_type(address, &resource.kind, verdict);
    }

    fn judge_invocation(&self, invocation: &Invocation, verdict: &mut Verdict) {
        let address = &invocation.address;
        if self.denied.actions {
            verdict.object("deny-actions", address, format!("`{address}` would be invoked"));
        } else {
            let trigger = invocation.trigger.as_ref().map(|trigger| trigger.address.as_str());
            self.judge_protected(address, [Some(&**address), trigger], "invoked", verdict);
        }
        self.judge_type(address, &invocation.kind, verdict);
    }

    fn judge_protected(
        &self,
        address: &str,
        addresses: [Option<&str>; 2],
        done: &str,
        verdict: &mut Verdict,
    ) {
        let names: Vec<_> = addresses.into_iter().flatten().flat_map(names).collect();
        let hit = |patterns: &[AddressPattern]| {
            let hit =
                patterns.iter().find(|pattern| names.iter().any(|name| pattern.is_match(name)));
            hit.map(|pattern| pattern.as_str().to_owned())
        };
        let Some(pattern) = hit(&self.protected) else { return };
        if let Some(lifted) = hit(&self.unprotected) {
            verdict.lifted.push(format!(
                "`{address}` would be {done}: `{lifted}` takes away its protection by `{pattern}`"
            ));
            return;
        }
        let message = format!("`{address}` is protected by `{pattern}` and would be {done}");
        verdict.object("protect", address, message);
    }

    fn judge_type(&self, address: &str, kind: &str, verdict: &mut Verdict) {
        let is_allowed = |pattern: &AddressPattern| pattern.is_match(kind);
        if !self.allowed_types.is_empty() && !self.allowed_types.iter().any(is_allowed) {
            let message = format!("`{address}` is of type `{kind}`, which is not allowed");
            verdict.object("allow-types", address, message);
        }
    }

    /// Returns the patterns that match nothing in a plan and the state before it, such as misspelled ones.
    pub fn unmatched(&self, plan: &Plan) -> Vec<&str> {
        let invoked = plan.invocations().map(|invocation| invocation.address.as_str());
        let names: Vec<_> = plan.addresses().chain(invoked).flat_map(names).collect();
        let hits = |pattern: &&AddressPattern| names.iter().any(|name| pattern.is_match(name));
        let all = self.protected.iter().chain(&self.unprotected);
        all.filter(|pattern| !hits(pattern)).map(AddressPattern::as_str).collect()
    }
}

fn done(resource: &ResourceChange) -> &'static str {
    match resource.change {
        Change::Create => "created",
        Change::Update => "changed",
        Change::Replace => "replaced",
        Change::Destroy => "destroyed",
        Change::Forget => "forgotten",
        Change::None | Change::Read if resource.imported => "imported",
        Change::None | Change::Read => "moved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{"format_version": "1.2", "resource_changes": [
        {"address": "module.db.aws_db.main", "change": {"actions": ["update"]}},
        {"address": "aws_x.y[\"a\"]", "change": {"actions": ["delete", "create"]}},
        {"address": "aws_new.z", "change": {"actions": ["create"]}},
        {"address": "aws_same.z", "change": {"actions": ["no-op"]}},
        {"address": "data.aws_ami.z", "mode": "data", "change": {"actions": ["read"]}}
    ]}"#;

    fn reasons(guards: &Guards) -> Vec<String> {
        let plan = Plan::parse(PLAN).unwrap();
        guards.check(&plan).map_or_else(|refusal| refusal.reasons, |()| Vec::new())
    }

    #[test]
    fn a_replacement_is_a_destruction() {
        assert_eq!(
            reasons(&Guards::default().deny_destroy(true)),
            ["`aws_x.y[\"a\"]` would be replaced"]
        );
    }

    #[test]
    fn a_protected_resource_may_not_be_touched_but_may_be_created() {
        let guards =
            Guards::default().protect("module.db.*").unwrap().protect("aws_new.*").unwrap();

        assert_eq!(
            reasons(&guards),
            ["`module.db.aws_db.main` is protected by `module.db.*` and would be changed"]
        );
    }

    #[test]
    fn an_address_with_brackets_protects_itself() {
        assert_eq!(reasons(&Guards::default().protect("aws_x.y[\"a\"]").unwrap()).len(), 1);
    }

    #[test]
    fn a_name_without_a_key_protects_every_instance() {
        let plan = r#"{"format_version": "1.2", "resource_changes": [
            {"address": "module.m[\"a.b\"].module.n[1].x.y[\"k\\\"]\"]", "change": {"actions": ["delete"]}}
        ]}"#;
        let plan = Plan::parse(plan).unwrap();
        let protects =
            |pattern: &str| Guards::default().protect(pattern).unwrap().check(&plan).is_err();

        for pattern in [
            "module.m",
            "module.m[*]",
            "module.m[\"a.b\"]",
            "module.m.module.n",
            "module.m[\"a.b\"].module.n.x.y",
            "module.m.module.n[1].x.y",
            "module.m.module.n.x.y",
            "module.?.module.n.x.y[*]",
            "**.y",
        ] {
            assert!(protects(pattern), "{pattern}");
        }
        for pattern in
            ["module", "module.m[\"a\"]", "module.m.module.n[0]", "x.y", "module.[m]", ""]
        {
            assert!(!protects(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_known() {
        let plan = r#"{"format_version": "1.2",
            "resource_changes": [{"address": "a.same[0]", "change": {"actions": ["no-op"]}}],
            "prior_state": {"values": {"root_module": {"resources": [{"address": "a.root"}],
                "child_modules": [{"resources": [{"address": "module.m.a.b"}]}]}}}}"#;
        let plan = Plan::parse(plan).unwrap();
        let patterns = ["a.same", "a.root", "module.m", "a.rooot", "module.*.a.c"];
        let guards = patterns
            .iter()
            .try_fold(Guards::default(), |guards, pattern| guards.protect(pattern))
            .unwrap();

        assert_eq!(guards.unmatched(&plan), ["a.rooot", "module.*.a.c"]);
    }

    #[test]
    fn counts_resources_and_neither_reads_nor_what_stays() {
        assert_eq!(reasons(&Guards::default().max_changes(Some(3))), [""; 0]);
        assert_eq!(
            reasons(&Guards::default().max_changes(Some(2))),
            ["3 resources would change, and at most 2 may"]
        );
    }

    #[test]
    fn actions_forgets_and_types_are_judged_like_resources() {
        const PLAN: &str = r#"{"format_version": "1.2", "resource_changes": [
            {"address": "a.kept", "type": "a", "change": {"actions": ["forget"]}},
            {"address": "b.gone", "type": "b", "change": {"actions": ["delete"]}}],
            "action_invocations": [
            {"address": "action.x.run", "type": "x"},
            {"address": "action.x.on", "type": "x", "lifecycle_action_trigger":
             {"triggering_resource_address": "c.d[0]", "action_trigger_event": "before_destroy"}}]}"#;
        let plan = Plan::parse(PLAN).unwrap();
        let rules = |guards: Guards| {
            let objections = guards.judge(&plan).objections.into_iter();
            let named = |one: Objection| (one.rule.into_owned(), one.address.unwrap_or_default());
            objections.map(named).collect::<Vec<_>>()
        };
        let rule = |rule: &str, address: &str| (rule.to_owned(), address.to_owned());
        let start = Guards::default;

        assert_eq!(rules(start().max_changes(Some(3))), [rule("max-changes", "")]);
        assert_eq!(rules(start().max_changes(Some(4))), []);
        assert_eq!(rules(start().max_destroy(Some(0))), [rule("max-destroy", "")]);
        assert_eq!(rules(start().max_destroy(Some(1))), []);
        assert_eq!(rules(start().deny_forget(true)), [rule("deny-forget", "a.kept")]);
        let both = ["action.x.run", "action.x.on"].map(|address| rule("deny-actions", address));
        assert_eq!(rules(start().deny_actions(true)), both);
        assert_eq!(rules(start().protect("c.d").unwrap()), [rule("protect", "action.x.on")]);
        assert_eq!(
            rules(start().protect("action.x.run").unwrap()),
            [rule("protect", "action.x.run")]
        );
        assert_eq!(
            rules(start().allow_types("a").unwrap().allow_types("x*").unwrap()),
            [rule("allow-types", "b.gone")]
        );
    }

    #[test]
    fn protection_is_taken_away_by_name_and_that_is_said() {
        let guards = Guards::default().protect("module.db").unwrap().protect("aws_x.y").unwrap();
        let guards = guards.unprotect("module.db.aws_db.main").unwrap();
        let verdict = guards.judge(&Plan::parse(PLAN).unwrap());

        assert_eq!(
            verdict.lifted,
            [
                "`module.db.aws_db.main` would be changed: `module.db.aws_db.main` takes away its protection by `module.db`"
            ]
        );
        assert_eq!(verdict.objections.len(), 1);
        assert_eq!(verdict.objections[0].address.as_deref(), Some("aws_x.y[\"a\"]"));
    }
}
