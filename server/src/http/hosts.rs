//! Under which names this server may be addressed.
//!
//! A page anywhere can point a name of its own at 127.0.0.1 and then talk to what listens there as if it were its own
//! server (DNS rebinding). Such a request carries that name, so names that nobody allowed are refused. An address in
//! digits can't be pointed anywhere else.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

/// The names and addresses that a request's `Host` may hold. The port doesn't matter: it may be a forwarded one.
#[derive(Clone, Debug)]
pub struct Hosts {
    listen: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    /// For a server that listens at `listen` and is also reached by `names`.
    #[must_use]
    pub fn new(listen: SocketAddr, names: &[String]) -> Self {
        Self {
            listen: listen.ip(),
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether a request with this `Host` is answered.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        let digits = host.trim_start_matches('[').trim_end_matches(']');
        match digits.parse::<IpAddr>() {
            Ok(address) => {
                address.is_loopback() || address == self.listen || self.listen.is_unspecified()
            }
            Err(_) => host == "localhost" || self.names.contains(&host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_answered() {
        let hosts = Hosts::new("127.0.0.1:8620".parse().unwrap(), &["Backup.Lan".into()]);
        for host in [
            "127.0.0.1:8620",
            "127.0.0.1",
            "localhost:9000",
            "[::1]:8620",
            "backup.lan",
            "BACKUP.lan:443",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8620",
            "evil.example@127.0.0.1",
            "192.0.2.7:8620",
            "a b",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
        let everywhere = Hosts::new("0.0.0.0:8620".parse().unwrap(), &[]);
        assert!(everywhere.allow("192.0.2.7:8620"));
        assert!(!everywhere.allow("evil.example:8620"));
    }
}
