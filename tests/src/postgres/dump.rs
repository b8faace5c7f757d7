//! What PostgreSQL's own program sees in a database: somebody else's opinion.

use std::{path::PathBuf, process::Command};

use super::{OWNER, PASSWORD, Server, programs};

impl Server {
    /// The rows and sequences of a database's schema `public` as `pg_dump` writes them, each row behind its table, sorted.
    ///
    /// # Panics
    /// If there is no `pg_dump` beside the server or in the path, or it fails.
    #[must_use]
    pub fn dump(&self, database: &str, without: &[&str]) -> Vec<String> {
        let beside = programs().join("pg_dump");
        let program = if beside.exists() {
            beside
        } else {
            PathBuf::from("pg_dump")
        };
        // By COPY: a query would fail for tables with indexes over functions that need the application's search path.
        let output = Command::new(program)
            .args(["--data-only", "--schema=public", "--no-password"])
            .args(
                without
                    .iter()
                    .map(|table| format!("--exclude-table-data={table}")),
            )
            .args(["--host=127.0.0.1", &format!("--port={}", self.port)])
            .args([
                format!("--username={OWNER}"),
                format!("--dbname={database}"),
            ])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "pg_dump failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut table = "";
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = Vec::new();
        for line in text.lines() {
            if line.starts_with("COPY ") {
                table = line;
            } else if line == "\\." {
                table = "";
            }
            // These hold a word that is another one each time.
            if !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ") {
                lines.push(format!("{table} {line}"));
            }
        }
        lines.sort();
        lines
    }
}
