//! The house rules that the compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down: a module may import those of later lines, and of its own line itself alone.
const LAYERS: [&[&str]; 12] = [
    &["main"],
    &["cli"],
    &["server"],
    &["config"],
    &["api"],
    &["provider"],
    &["webhook"],
    &["process"],
    &["router"],
    &["actor"],
    &["live"],
    &["store", "view", "sqlite", "clock", "signing", "domain"],
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn rust_files(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join(directory), &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn module(file: &str) -> &str {
    file.trim_start_matches("src/").split(['/', '.']).next().unwrap()
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("{module} has no layer"))
}

/// The modules of this crate that a file names.
fn imports(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.match_indices("crate::")
        .map(|(at, prefix)| {
            let rest = &code[at + prefix.len()..];
            rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
                .next()
                .unwrap()
        })
        .collect()
}

#[test]
fn imports_point_down() {
    let allowed_siblings = [
        ("view", "store"),
        ("view", "sqlite"),
        ("view", "domain"),
        ("store", "sqlite"),
        ("store", "domain"),
        ("clock", "domain"),
    ];
    for (file, text) in rust_files("src") {
        let from = module(&file);
        if from == "lib" {
            continue;
        }
        for to in imports(&text) {
            let down = layer(to) > layer(from);
            assert!(
                down || to == from || allowed_siblings.contains(&(from, to)),
                "{file} imports {to}"
            );
        }
    }
}

#[test]
fn the_domain_is_pure() {
    let impure = [
        "async ",
        "tokio",
        "tracing::",
        "SystemTime",
        "Instant",
        "getrandom",
        "std::fs",
        "std::env",
        "rusqlite",
        "redis",
    ];
    for (file, text) in rust_files("src") {
        if module(&file) == "domain" {
            for word in impure {
                let code = text.split("#[cfg(test)]").next().unwrap();
                let named = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .any(|line| line.contains(word));
                assert!(!named, "{file} uses {word}");
            }
        }
    }
}

#[test]
fn files_stay_below_500_lines() {
    for directory in ["src", "tests", "benches"] {
        for (file, text) in rust_files(directory) {
            let lines = text.lines().count();
            assert!(lines <= 500, "{file} has {lines} lines");
        }
    }
}

#[test]
fn there_is_no_mod_rs() {
    for (file, _) in rust_files("src") {
        assert!(!file.ends_with("mod.rs"), "{file}");
    }
}

#[test]
fn the_schema_file_is_current() {
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql")).unwrap();
    assert!(
        kept == switchboard::api::graphql::sdl(),
        "write it again: cargo run -- schema > schema.graphql"
    );
}
