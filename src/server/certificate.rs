//! The certificate, read again while the process runs, so that a renewed one needs no restart.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsOptions;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A certificate in use, and the files it is from.
pub(super) struct Certificate {
    options: TlsOptions,
    /// What was looked at last; `None` if it could not be read.
    seen: Option<Pem>,
    current: RustlsConfig,
}

/// Two files.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// `None` if no certificate is configured.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not fit together.
    pub(super) async fn load(options: &TlsOptions) -> io::Result<Option<Self>> {
        if !options.is_on() {
            return Ok(None);
        }
        let pem = Pem::read(options).await?;
        let current = RustlsConfig::from_config(pem.to_config()?);
        Ok(Some(Self {
            options: options.clone(),
            seen: Some(pem),
            current,
        }))
    }

    /// Does handshakes, always with the newest certificate.
    pub(super) fn acceptor(&self) -> RustlsAcceptor {
        RustlsAcceptor::new(self.current.clone()).handshake_timeout(HANDSHAKE_TIMEOUT)
    }

    /// Looks at the files now and then; never ends. A pair that cannot be used leaves the one before in place.
    pub(super) async fn follow(mut self) {
        let mut every = tokio::time::interval(Duration::from_millis(self.options.reload_every_ms.get()));
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.renew().await;
        }
    }

    async fn renew(&mut self) {
        let read = Pem::read(&self.options).await;
        let found = read.as_ref().ok().cloned();
        if found == self.seen {
            return;
        }
        self.seen = found;
        match read.and_then(|pem| pem.to_config()) {
            Ok(config) => {
                self.current.reload_from_config(config);
                tracing::info!("the certificate was renewed");
            }
            Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
        }
    }
}

impl Pem {
    async fn read(options: &TlsOptions) -> io::Result<Self> {
        Ok(Self {
            chain: read("tls.certificate_file", &options.certificate_file).await?,
            key: read("tls.key_file", &options.key_file).await?,
        })
    }

    /// HTTP/1.1 over TLS 1.2 or 1.3. No error shows anything of the key.
    fn to_config(&self) -> io::Result<Arc<ServerConfig>> {
        let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<Result<_, _>>()
            .map_err(|_| bad("tls.certificate_file: expected certificates in PEM"))?;
        if chain.is_empty() {
            return Err(bad("tls.certificate_file: expected a certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| bad("tls.key_file: expected a private key in PEM, without a password"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| bad(&format!("tls: the certificate and the key cannot be used: {error}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

async fn read(name: &str, path: &Path) -> io::Result<Vec<u8>> {
    let read = tokio::fs::read(path).await;
    read.map_err(|error| io::Error::new(error.kind(), format!("{name}: {}: {error}", path.display())))
}
