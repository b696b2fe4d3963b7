//! The `Idempotency-Key` header, which lets a client send a request again without repeating its effect.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::described::text;
use crate::app::App;
use crate::callers::verify::Credential;
use crate::http::error::AppError;
use crate::models::keys::idempotency::OnceOnly;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The response header that marks the result of an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The most characters of a key.
const LONGEST: usize = 255;

/// The description of the request header.
pub struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = text().min_length(Some(1)).max_length(Some(LONGEST)).pattern(Some("^[!-~]+$"));
        let description = "Names the request: the same one, by the same credentials, is done once within a day, and \
                           the repeated answer comes without the secret.";
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

/// The request as one that is only done once, if it has the header; `body` is what was sent. Each person and each
/// credential has keys of its own, so that programs cannot see each other's.
///
/// # Errors
/// Returns 400 if the header is not one value of 1 to 255 visible ASCII characters.
pub fn once_only(
    request: &HttpRequest,
    user_id: i64,
    credential: &Credential,
    body: &[u8],
) -> Result<Option<OnceOnly>, AppError> {
    let mut given = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(key) = given.next() else { return Ok(None) };
    let is_key = |bytes: &[u8]| (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    let key = key.to_str().ok().filter(|key| is_key(key.as_bytes()) && given.next().is_none());
    let key = key.ok_or_else(|| {
        AppError::BadRequest(format!("Idempotency-Key must be 1 to {LONGEST} visible ASCII characters."))
    })?;
    // Identify the credential by its key, not by its secret: the program stays the same after a rotation.
    let credential = credential.token().map_or_else(|| "password".to_owned(), |token| token.key().to_string());
    let parts = [request.method().as_str().as_bytes(), request.path().as_bytes(), body];
    let remembered = App::of(request)?.config.idempotency_retention.limit();
    Ok(Some(OnceOnly::new(user_id, &credential, key, &parts, remembered)))
}
