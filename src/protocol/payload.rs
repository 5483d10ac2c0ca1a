//! Payloads stay the bytes that somebody wrote until somebody needs them as values.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::codec::Codec;

/// Why a payload could not be read, written or translated.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// The JSON text does not fit the type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The MessagePack bytes do not fit the type.
    #[error("{0}")]
    MsgPackRead(#[from] rmp_serde::decode::Error),
    /// The value cannot be written as MessagePack.
    #[error("{0}")]
    MsgPackWrite(#[from] rmp_serde::encode::Error),
}

/// A borrowed payload and the codec that it is written in. Always one whole, well-formed value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw<'a> {
    /// How the bytes are to be read.
    pub codec: Codec,
    /// One whole value.
    pub bytes: &'a [u8],
}

/// An owned payload; clones share the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

impl<'a> Raw<'a> {
    /// The bytes of one JSON value. The caller vouches that they are well-formed.
    pub fn json(text: &'a str) -> Self {
        Self { codec: Codec::Json, bytes: text.as_bytes() }
    }

    /// Reads it as a value of type `T`.
    ///
    /// # Errors
    /// If it does not fit the type.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, PayloadError> {
        Ok(match self.codec {
            Codec::Json => serde_json::from_slice(self.bytes)?,
            Codec::MsgPack => rmp_serde::from_slice(self.bytes)?,
        })
    }

    /// Copies the bytes.
    pub fn to_owned(self) -> Payload {
        Payload { codec: self.codec, bytes: Bytes::copy_from_slice(self.bytes) }
    }

    /// The same value in another codec. Nothing is copied if it is the same codec.
    ///
    /// # Errors
    /// If the other codec cannot carry it: nesting beyond 128 levels, lone surrogates, binary in JSON.
    pub fn translate(self, codec: Codec) -> Result<Translated<'a>, PayloadError> {
        if self.codec == codec {
            return Ok(Translated::Same(self.bytes));
        }
        let value: Value = self.read()?;
        Ok(Translated::New(codec.write(&value)?))
    }
}

/// Bytes of a payload in the codec that was asked for.
#[derive(Debug)]
pub enum Translated<'a> {
    /// They were in that codec already.
    Same(&'a [u8]),
    /// They were written anew.
    New(Vec<u8>),
}

impl AsRef<[u8]> for Translated<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Same(bytes) => bytes,
            Self::New(bytes) => bytes,
        }
    }
}

impl Payload {
    /// Writes `value` as JSON.
    ///
    /// # Errors
    /// If the value cannot be written, for example a map whose keys are not strings.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        Self::write(Codec::Json, value)
    }

    /// Writes `value` in `codec`.
    ///
    /// # Errors
    /// If the codec cannot carry the value.
    pub fn write<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Result<Self, PayloadError> {
        Ok(Self { codec, bytes: codec.write(value)?.into() })
    }

    /// Reads it as a value of type `T`.
    ///
    /// # Errors
    /// If it does not fit the type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        self.as_raw().read()
    }

    /// A borrowed view.
    pub fn as_raw(&self) -> Raw<'_> {
        Raw { codec: self.codec, bytes: &self.bytes }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes; a well-formed payload has some.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
