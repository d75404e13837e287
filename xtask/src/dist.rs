//! `cargo xtask dist`: the binaries as users get them, without the paths of the machine that built them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::shell::{TOOLS, cargo, is_installed, root, run as check, target_folder};

/// Builds the tools that are named, or all, and checks what they contain.
pub(crate) fn run(tools: &[String]) -> Result<()> {
    let unknown = tools.iter().find(|tool| !TOOLS.contains(&tool.as_str()));
    ensure!(unknown.is_none(), "there is no tool `{}`", unknown.expect("one is unknown"));
    let tools: Vec<&str> =
        if tools.is_empty() { TOOLS.to_vec() } else { tools.iter().map(String::as_str).collect() };
    let prefixes = prefixes()?;
    build(&tools, &prefixes)?;
    for tool in tools {
        check_paths(&target_folder().join("dist").join(tool), &prefixes)?;
    }
    Ok(())
}

fn build(tools: &[&str], prefixes: &[(PathBuf, &str)]) -> Result<()> {
    let mut build = if is_installed("auditable") {
        cargo(["auditable", "build"])
    } else {
        println!(
            "the list of dependencies is not put into the binaries: cargo-auditable is not installed"
        );
        cargo(["build"])
    };
    build.args(["--locked", "--profile", "dist"]);
    build.args(tools.iter().flat_map(|tool| ["--package", tool]));
    let mapped = |(from, to): &(PathBuf, &str)| format!("{}={to}", from.display());
    let rust = prefixes.iter().map(|prefix| format!("--remap-path-prefix={}", mapped(prefix)));
    let c = prefixes.iter().map(|prefix| format!("-ffile-prefix-map={}", mapped(prefix)));
    // The separator of cargo for flags that may hold spaces.
    build.env("CARGO_ENCODED_RUSTFLAGS", rust.collect::<Vec<_>>().join("\u{1f}"));
    build.env("CFLAGS", c.collect::<Vec<_>>().join(" "));
    check(&mut build)?;
    Ok(())
}

/// Returns the folders whose paths must not be in a binary, and what stands there instead.
fn prefixes() -> Result<Vec<(PathBuf, &'static str)>> {
    let home = env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    // Of several that fit, rustc takes the last.
    Ok(vec![(home, "home"), (root(), "devops"), (cargo_home, "cargo")])
}

fn check_paths(binary: &Path, prefixes: &[(PathBuf, &str)]) -> Result<()> {
    let content =
        fs::read(binary).with_context(|| format!("cannot read `{}`", binary.display()))?;
    for (prefix, _) in prefixes {
        let prefix = prefix.to_str().context("a path that is not UTF-8 cannot be looked for")?;
        let wanted = format!("{prefix}/");
        let is_there = content.windows(wanted.len()).any(|bytes| bytes == wanted.as_bytes());
        ensure!(!is_there, "`{}` holds paths below `{prefix}`", binary.display());
    }
    println!("{}: {} bytes, without a path of this machine", binary.display(), content.len());
    Ok(())
}
