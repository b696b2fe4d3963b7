//! The JSON document of requests that were refused with a suspended key, the same from the API and the command line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::iso8601;
use crate::models::keys::refused_use::RefusedUse;

/// Requests of one client that were refused because the key is suspended. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedUse)]
pub struct RefusedUseDocument {
    /// The name of the service that the requests were for; null: for Latchkey itself.
    #[schema(required)]
    pub service: Option<String>,
    /// The address of the client.
    pub address: String,
    /// The user agent of the client; may be empty.
    pub agent: String,
    /// How many requests were refused.
    pub requests: i64,
    /// When the first was refused.
    #[schema(format = DateTime)]
    pub first_on: String,
    /// When the last was refused.
    #[schema(format = DateTime)]
    pub last_on: String,
}

impl RefusedUseDocument {
    /// The documents of `all`, in their order.
    pub fn of(all: Vec<RefusedUse>) -> Vec<Self> {
        let document = |refused: RefusedUse| Self {
            service: Some(refused.service).filter(|service| !service.is_empty()),
            address: refused.address,
            agent: refused.agent,
            requests: refused.times,
            first_on: iso8601(refused.first_on),
            last_on: iso8601(refused.last_on),
        };
        all.into_iter().map(document).collect()
    }
}
