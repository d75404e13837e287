//! An S3 server on loopback, for trying things out: it accepts one key and loses everything at its end.

use std::{fs::File, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use devops_fakes::s3::{ACCESS_KEY, Options, Rule, SECRET_KEY, Server};

/// Serve S3 on loopback, in memory or on a folder, with faults on demand
#[derive(Parser)]
struct Cli {
    /// Write every object to this folder too, as BUCKET/KEY, and load what is there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Create a bucket
    #[arg(long, value_name = "NAME")]
    bucket: Vec<String>,
    /// Accept this access key
    #[arg(long, value_name = "KEY", default_value = ACCESS_KEY)]
    access_key: String,
    /// Expect this secret of it
    #[arg(long, value_name = "SECRET", default_value = SECRET_KEY)]
    secret_key: String,
    /// Listen on this port instead of a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Let objects come back from an archive after so many seconds, instead of never
    #[arg(long, value_name = "SECONDS")]
    restore_seconds: Option<u64>,
    /// Append every request to this file as a JSON line
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Let something go wrong: OPERATION:FAULT, with :part=N, :after=N, :times=N or :times=always
    #[arg(long, value_name = "RULE")]
    fault: Vec<Rule>,
}

fn main() -> ExitCode {
    match serve(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _said = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(cli: Cli) -> std::io::Result<()> {
    let options = Options {
        access_key: cli.access_key,
        secret_key: cli.secret_key,
        buckets: cli.bucket,
        dir: cli.dir,
        port: cli.port,
        restores_take: cli.restore_seconds.map(Duration::from_secs),
    };
    let server = Server::start(&options)?;
    cli.fault.into_iter().for_each(|rule| server.fault(rule));
    if let Some(log) = cli.log {
        server.log_to(File::options().create(true).append(true).open(log)?);
    }
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", server.endpoint())?;
    out.flush()?;
    server.wait();
    Ok(())
}
