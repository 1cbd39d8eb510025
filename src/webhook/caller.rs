//! Sends requests to URLs that users gave, and to nothing that is not out in the open.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tower_service::Service;
use url::{Host, Url};

use super::WebhookOptions;
use super::address::is_public;
use crate::domain::Millis;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most idle connections to one host.
const IDLE_MAX: usize = 16;
/// The most look-ups of hosts at once.
const LOOK_UPS_MAX: usize = 64;
/// How long the rest of an answer may take whose status is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// The most addresses of a host that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// One sentence.
    pub(super) reason: String,
    /// The answer's status, if there was one.
    pub(super) status: Option<u16>,
    /// When the answer asks to be tried again, in milliseconds.
    pub(super) retry_after_ms: Option<Millis>,
}

impl Refused {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            status: None,
            retry_after_ms: None,
        }
    }
}

/// Sends requests. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    http: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    timeout: Duration,
    answer_max_bytes: usize,
    private_addresses: bool,
}

/// Knows the public addresses of a name, or all of them where that is allowed.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    private_addresses: bool,
    /// Look-ups hold threads that reads need too.
    turns: Arc<Semaphore>,
}

type Addresses = std::collections::vec_deque::IntoIter<SocketAddr>;

impl Service<Name> for Resolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private_addresses = self.private_addresses;
        let turns = Arc::clone(&self.turns);
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            // the look-up goes on where nobody waits for it any more, and so does its turn
            let look_up = move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(turn);
                found
            };
            let found = tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?;
            let allowed = found.into_iter().flatten();
            let allowed = allowed.filter(|address| private_addresses || is_public(address.ip()));
            let allowed: VecDeque<SocketAddr> = allowed.take(ADDRESSES_MAX).collect();
            if allowed.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, NOT_PUBLIC));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// The same for hosts that are not known, so that it tells nobody which names there are inside.
const NOT_PUBLIC: &str = "the host has no public address";

fn trusted(options: &WebhookOptions) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if !options.ca_file.as_os_str().is_empty() {
        let pem = std::fs::read(&options.ca_file)?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
    }
    Ok(roots)
}

impl Caller {
    /// # Errors
    /// The file of certificates cannot be used.
    pub(super) fn new(options: &WebhookOptions) -> io::Result<Self> {
        let private_addresses = options.private_addresses;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(trusted(options)?)
            .with_no_client_auth();
        let mut connector = HttpConnector::new_with_resolver(Resolver {
            private_addresses,
            turns: Arc::new(Semaphore::new(LOOK_UPS_MAX)),
        });
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Ok(Self {
            http,
            timeout: Duration::from_millis(options.request_timeout_ms),
            answer_max_bytes: options.answer_max_bytes,
            private_addresses,
        })
    }

    /// Whether a URL may be asked, as far as that can be told without looking up its host.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self, url: &str) -> Result<Uri, Refused> {
        let url = Url::parse(url).map_err(|error| Refused::new(format!("the URL: {error}")))?;
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if address.is_some_and(|address| !self.private_addresses && !is_public(address)) {
            return Err(Refused::new(NOT_PUBLIC));
        }
        let bad = |_| Refused::new("it has characters that a request cannot have");
        url.as_str().parse().map_err(bad)
    }

    /// Posts JSON. Anything but 2xx is a refusal; redirects are not followed.
    ///
    /// # Errors
    /// Why it was not taken, after the time-out of the settings at the latest.
    pub(super) async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        now: Millis,
    ) -> Result<u16, Refused> {
        let uri = self.check(url)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let sent = request.headers_mut();
        sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        sent.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| Refused::new("a header cannot be sent"))?;
            sent.insert(HeaderName::from_static(name), value);
        }
        let late = |_| Refused::new(format!("no answer within {} ms", self.timeout.as_millis()));
        let answer = tokio::time::timeout(self.timeout, self.http.request(request)).await;
        let answer = answer.map_err(late)?;
        let (head, body) = answer.map_err(|error| Refused::new(describe(&error)))?.into_parts();
        // read to its end, the connection can be used again; what it says is nothing to us
        let rest = Limited::new(body, self.answer_max_bytes).collect();
        let _ = tokio::time::timeout(BODY_TIMEOUT, rest).await;
        if head.status.is_success() {
            return Ok(head.status.as_u16());
        }
        Err(Refused {
            reason: format!("the answer was {}", head.status),
            status: Some(head.status.as_u16()),
            retry_after_ms: retry_after_ms(&head.headers, now),
        })
    }
}

const AGENT: &str = concat!("switchboard/", env!("CARGO_PKG_VERSION"));

/// The cause at the bottom: what is above it says only that the request failed.
fn describe(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Seconds, or a date.
fn retry_after_ms(headers: &HeaderMap, now: Millis) -> Option<Millis> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(u64::try_from(date).ok()?.saturating_sub(now))
}
