//! A stack whose resources are files that a test can change behind terraform's back.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use serde_json::Value;

use crate::tf::Stack;

const PROGRAM: &str = include_str!("lab.py");
const PROVIDER: &str = "tests.example/tests/lab";

/// A stack with the provider of `lab.py`.
pub(super) struct Lab {
    pub(super) stack: Stack,
}

impl Lab {
    /// Makes a stack of this configuration, and a mirror with the provider for it.
    pub(super) fn new(config: &str) -> Option<Self> {
        let mut stack = Stack::new(&whole(config))?;
        let platform = match env::consts::ARCH {
            "aarch64" => "linux_arm64",
            _ => "linux_amd64",
        };
        let python = env::var("DEVOPS_SERVER_PYTHON").expect("xtask says where Python is");
        let program = stack.env.write("lab.py", PROGRAM);
        let name = format!("mirror/{PROVIDER}/1.0.0/{platform}/terraform-provider-lab_v1.0.0");
        let script = format!("#!/bin/sh\nexec {python} {}\n", program.display());
        let provider = stack.env.write(name, script);
        fs::set_permissions(provider, Permissions::from_mode(0o755)).unwrap();
        let mirror = stack.env.path("mirror");
        let settings = format!(
            "provider_installation {{\n  filesystem_mirror {{ path = \"{}\" }}\n}}\n",
            mirror.display()
        );
        let settings = stack.env.write("terraform.rc", settings);
        let folder = stack.env.path("lab");
        fs::create_dir(&folder).unwrap();
        stack.variables.insert("TF_CLI_CONFIG_FILE", settings.into());
        stack.variables.insert("LAB_FOLDER", folder.into());
        Some(Self { stack })
    }

    /// Makes a stack and applies its configuration.
    pub(super) fn applied(config: &str) -> Option<Self> {
        let lab = Self::new(config)?;
        lab.stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
        Some(lab)
    }

    /// Gives the stack another configuration.
    pub(super) fn rewrite(&self, config: &str) {
        self.stack.rewrite(&whole(config));
    }

    /// Returns the file of a thing.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.stack.env.path("lab").join(name)
    }

    /// Changes an attribute of a thing behind terraform's back.
    pub(super) fn set(&self, name: &str, attribute: &str, value: Value) {
        let mut thing: Value = serde_json::from_slice(&fs::read(self.file(name)).unwrap()).unwrap();
        thing[attribute] = value;
        self.stack.env.write(format!("lab/{name}"), thing.to_string());
    }
}

fn whole(config: &str) -> String {
    let providers = format!("required_providers {{\n    lab = {{ source = \"{PROVIDER}\" }}\n  }}");
    format!("terraform {{\n  {providers}\n}}\n{config}")
}
