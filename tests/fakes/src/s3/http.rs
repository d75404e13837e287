//! Connections, faults and the log around the honest service.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{Arc, atomic::Ordering},
};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use s3s::{
    Body,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::net::TcpListener;

use super::{
    answers::afterwards,
    body::Received,
    conditions::WithoutConditions,
    entry::Entry,
    excess::endless,
    fault::{Dialect, Fault},
    ignorer::{self, Echo},
    options::Options,
    removal::{self, FailingKey},
    response::{Dropped, error, told},
    service::{Accepted, Service},
    shape::{Shape, shape},
    shared::Shared,
    sync::lock,
};

/// Takes connections and puts faults around the service.
#[derive(Clone)]
pub(crate) struct Front {
    shared: Arc<Shared>,
    service: S3Service,
    /// Takes requests without a signature, for those that were changed on the way.
    unsigned: S3Service,
}

impl Front {
    pub(crate) fn new(shared: Arc<Shared>, options: &Options) -> Self {
        let mut builder = S3ServiceBuilder::new(Service(Arc::clone(&shared)));
        builder.set_auth(SimpleAuth::from_single(
            options.access_key.clone(),
            options.secret_key.clone(),
        ));
        let unsigned = S3ServiceBuilder::new(Service(Arc::clone(&shared))).build();
        Self { shared, service: builder.build(), unsigned }
    }

    pub(crate) async fn serve(self, listener: std::net::TcpListener) -> io::Result<Infallible> {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // Small answers must not wait for the client's next packet.
            stream.set_nodelay(true)?;
            let front = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| front.answer(request));
                let http = hyper::server::conn::http1::Builder::new();
                // A client that hangs up, and a connection that is dropped on purpose, end here.
                let _ended = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        let shape = shape(&request);
        // Before the log has the request: a test that sees it there must not release it too early.
        let mut released = self.shared.released.subscribe();
        let (index, faults) = self.begin(&request, &shape);
        let open = Open { shared: &self.shared, index, received: Received::default() };
        for fault in &faults {
            match fault {
                Fault::Delay(time) => tokio::time::sleep(*time).await,
                // The sender lives as long as the server.
                Fault::Hold => drop(released.changed().await),
                // The header itself is signed and must stay.
                Fault::IgnoreCondition => drop(request.extensions_mut().insert(WithoutConditions)),
                Fault::Dialect(dialect) => drop(request.extensions_mut().insert(*dialect)),
                Fault::FailKey(key) => {
                    drop(request.extensions_mut().insert(FailingKey(key.clone())));
                }
                _ => {}
            }
        }
        if let Some(answer) = self.instead(&faults, &mut request).await {
            let answer = answer?;
            self.finish(index, answer.status());
            return Ok(answer);
        }
        let request = request.map(|body| open.received.count(body));
        let request = match shape.operation {
            "DeleteObjects" => match removal::checked(request).await {
                Ok(request) => request,
                Err((code, message)) => {
                    self.finish(index, StatusCode::BAD_REQUEST);
                    return Ok(error(400, code, message));
                }
            },
            _ => request,
        };
        let echo = Echo::of(&faults, &request);
        let is_changed = ignorer::changes(&faults);
        let request = if is_changed { ignorer::changed(request, &faults).await? } else { request };
        let service = if is_changed { &self.unsigned } else { &self.service };
        let mut answer = service.call(request).await.map_err(|_| Dropped)?;
        if answer.extensions().get::<Accepted>().is_some() {
            *answer.status_mut() = StatusCode::ACCEPTED;
        }
        if let Some(dialect) = Dialect::of(&faults) {
            answer = dialect.spoken(answer).await?;
        }
        if let Some(echo) = echo {
            echo.answer(&mut lock(&self.shared.echoes), answer.headers_mut());
        }
        let mut answer = afterwards(&faults, answer).await?;
        if self.shared.notes_answers.load(Ordering::Relaxed) {
            let told;
            (told, answer) = ignorer::told(answer).await?;
            lock(&self.shared.log)[index].told = told;
        }
        self.finish(index, answer.status());
        Ok(answer)
    }

    fn begin(&self, request: &Request<Incoming>, shape: &Shape) -> (usize, Vec<Fault>) {
        let mut rules = lock(&self.shared.rules);
        let applied = rules.iter_mut().filter_map(|rule| rule.apply(shape.operation, shape.part));
        let (faults, names) = applied.unzip();
        let mut log = lock(&self.shared.log);
        let open = |entry: &&Entry| entry.status.is_none() && entry.operation == shape.operation;
        let alongside = log.iter().filter(open).count() + 1;
        log.push(Entry {
            operation: shape.operation.to_owned(),
            path: request.uri().path().to_owned(),
            part: shape.part,
            headers: telling(request.headers()),
            status: None,
            faults: names,
            alongside,
            received: 0,
            asked: ignorer::asked(request),
            told: Vec::new(),
        });
        self.shared.logged.notify_all();
        (log.len() - 1, faults)
    }

    fn finish(&self, index: usize, status: StatusCode) {
        let mut log = lock(&self.shared.log);
        log[index].status = Some(status.as_u16());
        self.shared.logged.notify_all();
    }

    /// Returns an answer that comes instead of the service's.
    async fn instead(
        &self,
        faults: &[Fault],
        request: &mut Request<Incoming>,
    ) -> Option<Result<Response<Body>, Dropped>> {
        for fault in faults {
            let answer = match fault {
                Fault::Error { status, code, message } => Ok(error(*status, code, message)),
                Fault::LeaveAlone(millis) => Ok(leave_alone(*millis)),
                Fault::ErrorIn200 => {
                    Ok(error(200, "InternalError", "We encountered an internal error."))
                }
                Fault::Endless(status) => Ok(endless(*status)),
                Fault::DropBefore => Err(Dropped),
                Fault::Stall => std::future::pending().await,
                Fault::RefuseChecksums => match checksum_header(request.headers()) {
                    Some(name) => {
                        let message =
                            format!("Unsupported header '{name}' received for this API call.");
                        Ok(error(400, "InvalidArgument", &message))
                    }
                    None => continue,
                },
                Fault::RefuseConditions if has_write_condition(request) => Ok(error(
                    501,
                    "NotImplemented",
                    "A header you provided implies functionality that is not implemented",
                )),
                Fault::ExpiredToken(token) if has_token(request.headers(), token) => {
                    Ok(error(400, "ExpiredToken", "The provided token has expired."))
                }
                Fault::Region(region) if !signed_for(request.headers(), region) => {
                    Ok(elsewhere(region))
                }
                Fault::RegionInBody(region) if !signed_for(request.headers(), region) => {
                    Ok(malformed(region))
                }
                _ => continue,
            };
            // A client that is still sending would see a reset instead of the answer.
            drain(request.body_mut()).await;
            return Some(answer);
        }
        None
    }
}

