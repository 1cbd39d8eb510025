//! Signatures as Standard Webhooks 1.0 has them (<https://www.standardwebhooks.com>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::domain::{Millis, Webhook};
use crate::signing::{Signing, hmac, hmac_hex};

/// What the texts of secrets begin with.
const PREFIX: &str = "whsec_";

/// The secret with this salt, as its holder sees it: `whsec_` and 32 bytes in base64.
pub(super) fn secret_text(signing: &Signing, webhook_id: Uuid, salt: Uuid) -> String {
    let secret = signing.webhook_secret(webhook_id, salt);
    format!("{PREFIX}{}", STANDARD.encode(secret))
}

/// `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64, for each live secret of the webhook, the newest first.
pub(super) fn signatures(
    signing: &Signing,
    webhook: &Webhook,
    (id, timestamp, body): (&str, &str, &[u8]),
    now: Millis,
) -> String {
    let live = webhook.secrets.iter().rev().filter(|secret| secret.is_live(now));
    let signed = live.map(|secret| {
        let key = signing.webhook_secret(webhook.id, secret.salt);
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        format!("v1,{}", STANDARD.encode(hmac(&key, &parts)))
    });
    signed.collect::<Vec<_>>().join(" ")
}

/// The oldest secret that is live: where only one can be shown, who knows the one before goes on until that ends.
pub(super) fn oldest(signing: &Signing, webhook: &Webhook, now: Millis) -> String {
    let oldest = webhook.secrets.iter().find(|secret| secret.is_live(now));
    oldest.map_or_else(String::new, |secret| secret_text(signing, webhook.id, secret.salt))
}

/// The headers by which `YoLead` signs requests to itself: the hexadecimal HMAC-SHA256 of `timestamp.body`, with the text
/// of the oldest live secret as the key and the time in milliseconds.
pub(super) fn yolead(signing: &Signing, webhook: &Webhook, body: &[u8], now: Millis) -> [(&'static str, String); 2] {
    let key = oldest(signing, webhook, now);
    let timestamp = now.to_string();
    let digest = hmac_hex(key.as_bytes(), &[timestamp.as_bytes(), b".", body]);
    [("x-yolead-timestamp", timestamp), ("x-yolead-signature", digest)]
}
