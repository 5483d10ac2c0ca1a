//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::options::TlsOptions;

/// Why TLS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or is no PEM file of the right kind.
    #[error("{} cannot be read as a PEM file with a {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// Certificate and key do not fit, or are not supported.
    #[error("the certificate and the key do not work together")]
    Pair(#[source] rustls::Error),
}

/// The TLS configuration of the two files.
pub(super) fn server_config(options: &TlsOptions) -> Result<rustls::ServerConfig, TlsError> {
    let wrong = |path: &Path, what: &'static str| {
        let path = path.to_owned();
        move |source| TlsError::File { path, what, source }
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&options.cert)
        .and_then(Iterator::collect)
        .map_err(wrong(&options.cert, "certificate"))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(options.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&options.key).map_err(wrong(&options.key, "private key"))?;
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Pair)
}
