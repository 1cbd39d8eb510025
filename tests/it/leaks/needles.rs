//! A secret as it may be written down, and everything that is searched for it.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What must not be found.
pub struct Secret {
    name: String,
    text: String,
}

impl Secret {
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Plain, escaped in JSON and in a URL, in hexadecimal, and in base64 wherever in a longer text it begins.
    fn written(&self) -> Vec<String> {
        let hex: String = self.text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let json = serde_json::to_string(&self.text).unwrap();
        let list = self.text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>();
        let mut all = vec![
            json.trim_matches('"').to_owned(),
            percent(&self.text),
            hex.to_uppercase(),
            hex,
            list.join(", "),
            list.join(","),
            self.text.clone(),
        ];
        // what stands before it shifts the bits, and shares the first character; the last one is shared with what follows
        for (offset, shared) in [(0, 0), (1, 2), (2, 3)] {
            let mut bytes = vec![0; offset];
            bytes.extend_from_slice(self.text.as_bytes());
            for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                all.push(encoded[shared..encoded.len() - 1].to_owned());
            }
        }
        all
    }
}

/// As a part of a URL.
pub fn percent(text: &str) -> String {
    let escape = |byte: u8| match byte {
        plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Everything that was written or said.
#[derive(Default)]
pub struct Haystack(Vec<(String, String)>);

impl Haystack {
    pub fn add(&mut self, what: &str, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "{what} is empty");
        self.0
            .push((what.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
    }

    pub fn add_file(&mut self, what: &str, path: &Path) {
        self.add(what, &fs::read(path).unwrap());
    }

    /// Every file below a directory; all of it as one text.
    pub fn add_directory(&mut self, what: &str, directory: &Path) -> String {
        let mut all = String::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all.push_str(&self.add_directory(what, &path));
            } else if let Ok(bytes) = fs::read(&path) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                all.push_str(&text);
                self.0.push((format!("{what}: {}", path.display()), text));
            }
        }
        all
    }

    pub fn assert_without(&self, secrets: &[Secret]) {
        let mut found = Vec::new();
        for secret in secrets {
            for needle in secret.written() {
                for (what, text) in &self.0 {
                    if let Some(at) = text.find(&needle) {
                        let line = text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1;
                        found.push(format!("{} in {what}, line {line}, as {needle}", secret.name));
                    }
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secret = Secret::new("it", "p@ss/word+of=46 letters-and_more_0123456789abc");
    let around = |text: &str| format!("before {text} after");
    let mut forms = vec![
        around(&secret.text),
        around(&percent(&secret.text)),
        format!("{:?}", secret.text.as_bytes()),
    ];
    for before in ["", "x", "xy", "user:"] {
        let text = format!("{before}{} after", secret.text);
        forms.push(STANDARD_NO_PAD.encode(&text));
        forms.push(URL_SAFE_NO_PAD.encode(&text));
    }
    for form in forms {
        let found = secret.written().iter().any(|needle| form.contains(needle.as_str()));
        assert!(found, "{form}");
    }
}
