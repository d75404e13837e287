//! Guards: rules a plan must pass before anybody is asked about it.

use globset::{Glob, GlobMatcher};

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
    /// A `*` also matches dots, so `module.db.*` covers the whole module; an address with brackets may be
    /// given as it is.
    pub fn protect(mut self, pattern: &str) -> Result<Self, globset::Error> {
        let matcher = Glob::new(pattern)?.compile_matcher();
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

    fn protects(&self, resource: &ResourceChange) -> Option<&str> {
        if resource.change == Change::Create && !resource.moved {
            return None;
        }
        let names = [Some(&resource.address), resource.previous_address.as_ref()];
        let hit = |protected: &&Protected| {
            names.iter().flatten().any(|name| {
                protected.pattern == **name || protected.matcher.is_match(name.as_str())
            })
        };
        self.protected.iter().find(hit).map(|protected| protected.pattern.as_str())
    }
}

fn done(resource: &ResourceChange) -> &'static str {
    match resource.change {
        Change::Create => "created",
        Change::Update => "changed",
        Change::Replace => "replaced",
        Change::Destroy => "destroyed",
        Change::Forget => "forgotten",
        Change::None if resource.imported => "imported",
        Change::None => "moved",
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
        let plan = Plan::parse(PLAN.as_bytes()).unwrap();
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
    fn counts_resources_and_neither_reads_nor_what_stays() {
        assert_eq!(reasons(&Guards::default().max_changes(Some(3))), [""; 0]);
        assert_eq!(
            reasons(&Guards::default().max_changes(Some(2))),
            ["3 resources would change, and at most 2 may"]
        );
    }
}
