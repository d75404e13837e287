//! The choice of the strictest value of a rule.

use std::ffi::OsString;

use super::kinds::Stricter;

/// The values that a rule has in several files, the strongest file first.
pub(crate) struct Strictest<'a> {
    pub(crate) rule: Stricter,
    /// The values of each file; `true` if the file is a project's.
    pub(crate) candidates: &'a [(Vec<OsString>, bool)],
}

impl Strictest<'_> {
    /// Returns the values that count, and which candidates they come from; `None` where none counts.
    pub(crate) fn choose(&self) -> Option<(Vec<OsString>, Vec<usize>)> {
        if self.rule == Stricter::Union {
            return self.union();
        }
        let is_allowed = |&n: &usize| {
            let (values, is_project) = &self.candidates[n];
            !*is_project || self.is_stricter_than_the_default(values)
        };
        let chosen = (0..self.candidates.len()).filter(is_allowed).reduce(|best, n| {
            let (best_values, values) = (&self.candidates[best].0, &self.candidates[n].0);
            if is_looser(self.rule, best_values, values) { n } else { best }
        })?;
        Some((self.candidates[chosen].0.clone(), vec![chosen]))
    }

    /// The weaker file comes first, as if it had been said before.
    fn union(&self) -> Option<(Vec<OsString>, Vec<usize>)> {
        let mut values: Vec<OsString> = Vec::new();
        for (items, _) in self.candidates.iter().rev() {
            for item in items {
                if !values.contains(item) {
                    values.push(item.clone());
                }
            }
        }
        let sources = (0..self.candidates.len()).filter(|n| !self.candidates[*n].0.is_empty());
        (!self.candidates.is_empty()).then(|| (values, sources.collect()))
    }

    /// A limit that only a project names must not allow more than the tool does without any.
    fn is_stricter_than_the_default(&self, values: &[OsString]) -> bool {
        let Stricter::AtMost(Some(default)) = self.rule else { return true };
        let has_another = self.candidates.iter().any(|(_, is_project)| !is_project);
        has_another || number(values).is_none_or(|limit| limit <= default)
    }
}

/// Returns whether `values` allow what `than` does not; what cannot be read is left to the tool to refuse.
pub(crate) fn is_looser(rule: Stricter, values: &[OsString], than: &[OsString]) -> bool {
    match rule {
        Stricter::Union => false,
        Stricter::On => is_true(than) && !is_true(values),
        Stricter::AtMost(_) => match (number(values), number(than)) {
            (Some(limit), Some(than)) => limit > than,
            // A value that is no number is chosen, so that it is refused by name.
            (Some(_), None) => true,
            (None, _) => false,
        },
        Stricter::First(words) => match (rank(words, values), rank(words, than)) {
            (Some(found), Some(than)) => found > than,
            (Some(_), None) => true,
            (None, _) => false,
        },
    }
}

fn is_true(values: &[OsString]) -> bool {
    values.first().is_some_and(|value| value == "true")
}

fn number(values: &[OsString]) -> Option<u64> {
    values.first()?.to_str()?.parse().ok()
}

fn rank(words: &[&str], values: &[OsString]) -> Option<usize> {
    let value = values.first()?;
    words.iter().position(|word| value == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(rule: Stricter, candidates: &[(&[&str], bool)]) -> Option<(Vec<String>, Vec<usize>)> {
        let own = |(values, is_project): &(&[&str], bool)| {
            (values.iter().map(OsString::from).collect(), *is_project)
        };
        let candidates: Vec<_> = candidates.iter().map(own).collect();
        let (values, sources) = Strictest { rule, candidates: &candidates }.choose()?;
        Some((values.into_iter().map(|value| value.into_string().unwrap()).collect(), sources))
    }

    #[test]
    fn lists_of_what_is_protected_add_up() {
        let both: &[(&[&str], bool)] = &[(&["a", "b"], true), (&["b", "c"], false)];

        let chosen = choose(Stricter::Union, both);

        assert_eq!(chosen, Some((vec!["b".into(), "c".into(), "a".into()], vec![0, 1])));
        assert_eq!(
            choose(Stricter::Union, &[(&[], true), (&["c"], false)]),
            Some((vec!["c".into()], vec![1]))
        );
        assert_eq!(choose(Stricter::Union, &[]), None);
    }

    #[test]
    fn the_least_limit_counts_from_any_file() {
        let rule = Stricter::AtMost(None);

        assert_eq!(choose(rule, &[(&["9"], true), (&["3"], false)]).unwrap().0, ["3"]);
        assert_eq!(choose(rule, &[(&["2"], true), (&["3"], false)]).unwrap().0, ["2"]);
        assert_eq!(choose(rule, &[(&["9"], true)]).unwrap().0, ["9"]);
        assert_eq!(choose(rule, &[(&["many"], true), (&["3"], false)]).unwrap().0, ["many"]);
    }

    #[test]
    fn a_project_does_not_raise_a_limit_that_the_tool_has_by_itself() {
        let rule = Stricter::AtMost(Some(10));

        assert_eq!(choose(rule, &[(&["11"], true)]), None);
        assert_eq!(choose(rule, &[(&["10"], true)]).unwrap().0, ["10"]);
        assert_eq!(choose(rule, &[(&["11"], true), (&["20"], false)]).unwrap().0, ["11"]);
        assert_eq!(choose(rule, &[(&["11"], false)]).unwrap().0, ["11"]);
    }

    #[test]
    fn a_switch_stays_on_and_a_word_as_strict_as_the_strictest() {
        let words = Stricter::First(&["full", "size"]);

        assert_eq!(choose(Stricter::On, &[(&["false"], true), (&["true"], false)]).unwrap().1, [1]);
        assert_eq!(choose(Stricter::On, &[(&["true"], true), (&["false"], false)]).unwrap().1, [0]);
        assert_eq!(choose(words, &[(&["size"], true), (&["full"], false)]).unwrap().1, [1]);
        assert_eq!(choose(words, &[(&["full"], true), (&["size"], false)]).unwrap().1, [0]);
        assert_eq!(choose(words, &[(&["most"], true), (&["size"], false)]).unwrap().1, [0]);
    }
}
