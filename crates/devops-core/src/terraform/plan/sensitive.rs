//! Collects what a plan's JSON calls sensitive outside of its changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::format::{Declaration, Module, Values, Variable};

/// Sensitive values and public names in the parts of a document beside its changes.
#[derive(Clone, Debug, Default)]
pub(in crate::terraform) struct Beside {
    pub(in crate::terraform) sensitive: Vec<Value>,
    pub(in crate::terraform) names: Vec<String>,
    pub(in crate::terraform) addresses: Vec<String>,
}

impl Beside {
    /// Takes the values of variables; one that is not declared is not known to be harmless.
    pub(super) fn variables(
        &mut self,
        variables: BTreeMap<String, Variable>,
        declared: &BTreeMap<String, Declaration>,
    ) {
        for (name, variable) in variables {
            if declared.get(&name).is_none_or(Declaration::is_sensitive) {
                self.sensitive.push(variable.value);
            }
            self.names.push(name);
        }
    }

    /// Takes the outputs and resources of a state, or of a plan for the state after it.
    pub(super) fn values(&mut self, values: Values) {
        self.outputs(values.outputs);
        // Many resources have the same attributes.
        let mut names = BTreeSet::new();
        values.root_module.each(&mut |resource| {
            self.addresses.push(resource.address);
            names.extend(resource.attributes);
            self.sensitive.extend(resource.marked);
        });
        self.names.extend(names);
    }

    pub(super) fn outputs(&mut self, outputs: BTreeMap<String, super::format::Output>) {
        for (name, output) in outputs {
            if output.sensitive {
                self.sensitive.push(output.value);
            }
            self.names.push(name);
        }
    }

    /// Takes defaults and constants of sensitive variables and outputs, of a module and those it calls.
    pub(super) fn module(&mut self, module: Module) {
        for (name, variable) in module.variables {
            if variable.is_sensitive() {
                self.sensitive.push(variable.default);
            }
            self.names.push(name);
        }
        for (name, output) in module.outputs {
            if output.sensitive {
                constants(output.expression, &mut self.sensitive);
            }
            self.names.push(name);
        }
        for call in module.calls.into_values() {
            for (name, expression) in call.expressions {
                if call.module.variables.get(&name).is_some_and(Declaration::is_sensitive) {
                    constants(expression, &mut self.sensitive);
                }
            }
            self.module(call.module);
        }
    }
}

/// Takes the constants out of an expression.
fn constants(expression: Value, found: &mut Vec<Value>) {
    match expression {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "constant_value" {
                    found.push(field);
                } else {
                    constants(field, found);
                }
            }
        }
        Value::Array(items) => items.into_iter().for_each(|item| constants(item, found)),
        _ => {}
    }
}
