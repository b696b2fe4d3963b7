//! The slash at the end of an address, which changes nothing, as in Redmine.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;

/// Lets `request` be matched by the address without the slash at its end, if it has one. Two patterns for an address would
/// do the same, but make a set of regular expressions of it, which makes finding a route nearly twice as expensive.
pub(super) fn ignore(request: &mut ServiceRequest) {
    let address = without(request.uri().path()).and_then(|path| path.parse::<Uri>().ok());
    if let Some(address) = address {
        request.match_info_mut().get_mut().update(&address);
    }
}

/// `path` without the slash at its end; `None`: there is none, or it is all there is.
pub(super) fn without(path: &str) -> Option<&str> {
    path.strip_suffix('/').filter(|path| !path.is_empty())
}
