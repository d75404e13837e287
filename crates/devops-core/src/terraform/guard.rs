//! Guards: rules a plan must pass before anybody is asked about it.

use globset::{GlobBuilder, GlobMatcher};

use super::plan::{Change, Plan, ResourceChange};
use crate::kind::{HasKind, Kind};

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    deny_destroy: bool,
    protected: Vec<Protected>,
    max_changes: Option<usize>,
}

#[derive(Clone, Debug)]
struct Protected {
    pattern: String,
    matcher: GlobMatcher,
}

/// Why a plan may not be applied, one reason a rule and resource.
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

impl Guards {
    /// Refuses plans that destroy or replace anything.
    #[must_use]
    pub fn deny_destroy(mut self, deny: bool) -> Self {
        self.deny_destroy = deny;
        self
    }

    /// Refuses plans that do anything to an existing resource whose address matches `pattern`.
    ///
    /// Only `*`, which also matches dots, `**` and `?` are wildcards. What names no instance covers every
    /// instance, and what names a module covers all that lies in it.
    pub fn protect(mut self, pattern: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(&literal_brackets(pattern)).backslash_escape(false).build()?;
        let matcher = glob.compile_matcher();
        self.protected.push(Protected { pattern: pattern.to_owned(), matcher });
        Ok(self)
    }

    /// Refuses plans that concern more than `limit` resources.
    #[must_use]
    pub fn max_changes(mut self, limit: Option<usize>) -> Self {
        self.max_changes = limit;
        self
    }

    /// Judges a plan.
    pub fn check(&self, plan: &Plan) -> Result<(), Refusal> {
        let mut reasons = Vec::new();
        for resource in plan.changes() {
            if self.deny_destroy && resource.change.destroys() {
                reasons.push(format!("`{}` would be {}", resource.address, done(resource)));
            } else if let Some(pattern) = self.protects(resource) {
                let address = &resource.address;
                reasons.push(format!(
                    "`{address}` is protected by `{pattern}` and would be {}",
                    done(resource)
                ));
            }
        }
        let n_changes = plan.changes().count();
        if let Some(limit) = self.max_changes.filter(|limit| n_changes > *limit) {
            reasons.push(format!("{n_changes} resources would change, and at most {limit} may"));
        }
        if reasons.is_empty() { Ok(()) } else { Err(Refusal { reasons }) }
    }

    /// Returns the patterns that match nothing in a plan and the state before it, such as misspelled ones.
    pub fn unmatched(&self, plan: &Plan) -> Vec<&str> {
        let names: Vec<_> = plan.addresses().flat_map(names).collect();
        let hits = |protected: &&Protected| names.iter().any(|name| protected.is_match(name));
        self.protected
            .iter()
            .filter(|protected| !hits(protected))
            .map(|protected| protected.pattern.as_str())
            .collect()
    }

    fn protects(&self, resource: &ResourceChange) -> Option<&str> {
        if resource.change == Change::Create && !resource.moved {
            return None;
        }
        let addresses = [Some(&resource.address), resource.previous_address.as_ref()];
        let names: Vec<_> =
            addresses.into_iter().flatten().flat_map(|address| names(address)).collect();
        let hit = |protected: &&Protected| names.iter().any(|name| protected.is_match(name));
        self.protected.iter().find(hit).map(|protected| protected.pattern.as_str())
    }
}

impl Protected {
    fn is_match(&self, name: &str) -> bool {
        self.pattern == name || self.matcher.is_match(name)
    }
}

/// Takes their meaning from brackets and braces, which addresses are full of.
fn literal_brackets(pattern: &str) -> String {
    let literal = |c: char| match c {
        '[' | ']' | '{' | '}' => format!("[{c}]"),
        _ => c.to_string(),
    };
    pattern.chars().map(literal).collect()
}

/// Returns every name that a resource goes by: its address and those of the modules it lies in, each with
/// and without instance keys.
fn names(address: &str) -> Vec<String> {
    let steps = steps(address);
    let (mut names, mut spellings) = (Vec::new(), vec![String::new()]);
    for (index, step) in steps.iter().enumerate() {
        let dot = if index == 0 { "" } else { "." };
        let bare = step.split('[').next().unwrap_or(step);
        let endings: &[&str] = if bare == *step { &[step] } else { &[step, bare] };
        let longer =
            |start: &String| endings.iter().map(|end| format!("{start}{dot}{end}")).collect();
        spellings = spellings.iter().flat_map(|start| -> Vec<_> { longer(start) }).collect();
        let is_module = index > 0 && steps[index - 1] == "module";
        if is_module || index + 1 == steps.len() {
            names.extend(spellings.iter().cloned());
        }
    }
    names
}

/// Splits an address at its dots; those in quoted instance keys are none.
fn steps(address: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_dot = |c: char| {
        if escaped {
            escaped = false;
        } else if c == '"' {
            quoted = !quoted;
        } else {
            escaped = quoted && c == '\\';
        }
        c == '.' && !quoted
    };
    address.split(is_dot).collect()
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
}
