//! `coffer --server URL plan` and `restore`
//!
//! What is selected of the archive is sealed again under a one-time key. For mode replace, the bundle's manifest is enough to
//! plan, and its bytes are sent once the plan is confirmed; what a merge does only the rows tell, so the bundle is sent
//! first and rehearsed.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding};
use coffer_core::plan::{Finding, Origin, Plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    super::{
        Failure, Output,
        output::safe,
        plan::Samples,
        restore::{Done, NOTHING, Planned, Shown, Unchanged, confirm, refusal_without_folder},
    },
    aside,
    client::Client,
    failure::RequestError,
    runs,
    upload::Upload,
    wanted::{Bundle, Wanted, WantedArgs},
};
use crate::{progress::Progress, restore::TableSamples};

#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    wanted: WantedArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    wanted: WantedArgs,

    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,
}

/// A plan as the server makes it.
#[derive(Debug, Deserialize)]
struct Made {
    plan: Plan,
    digest: String,
}

#[derive(Debug, Default, Deserialize)]
struct Rows {
    samples: Vec<TableSamples>,
}

/// A restore that is planned, and what carrying it out takes.
struct Ready {
    client: Client,
    wanted: Wanted,
    made: Made,
    samples: Vec<TableSamples>,
    key: Zeroizing<[u8; 32]>,
    bundle: Sealed,
}

/// The bundle: still to be sent, or there already.
enum Sealed {
    Here(Box<coffer_core::bundle::Bundler>),
    There(Upload),
}

/// What the server is asked to do; with the one-time key, so it is never printed.
#[derive(Serialize)]
struct Request<'a> {
    target: &'a str,
    upload: &'a str,
    key: &'a str,
    mode: coffer_core::plan::Mode,
    selection: coffer_core::manifest::Selection,
    consent: &'a coffer_core::plan::Consent,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsed: Option<bool>,
}

pub(super) async fn plan(args: PlanArgs, client: Client, output: &Output) -> Result<(), Failure> {
    let ready = make(args.wanted, client, output).await?;
    show_plan(&ready, output);
    // What was sent to be rehearsed is removed again.
    aside(move || {
        drop(ready);
        Ok(())
    })
    .await
}

pub(super) async fn run(args: RestoreArgs, client: Client, output: &Output) -> Result<(), Failure> {
    let ready = make(args.wanted, client, output).await?;
    let asked = if args.dry_run {
        show_plan(&ready, output);
        None
    } else {
        Some(agreed(&ready, args.yes, output))
    };
    match asked {
        Some(Ok(true)) => {}
        ended => {
            aside(move || {
                drop(ready);
                Ok(())
            })
            .await?;
            return ended.map_or(Ok(()), |asked| asked.map(drop));
        }
    }
    let progress = Progress::default();
    let shown = progress.clone();
    let work = aside(move || ready.carry_out(&shown));
    let report = output.watch(&progress, work).await?;
    let done = Done {
        restored: true,
        report: serde_json::from_value(report.clone())
            .map_err(|error| RequestError::Strange(error.to_string()))?,
    };
    output.result(&told(report), &done);
    Ok(())
}

/// What the server reports, for programs, as the local command has it.
fn told(mut report: Value) -> Value {
    if let Some(report) = report.as_object_mut() {
        report.insert("restored".to_owned(), Value::Bool(true));
    }
    report
}

/// Opens the archive, and has the server plan or rehearse what is asked for.
async fn make(args: WantedArgs, client: Client, output: &Output) -> Result<Ready, Failure> {
    // Not watched: it may ask for a password, and whoever does not give one can leave at once.
    let (wanted, client) = aside(move || Ok((args.open(&client)?, client))).await?;
    let progress = Progress::default();
    let shown = progress.clone();
    let work = aside(move || Ready::of(wanted, client, &shown));
    output.watch(&progress, work).await
}

