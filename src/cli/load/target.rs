//! The server that is asked, and whether it may be.

use std::net::IpAddr;

use url::{Host, Url};

/// Where the server is.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// For queries and mutations.
    pub(super) http: Url,
    /// For subscriptions.
    pub(super) socket: Url,
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

impl Target {
    /// The places to ask at a server's root.
    ///
    /// # Errors
    /// A sentence for whoever gave the URL.
    pub(super) fn of(url: &Url, allow_remote: bool) -> Result<Self, String> {
        if url.scheme() != "http" {
            return Err(format!("{url} is not an http:// URL: the load client speaks no TLS"));
        }
        if !allow_remote && !is_loopback(url) {
            return Err(format!(
                "{url} is not on this machine: a load test of a server elsewhere needs --allow-remote"
            ));
        }
        let mut http = url.clone();
        http.set_query(None);
        http.set_fragment(None);
        let path = format!("{}/graphql", url.path().trim_end_matches('/'));
        http.set_path(&path);
        let mut socket = http.clone();
        if socket.set_scheme("ws").is_err() {
            return Err(format!("{url} has no place for sockets"));
        }
        Ok(Self { http, socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, allow_remote: bool) -> Result<Target, String> {
        Target::of(&Url::parse(url).unwrap(), allow_remote)
    }

    #[test]
    fn this_machine_is_allowed() {
        for url in [
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:8080/",
            "http://[::ffff:127.0.0.1]",
            "http://localhost:1",
            "http://LOCALHOST.",
            "http://2130706433",
        ] {
            assert!(target(url, false).is_ok(), "{url}");
        }
    }

    #[test]
    fn elsewhere_is_refused_unless_asked_for() {
        for url in [
            "http://10.0.0.1:8080",
            "http://0.0.0.0:8080",
            "http://[::]:8080",
            "http://128.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
        ] {
            assert!(target(url, false).unwrap_err().contains("--allow-remote"), "{url}");
            assert!(target(url, true).is_ok(), "{url}");
        }
        assert!(target("https://127.0.0.1", true).unwrap_err().contains("TLS"));
    }

    #[test]
    fn both_places_are_beside_each_other() {
        let target = target("http://127.0.0.1:8080/under/?a#b", false).unwrap();
        assert_eq!(target.http.as_str(), "http://127.0.0.1:8080/under/graphql");
        assert_eq!(target.socket.as_str(), "ws://127.0.0.1:8080/under/graphql");
    }
}
