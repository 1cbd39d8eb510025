//! The node's own secret, which signing secrets of keys are made from.

use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::config::{Config, SECRET_MIN_CHARS};
use crate::domain::id::sha256_hex;
use crate::signing::Signing;

/// Where it is kept in the data directory, where the settings name none.
const FILE: &str = "secret";
/// So many bytes by chance; their SHA-256 in hexadecimal is the secret.
const SECRET_BYTES: usize = 32;

/// The secret that the settings name, or the one in the data directory, which the first start makes.
///
/// # Errors
/// The file cannot be read or written, or what it holds is too short.
pub(super) fn signing(config: &Config) -> std::io::Result<Signing> {
    if let Some(secret) = &config.secret {
        return Ok(Signing::new(&secret.0));
    }
    let directory = &config.server.data_dir;
    let text = match fs::read_to_string(directory.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => make(directory)?,
        Err(error) => return Err(error),
    };
    let text = text.trim();
    if text.chars().count() < SECRET_MIN_CHARS {
        let message = format!("the file {FILE} holds less than {SECRET_MIN_CHARS} characters");
        return Err(Error::new(ErrorKind::InvalidData, message));
    }
    Ok(Signing::new(text))
}

/// Writes a new one beside its place and moves it there, so that it is never there in part.
fn make(directory: &Path) -> std::io::Result<String> {
    let mut bytes = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(Error::other)?;
    let text = sha256_hex(&bytes);
    fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!("{FILE}.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(FILE))?;
    fs::File::open(directory)?.sync_all()?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::os::unix::fs::PermissionsExt as _;

    use uuid::Uuid;

    use super::*;
    use crate::config::Secret;

    fn made(config: &Config) -> String {
        signing(config).unwrap().secret(Uuid::nil(), "hash")
    }

    #[test]
    fn the_secret_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, HashMap::new()).unwrap();
        config.server.data_dir = directory.path().join("data");
        let first = made(&config);
        assert_eq!(made(&config), first);
        let file = config.server.data_dir.join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&file).unwrap().len(), 64);
        config.secret = Some(Secret("0123456789abcdef0123456789abcdef".into()));
        assert_ne!(made(&config), first);
        config.secret = None;
        fs::write(&file, "short").unwrap();
        assert!(signing(&config).is_err());
        config.server.data_dir = directory.path().join("other");
        assert_ne!(made(&config), first);
    }
}
