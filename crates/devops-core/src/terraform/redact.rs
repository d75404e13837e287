//! Takes sensitive values out of terraform's JSON.
//!
//! Terraform marks them in trees that run parallel to the values, but not everywhere: the values of
//! variables carry no mark, and constants in the configuration carry none either. So what is marked in one
//! place is removed in all.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet, fmt};

use serde_json::{Map, Value};

use super::work::without_color;

mod forms;
mod names;

use forms::{
    is_long_number, printed_forms, quoted_forms, replace, replace_name, without_templates,
};

/// Stands in place of a value that is not shown.
const HIDDEN: &str = "(sensitive value)";

/// Texts shorter than this are only removed where they are the whole value: they occur everywhere.
const PART_LENGTH: usize = 6;

/// Numbers with fewer digits are not removed elsewhere: they occur everywhere.
const NUMBER_DIGITS: usize = 4;

/// Fields with words of terraform's own, which a short secret could equal.
const STRUCTURE: [&str; 4] = ["actions", "format_version", "mode", "type"];

/// The sensitive texts that terraform's JSON has shown so far.
#[derive(Clone, Default)]
pub struct Secrets {
    texts: BTreeSet<String>,
    /// Keys within sensitive values, be they of a map or the names of attributes.
    names: BTreeSet<String>,
    /// Names that everybody may see.
    public: BTreeSet<String>,
    /// How they look in lines for people, the longest first: one may be a part of another.
    forms: Vec<Vec<u8>>,
    /// Names that are hidden where they stand before a value.
    bare_names: Vec<Vec<u8>>,
    /// Trimmed lines of texts with more than one, to be found in heredocs.
    lines: BTreeSet<String>,
    in_heredoc: bool,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

/// Hides sensitive values in the JSON of `terraform show -json PLAN`, and returns them.
pub fn redact_plan(plan: &mut Value) -> Secrets {
    let mut secrets = Secrets::beside(plan);
    let root = plan.pointer("/configuration/root_module").cloned().unwrap_or_default();
    if let Some(variables) = object(plan, "/variables") {
        for (name, variable) in variables {
            let declared = root.pointer("/variables").and_then(|all| all.get(name));
            // Not declared means not known to be harmless.
            if declared.is_none_or(is_sensitive) {
                secrets.hide_field(variable, "value");
            }
        }
    }
    if let Some(module) = plan.pointer_mut("/configuration/root_module") {
        secrets.hide_in_configuration(module);
    }
    if let Some(providers) = object(plan, "/configuration/provider_config") {
        // Which of them are secrets nobody says; a region among them may be shown elsewhere.
        let mut unmarked = Secrets::default();
        providers.values_mut().for_each(|provider| unmarked.hide_constants(provider));
    }
    for values in ["/planned_values", "/prior_state/values"] {
        if let Some(values) = plan.pointer_mut(values) {
            secrets.hide_in_values(values);
        }
    }
    for list in ["/resource_changes", "/resource_drift", "/deferred_changes"] {
        if let Some(Value::Array(changes)) = plan.pointer_mut(list) {
            for change in changes {
                secrets.hide_in_change(change);
            }
        }
    }
    for list in ["/action_invocations", "/deferred_action_invocations"] {
        if let Some(Value::Array(invocations)) = plan.pointer_mut(list) {
            for invocation in invocations {
                secrets.hide_in_invocation(invocation);
            }
        }
    }
    if let Some(outputs) = object(plan, "/output_changes") {
        outputs.values_mut().for_each(|change| secrets.hide_in_change(change));
    }
    secrets.scrub(plan);
    secrets
}

/// Hides sensitive values in the JSON of `terraform show -json` of a state, and returns them.
pub fn redact_state(state: &mut Value) -> Secrets {
    let mut secrets = Secrets::beside(state);
    if let Some(values) = state.get_mut("values") {
        secrets.hide_in_values(values);
    }
    secrets.scrub(state);
    secrets
}

/// Hides sensitive values in the JSON of `terraform output -json`.
pub fn redact_outputs(outputs: &mut Value) {
    // Their own names are all that is public; terraform's follow one level down.
    let public = outputs.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let fields = ["sensitive", "type", "value"].map(str::to_owned);
    let mut secrets = Secrets { public: public.chain(fields).collect(), ..Secrets::default() };
    secrets.hide_outputs(outputs);
    secrets.scrub(outputs);
}

fn object<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    value.pointer_mut(pointer).and_then(Value::as_object_mut)
}

