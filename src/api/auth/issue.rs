//! The texts of keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::id::sha256_hex;

/// What the texts of keys that are made here begin with; the key's id follows.
pub(super) const PREFIX: &str = "sbk_";
/// So many bytes by chance.
const SECRET_BYTES: usize = 32;

/// A new text of a key. It is shown once, and only its hash is kept.
pub(crate) struct Issued {
    /// `sbk_`, the key's id in hexadecimal, `_`, and 43 characters of base64url.
    pub(crate) text: String,
    /// SHA-256 of the text.
    pub(crate) hash: String,
}

/// What the texts of a key begin with.
pub(crate) fn prefix(key_id: Uuid) -> String {
    format!("{PREFIX}{}", key_id.simple())
}

/// Makes a text for a key.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn issue(key_id: Uuid) -> Result<Issued, getrandom::Error> {
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret)?;
    let text = format!("{}_{}", prefix(key_id), URL_SAFE_NO_PAD.encode(secret));
    Ok(Issued {
        hash: sha256_hex(text.as_bytes()),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_form_and_differ() {
        let id = Uuid::from_u128(7);
        let (one, other) = (issue(id).unwrap(), issue(id).unwrap());
        assert_ne!(one.text, other.text);
        assert_eq!(one.hash, sha256_hex(one.text.as_bytes()));
        let secret = one.text.strip_prefix("sbk_00000000000000000000000000000007_").unwrap();
        assert_eq!(secret.len(), 43);
        let is_url_safe = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        assert!(secret.chars().all(is_url_safe), "{secret}");
    }
}
