//! Whose bucket it is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::auth::Principal;
use crate::base::{UserId, network};

/// Whose bucket it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// An account.
    User(UserId),
    /// Somebody whom the application has named.
    Name(Box<str>),
    /// An address; of IPv6, its /64.
    Address(IpAddr),
    /// An address, as far as it logs in, registers or refreshes.
    Entering(IpAddr),
    /// All together.
    Everybody,
}

impl Client {
    /// A caller: its account, its name, or where it is.
    pub fn of(principal: &Principal, address: Option<IpAddr>) -> Self {
        match (principal.user(), principal.name()) {
            (Some(user), _) => Self::User(user),
            (None, Some(name)) => Self::Name(name.into()),
            (None, None) => Self::at(address),
        }
    }

    /// An address. Those that are not known share one.
    pub fn at(address: Option<IpAddr>) -> Self {
        Self::Address(network(address.unwrap_or(IpAddr::from([0, 0, 0, 0]))))
    }

    /// An address that logs in, registers or refreshes.
    pub fn entering(address: Option<IpAddr>) -> Self {
        Self::Entering(network(address.unwrap_or(IpAddr::from([0, 0, 0, 0]))))
    }
}

impl Client {
    /// A number that spreads clients over tables. Whoever chooses a name may choose the table, and gains nothing by it.
    pub(super) fn spread(&self) -> usize {
        match self {
            Self::User(user) => user.last_byte().into(),
            Self::Name(name) => {
                name.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte)).into()
            }
            Self::Address(IpAddr::V4(address)) | Self::Entering(IpAddr::V4(address)) => {
                address.octets()[3].into()
            }
            Self::Address(IpAddr::V6(address)) | Self::Entering(IpAddr::V6(address)) => {
                address.octets()[7].into()
            }
            Self::Everybody => 0,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Name(name) => write!(f, "name:{name}"),
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Entering(address) => write!(f, "entering:{address}"),
            Self::Everybody => f.write_str("all"),
        }
    }
}

/// What is no client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a client is user:ID, name:NAME, address:ADDRESS or all")]
pub struct InvalidClient;

impl FromStr for Client {
    type Err = InvalidClient;

    fn from_str(text: &str) -> Result<Self, InvalidClient> {
        match text.split_once(':') {
            Some(("user", id)) => id.parse().map(Self::User).map_err(|_| InvalidClient),
            Some(("name", name)) => Ok(Self::Name(name.into())),
            Some(("address", address)) => {
                address.parse().map(|address| Self::at(Some(address))).map_err(|_| InvalidClient)
            }
            Some(("entering", address)) => {
                address.parse().map(|address| Self::entering(Some(address))).map_err(|_| InvalidClient)
            }
            None if text == "all" => Ok(Self::Everybody),
            _ => Err(InvalidClient),
        }
    }
}
