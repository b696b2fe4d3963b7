//! Entity tags: a client that has the same already is told so instead of being sent it again (RFC 9110, section 13).

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, IfNoneMatch};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// How many bytes of the digest are used. Nobody gains anything by two answers with the same tag.
const LENGTH: usize = 12;

/// The tag of an answer with this body.
pub fn of(body: &[u8]) -> EntityTag {
    EntityTag::new_strong(URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..LENGTH]))
}

/// Whether the client has what has this tag.
pub fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(items)) => items.iter().any(|item| item.weak_eq(tag)),
        // An answer to `*` would keep a client from what it has never seen.
        Ok(IfNoneMatch::Any) | Err(_) => false,
    }
}