fn is_sensitive(declaration: &Value) -> bool {
    let is = |flag| declaration.get(flag) == Some(&Value::Bool(true));
    is("sensitive") || is("ephemeral")
}

impl Secrets {
    /// Returns none yet, with the names that the document shows to everybody.
    fn beside(document: &Value) -> Self {
        Self { public: names::public(document), ..Self::default() }
    }

    fn is_hidden_name(&self, name: &str) -> bool {
        self.names.contains(name) && !self.public.contains(name)
    }

    /// Adds what another document has shown; from then on [`scrub_line`](Self::scrub_line) hides it.
    pub fn extend(&mut self, other: Self) {
        self.texts.extend(other.texts);
        self.names.extend(other.names);
        self.public.extend(other.public);
        let hidden = || self.names.difference(&self.public);
        let forms = self.texts.iter().flat_map(|text| printed_forms(text));
        let forms: BTreeSet<_> =
            forms.chain(hidden().flat_map(|name| quoted_forms(name))).collect();
        self.forms = forms.into_iter().map(String::into_bytes).collect();
        self.forms.sort_by_key(|form| Reverse(form.len()));
        self.bare_names = hidden().map(|name| name.clone().into_bytes()).collect();
        let long = self.texts.iter().filter(|text| text.trim().contains('\n'));
        let lines = long.flat_map(|text| text.lines()).map(str::trim);
        let lines = lines.filter(|line| !line.is_empty());
        self.lines = lines.flat_map(|line| [line.to_owned(), without_templates(line)]).collect();
    }

