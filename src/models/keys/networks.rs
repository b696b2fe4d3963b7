//! Where a key may be used from: addresses and networks (CIDR, RFC 4632). A key without them may be used from anywhere.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use diesel::deserialize::FromSqlRow;
use ipnet::IpNet;

use crate::models::rules::number_within;
use crate::models::visible::is_invisible;

/// The most networks of one key: each is compared at every request with it.
pub const MOST: usize = 50;
/// So much of what was typed is repeated in an error.
const REPEATED: usize = 60;
/// So many are named in a line about a key.
const NAMED: usize = 3;

/// The networks that a key may be used from, in order and without duplicates. A set without any lets nobody in.
#[derive(FromSqlRow, Clone, Debug, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

/// A request to limit a key to networks, or to lift the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLimit {
    /// The networks; `None`: the key may be used from anywhere.
    pub networks: Option<Networks>,
    /// Whether the author knows that the key will not work from where they are.
    pub is_confirmed: bool,
}

/// What is wrong with a text that should name an address or a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANetwork {
    /// It is something else.
    #[error("“{0}” is not an address or a network: write one such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")]
    Unreadable(String),
    /// The address has bits set that the prefix leaves out.
    #[error("{given} is not a network: write {network}, or {address} for this one address")]
    HostBits {
        /// What was written.
        given: String,
        /// The network that has the address.
        network: IpNet,
        /// The address.
        address: IpAddr,
    },
    /// It has the port of a connection.
    #[error("{0} has a port: write only the address")]
    Port(SocketAddr),
    /// It has the zone of an interface, which means something on one machine only (RFC 4007, section 11).
    #[error("“{0}” has a zone: write only the address, without % and what follows")]
    Zone(String),
}

impl NetworkLimit {
    /// Whether a key with the networks `before` would be limited otherwise. Nobody can ask for a set without any, so that
    /// is refused even where it is what a key has.
    pub(super) fn differs_from(&self, before: Option<&Networks>) -> bool {
        self.networks.as_ref() != before || before.is_some_and(Networks::is_empty)
    }
}

impl Networks {
    /// These networks. More than [`MOST`] are refused by whoever limits a key to them.
    pub fn of(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let in_order: BTreeSet<IpNet> = networks.into_iter().collect();
        Self(in_order.into_iter().collect())
    }

    /// Reads what people type: addresses and networks with blanks, commas or line breaks between them. `None`: nothing was
    /// typed.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be read.
    pub fn typed(text: &str) -> Result<Option<Self>, NotANetwork> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        let networks = words.map(network).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(networks).filter(|networks| !networks.is_empty()).map(Self::of))
    }

    /// Reads the column of a row. If a newer release has written what this one cannot read, it lets nobody in: what is
    /// unknown might be an exception.
    fn stored(text: &str) -> Self {
        let networks = text.split(' ').map(network).collect::<Result<Vec<_>, _>>();
        networks.map_or_else(|_| Self::of([]), Self::of)
    }

    /// Whether there is none, so that nobody is let in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `address` is in one of them. An IPv4 address that is written as an IPv6 one (RFC 4291, section 2.5.5.2) is
    /// the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether every address in them is in `others`, too. A set without any is within nothing: what it stands for may be
    /// unknown to this release only.
    pub fn are_within(&self, others: &Self) -> bool {
        // Two halves of a network are as much as the whole.
        let others = IpNet::aggregate(&others.0.to_vec());
        !self.is_empty() && self.0.iter().all(|network| others.iter().any(|other| other.contains(network)))
    }

    /// Each as a word: an address, or a network in CIDR notation.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|network| match network.prefix_len() == network.max_prefix_len() {
            true => network.addr().to_string(),
            false => network.to_string(),
        })
    }

    /// The first of them and the number of the others, to follow "from".
    pub fn summary(&self) -> String {
        let named: Vec<String> = self.words().take(NAMED).collect();
        match self.len() {
            0 => "nowhere, as this release cannot read its networks".to_owned(),
            all if all > NAMED => format!("{} and {} more", named.join(", "), all - NAMED),
            _ => named.join(", "),
        }
    }
}

/// What is stored, and can be typed. A set without any is a word that is no network, so that it stays one.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&self.words().collect::<Vec<_>>().join(" ")),
        }
    }
}

impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for Networks
where
    DB: diesel::backend::Backend,
    String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(bytes)?;
        Ok(Self::stored(&text))
    }
}

/// Reads an address, or a network in CIDR notation.
///
/// # Errors
/// What is wrong with it.
pub fn network(text: &str) -> Result<IpNet, NotANetwork> {
    let text = text.trim();
    if let Ok(connection) = text.parse() {
        return Err(NotANetwork::Port(connection));
    }
    let unreadable = || NotANetwork::Unreadable(repeated(text));
    if text.split_once('%').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok()) {
        return Err(NotANetwork::Zone(repeated(text)));
    }
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| unreadable())?;
    let whole = IpNet::from(address).max_prefix_len();
    let length = length.map_or(Some(whole), |length| number_within(length, 0..=whole));
    let given = IpNet::new(address, length.ok_or_else(unreadable)?).map_err(|_| unreadable())?;
    let network = canonical(given.trunc());
    match given.trunc() == given {
        true => Ok(network),
        false => Err(NotANetwork::HostBits { given: given.to_string(), network, address: address.to_canonical() }),
    }
}

/// The network of IPv4 addresses that one of IPv6 stands for, if it does.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network.addr().to_canonical() {
        IpAddr::V4(address) if network.addr().is_ipv6() => {
            network.prefix_len().checked_sub(96).and_then(|length| IpNet::new(address.into(), length).ok())
        }
        _ => None,
    };
    mapped.unwrap_or(network)
}