/// A request that gets no answer must not look as if it were still under way.
struct Open<'a> {
    shared: &'a Shared,
    index: usize,
    received: Received,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut log = lock(&self.shared.log);
        let entry = &mut log[self.index];
        entry.status.get_or_insert(0);
        entry.received = self.received.get();
        let headers: BTreeMap<_, _> = entry.headers.iter().cloned().collect();
        let line = serde_json::json!({
            "operation": entry.operation,
            "path": entry.path,
            "part": entry.part,
            "status": entry.status,
            "faults": entry.faults,
            "received": entry.received,
            "headers": headers,
        });
        if let Some(sink) = lock(&self.shared.sink).as_mut() {
            // The log is for people; the server goes on without it.
            let _written = writeln!(sink, "{line}").and_then(|()| sink.flush());
        }
        self.shared.logged.notify_all();
    }
}

fn telling(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut telling: Vec<_> = headers
        .iter()
        .filter(|(name, _)| {
            ["x-amz-", "if-", "content-"].iter().any(|prefix| name.as_str().starts_with(prefix))
        })
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    telling.sort();
    telling
}

fn has_write_condition(request: &Request<Incoming>) -> bool {
    let has = |name| request.headers().contains_key(name);
    *request.method() != Method::GET && (has("if-none-match") || has("if-match"))
}

fn checksum_header(headers: &HeaderMap) -> Option<&str> {
    let names = headers.keys().map(HeaderName::as_str);
    names
        .into_iter()
        .find(|name| name.starts_with("x-amz-checksum-") && *name != "x-amz-checksum-mode")
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    headers.get("x-amz-security-token").is_some_and(|value| value.as_bytes() == token.as_bytes())
}

fn signed_for(headers: &HeaderMap, region: &str) -> bool {
    let scope = format!("/{region}/s3/aws4_request");
    headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.contains(&scope))
}

async fn drain(body: &mut Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn leave_alone(millis: u32) -> Response<Body> {
    let mut answer = error(503, "SlowDown", "Please reduce your request rate.");
    answer.headers_mut().insert("x-amz-retry-after", HeaderValue::from(millis));
    answer
}

fn malformed(region: &str) -> Response<Body> {
    told(
        400,
        &format!(
            "<Code>AuthorizationHeaderMalformed</Code><Message>Authorization header malformed</Message><Region>{region}</Region>"
        ),
    )
}

fn elsewhere(region: &str) -> Response<Body> {
    let mut answer = error(
        301,
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
    );
    answer
        .headers_mut()
        .insert("x-amz-bucket-region", HeaderValue::from_str(region).expect("a region is ASCII"));
    answer
}
