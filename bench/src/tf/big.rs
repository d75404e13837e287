//! A plan as large as those of the largest stacks: 10,000 changes, 200 of them with a secret.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Result;
use serde_json::{Value, json};

const N_CHANGES: usize = 10_000;
/// One change in so many has a secret: 200 in all.
const SECRET_EVERY: usize = 50;

/// Writes its JSON and returns its size. It is never held whole: the peak of a program that is measured
/// begins with the memory of this one.
pub(super) fn write(path: &Path) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let head = r#"{"format_version": "1.2", "terraform_version": "1.11.4", "applyable": true, "resource_changes": ["#;
    file.write_all(head.as_bytes())?;
    for n in 0..N_CHANGES {
        file.write_all(if n == 0 { b"" } else { b"," })?;
        serde_json::to_writer(&mut file, &change(n))?;
    }
    file.write_all(b"]}")?;
    file.flush()?;
    Ok(path.metadata()?.len())
}

fn change(n: usize) -> Value {
    let actions = match n % 10 {
        0 => json!(["delete", "create"]),
        1 => json!(["delete"]),
        2..6 => json!(["create"]),
        _ => json!(["update"]),
    };
    let has_secret = n.is_multiple_of(SECRET_EVERY);
    let side = |size: &str| {
        let name = format!("instance-{n:05}");
        let tags: serde_json::Map<_, _> = (0..12)
            .map(|tag| (format!("tag-{tag}"), format!("{name}-{tag}-of-team").into()))
            .collect();
        let password = if has_secret { format!("p4ss-{n:05}-{size}-word") } else { String::new() };
        json!({
            "name": name, "size": size, "tags": tags, "password": password,
            "user_data": format!("#!/bin/sh\nset -e\n{}", "echo configuring the host\n".repeat(12)),
        })
    };
    let marks = if has_secret { json!({"password": true}) } else { json!({}) };
    json!({
        "address": format!("module.region[{}].aws_instance.worker[{n}]", n % 20),
        "module_address": format!("module.region[{}]", n % 20), "mode": "managed",
        "type": "aws_instance", "name": "worker", "index": n,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {
            "actions": actions, "before": side("small"), "after": side("large"), "after_unknown": {"id": true},
            "before_sensitive": marks, "after_sensitive": marks,
        },
    })
}