/// What was typed, for an error.
fn repeated(text: &str) -> String {
    let shown: String = text.chars().map(|c| if is_invisible(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    match shown.char_indices().nth(REPEATED) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> String {
        match Networks::typed(text) {
            Ok(networks) => networks.map_or_else(|| "anywhere".to_owned(), |networks| networks.to_string()),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        for (typed, read) in [
            (" \r\n", "anywhere"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32, 10.0.0.0/8\r\n192.0.2.7", "10.0.0.0/8 192.0.2.7"),
            ("2001:DB8:0::/32 ::1 10.0.0.0/8", "10.0.0.0/8 ::1 2001:db8::/32"),
            ("0.0.0.0/0 ::/0", "0.0.0.0/0 ::/0"),
            ("::ffff:1.2.3.4 ::ffff:10.0.0.0/104 ::ffff:0:0/96", "0.0.0.0/0 1.2.3.4 10.0.0.0/8"),
        ] {
            let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
            assert_eq!(sorted(&told(typed)), sorted(read), "{typed:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_told_with_what_to_write() {
        let example = "is not an address or a network: write one such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";
        for (typed, problem) in [
            ("10.0.0.1/8", "10.0.0.1/8 is not a network: write 10.0.0.0/8, or 10.0.0.1 for this one address"),
            (
                "2001:db8::1/32",
                "2001:db8::1/32 is not a network: write 2001:db8::/32, or 2001:db8::1 for this one address",
            ),
            ("10.0.0.0/8 1.2.3.4:80", "1.2.3.4:80 has a port: write only the address"),
            ("[::1]:80", "[::1]:80 has a port: write only the address"),
            ("fe80::1%eth0", "“fe80::1%eth0” has a zone: write only the address, without % and what follows"),
            ("office", &format!("“office” {example}")),
            ("10.0.0.0/33", &format!("“10.0.0.0/33” {example}")),
            ("10.0.0.0/+8", &format!("“10.0.0.0/+8” {example}")),
            ("10.0.0.0/", &format!("“10.0.0.0/” {example}")),
            ("10.0.0/8", &format!("“10.0.0/8” {example}")),
            ("10.0.0.0/255.0.0.0", &format!("“10.0.0.0/255.0.0.0” {example}")),
            ("none", &format!("“none” {example}")),
            ("a\u{200B}b", &format!("“a\u{FFFD}b” {example}")),
            (&"9".repeat(99), &format!("“{}…” {example}", "9".repeat(60))),
        ] {
            assert_eq!(told(typed), problem, "{typed:?}");
        }
    }

    #[test]
    fn what_a_newer_release_has_written_lets_nobody_in() {
        for text in ["", "none", "10.0.0.0/8 !10.1.0.0/16", "10.0.0.0/8 office", "10.0.0.0/8  192.0.2.7"] {
            let stored = Networks::stored(text);
            assert!(!stored.contain(IpAddr::from([10, 0, 0, 1])), "{text:?}");
            assert!(!stored.are_within(&Networks::of(["0.0.0.0/0".parse().expect("a network")])), "{text:?}");
            assert!(Networks::typed(&stored.to_string()).is_err(), "nobody types it by accident: {text:?}");
        }
    }

    #[test]
    fn an_ipv4_address_is_one_however_it_is_written() {
        let stored = Networks::stored("10.0.0.0/8");
        let address = Ipv4Addr::new(10, 1, 2, 3);
        assert!(stored.contain(address.into()) && stored.contain(address.to_ipv6_mapped().into()));
        // The addresses of IPv6 are others, even if they are written like those of IPv4.
        assert!(!Networks::stored("::/0").contain(address.into()));
        assert!(!stored.contain(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0x0a01, 0x0203).into()));
    }

    #[test]
    fn a_line_names_the_first_few() {
        assert_eq!(Networks::stored("10.0.0.0/8 192.0.2.7").summary(), "10.0.0.0/8, 192.0.2.7");
        assert_eq!(
            Networks::stored("1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4").summary(),
            "1.1.1.1, 1.1.1.2, 1.1.1.3 and 1 more"
        );
    }

    /// Networks among a few addresses, so that they often overlap: 240.0.0.0/28 of IPv4, and the same of IPv6.
    fn few_networks() -> impl Strategy<Value = Vec<IpNet>> {
        let network = (any::<bool>(), 0..16_u8, 0..=4_u8).prop_map(|(is_ipv4, last, free)| {
            let (address, whole) = address_of(is_ipv4, last);
            IpNet::new(address, whole - free).expect("a network").trunc()
        });
        prop::collection::vec(network, 0..6)
    }

    fn address_of(is_ipv4: bool, last: u8) -> (IpAddr, u8) {
        match is_ipv4 {
            true => (Ipv4Addr::new(240, 0, 0, last).into(), 32),
            false => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(), 128),
        }
    }

    /// Every address in `networks`, bit by bit.
    fn bits(networks: &[IpNet]) -> BTreeSet<(bool, u8)> {
        let all = [true, false].into_iter().flat_map(|is_ipv4| (0..16).map(move |last| (is_ipv4, last)));
        let is_in = |is_ipv4: bool, last: u8, network: &IpNet| {
            network.addr().is_ipv4() == is_ipv4 && last >> free(network) == last_of(network) >> free(network)
        };
        all.filter(|(is_ipv4, last)| networks.iter().any(|network| is_in(*is_ipv4, *last, network))).collect()
    }

    fn free(network: &IpNet) -> u8 {
        network.max_prefix_len() - network.prefix_len()
    }

    fn last_of(network: &IpNet) -> u8 {
        match network.addr() {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_and_what_it_reads_it_writes(text in "[0-9a-f:./,%\\[\\] ]{0,60}|\\PC{0,40}") {
            if let Ok(Some(networks)) = Networks::typed(&text) {
                prop_assert_eq!(Networks::typed(&networks.to_string()), Ok(Some(networks.clone())));
                prop_assert_eq!(Networks::stored(&networks.to_string()), networks);
            }
            Networks::stored(&text);
        }

        #[test]
        fn every_network_is_read_as_it_is_written(bytes: [u8; 16], length in 0..=128_u8) {
            let network = canonical(IpNet::new(Ipv6Addr::from(bytes).into(), length).expect("a network").trunc());
            let networks = Networks::of([network]);
            prop_assert_eq!(Networks::typed(&networks.to_string()), Ok(Some(networks)));
        }

        #[test]
        fn an_address_is_in_them_and_they_are_within_others_as_their_bits_are(
            one in few_networks(),
            other in few_networks(),
        ) {
            let (networks, others) = (Networks::of(one.clone()), Networks::of(other.clone()));
            for is_ipv4 in [true, false] {
                for last in 0..16 {
                    let is_in = bits(&one).contains(&(is_ipv4, last));
                    prop_assert_eq!(networks.contain(address_of(is_ipv4, last).0), is_in);
                }
            }
            let is_subset = !one.is_empty() && bits(&one).is_subset(&bits(&other));
            prop_assert_eq!(networks.are_within(&others), is_subset);
        }
    }
}
