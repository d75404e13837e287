//! Intercepts responses: the server, its clock, the bucket that was asked.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, endpoint::Params},
    error::BoxError,
};
use aws_smithy_runtime_api::client::{
    endpoint::EndpointResolverParams,
    interceptors::context::{
        BeforeDeserializationInterceptorContextMut, BeforeDeserializationInterceptorContextRef,
        BeforeTransmitInterceptorContextRef,
    },
};

use crate::s3::{error::response_error::AskedBucket, object::text::StoreText};

/// Looks at every request and answer of a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseInterceptor(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    server: OnceLock<StoreText>,
    url: OnceLock<String>,
    date: Mutex<Option<StoreText>>,
    region: Mutex<Option<StoreText>>,
    wrong_length: AtomicBool,
    echo: AtomicBool,
}

impl ResponseInterceptor {
    /// Returns the first `Server` header.
    pub(crate) fn server(&self) -> Option<&StoreText> {
        self.0.server.get()
    }

    /// Returns the address of the first request.
    pub(crate) fn url(&self) -> Option<&str> {
        self.0.url.get().map(String::as_str)
    }

    /// Returns the `Date` header of the latest answer.
    pub(crate) fn date(&self) -> Option<StoreText> {
        self.0.date.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the bucket's region as the latest answer that names it says.
    pub(crate) fn region(&self) -> Option<StoreText> {
        self.0.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that an answer had a checksum of a wrong length, which was left out of it.
    pub(crate) fn note_wrong_length(&self) {
        self.0.wrong_length.store(true, Ordering::Relaxed);
    }

    /// Returns whether any answer had a checksum of a wrong length.
    pub(crate) fn saw_wrong_length(&self) -> bool {
        self.0.wrong_length.load(Ordering::Relaxed)
    }

    /// Notes that an answer repeated a request, and that this was left out of it.
    pub(crate) fn note_echo(&self) {
        self.0.echo.store(true, Ordering::Relaxed);
    }

    /// Returns whether any answer repeated a request.
    pub(crate) fn saw_echo(&self) -> bool {
        self.0.echo.load(Ordering::Relaxed)
    }
}

fn keep(place: &Mutex<Option<StoreText>>, header: Option<&str>) {
    let Some(header) = header else { return };
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    // Most answers say the same, and there are many.
    if place.as_ref().map(StoreText::as_sent) != Some(header) {
        *place = Some(header.into());
    }
}

impl Intercept for ResponseInterceptor {
    fn name(&self) -> &'static str {
        "Observer"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.url.get_or_init(|| context.request().uri().to_owned());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let params = config.load::<EndpointResolverParams>();
        let bucket = params.and_then(|params| params.get::<Params>()?.bucket());
        if let (404, Some(bucket)) = (context.response().status().as_u16(), bucket) {
            context.response_mut().add_extension(AskedBucket(bucket.to_owned()));
        }
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        if let Some(server) = headers.get("server") {
            self.0.server.get_or_init(|| server.into());
        }
        keep(&self.0.date, headers.get("date"));
        keep(&self.0.region, headers.get("x-amz-bucket-region"));
        Ok(())
    }
}
