//! The style sheet, script and icon of the page, embedded at build time.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
    web::{Data, Path},
};

use super::{Shared, routes::plain};

/// The files the page loads.
pub(crate) struct Assets([Asset; 3]);

struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static str,
    etag: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let asset = |name, content_type, body: &'static str| {
            let hash = blake3::hash(body.as_bytes()).to_hex();
            Asset { name, content_type, body, etag: format!("\"{}\"", &hash[..16]) }
        };
        Self([
            asset(
                "monitor.css",
                "text/css; charset=utf-8",
                include_str!("../../../../templates/monitor/monitor.css"),
            ),
            asset(
                "monitor.js",
                "text/javascript; charset=utf-8",
                include_str!("../../../../templates/monitor/monitor.js"),
            ),
            asset(
                "icon.svg",
                "image/svg+xml",
                include_str!("../../../../templates/monitor/icon.svg"),
            ),
        ])
    }
}

pub(super) async fn asset(
    request: HttpRequest,
    name: Path<String>,
    shared: Data<Shared>,
) -> HttpResponse {
    let Some(asset) = shared.assets.0.iter().find(|asset| *asset.name == **name) else {
        return plain(HttpResponse::NotFound(), "not found");
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
