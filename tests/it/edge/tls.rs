//! TLS with a certificate of one's own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{connect, eventually, rest};
use crate::support::{KEY, TestApp};

/// A new certificate for `localhost` in the directory.
fn write_certificate(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.join("certificate.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

async fn start(directory: &Path) -> TestApp {
    TestApp::start_with(None, |config| {
        config.tls.certificate_file = directory.join("certificate.pem");
        config.tls.key_file = directory.join("key.pem");
        config.tls.reload_every_ms = 20_u64.try_into().unwrap();
    })
    .await
}

/// A client that trusts this certificate alone.
async fn handshake(
    app: &TestApp,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(client))
        .connect(name, connect(app).await)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_sockets_go_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = write_certificate(directory.path());
    let app = start(directory.path()).await;
    let mut stream = handshake(&app, &certificate, b"http/1.1").await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"),
        "{answer}"
    );

    let stream = handshake(&app, &certificate, b"http/1.1").await.unwrap();
    let mut request = "wss://localhost/graphql".into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let init = json!({ "type": "connection_init", "payload": { "authorization": KEY } });
    socket.send(Message::text(init.to_string())).await.unwrap();
    let first = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first, json!({ "type": "connection_ack" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_plain_http_nor_http_2_is_spoken_beside_tls() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = write_certificate(directory.path());
    let app = start(directory.path()).await;
    let mut plain = connect(&app).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    plain.write_all(request.as_bytes()).await.unwrap();
    assert!(!rest(&mut plain).await.contains("HTTP/1.1 200"));
    assert!(handshake(&app, &certificate, b"h2").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_needs_no_restart() {
    let directory = tempfile::tempdir().unwrap();
    let old = write_certificate(directory.path());
    let app = start(directory.path()).await;
    let mut open = handshake(&app, &old, b"http/1.1").await.unwrap();
    let new = write_certificate(directory.path());
    eventually("the new certificate", || async {
        handshake(&app, &new, b"http/1.1").await.ok()
    })
    .await;
    assert!(handshake(&app, &old, b"http/1.1").await.is_err());
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    open.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "who is connected stays so: {answer}"
    );
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_certificate(one.path());
    write_certificate(two.path());
    std::fs::copy(one.path().join("key.pem"), two.path().join("key.pem")).unwrap();
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .env("SWITCHBOARD_TLS__CERTIFICATE_FILE", two.path().join("certificate.pem"))
        .env("SWITCHBOARD_TLS__KEY_FILE", two.path().join("key.pem"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the certificate and the key cannot be used"), "{said}");
}
