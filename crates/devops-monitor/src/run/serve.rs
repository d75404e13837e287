//! `serve`: the sampler, the listener and the server.

mod sampler;

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{kind::Kind, limits, metrics::Host};
use serde_json::json;
use tokio::sync::watch;

use self::sampler::Sampler;
use super::host::sources;
use crate::{
    cli::Serve,
    http::{self, Assets, Counters, Hosts, Page, Shared, Users},
};

pub(super) fn run(args: &Serve, session: &Session) -> Result<Outcome, Failure> {
    let address = resolve(&args.bind)?;
    require_auth_off_loopback(args, address)?;
    let users = args.auth_file.as_deref().map(|path| read_logins(path, session)).transpose()?;
    let sources = sources(&args.source.root_path)?;
    let host = Host::read(sources.root());
    let listener = listen(address)?;
    let address = listener.local_addr().unwrap_or(address);

    let counters = Arc::new(Counters::default());
    let hosts = Hosts::new(own_names(&host).into_iter().chain(args.allow_host.clone()));
    let mut sampler = Sampler::new(sources, host, session, Arc::clone(&counters), args.interval);
    let (publish, snapshots) = watch::channel(Arc::new(sampler.sample()));
    let (close, closing) = watch::channel(false);
    session.cancel().on_signal(move |_| {
        close.send_replace(true);
    });
    let page = Page::new(args.interval).map_err(|error| Failure::new(Kind::Bug, error))?;
    let shared = Shared {
        snapshots,
        closing,
        counters,
        page,
        assets: Assets::new(),
        hosts,
        users,
        base_path: args.base_path.clone(),
        max_sample_age: args.interval * 3 + Duration::from_secs(5),
    };
    let cancel = session.cancel().clone();
    limits::spawn("sampler", move || sampler.run(&publish, &cancel))
        .map_err(|error| Failure::io(error).context("the readings cannot start"))?;
    announce(args, session, address)?;
    http::serve(listener, shared)?;
    session.status("stopped");
    Ok(Outcome::Done)
}

fn read_logins(path: &Path, session: &Session) -> Result<Users, Failure> {
    const READABLE_BY_ALL: u32 = 0o004;
    let users = Users::read(path, session.cancel())?;
    if fs::metadata(path).is_ok_and(|file| file.mode() & READABLE_BY_ALL != 0) {
        session.warn(format!("everybody on this machine can read {}", quote(path)));
    }
    Ok(users)
}

fn announce(args: &Serve, session: &Session, address: SocketAddr) -> Result<(), Failure> {
    let url = format!("http://{address}{}/", args.base_path);
    session.status(format!("listening on {url}"));
    if session.json() {
        session.emit(&json!({ "type": "listening", "url": url, "address": address }))?;
    }
    Ok(())
}

fn resolve(bind: &str) -> Result<SocketAddr, Failure> {
    let bad = |error: String| {
        Failure::usage(format!(
            "`{bind}` is not an address to listen on, such as 127.0.0.1:5000: {error}"
        ))
        .hint("such as `127.0.0.1:5000` or `[::]:5000`")
    };
    let mut addresses = bind.to_socket_addrs().map_err(|error| bad(error.to_string()))?;
    addresses.next().ok_or_else(|| bad("the name has no address".to_owned()))
}

fn require_auth_off_loopback(args: &Serve, address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() || args.auth_file.is_some() || args.allow_anonymous {
        return Ok(());
    }
    let message =
        format!("`{}` can be reached from other machines, and there is no login", args.bind);
    Err(Failure::usage(message)
        .hint("pass --auth-file FILE, or --allow-anonymous to show everybody the figures"))
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let failure =
            Failure::new(Kind::of_io(&error), format!("cannot listen on `{address}`: {error}"));
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                failure.hint("another program listens there; choose another port with --bind")
            }
            io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 belong to root"),
            _ => failure,
        }
    })
}

/// Returns the names this machine answers for: of the host that is shown, and of the machine that serves.
fn own_names(host: &Host) -> Vec<String> {
    let serving = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec![host.name.clone(), serving];
    for index in 0..names.len() {
        if let Some((short, _domain)) = names[index].split_once('.') {
            names.push(short.to_owned());
        }
    }
    names
}
