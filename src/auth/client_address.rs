//! The client's address, taken from `X-Forwarded-For` only as far as trusted proxies wrote it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderValue, USER_AGENT};
use ipnet::IpNet;

use crate::models::client::{Caller, Client};

const FORWARDED_FOR: &str = "X-Forwarded-For";

/// Finds the address of a client. Knows which reverse proxies are trusted.
pub struct ClientAddresses {
    trusted: Vec<IpNet>,
    warned: AtomicBool,
}

impl ClientAddresses {
    /// Trusts the proxies in the networks `trusted`, and no others.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted, warned: AtomicBool::new(false) }
    }

    /// The address of the connection, or, if that is a trusted proxy's, the rightmost hop in `X-Forwarded-For` that is
    /// not a trusted proxy.
    pub fn of(&self, request: &HttpRequest) -> IpAddr {
        let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let forwarded = request.headers().get_all(FORWARDED_FOR);
        if !self.trusts(peer) {
            if forwarded.into_iter().next().is_some() && !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    proxy = %peer,
                    "ignoring X-Forwarded-For: if this is your proxy, name it in LATCHKEY_TRUSTED_PROXIES"
                );
            }
            return peer;
        }
        // Split bytes, not text: a client may have sent bytes that are not UTF-8, but the proxy's part at the end is
        // still valid.
        let hops: Vec<&[u8]> = forwarded.into_iter().flat_map(|it| it.as_bytes().split(|byte| *byte == b',')).collect();
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            // An entry that is not an address cannot come from a trusted proxy, so everything left of it may be forged.
            // Return the address of the last hop that is known.
            let Some(address) = parse_hop(hop) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    /// Whether the connection comes from a trusted proxy.
    pub fn is_from_trusted_proxy(&self, request: &HttpRequest) -> bool {
        request.peer_addr().is_some_and(|peer| self.trusts(peer.ip().to_canonical()))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client's address and user agent.
    pub fn caller<'a>(&self, request: &'a HttpRequest) -> Caller<'a> {
        let agent = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        Caller { address: self.of(request), agent }
    }

    /// The same for events. It names no credential, so it is right for anonymous requests too.
    pub fn stranger(&self, request: &HttpRequest) -> Client {
        Client::of(self.caller(request))
    }
}

fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: Option<IpAddr> = bracketed.unwrap_or(hop).parse().ok();
    address.or_else(|| hop.parse::<SocketAddr>().ok().map(|it| it.ip())).map(|address| address.to_canonical())
}
