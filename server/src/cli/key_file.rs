//! Key files and files of recipients on disk.

use std::{fs, path::Path};

use coffer_core::seal::{KeyFile, MAX_KEY_FILE_BYTES, Recipient};
use zeroize::Zeroizing;

use super::Failure;

/// Reads a key file.
pub(super) fn read(path: &Path) -> Result<KeyFile, Failure> {
    KeyFile::parse(&read_text(path)?)
        .map_err(|error| Failure::usage(format!("{} is not a key file: {error}", path.display())))
}

/// Recipients of a file, one a line.
pub(super) fn recipients(path: &Path) -> Result<Vec<Recipient>, Failure> {
    let text = read_text(path)?;
    let found: Vec<Recipient> = lines(&text)
        .enumerate()
        .map(|(index, line)| {
            Recipient::parse(line).map_err(|error| {
                Failure::usage(format!(
                    "recipient {} in {}: {error}",
                    index + 1,
                    path.display()
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no recipient",
            path.display()
        )));
    }
    Ok(found)
}

/// Lines that are neither blank nor a remark.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A file of keys, which is small.
pub(super) fn read_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MAX_KEY_FILE_BYTES {
        return Err(Failure::usage(format!(
            "{} has {size} bytes, more than the {MAX_KEY_FILE_BYTES} that a file of keys may have",
            path.display()
        )));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}
