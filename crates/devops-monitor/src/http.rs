//! The HTTP side of `serve`: routes, and the guard that every request passes.

mod assets;
mod counters;
mod events;
pub(crate) mod format;
mod guard;
mod hosts;
mod page;
mod response;
mod routes;
mod shared;
mod snapshot;
mod users;

use std::{
    io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpServer,
    middleware::from_fn,
    rt::{System, spawn, time::sleep},
    web,
};
use devops_cli::Failure;
use devops_core::{kind::Kind, limits::not_started};
use tokio::task::JoinError;

pub(crate) use self::{
    assets::Assets,
    counters::Counters,
    hosts::Hosts,
    page::Page,
    snapshot::{Snapshot, SnapshotInput},
    users::Users,
};
pub(crate) use shared::Shared;

/// How long requests that are being answered may take to end after the signal.
const DRAIN_TIME: Duration = Duration::from_millis(700);
/// Time for the last bytes to reach the sockets after the last answer was made.
const FLUSH_TIME: Duration = Duration::from_millis(50);
const MAX_CONNECTIONS: usize = 1024;
/// A client that takes longer to send its request is cut off.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Serves until `closing` becomes true, then lets open answers end.
pub(crate) fn serve(listener: TcpListener, shared: Shared) -> Result<(), Failure> {
    let shared = web::Data::new(shared);
    let held = Arc::downgrade(&shared);
    System::new().block_on(async move {
        let mut closing = shared.closing.clone();
        let counters = shared.counters.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .wrap(from_fn(guard::guard))
                .configure(|config| routes::add(config, &shared.base_path))
        })
        .workers(1)
        .worker_max_blocking_threads(2)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(REQUEST_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
        let handle = server.handle();
        let mut running = spawn(server);
        // The sender lives as long as the process; its end would mean the same. What is returned locks
        // the value, and would keep a second signal waiting.
        let asked = async { drop(closing.wait_for(|closing| *closing).await) };
        tokio::select! {
            () = asked => {}
            // It could not start, and must not be waited for.
            ended = &mut running => return finished(ended),
        }
        let deadline = Instant::now() + DRAIN_TIME;
        wait_while(deadline, || counters.n_open() > 0).await;
        sleep(FLUSH_TIME).await;
        // A graceful stop would look for the end of idle connections once a second.
        handle.stop(false).await;
        let ended = running.await;
        // The thread of the worker writes what it has made before it lets go of this.
        wait_while(deadline, || held.strong_count() > 0).await;
        finished(ended)
    })
}

fn failed(error: io::Error) -> Failure {
    Failure::io(not_started(error)).context("the server failed")
}

/// Returns how the server ended; where it panicked, so does this.
fn finished(ended: Result<io::Result<()>, JoinError>) -> Result<(), Failure> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(result) => result.map_err(failed),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(Failure::new(Kind::Bug, format!("the server died: {error}"))),
    }
}

async fn wait_while(deadline: Instant, is_so: impl Fn() -> bool) {
    while is_so() && Instant::now() < deadline {
        sleep(Duration::from_millis(5)).await;
    }
}
