//! Stacks for which `init` has nothing to do: all that they use is built into terraform.
//!
//! `init` leaves no trace in such a stack, so it would be run before every plan. Whatever is not certain to
//! be built in counts as something that `init` brings.

use std::path::Path;

use serde::Deserialize;

use super::{
    configuration::{SIZE_LIMIT, files},
    hcl::{Token, attributes, blocks_of, tokens},
};
use crate::fs;

/// The blocks that use nothing by themselves.
const PLAIN_BLOCKS: [&str; 4] = ["variable", "output", "locals", "moved"];

/// The resources of the provider that is built into terraform.
const BUILT_IN: [(&str, &str); 2] =
    [("resource", "terraform_data"), ("data", "terraform_remote_state")];

/// The address of that provider, as a state holds it.
const PROVIDER: &str = r#"provider["terraform.io/builtin/terraform"]"#;

/// The version of the format in which a state names its providers so.
const STATE_VERSION: u64 = 4;

/// Returns whether a stack has no modules, backend, providers or tests that `init` would bring.
pub(super) fn is_built_in(dir: &Path, is_default_workspace: bool) -> bool {
    let Ok(files) = files(dir) else { return false };
    let is_built_in_file = |path: &Path| {
        fs::read_text(path, SIZE_LIMIT).is_ok_and(|text| is_built_in_configuration(&text))
    };
    !files.is_empty()
        && files.iter().all(|file| !file.is_json && is_built_in_file(&file.path))
        && !has_tests(dir)
        && is_default_workspace
        && is_built_in_state(dir)
}

fn is_built_in_configuration(text: &str) -> bool {
    let tokens = tokens(text);
    blocks_of(&tokens).all(|(head, body)| {
        let head: Vec<_> = head.iter().filter(|token| **token != Token::Newline).collect();
        match head[..] {
            [] => body.is_empty(),
            [Token::Word(word)] if word == "terraform" => !body.contains(&Token::Sign('{')),
            [Token::Word(word), Token::Text(kind), _]
                if BUILT_IN.contains(&(word.as_str(), kind.as_str())) =>
            {
                attributes(body).iter().all(|(name, _)| name != "provider")
            }
            [Token::Word(word), ..] => PLAIN_BLOCKS.contains(&word.as_str()),
            _ => false,
        }
    })
}

fn has_tests(dir: &Path) -> bool {
    let is_test = |name: &str| name.ends_with(".tftest.hcl") || name.ends_with(".tofutest.hcl");
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name == "tests" || is_test(&name.to_string_lossy()))
}

/// A state as far as it names providers.
#[derive(Deserialize)]
struct State {
    version: u64,
    #[serde(default)]
    resources: Vec<StateResource>,
}

#[derive(Deserialize)]
struct StateResource {
    provider: String,
}

/// Returns whether the state beside the configuration has no resource of another provider, which terraform
/// would need to read or to remove it.
fn is_built_in_state(dir: &Path) -> bool {
    let path = dir.join("terraform.tfstate");
    if !path.try_exists().unwrap_or(true) {
        return true;
    }
    let Ok(text) = fs::read_text(&path, SIZE_LIMIT) else { return false };
    serde_json::from_str(&text).is_ok_and(|state: State| {
        state.version == STATE_VERSION
            && state.resources.iter().all(|resource| resource.provider == PROVIDER)
    })
}

#[cfg(test)]
mod tests {
    use super::is_built_in_configuration;

    #[test]
    fn what_is_built_in_needs_no_init() {
        for text in [
            "",
            "terraform {\n  required_version = \">= 1.4\"\n}\nlocals {\n  a = { b = 1 }\n}\n",
            "variable \"x\" {\n  validation {\n    condition = true\n  }\n}\noutput \"x\" { value = var.x }",
            "resource \"terraform_data\" \"a\" {\n  provisioner \"local-exec\" { command = \"true\" }\n}",
            "data \"terraform_remote_state\" \"net\" {\n  backend = \"s3\"\n  config = { bucket = \"b\" }\n}",
        ] {
            assert!(is_built_in_configuration(text), "{text}");
        }
    }

    #[test]
    fn modules_providers_and_backends_need_init() {
        for text in [
            "module \"m\" { source = \"./m\" }",
            "terraform {\n  backend \"s3\" {}\n}",
            "terraform {\n  cloud {}\n}",
            "terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\" }\n  }\n}",
            "provider \"aws\" {}",
            "resource \"terraform_data\" \"a\" {}\nresource \"aws_vpc\" \"v\" {}",
            "resource \"terraform_data\" \"a\" {\n  provider = other.x\n}",
            "data \"aws_region\" \"r\" {}",
            "check \"c\" {\n  data \"http\" \"x\" {}\n}",
            "import {\n  to = aws_vpc.v\n  id = \"v\"\n}",
            "removed {\n  from = aws_vpc.v\n}",
            "resource \"terraform_data\" {",
            "= {}",
            "stray",
        ] {
            assert!(!is_built_in_configuration(text), "{text}");
        }
    }
}
