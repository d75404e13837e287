//! Which path answers what; the guard has let only GET and HEAD through.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT, CONTENT_TYPE, LOCATION},
    web::{self, Data, ServiceConfig},
};
use devops_core::exposition::Dialect;

use super::{Shared, assets, events};

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
                .route("/assets/{name}", web::route().to(assets::asset)),
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
        Err(error) => plain(
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
    if shared.snapshots.borrow().taken.elapsed() > shared.oldest_reading {
        return plain(HttpResponse::ServiceUnavailable(), "no new readings");
    }
    plain(HttpResponse::Ok(), "ok")
}

/// Says whether there are percentages to show.
async fn readyz(shared: Data<Shared>) -> HttpResponse {
    if *shared.closing.borrow() {
        return plain(HttpResponse::ServiceUnavailable(), "closing");
    }
    if !shared.snapshots.borrow().is_ready {
        return plain(HttpResponse::ServiceUnavailable(), "measuring");
    }
    plain(HttpResponse::Ok(), "ready")
}

async fn not_found() -> HttpResponse {
    plain(HttpResponse::NotFound(), "not found")
}

/// Returns one line of text.
pub(super) fn plain(mut builder: actix_web::HttpResponseBuilder, line: &str) -> HttpResponse {
    builder.content_type("text/plain; charset=utf-8").body(format!("{line}\n"))
}
