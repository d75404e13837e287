//! What every request passes: method, host, login; and the headers every answer gets.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{
            ALLOW, AUTHORIZATION, CACHE_CONTROL, HOST, HeaderMap, HeaderName, HeaderValue,
            RETRY_AFTER, WWW_AUTHENTICATE,
        },
    },
    middleware::Next,
    web::Data,
};

use super::{response::text_response, shared::Shared, users::AuthResult};

/// The time a login that was not looked at may come again: about as long as a full queue takes.
const BUSY_SECONDS: &str = "5";

const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

pub(super) async fn guard(
    shared: Data<Shared>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let _open = shared.counters.open_request();
    let mut response = match refusal(&shared, &request).await {
        Some(refusal) => request.into_response(refusal),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    add_headers(response.headers_mut());
    Ok(response)
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Returns the answer to a request that goes no further.
async fn refusal(shared: &Shared, request: &ServiceRequest) -> Option<HttpResponse> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = HttpResponse::MethodNotAllowed();
        response.insert_header((ALLOW, "GET, HEAD"));
        return Some(text_response(response, "only GET and HEAD are answered"));
    }
    if let Some(response) = refuse_host(shared, request) {
        return Some(response);
    }
    let path = request.path().strip_prefix(shared.base_path.as_str()).unwrap_or_default();
    // A container engine and a load balancer have no login, and these two tell nothing else.
    if matches!(path, "/healthz" | "/readyz") {
        return None;
    }
    let users = shared.users.as_ref()?;
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match users.judge(header.unwrap_or_default()).await {
        AuthResult::Allowed => return None,
        AuthResult::Busy => {
            let mut response = HttpResponse::ServiceUnavailable();
            response.insert_header((RETRY_AFTER, BUSY_SECONDS));
            return Some(text_response(response, "too many logins are being checked"));
        }
        AuthResult::Refused => {}
    }
    let mut response = HttpResponse::Unauthorized();
    response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"devops-monitor\", charset=\"UTF-8\""));
    Some(text_response(response, "a login is needed"))
}

fn refuse_host(shared: &Shared, request: &ServiceRequest) -> Option<HttpResponse> {
    let mut hosts = request.headers().get_all(HOST);
    let authority = request.uri().authority().map(ToString::to_string);
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let Some(named) = named else {
        return Some(text_response(
            HttpResponse::BadRequest(),
            "exactly one Host header is needed",
        ));
    };
    if shared.hosts.allow(named) && authority.is_none_or(|name| shared.hosts.allow(&name)) {
        return None;
    }
    let response = HttpResponse::build(StatusCode::MISDIRECTED_REQUEST);
    Some(text_response(response, "this host name is not served here; --allow-host adds it"))
}
