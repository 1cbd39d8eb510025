//! A receiver of webhooks that remembers what it was sent and answers as a test wants.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit, Mac as _};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Sha256;

use super::eventually;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Sent {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub raw: Vec<u8>,
    pub body: Value,
}

impl Sent {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    /// Which of its signatures this secret makes.
    pub fn signed_by(&self, secret: &str) -> Option<usize> {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.id(), self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.raw);
        let right = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"]
            .split(' ')
            .position(|one| one == right)
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub struct Reaction {
    pub status: u16,
    pub header: Option<(&'static str, String)>,
    pub after: Duration,
    /// The body begins and never ends.
    pub is_endless: bool,
}

impl Reaction {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            header: None,
            after: Duration::ZERO,
            is_endless: false,
        }
    }
}

type React = dyn Fn(&Sent) -> Reaction + Send + Sync;

struct Shared {
    sent: Mutex<Vec<Sent>>,
    react: Mutex<Arc<React>>,
}

pub struct WebhookSink {
    pub url: String,
    shared: Arc<Shared>,
}

async fn receive(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, raw: Bytes) -> Response {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let sent = Sent {
        path: uri.to_string(),
        headers: headers.collect(),
        body: serde_json::from_slice(&raw).unwrap_or(Value::Null),
        raw: raw.to_vec(),
    };
    let react = Arc::clone(&shared.react.lock());
    let reaction = react(&sent);
    shared.sent.lock().push(sent);
    tokio::time::sleep(reaction.after).await;
    let mut response = StatusCode::from_u16(reaction.status).unwrap().into_response();
    if reaction.is_endless {
        let begin = futures_util::stream::once(async { Ok::<_, std::io::Error>("begin") });
        *response.body_mut() = Body::from_stream(begin.chain(futures_util::stream::pending()));
    }
    if let Some((name, value)) = reaction.header {
        let value = HeaderValue::from_str(&value).unwrap();
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}

impl WebhookSink {
    fn prepare() -> (axum::Router, Arc<Shared>) {
        let shared = Arc::new(Shared {
            sent: Mutex::default(),
            react: Mutex::new(Arc::new(|_| Reaction::status(204))),
        });
        let app = axum::Router::new().fallback(receive).with_state(Arc::clone(&shared));
        (app, shared)
    }

    pub async fn start() -> Self {
        let (app, shared) = Self::prepare();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared }
    }

    /// With a certificate for `localhost`.
    pub async fn start_tls(chain: &str, key: &str) -> Self {
        use axum_server::tls_rustls::RustlsConfig;
        let (app, shared) = Self::prepare();
        let provider = rustls::crypto::ring::default_provider();
        let _ = provider.install_default();
        let config = RustlsConfig::from_pem(chain.as_bytes().to_vec(), key.as_bytes().to_vec());
        let config = config.await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let server = axum_server::from_tcp_rustls(listener, config).unwrap();
        tokio::spawn(async move { server.serve(app.into_make_service()).await.unwrap() });
        Self { url, shared }
    }

    /// From now on.
    pub fn react(&self, react: impl Fn(&Sent) -> Reaction + Send + Sync + 'static) {
        *self.shared.react.lock() = Arc::new(react);
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.shared.sent.lock().clone()
    }

    /// Waits until so many requests came, and gives them.
    pub async fn until(&self, count: usize) -> Vec<Sent> {
        eventually(&format!("request {count}"), || async {
            let sent = self.sent();
            (sent.len() >= count).then_some(sent)
        })
        .await
    }
}
