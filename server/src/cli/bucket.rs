//! A folder or bucket, as the command line names it.

use std::{
    env,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Failure,
    key_file::{lines, read_text},
};
use crate::destination::{DestinationConfig, S3Key};

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// What is said of a bucket beside its name.
#[derive(Debug, clap::Args)]
pub(super) struct BucketArgs {
    /// The bucket's server, such as https://s3.example.org; Amazon's own without it.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// The bucket's region.
    #[arg(long)]
    region: Option<String>,

    /// The bucket is part of the server's name, and not of the path.
    #[arg(long)]
    virtual_host: bool,

    /// A file with the lines aws_access_key_id = … and aws_secret_access_key = …, as Amazon's own tools have it. Without it, the key
    /// is taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl BucketArgs {
    /// What `at` names, which is a folder or `s3://BUCKET/PREFIX`, and the key that it takes.
    pub(super) fn open(&self, at: &str) -> Result<(DestinationConfig, Option<S3Key>), Failure> {
        let Some(bucket) = at.strip_prefix("s3://") else {
            self.unused()?;
            return Ok((DestinationConfig::Folder { path: at.into() }, None));
        };
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        let config = DestinationConfig::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            virtual_host: self.virtual_host,
        };
        Ok((config, Some(key(self.key_file.as_deref())?)))
    }

    /// Refuses what is said of a bucket where there is none.
    pub(super) fn unused(&self) -> Result<(), Failure> {
        if self.endpoint.is_some()
            || self.region.is_some()
            || self.virtual_host
            || self.key_file.is_some()
        {
            return Err(Failure::usage(
                "--endpoint, --region, --virtual-host and --key-file are of buckets; a folder has none of them",
            ));
        }
        Ok(())
    }
}

/// A bucket's key: never of the command line, which other users of the machine can see.
fn key(file: Option<&Path>) -> Result<S3Key, Failure> {
    let (id, secret) = match file {
        Some(path) => of_file(path)?,
        None => (
            env::var(KEY_ID).ok(),
            env::var(SECRET).ok().map(Zeroizing::new),
        ),
    };
    let given = |text: &String| !text.is_empty();
    match (id.filter(given), secret.filter(|text| given(text))) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(S3Key {
            access_key_id,
            secret_access_key,
        }),
        _ => Err(Failure::usage(match file {
            Some(path) => format!(
                "{} lacks aws_access_key_id = … or aws_secret_access_key = …; nothing was done",
                path.display()
            ),
            None => format!(
                "a bucket needs a key: set {KEY_ID} and {SECRET}, or name a file with --key-file; nothing was done"
            ),
        })),
    }
}

/// The first key of a file such as `~/.aws/credentials`.
fn of_file(path: &Path) -> Result<(Option<String>, Option<Zeroizing<String>>), Failure> {
    let text = read_text(path)?;
    let value = |name: &str| {
        lines(&text).find_map(|line| {
            let (found, value) = line.split_once('=')?;
            (found.trim() == name).then(|| value.trim().to_owned())
        })
    };
    Ok((
        value("aws_access_key_id"),
        value("aws_secret_access_key").map(Zeroizing::new),
    ))
}