    /// Hides known secrets in a line that terraform wrote for people.
    ///
    /// Terraform itself hides what is marked; but a provider may copy a marked value into an attribute that
    /// carries no mark, as `terraform_data` does. Short secrets are found in quotes and, if they are lines
    /// of a longer one, in heredocs only.
    pub fn scrub_line<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if self.is_heredoc_line(line) {
            return Cow::Owned(HIDDEN.into());
        }
        let mut scrubbed = Cow::Borrowed(line);
        for form in &self.forms {
            if let Some(clean) = replace(&scrubbed, form, HIDDEN.as_bytes()) {
                scrubbed = Cow::Owned(clean);
            }
        }
        for name in &self.bare_names {
            if let Some(clean) = replace_name(&scrubbed, name, HIDDEN.as_bytes()) {
                scrubbed = Cow::Owned(clean);
            }
        }
        scrubbed
    }

    /// Returns whether this is a line of a heredoc and one of a secret; follows where heredocs begin.
    fn is_heredoc_line(&mut self, line: &[u8]) -> bool {
        let text = without_color(&String::from_utf8_lossy(line));
        let text = text.trim();
        if !self.in_heredoc {
            self.in_heredoc = text.contains("<<-EOT") || text.contains("<<EOT");
            return false;
        }
        // The words after the end say what the change forces.
        self.in_heredoc = text != "EOT" && !text.starts_with("EOT ");
        let unmarked = text.strip_prefix(['+', '-', '~']).unwrap_or(text).trim_start();
        self.in_heredoc && (self.lines.contains(text) || self.lines.contains(unmarked))
    }

    fn hide(&mut self, value: &mut Value) {
        if !value.is_null() {
            self.learn(value);
            *value = HIDDEN.into();
        }
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) if !text.is_empty() && text != HIDDEN => {
                self.texts.insert(text.clone());
                // Terraform prints JSON as what it says.
                if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text)
                {
                    self.learn(&inner);
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if is_long_number(&text) {
                    self.texts.insert(text);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    if !name.is_empty() {
                        self.names.insert(name.clone());
                    }
                    self.learn(field);
                }
            }
            _ => {}
        }
    }

    fn hide_field(&mut self, object: &mut Value, field: &str) {
        if let Some(value) = object.get_mut(field) {
            self.hide(value);
        }
    }

    /// Hides what a parallel tree of marks names: `true` hides the whole value.
    fn hide_marked(&mut self, value: &mut Value, marks: &Value) {
        match (value, marks) {
            (value, Value::Bool(true)) => self.hide(value),
            (Value::Object(fields), Value::Object(marks)) => {
                for (name, mark) in marks {
                    if let Some(field) = fields.get_mut(name) {
                        self.hide_marked(field, mark);
                    }
                }
            }
            (Value::Array(items), Value::Array(marks)) => {
                for (item, mark) in items.iter_mut().zip(marks) {
                    self.hide_marked(item, mark);
                }
            }
            _ => {}
        }
    }

    fn hide_by(&mut self, object: &mut Value, value: &str, marks: &str) {
        let marks = object.get(marks).cloned().unwrap_or_default();
        if let Some(value) = object.get_mut(value) {
            self.hide_marked(value, &marks);
        }
    }

    fn hide_outputs(&mut self, outputs: &mut Value) {
        let Some(outputs) = outputs.as_object_mut() else { return };
        for output in outputs.values_mut().filter(|output| is_sensitive(output)) {
            self.hide_field(output, "value");
        }
    }

    fn hide_in_values(&mut self, values: &mut Value) {
        if let Some(outputs) = values.get_mut("outputs") {
            self.hide_outputs(outputs);
        }
        if let Some(module) = values.get_mut("root_module") {
            self.hide_in_module(module);
        }
    }

    fn hide_in_module(&mut self, module: &mut Value) {
        if let Some(Value::Array(resources)) = module.get_mut("resources") {
            for resource in resources {
                self.hide_by(resource, "values", "sensitive_values");
            }
        }
        if let Some(Value::Array(modules)) = module.get_mut("child_modules") {
            for module in modules {
                self.hide_in_module(module);
            }
        }
    }

    /// Hides both sides of a change; that of a resource lies one level down.
    fn hide_in_change(&mut self, outer: &mut Value) {
        for nested in ["resource_change", "change"] {
            if let Some(change) = outer.get_mut(nested) {
                self.hide_in_change(change);
            }
        }
        self.hide_by(outer, "before", "before_sensitive");
        self.hide_by(outer, "after", "after_sensitive");
    }

    fn hide_in_invocation(&mut self, outer: &mut Value) {
        if let Some(invocation) = outer.get_mut("action_invocation") {
            self.hide_in_invocation(invocation);
        }
        self.hide_by(outer, "config_values", "config_sensitive");
    }

    /// Hides defaults and constants of sensitive variables and outputs, in this module and those it calls.
    fn hide_in_configuration(&mut self, module: &mut Value) {
        if let Some(variables) = object(module, "/variables") {
            for variable in variables.values_mut().filter(|variable| is_sensitive(variable)) {
                self.hide_field(variable, "default");
            }
        }
        if let Some(outputs) = object(module, "/outputs") {
            for output in outputs.values_mut().filter(|output| is_sensitive(output)) {
                self.hide_constants(output);
            }
        }
        let Some(calls) = object(module, "/module_calls") else { return };
        for call in calls.values_mut() {
            let declared = call.pointer("/module/variables").cloned().unwrap_or_default();
            if let Some(given) = object(call, "/expressions") {
                for (name, expression) in given {
                    if declared.get(name).is_some_and(is_sensitive) {
                        self.hide_constants(expression);
                    }
                }
            }
            if let Some(module) = call.get_mut("module") {
                self.hide_in_configuration(module);
            }
        }
    }

    fn hide_constants(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match name.as_str() {
                        "constant_value" => self.hide(field),
                        _ => self.hide_constants(field),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_constants(item)),
            _ => {}
        }
    }

    /// Removes every known secret from every text and from the names of fields.
    fn scrub(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if self.texts.contains(text.as_str()) || self.is_hidden_name(text) {
                    HIDDEN.clone_into(text);
                } else {
                    self.scrub_parts(text);
                }
            }
            Value::Number(number) if self.texts.contains(&number.to_string()) => {
                *value = HIDDEN.into();
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub(item)),
            Value::Object(fields) => {
                self.scrub_names(fields);
                for (name, field) in fields {
                    if STRUCTURE.contains(&name.as_str()) {
                        self.scrub_structure(field);
                    } else {
                        self.scrub(field);
                    }
                }
            }
            _ => {}
        }
    }

    /// Removes names alone: the type of an output holds the keys of its value.
    fn scrub_structure(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_structure(item)),
            Value::Object(fields) => {
                self.scrub_names(fields);
                fields.values_mut().for_each(|field| self.scrub_structure(field));
            }
            _ => {}
        }
    }

    /// Numbers hidden names, since a name can stand only once in an object.
    fn scrub_names(&self, fields: &mut Map<String, Value>) {
        if !fields.keys().any(|name| self.is_hidden_name(name)) {
            return;
        }
        let mut n_hidden = 0;
        let renamed = std::mem::take(fields).into_iter().map(|(name, field)| {
            if !self.is_hidden_name(&name) {
                return (name, field);
            }
            n_hidden += 1;
            (if n_hidden == 1 { HIDDEN.to_owned() } else { format!("{HIDDEN} {n_hidden}") }, field)
        });
        *fields = renamed.collect();
    }

    fn scrub_parts(&self, text: &mut String) {
        // Backwards, so that a secret comes before its own beginning.
        for secret in self.texts.iter().rev().filter(|secret| secret.len() >= PART_LENGTH) {
            let quoted = Value::from(secret.as_str()).to_string();
            for form in [secret.as_str(), &quoted[1..quoted.len() - 1]] {
                if text.contains(form) {
                    *text = text.replace(form, HIDDEN);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_place_that_terraform_writes_it_to() {
        let mut plan = json!({
            "variables": {"pw": {"value": "hunter2"}, "size": {"value": "small"}},
            "planned_values": {
                "outputs": {"o": {"sensitive": true, "value": "hunter2"}},
                "root_module": {"child_modules": [{"resources": [{
                    "address": "a.b",
                    "values": {"input": {"list": ["x", "hunter2"]}, "size": "small"},
                    "sensitive_values": {"input": {"list": [false, true]}},
                }]}]},
            },
            "resource_changes": [{"address": "a.b", "change": {
                "before": {"input": "old-secret"}, "before_sensitive": {"input": true},
                "after": {"input": "hunter2"}, "after_sensitive": {"input": true},
            }}],
            "output_changes": {"o": {"before": null, "before_sensitive": true,
                                     "after": "hunter2", "after_sensitive": true}},
            "prior_state": {"values": {"outputs": {"o": {"sensitive": true, "value": "old-secret"}}}},
            "configuration": {
                "provider_config": {"p": {"expressions": {"token": {"constant_value": "t0ken"}}}},
                "root_module": {
                    "variables": {"pw": {"sensitive": true, "default": "hunter2"}, "size": {}},
                    "resources": [{"expressions": {"command": {"constant_value": "login hunter2"}}}],
                },
            },
            "checks": [{"problems": [{"message": "old-secret is weak"}]}],
        });

        redact_plan(&mut plan);

        let text = plan.to_string();
        for secret in ["hunter2", "old-secret", "t0ken"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(plan["variables"]["size"]["value"], "small");
        assert_eq!(plan["output_changes"]["o"]["before"], Value::Null);
    }

    #[test]
    fn secrets_of_called_modules_are_hidden() {
        let mut plan = json!({"configuration": {"root_module": {"module_calls": {"m": {
            "expressions": {"pw": {"constant_value": "hunter2"}, "n": {"constant_value": "plain"}},
            "module": {"variables": {"pw": {"sensitive": true, "default": "fallback"}, "n": {}}},
        }}}}});

        redact_plan(&mut plan);

        let text = plan.to_string();
        assert!(!text.contains("hunter2") && !text.contains("fallback"));
        assert!(text.contains("plain"));
    }

    #[test]
    fn lines_for_people_are_scrubbed() {
        let mut state = json!({"values": {"outputs": {"k": {"sensitive": true, "value": {
            "key": "-----BEGIN\n  c2VjcmV0\n-----END", "pin": "1234", "quote": "a\"b\\c"
        }}}}});
        let mut secrets = Secrets::default();
        secrets.extend(redact_state(&mut state));
        let mut line =
            |text: &str| String::from_utf8(secrets.scrub_line(text.as_bytes()).into()).unwrap();

        assert_eq!(line("code = \"1234\", port = 12345"), "code = (sensitive value), port = 12345");
        assert_eq!(
            line("      c2VjcmV0 and c2VjcmV0."),
            "      (sensitive value) and (sensitive value)."
        );
        assert_eq!(line(r#"x = "a\"b\\c""#), "x = (sensitive value)");
        assert_eq!(line("nothing"), "nothing");
    }

    fn learned(value: &Value) -> Secrets {
        let mut state = json!({"values": {"outputs": {"k": {"sensitive": true, "value": value}}}});
        let mut secrets = Secrets::default();
        secrets.extend(redact_state(&mut state));
        secrets
    }

    fn scrubbed(secrets: &mut Secrets, line: &str) -> String {
        String::from_utf8(secrets.scrub_line(line.as_bytes()).into()).unwrap()
    }

    #[test]
    fn numbers_and_what_json_texts_say_are_hidden() {
        let mut secrets = learned(&json!({
            "port": 54321, "small": 7, "ratio": -12.345,
            "json": "{\"user\": \"root\", \"deep\": [{\"pw\": \"hunter2\"}], \"pin\": 98765, \"on\": true}",
        }));

        for (line, clean) in [
            ("+ a = 54321", "+ a = (sensitive value)"),
            ("+ a = 154321, 543210, x54321", "+ a = 154321, 543210, x54321"),
            ("size = 7, off = true", "size = 7, off = true"),
            ("share = -12.345", "share = (sensitive value)"),
            ("login = \"root\", root", "login = (sensitive value), root"),
            ("pw is hunter2", "pw is (sensitive value)"),
            ("code = 98765", "code = (sensitive value)"),
        ] {
            assert_eq!(scrubbed(&mut secrets, line), clean);
        }
    }

    #[test]
    fn numbers_and_what_json_texts_say_are_hidden_in_json() {
        let mut state = json!({"values": {"root_module": {"resources": [{
            "values": {"a": "{\"pw\":\"hun\\\"ter2\"}", "n": 54321,
                       "copy": {"n": [54321, 4321], "pw": "hun\"ter2", "text": "{\"x\":\"hun\\\"ter2\"}"}},
            "sensitive_values": {"a": true, "n": true},
        }]}}});

        redact_state(&mut state);

        let values = &state["values"]["root_module"]["resources"][0]["values"];
        assert_eq!(values["copy"]["n"], json!([HIDDEN, 4321]));
        assert!(!values.to_string().contains("ter2"), "{values}");
    }

    #[test]
    fn numbers_of_any_size_are_hidden_with_every_digit() {
        let large = "123456789012345678901234567890";
        let text = format!(
            r#"{{"values": {{"root_module": {{"resources": [{{"type": "t",
                "values": {{"n": {large}, "f": 0.1234567890123456789012, "j": "[98765432109876543210]",
                            "copy": [{large}], "plain": 18446744073709551617}},
                "sensitive_values": {{"n": true, "f": true, "j": true}}}}]}}}}}}"#
        );
        let mut state: Value = serde_json::from_str(&text).unwrap();
        let mut secrets = Secrets::default();
        secrets.extend(redact_state(&mut state));

        let values = &state["values"]["root_module"]["resources"][0]["values"];
        assert_eq!(values["copy"], json!([HIDDEN]));
        assert_eq!(values["plain"].to_string(), "18446744073709551617");
        for number in [large, "0.1234567890123456789012", "98765432109876543210"] {
            assert_eq!(scrubbed(&mut secrets, &format!("n = {number}")), format!("n = {HIDDEN}"));
        }
        assert_eq!(
            scrubbed(&mut secrets, "n = 1.2345678901234568e+29"),
            "n = 1.2345678901234568e+29"
        );
    }

    #[test]
    fn keys_within_a_sensitive_value_are_hidden_where_its_copies_carry_no_mark() {
        let mut state = json!({"values": {"root_module": {"resources": [{
            "address": "a.b", "type": "a", "name": "b",
            "values": {
                "input": {"hunter2": {"input": 1, "to-ken": 2}},
                "output": {"hunter2": {"input": 1, "to-ken": 2}, "type": "x"},
                "list": ["hunter2", "hunter22"],
            },
            "sensitive_values": {"input": true},
        }]}}});
        let mut secrets = Secrets::default();
        secrets.extend(redact_state(&mut state));

        let values = &state["values"]["root_module"]["resources"][0]["values"];
        assert_eq!(values["output"][HIDDEN], json!({"input": 1, HIDDEN: 2}));
        assert_eq!(values["list"], json!([HIDDEN, "hunter22"]));
        for (line, clean) in [
            ("+ output = {", "+ output = {"),
            ("    + hunter2 = {", "    + (sensitive value) = {"),
            ("    + \"hunter2\"   = 1", "    + (sensitive value)   = 1"),
            ("    ~ to-ken  = 2 -> 3", "    ~ (sensitive value)  = 2 -> 3"),
            ("    + input   = 1", "    + input   = 1"),
            (
                "hunter2 == 1, hunter22 = 1, my-hunter2 = 1",
                "hunter2 == 1, hunter22 = 1, my-hunter2 = 1",
            ),
            ("the hunter2 of old", "the hunter2 of old"),
        ] {
            assert_eq!(scrubbed(&mut secrets, line), clean);
        }
    }

    #[test]
    fn each_hidden_key_keeps_its_value() {
        let mut outputs = json!({
            "a": {"sensitive": true, "type": ["object", {"one-key": "number", "two-key": "number"}],
                  "value": {"one-key": 1, "two-key": 2}},
            "b": {"sensitive": false, "type": "map", "value": {"one-key": 1, "two-key": 2, "c": 3}},
        });

        redact_outputs(&mut outputs);

        assert!(!outputs["a"].to_string().contains("key"), "{outputs}");
        assert_eq!(outputs["b"]["value"], json!({HIDDEN: 1, "(sensitive value) 2": 2, "c": 3}));
    }

    #[test]
    fn short_lines_of_a_long_secret_are_hidden_in_heredocs_only() {
        let mut secrets = learned(&json!("user\n  pw1\n- a\n${x}\n"));

        for (line, clean) in [
            ("pw1", "pw1"),
            ("      + text = <<-EOT", "      + text = <<-EOT"),
            ("          user", HIDDEN),
            ("        \u{1b}[32m+\u{1b}[0m \u{1b}[0m pw1", HIDDEN),
            ("        - a", HIDDEN),
            ("          $${x}", HIDDEN),
            ("          users", "          users"),
            ("        EOT # forces replacement", "        EOT # forces replacement"),
            ("pw1", "pw1"),
        ] {
            assert_eq!(scrubbed(&mut secrets, line), clean);
        }
    }

    #[test]
    fn escaped_texts_are_hidden() {
        let secret = "a\u{200b}b\tc\"d\\e${f}%{g}\u{1b}\u{e9}\u{e000}\u{f0000}";
        let go = r#"a\u200bb\tc\"d\\e${f}%{g}\x1bé\ue000\U000f0000"#;
        let hcl = r#"a\u200bb\tc\"d\\e$${f}%%{g}\u001bé\ue000\U000f0000"#;
        let mut secrets = learned(&json!(secret));

        for form in [go, hcl] {
            assert_eq!(scrubbed(&mut secrets, &format!("x = \"{form}\"")), "x = (sensitive value)");
            assert_eq!(
                scrubbed(&mut secrets, &format!("x = \"in {form} it\"")),
                "x = \"in (sensitive value) it\""
            );
        }
    }

    #[test]
    fn outputs_and_state_keep_what_is_not_sensitive() {
        let mut outputs = json!({
            "a": {"sensitive": true, "value": {"pw": "hunter2"}},
            "b": {"sensitive": false, "value": "no"},
        });
        redact_outputs(&mut outputs);
        assert_eq!(outputs["a"]["value"], HIDDEN);
        assert_eq!(outputs["b"]["value"], "no");

        let mut state = json!({"values": {"root_module": {"resources": [
            {"values": {"id": "i", "pw": "hunter2"}, "sensitive_values": {"pw": true}}
        ]}}});
        redact_state(&mut state);
        assert_eq!(
            state["values"]["root_module"]["resources"][0]["values"],
            json!({"id": "i", "pw": HIDDEN})
        );
    }
}
