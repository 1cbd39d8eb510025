//! Secrets that requests are signed with. They are made from the node's own secret and what is known of a key or a
//! webhook, and kept nowhere.

use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// The bytes of SHA-256 that are taken in at once: a key of HMAC fills them, and a longer one is hashed first.
const BLOCK_BYTES: usize = 64;

/// Makes signing secrets. Cheap to clone.
#[derive(Clone)]
pub struct Signing {
    secret: Arc<str>,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Signing").finish_non_exhaustive()
    }
}

/// HMAC-SHA256 over parts that are one text.
#[must_use]
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK_BYTES];
    let fill = |from: &[u8], block: &mut [u8; BLOCK_BYTES]| {
        for (to, from) in block.iter_mut().zip(from) {
            *to = *from;
        }
    };
    if key.len() > BLOCK_BYTES {
        fill(Sha256::digest(key).as_slice(), &mut block);
    } else {
        fill(key, &mut block);
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA256 in lower-case hexadecimal.
#[must_use]
pub fn hmac_hex(key: &[u8], parts: &[&[u8]]) -> String {
    let digest = hmac(key, parts);
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Signing {
    /// From the secret that all nodes of a store share.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.into() }
    }

    /// The signing secret that goes with the secret of a key that has this hash.
    #[must_use]
    pub fn secret(&self, key_id: Uuid, hash: &str) -> String {
        let parts: [&[u8]; 3] = [b"signing", key_id.as_bytes(), hash.as_bytes()];
        hmac_hex(self.secret.as_bytes(), &parts)
    }

    /// What requests of a webhook are signed with by the secret that has this salt.
    #[must_use]
    pub fn webhook_secret(&self, webhook_id: Uuid, salt: Uuid) -> [u8; 32] {
        let parts: [&[u8]; 3] = [b"webhook", webhook_id.as_bytes(), salt.as_bytes()];
        hmac(self.secret.as_bytes(), &parts)
    }

    /// Whether a signature is that of a text. The time it takes says nothing about the right one.
    #[must_use]
    pub fn is_signed(&self, key_id: Uuid, hash: &str, (signed, signature): (&[u8], &str)) -> bool {
        let right = hmac_hex(self.secret(key_id, hash).as_bytes(), &[signed]);
        right.as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_the_standard() {
        // RFC 4231, test cases 1, 2 and 6: a short key, a text as key, a key longer than a block
        let cases: [(&[u8], &[u8], &str); 3] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, text, expected) in cases {
            assert_eq!(hmac_hex(key, &[text]), expected);
            let (one, other) = text.split_at(3);
            assert_eq!(hmac_hex(key, &[one, other]), expected, "parts are one text");
        }
    }

    #[test]
    fn a_signature_is_of_one_key_one_secret_and_one_text() {
        let signing = Signing::new("0123456789abcdef0123456789abcdef");
        let id = Uuid::from_u128(1);
        let secret = signing.secret(id, "hash");
        let signature = hmac_hex(secret.as_bytes(), &[b"text"]);
        assert!(signing.is_signed(id, "hash", (b"text", &signature)));
        assert!(!signing.is_signed(id, "hash", (b"other", &signature)));
        assert!(!signing.is_signed(id, "other", (b"text", &signature)));
        assert!(!signing.is_signed(Uuid::from_u128(2), "hash", (b"text", &signature)));
        assert!(!signing.is_signed(id, "hash", (b"text", "")));
        assert!(!signing.is_signed(id, "hash", (b"text", &signature.to_uppercase())));
        let other = Signing::new("fedcba9876543210fedcba9876543210");
        assert!(!other.is_signed(id, "hash", (b"text", &signature)));
        assert_eq!(format!("{signing:?}"), "Signing { .. }");
        let of = |signing: &Signing, id, salt| signing.webhook_secret(Uuid::from_u128(id), Uuid::from_u128(salt));
        let made = [
            of(&signing, 1, 1),
            of(&signing, 1, 2),
            of(&signing, 2, 1),
            of(&other, 1, 1),
        ];
        let mut apart = made.to_vec();
        apart.sort_unstable();
        apart.dedup();
        assert_eq!(apart.len(), made.len());
        assert_eq!(of(&signing, 1, 1), made[0]);
    }
}
