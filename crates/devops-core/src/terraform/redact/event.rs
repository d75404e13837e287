//! Redacts the events of `terraform … -json`.

use serde_json::Value;

use super::{document, scrub::Scrubber};

/// Events whose message is made of terraform's own words and of addresses.
const OWN_WORDS: [&str; 28] = [
    "action_complete",
    "action_errored",
    "action_progress",
    "action_start",
    "apply_complete",
    "apply_errored",
    "apply_progress",
    "apply_start",
    "change_summary",
    "ephemeral_op_complete",
    "ephemeral_op_errored",
    "ephemeral_op_progress",
    "ephemeral_op_start",
    "outputs",
    "planned_change",
    "planned_action_invocation",
    "provision_complete",
    "provision_errored",
    "provision_start",
    "refresh_complete",
    "refresh_start",
    "resource_drift",
    "deferred_change",
    "state_lock_acquire",
    "state_lock_release",
    "version",
    "test_abstract",
    "test_summary",
];

/// Hides known secrets in an event; its structure stays.
pub(super) fn scrub(scrubber: &Scrubber, event: &mut Value) {
    let message = event.get_mut("@message").map(Value::take);
    // Terraform leaves out the value of a sensitive output; should one ever stand here, it goes.
    if let Some(outputs) = event.get_mut("outputs") {
        document::drop_sensitive_outputs(outputs);
    }
    let printed = event.pointer("/hook/output").and_then(Value::as_str).map(|text| {
        let lines: Vec<_> = text.split('\n').map(|line| scrubber.printed(line)).collect();
        lines.join("\n")
    });
    document::scrub(scrubber, event);
    if let (Some(output), Some(printed)) = (event.pointer_mut("/hook/output"), printed) {
        *output = printed.into();
    }
    let Some(message) = message else { return };
    let clean = match &message {
        Value::String(text) => Value::from(clean_message(scrubber, event, text)),
        _ => Value::Null,
    };
    if let Some(fields) = event.as_object_mut() {
        fields.insert("@message".to_owned(), clean);
    }
}

fn clean_message(scrubber: &Scrubber, event: &Value, text: &str) -> String {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let address = event.pointer("/hook/resource/addr").and_then(Value::as_str).unwrap_or_default();
    let (own, foreign) = if OWN_WORDS.contains(&kind) {
        // What a provider gave is the id alone.
        text.split_at(text.rfind(" [").unwrap_or(text.len()))
    } else {
        text.split_at(if text.starts_with(address) { address.len() } else { 0 })
    };
    [own, &scrubber.words(foreign)].concat()
}
