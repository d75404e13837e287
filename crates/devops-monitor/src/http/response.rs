//! Responses of one line.

use actix_web::{HttpResponse, HttpResponseBuilder};

/// Returns one line of text.
pub(super) fn text_response(mut builder: HttpResponseBuilder, line: &str) -> HttpResponse {
    builder.content_type("text/plain; charset=utf-8").body(format!("{line}\n"))
}
