//! Plans and states that others published, from the folder that `DEVOPS_PLANS` names.

use std::path::PathBuf;

use serde_json::Value;

/// Returns each document that can be read as UTF-8, with its name; none where no folder is named.
pub(super) fn documents() -> Vec<(String, Value)> {
    let Some(folder) = std::env::var_os("DEVOPS_PLANS").map(PathBuf::from) else {
        return Vec::new();
    };
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let text = std::fs::read(&path).unwrap();
        let document = serde_json::from_slice::<Value>(&text).ok().filter(|_| is_json);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        documents.extend(document.map(|document| (name, document)));
    }
    assert!(!documents.is_empty(), "no documents in {}", folder.display());
    documents.sort_by(|(one, _), (other, _)| one.cmp(other));
    documents
}

pub(super) fn is_plan(document: &Value) -> bool {
    document.get("resource_changes").is_some() || document.get("planned_values").is_some()
}