impl Ready {
    fn of(wanted: Wanted, client: Client, progress: &Progress) -> Result<Self, Failure> {
        let Bundle { bundler, key } = wanted.bundle()?;
        if !wanted.merges() {
            let made = client.post(
                "api/plans",
                &json!({
                    "target": wanted.target, "manifest": bundler.manifest(), "mode": wanted.mode, "consent": wanted.consent,
                }),
            )?;
            return Ok(Self {
                client,
                wanted,
                made,
                samples: Vec::new(),
                key,
                bundle: Sealed::Here(Box::new(bundler)),
            });
        }
        let upload = Upload::send(&client, &wanted.archive, bundler, progress)?;
        let begun = {
            let key = Zeroizing::new(Base64::encode_string(key.as_slice()));
            client.begin("api/rehearsals", &request(&wanted, &upload.id, &key))?
        };
        let result = runs::follow(&client, &begun.run, progress)?;
        let made: Made = serde_json::from_value(result)
            .map_err(|error| RequestError::Strange(error.to_string()))?;
        let rows: Rows = match client.get(&format!("api/rehearsals/{}/samples", begun.run)) {
            // Only for people to look at; another server may have rehearsed.
            Err(error) if error.has_code("no_rehearsal") => Rows::default(),
            rows => rows?,
        };
        Ok(Self {
            client,
            wanted,
            made,
            samples: rows.samples,
            key,
            bundle: Sealed::There(upload),
        })
    }

    /// Sends what was not sent yet, has the confirmed plan carried out, and follows that.
    fn carry_out(self, progress: &Progress) -> Result<Value, Failure> {
        let Self {
            client,
            wanted,
            made,
            key,
            bundle,
            ..
        } = self;
        let rehearsed = matches!(bundle, Sealed::There(_));
        let mut upload = match bundle {
            Sealed::There(upload) => upload,
            Sealed::Here(bundler) => Upload::send(&client, &wanted.archive, *bundler, progress)?,
        };
        let begun = {
            let key = Zeroizing::new(Base64::encode_string(key.as_slice()));
            let body = Request {
                plan_digest: Some(&made.digest),
                rehearsed: Some(rehearsed),
                ..request(&wanted, &upload.id, &key)
            };
            client.begin("api/restores", &body)
        };
        match begun {
            Ok(begun) => {
                upload.handed_over();
                runs::follow(&client, &begun.run, progress)
            }
            Err(error) if error.is_answer() => Err(error.into()),
            Err(error) => {
                // It may have begun: nothing may be taken from under it.
                upload.handed_over();
                let failure = Failure::from(error);
                Err(Failure {
                    message: format!(
                        "{}; nobody here knows whether the restore was begun: `list runs` shows it if it was",
                        failure.message
                    ),
                    ..failure
                })
            }
        }
    }
}

fn request<'a>(wanted: &'a Wanted, upload: &'a str, key: &'a str) -> Request<'a> {
    Request {
        target: &wanted.target,
        upload,
        key,
        mode: wanted.mode,
        selection: wanted.of_bundle(),
        consent: &wanted.consent,
        plan_digest: None,
        rehearsed: None,
    }
}

/// The plan as a result.
fn show_plan(ready: &Ready, output: &Output) {
    let Made { plan, digest } = &ready.made;
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(flatten)]
        planned: Planned<'a>,
        samples: &'a [TableSamples],
    }
    let answer = Answer {
        planned: Planned {
            plan,
            digest: digest.clone(),
        },
        samples: &ready.samples,
    };
    output.result(&answer, words(ready));
}

fn words(ready: &Ready) -> String {
    let mut words = Shown(&ready.made.plan).to_string();
    // The server plans from the bundle that was sealed here; who sealed the archive is known here.
    let origin = match ready.wanted.archive.plain().origin() {
        Origin::Signed(sender) => Some(Finding::SignedBy {
            sender: sender.to_string(),
        }),
        Origin::Anybody => Some(Finding::Unsigned),
        Origin::Unsaid => None,
    };
    if let Some(origin) = origin {
        let _ = writeln!(words, "  note: {}", safe(&origin.to_string()));
    }
    if !ready.samples.is_empty() {
        let _ = write!(words, "{}", Samples(&ready.samples));
    }
    words
}

/// Shows the plan, and whether it is to be carried out: not if there is nothing to do.
fn agreed(ready: &Ready, yes: bool, output: &Output) -> Result<bool, Failure> {
    let plan = &ready.made.plan;
    output.note(words(ready));
    if plan.blocked {
        return Err(refusal_without_folder(plan, |_| {
            "its source has no such folder; --without-files leaves files out".to_owned()
        }));
    }
    if plan.is_unchanged() {
        output.result(&Unchanged::of(plan), NOTHING);
        return Ok(false);
    }
    if !yes {
        confirm(plan)?;
    }
    Ok(true)
}
