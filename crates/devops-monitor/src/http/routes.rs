//! Which path answers what; the guard has let only GET and HEAD through.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION},
    web::{self, Data, Path, ServiceConfig},
};
use devops_core::exposition::Dialect;

use super::{events, response::text_response, shared::Shared};

pub(super) fn add(config: &mut ServiceConfig, base_path: &str) {
    if !base_path.is_empty() {
        config.route(base_path, web::route().to(to_the_page));
    }
    config
        .service(
            web::scope(base_path)
                .route("/", web::route().to(page))
                .route("/events", web::route().to(events::stream))
                .route("/api/v1/status", web::route().to(status))
                .route("/metrics", web::route().to(metrics))
                .route("/healthz", web::route().to(healthz))
                .route("/readyz", web::route().to(readyz))
                .route("/assets/{name}", web::route().to(asset)),
        )
        .default_service(web::route().to(not_found));
}

/// Only below a slash do the relative addresses of the page lead to the right place.
async fn to_the_page(shared: Data<Shared>) -> HttpResponse {
    let last = shared.base_path.rsplit('/').next().unwrap_or_default();
    HttpResponse::PermanentRedirect().insert_header((LOCATION, format!("{last}/"))).finish()
}

async fn page(shared: Data<Shared>) -> HttpResponse {
    let snapshot = shared.snapshots.borrow().clone();
    match shared.page.render(&snapshot.sample) {
        Ok(html) => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(html),
        Err(error) => text_response(
            HttpResponse::InternalServerError(),
            &format!("the page cannot be rendered: {error}"),
        ),
    }
}

async fn status(shared: Data<Shared>) -> HttpResponse {
    let json = shared.snapshots.borrow().json.clone();
    HttpResponse::Ok().content_type("application/json").body(json)
}

async fn metrics(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let offers: Vec<&str> =
        request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok()).collect();
    let dialect = Dialect::negotiate(&offers.join(","));
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, dialect.content_type()))
        .insert_header(("Vary", "Accept"))
        .body(shared.snapshots.borrow().metrics(dialect))
}

/// Says whether the process works: it answers, and readings keep coming.
async fn healthz(shared: Data<Shared>) -> HttpResponse {
    if shared.snapshots.borrow().taken.elapsed() > shared.max_sample_age {
        return text_response(HttpResponse::ServiceUnavailable(), "no new readings");
    }
    text_response(HttpResponse::Ok(), "ok")
}

/// Says whether there are percentages to show.
async fn readyz(shared: Data<Shared>) -> HttpResponse {
    if *shared.closing.borrow() {
        return text_response(HttpResponse::ServiceUnavailable(), "closing");
    }
    if !shared.snapshots.borrow().is_ready {
        return text_response(HttpResponse::ServiceUnavailable(), "measuring");
    }
    text_response(HttpResponse::Ok(), "ready")
}

async fn asset(request: HttpRequest, name: Path<String>, shared: Data<Shared>) -> HttpResponse {
    let Some(asset) = shared.assets.find(&name) else {
        return text_response(HttpResponse::NotFound(), "not found");
    };
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.etag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // A new version of the tool may bring new files under the same names.
    response
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ETAG, asset.etag.as_str()))
        .content_type(asset.content_type);
    if is_known { response.finish() } else { response.body(asset.body) }
}

async fn not_found() -> HttpResponse {
    text_response(HttpResponse::NotFound(), "not found")
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use actix_web::{App, http::StatusCode, middleware::from_fn, test};
    use devops_core::{
        clock::FixedClock,
        metrics::{Host, HostCounters, sample},
    };
    use tokio::sync::watch;

    use super::{
        super::{Assets, Counters, Hosts, Page, Snapshot, SnapshotInput, guard},
        *,
    };

    /// The first or a later reading of the running host.
    fn snapshot(number: u64) -> Arc<Snapshot> {
        let clock = FixedClock(time::OffsetDateTime::UNIX_EPOCH);
        let sources = HostCounters::new("/");
        let before = (number > 1).then(|| sources.read(&clock));
        let reading = sources.read(&clock);
        let host = Host::default();
        let sample = sample(before.as_ref(), &reading, &host, Vec::new());
        let cost = Duration::ZERO;
        let taken =
            SnapshotInput { reading: &reading, sample, host: &host, cost, run_id: "run", number };
        Arc::new(Snapshot::new(taken, &Counters::default()))
    }

    fn shared(number: u64, max_sample_age: Duration) -> Data<Shared> {
        Data::new(Shared {
            snapshots: watch::channel(snapshot(number)).1,
            closing: watch::channel(false).1,
            counters: Arc::new(Counters::default()),
            page: Page::new(Duration::from_secs(1)).unwrap(),
            assets: Assets::new(),
            hosts: Hosts::new([]),
            users: None,
            base_path: String::new(),
            max_sample_age,
        })
    }

    fn get(shared: Data<Shared>, path: &str) -> (StatusCode, String) {
        let app = App::new()
            .app_data(shared)
            .wrap(from_fn(guard::guard))
            .configure(|config| add(config, ""));
        let request = test::TestRequest::get().uri(path).insert_header(("Host", "localhost"));
        actix_web::rt::System::new().block_on(async {
            let app = test::init_service(app).await;
            let response = test::call_service(&app, request.to_request()).await;
            let status = response.status();
            let body = test::read_body(response).await;
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    #[test]
    fn one_reading_is_not_ready_and_has_no_cpu_percent() {
        let shared = shared(1, Duration::from_mins(1));

        let (ready, _) = get(shared.clone(), "/readyz");
        let (_, status) = get(shared, "/api/v1/status");

        assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
        assert!(status.contains("\"cpu\":{\"percent\":null"), "{status}");
    }

    #[test]
    fn two_readings_are_ready() {
        let (ready, _) = get(shared(2, Duration::from_mins(1)), "/readyz");

        assert_eq!(ready, StatusCode::OK);
    }

    #[test]
    fn a_sampler_that_hangs_is_not_healthy() {
        let (fresh, _) = get(shared(2, Duration::from_mins(1)), "/healthz");
        let (stale, body) = get(shared(2, Duration::ZERO), "/healthz");

        assert_eq!(fresh, StatusCode::OK);
        assert_eq!((stale, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no new readings\n"));
    }
}
