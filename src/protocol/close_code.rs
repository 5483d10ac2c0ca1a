//! Why a connection is closed, as a number on the wire.

/// The close codes that this server sends. `protocol-spec/close-codes.json` is the public table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseCode {
    /// Either side is done.
    Normal,
    /// Broken framing.
    ProtocolError,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// Refused by a rule of this server.
    Policy,
    /// A frame beyond the limit.
    TooBig,
    /// A fault of ours.
    Internal,
    /// The server stops or restarts.
    Restart,
    /// The peer reads more slowly than it is written to.
    SlowConsumer,
    /// No answer to a ping.
    PingTimeout,
    /// Nothing said for longer than allowed.
    IdleTimeout,
    /// Another connection has taken the session up.
    TakenOver,
    /// The access token has ended, and nobody has brought another one.
    CredentialsExpired,
    /// What the peer had logged in with was declared void.
    CredentialsRevoked,
}

impl CloseCode {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Normal,
        Self::ProtocolError,
        Self::InvalidUtf8,
        Self::Policy,
        Self::TooBig,
        Self::Internal,
        Self::Restart,
        Self::SlowConsumer,
        Self::PingTimeout,
        Self::IdleTimeout,
        Self::TakenOver,
        Self::CredentialsExpired,
        Self::CredentialsRevoked,
    ];

    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::ProtocolError => 1002,
            Self::InvalidUtf8 => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::Restart => 1012,
            Self::SlowConsumer => 4008,
            Self::PingTimeout => 4009,
            Self::IdleTimeout => 4010,
            Self::TakenOver => 4011,
            Self::CredentialsExpired => 4012,
            Self::CredentialsRevoked => 4013,
        }
    }

    /// The name in the public table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::ProtocolError => "PROTOCOL_ERROR",
            Self::InvalidUtf8 => "INVALID_UTF8",
            Self::Policy => "POLICY",
            Self::TooBig => "TOO_BIG",
            Self::Internal => "INTERNAL",
            Self::Restart => "RESTART",
            Self::SlowConsumer => "SLOW_CONSUMER",
            Self::PingTimeout => "PING_TIMEOUT",
            Self::IdleTimeout => "IDLE_TIMEOUT",
            Self::TakenOver => "TAKEN_OVER",
            Self::CredentialsExpired => "CREDENTIALS_EXPIRED",
            Self::CredentialsRevoked => "CREDENTIALS_REVOKED",
        }
    }

    /// Whether a client should connect again by itself.
    pub fn reconnect(self) -> bool {
        matches!(
            self,
            Self::Internal
                | Self::Restart
                | Self::SlowConsumer
                | Self::PingTimeout
                | Self::IdleTimeout
                | Self::CredentialsExpired
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_public_table_says_the_same() {
        let table: Value =
            serde_json::from_str(include_str!("../../protocol-spec/close-codes.json")).unwrap();
        let rows = table["codes"].as_array().unwrap();
        assert_eq!(rows.len(), CloseCode::ALL.len());
        for (row, code) in rows.iter().zip(CloseCode::ALL) {
            assert_eq!(row["code"], code.code());
            assert_eq!(row["name"], code.name());
            assert_eq!(row["reconnect"], code.reconnect(), "{}", code.name());
        }
    }
}
