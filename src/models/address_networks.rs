//! The networks that an address is counted in. Whoever has one address of a network often has others of it: an IPv6
//! subscriber has a /64 at least and often a /56 or a /48, and a provider gives somebody at ease a /32.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network that an address is in, and how much it may do, compared with the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The addresses.
    pub net: IpNet,
    /// How many times as much as the narrowest network it may do.
    pub times: u32,
    /// How many of its passwords may wait to be hashed at the same time.
    pub places: u32,
}

/// Length of the prefix, times, places.
const IPV4: [(u8, u32, u32); 2] = [(32, 1, 4), (24, 4, 16)];
const IPV6: [(u8, u32, u32); 4] = [(64, 1, 4), (56, 2, 8), (48, 4, 8), (32, 16, 16)];

/// The networks that `address` is in, the narrowest first.
pub fn networks(address: IpAddr) -> impl Iterator<Item = Network> {
    let address = address.to_canonical();
    let lengths: &'static [(u8, u32, u32)] = if address.is_ipv4() { &IPV4 } else { &IPV6 };
    lengths.iter().map(move |(length, times, places)| Network {
        // The lengths above are valid for their kind of address.
        net: IpNet::new(address, *length).map_or_else(|_| address.into(), |net| net.trunc()),
        times: *times,
        places: *places,
    })
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 subscriber has at least.
pub fn narrowest(address: IpAddr) -> IpNet {
    networks(address).next().map_or_else(|| address.into(), |network| network.net)
}
