//! `cargo xtask demo`: the whole chain on real input, in a temporary folder, with nothing configured.

mod build;
mod steps;
mod tree;

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::root;
use build::build;
use steps::Demo;

const STACK: &str = include_str!("../demo/main.tf");

struct Options {
    source: Option<PathBuf>,
    serve: bool,
}

/// Builds the tools and runs the chain; fails unless every step worked.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    let took = build()?;
    let mut demo = Demo::new()?;
    demo.record("build the tools", took);
    let copied = match &options.source {
        Some(source) => tree::copy(source, &demo.path("source")),
        None => tree::copy_tracked(&root(), &demo.path("source")),
    };
    let n_files = copied.context("cannot copy the source")?;
    println!(
        "\nCopied {n_files} files into {}; nothing outside is touched.",
        demo.path("").display()
    );
    chain(&mut demo)?;
    demo.print_table();
    if options.serve {
        demo.serve()?;
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { source: None, serve: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--serve" => options.serve = true,
            "--source" => {
                let folder = arguments.next().context("`--source` needs a folder")?;
                let folder =
                    fs::canonicalize(folder).with_context(|| format!("no folder `{folder}`"))?;
                options.source = Some(folder);
            }
            other => bail!("unknown argument `{other}`; see `cargo xtask`"),
        }
    }
    Ok(options)
}

fn chain(demo: &mut Demo) -> Result<()> {
    let first = back_up(demo, "back up the folder")?;
    demo.step("verify the archive", "devops-backup", ["verify", &first])?;
    tree::change(&demo.path("source"))?;
    println!("\n(one file added, one changed)");
    let second = back_up(demo, "back up the changed folder")?;
    off_site(demo, &second)?;
    let restore = ["restore", "fetched.tar.gz", "--to", "restored"];
    demo.step("restore what came back", "devops-backup", restore)?;
    demo.check("compare with the source", |demo| {
        tree::compare(&demo.path("source"), &demo.path("restored"))
    })?;
    stack(demo)?;
    let check = ["check", "--cpu", "90", "--memory", "90"];
    demo.answer("look at this host", "devops-monitor", check)?;
    demo.step("tell what an exit code means", "devops-basics", ["exit", "explain", "137"])?;
    Ok(())
}

fn back_up(demo: &mut Demo, what: &str) -> Result<String> {
    let line = demo.step(what, "devops-backup", ["create", "source", "backups"])?;
    let path = line.lines().find_map(|line| line.strip_prefix("Successfully created backup: "));
    Ok(path.context("the tool did not say which archive it made")?.to_owned())
}

fn off_site(demo: &mut Demo, archive: &str) -> Result<()> {
    let server = demo.start_s3()?;
    let key = "s3://demo/offsite/backup.tar.gz";
    demo.step("put the archive off-site", "devops-s3push", ["put", archive, key])?;
    demo.step("verify the object", "devops-s3push", ["verify", archive, key])?;
    demo.step("get it back", "devops-s3push", ["get", key, "fetched.tar.gz"])?;
    drop(server);
    Ok(())
}

fn stack(demo: &mut Demo) -> Result<()> {
    let installed = ["terraform", "tofu"].iter().any(|name| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| folder.join(name).is_file())
    });
    if !installed {
        demo.skip("apply a Terraform stack", "terraform is not installed");
        return Ok(());
    }
    tree::write(&demo.path("stack/main.tf"), STACK)?;
    demo.step("apply a Terraform stack", "devops-tf", ["run", "stack", "--auto-approve"])?;
    demo.step("look for drift", "devops-tf", ["drift", "stack"])?;
    Ok(())
}
