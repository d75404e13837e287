//! Checks of the dependencies by `cargo-deny`, where it is installed.

use anyhow::Result;

use crate::shell::{cargo, is_installed, run as check};

/// Checks bans, licenses and sources, and known vulnerabilities where their database can be had.
pub(crate) fn run() -> Result<()> {
    if !is_installed("deny") {
        println!("skipped licenses, bans, sources and advisories: cargo-deny is not installed");
        return Ok(());
    }
    check(&mut cargo(["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    // A machine without a network must be able to test.
    if let Err(error) = check(&mut cargo(["deny", "fetch", "db"])) {
        println!("skipped advisories: their database cannot be fetched: {error:#}");
        return Ok(());
    }
    check(&mut cargo(["deny", "--locked", "check", "--disable-fetch", "advisories"]))?;
    Ok(())
}
