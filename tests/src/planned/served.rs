//! Plans that a server answered with, and the runs that carried them out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::as_told;

/// What a client heard of plans and restores.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// By their digests.
    plans: BTreeMap<String, Value>,
    /// The digest that was confirmed, by the run.
    confirmed: BTreeMap<String, String>,
}

impl Served {
    /// Takes in what was answered to a request, and checks what a restore did that has come to its end.
    ///
    /// # Panics
    /// If that is anything else than what its plan said.
    pub fn heard(&mut self, (method, path): (&str, &str), request: &[u8], answer: &[u8]) {
        let answer = || serde_json::from_slice(answer).unwrap_or(Value::Null);
        match (
            method,
            path.split('/').skip(1).collect::<Vec<_>>().as_slice(),
        ) {
            ("POST", ["api", "plans"] | ["api", "safety-backups", _, "plan"]) => {
                self.planned(&answer());
            }
            ("POST", ["api", "restores"] | ["api", "safety-backups", _, "undo"]) => {
                let request: Value = serde_json::from_slice(request).unwrap_or(Value::Null);
                if let (Some(digest), Some(run)) =
                    (request["plan_digest"].as_str(), answer()["run"].as_str())
                {
                    self.confirmed.insert(run.to_owned(), digest.to_owned());
                }
            }
            ("GET", ["api", "runs", _]) => self.ended(&answer()),
            _ => {}
        }
    }

    /// Takes in how a run stands.
    ///
    /// # Panics
    /// As [`Self::heard`].
    pub fn ended(&mut self, run: &Value) {
        if run["state"] != "done" {
            return;
        }
        if run["kind"] == "rehearsal" {
            self.planned(&run["result"]);
        }
        let digest = run["id"].as_str().and_then(|id| self.confirmed.get(id));
        if let Some(digest) = digest {
            let plan = self.plans.get(digest);
            let plan = plan.unwrap_or_else(|| panic!("a plan that nobody saw: {digest}"));
            as_told(plan, &run["result"]);
        }
    }

    fn planned(&mut self, made: &Value) {
        if let Some(digest) = made["digest"].as_str() {
            self.plans.insert(digest.to_owned(), made["plan"].clone());
        }
    }
}
