//! The lines above a change: what is done to which resource, and why.

use super::text::quoted;
use crate::terraform::{
    plan::{Change, Invocation, ResourceChange},
    redact::Secrets,
};

/// Returns the sign of a change.
pub(super) fn sign(resource: &ResourceChange) -> &'static str {
    let first = resource.actions.first().map(String::as_str);
    match resource.change {
        Change::None => " ",
        Change::Read => "<=",
        Change::Create => "+",
        Change::Update => "~",
        Change::Replace if first == Some("create") => "+/-",
        Change::Replace => "-/+",
        Change::Destroy => "-",
        Change::Forget if first == Some("create") => "+/.",
        Change::Forget => ".",
    }
}

/// Returns the address, with the key of a deposed object.
pub(super) fn name(resource: &ResourceChange) -> String {
    match &resource.deposed {
        Some(key) => format!("{} (deposed object {key})", resource.address),
        None => resource.address.clone(),
    }
}

/// Returns the comment lines of a change: what is done, and why.
pub(super) fn lines(resource: &ResourceChange, outside: bool, secrets: &Secrets) -> Vec<String> {
    let mut lines = vec![format!("# {} {}", name(resource), phrase(resource, outside))];
    if outside {
        return lines;
    }
    lines.extend(reason(resource).map(|reason| format!("# ({reason})")));
    if let Some(previous) = resource.previous_address.as_ref().filter(|_| resource.moved)
        && resource.change != Change::None
    {
        lines.push(format!("# (moved from {previous})"));
    }
    if resource.imported {
        let id = resource.import_id.as_ref();
        lines.push(id.map_or_else(
            || "# (imported by an identity that is known after apply)".to_owned(),
            |id| format!("# (imported from {})", quoted(&secrets.scrubber().data_text(id))),
        ));
    }
    if resource.generated_config.is_some() {
        lines.push("# (config will be generated)".to_owned());
    }
    lines
}

/// Returns what is done, to follow the address.
pub(super) fn phrase(resource: &ResourceChange, outside: bool) -> String {
    let text = match (resource.change, resource.action_reason.as_deref()) {
        (Change::Destroy, _) if outside => "has been deleted",
        (_, _) if outside => "has changed",
        (_, _) if resource.deferred => "is deferred",
        (Change::None, _) if resource.imported => "will be imported",
        (Change::None, _) => return moved(resource),
        (Change::Read, _) => "will be read during apply",
        (Change::Create, _) => "will be created",
        (Change::Update, _) => "will be updated in-place",
        (Change::Replace, Some("replace_because_tainted")) => "is tainted, so must be replaced",
        (Change::Replace, Some("replace_by_request")) => "will be replaced, as requested",
        (Change::Replace, Some("replace_by_triggers")) => {
            "will be replaced due to changes in replace_triggered_by"
        }
        (Change::Replace, _) => "must be replaced",
        (Change::Destroy, _) => "will be destroyed",
        (Change::Forget, _) if sign(resource) == "+/." => {
            "will be replaced, but the existing object will not be destroyed"
        }
        (Change::Forget, _) => "will no longer be managed by Terraform, but will not be destroyed",
    };
    text.to_owned()
}

fn moved(resource: &ResourceChange) -> String {
    let from = resource.previous_address.as_deref().unwrap_or_default();
    format!("has moved from {from}")
}

fn reason(resource: &ResourceChange) -> Option<String> {
    let address = &resource.address;
    let key = || address.rfind('[').map_or("", |at| &address[at..]);
    if resource.deposed.is_some() {
        return Some("left over from a partially-failed replacement of this instance".to_owned());
    }
    let reason = match resource.action_reason.as_deref()? {
        "delete_because_no_resource_config" => format!("because {address} is not in configuration"),
        "delete_because_no_module" => {
            format!("because the module of {address} is not in configuration")
        }
        "delete_because_wrong_repetition" => {
            "because the resource is repeated in another way than its instance".to_owned()
        }
        "delete_because_count_index" => {
            format!("because index {} is out of range for count", key())
        }
        "delete_because_each_key" => format!("because key {} is not in for_each map", key()),
        "delete_because_no_move_target" => {
            "because it was moved to an address that is not in configuration".to_owned()
        }
        "read_because_config_unknown" => "config refers to values not yet known".to_owned(),
        "read_because_dependency_pending" => {
            "depends on a resource or a module with changes pending".to_owned()
        }
        "read_because_check_nested" => "config will be reloaded to verify a check block".to_owned(),
        // What replaces is said by the line above, and by the attributes that force it.
        known if known.starts_with("replace_") => return None,
        other => other.replace('_', " "),
    };
    Some(reason)
}

/// Returns the comment line of an action.
pub(super) fn invocation(invocation: &Invocation) -> String {
    let when = invocation
        .trigger
        .as_ref()
        .map_or_else(String::new, |trigger| format!(" ({} of {})", trigger.event, trigger.address));
    let what = if invocation.deferred { "is deferred" } else { "will be invoked" };
    format!("# {} {what}{when}", invocation.address)
}
