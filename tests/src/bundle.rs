//! A restore bundle as a browser makes it, made natively.

use base64ct::{Base64, Encoding};
use coffer_core::{
    archive::{Limits, Step},
    bundle::Bundler,
    manifest::Selection,
    seal::FileKey,
};
use coffer_server::read::OpenArchive;
use getrandom::SysRng;
use rand_core::{Rng, UnwrapErr};

/// A restore bundle.
#[derive(Debug)]
pub struct Bundle {
    /// The manifest's text.
    pub manifest: String,
    /// The one-time key's bytes.
    pub key: [u8; 32],
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

impl Bundle {
    /// Cuts a selection out of an archive.
    #[must_use]
    pub fn of(archive: &OpenArchive, selection: &Selection) -> Self {
        let mut rng = UnwrapErr(SysRng);
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        let files = archive.files().unwrap();
        let mut bundler = Bundler::new(
            &archive.directory,
            &archive.manifest,
            &files,
            selection,
            Limits::default(),
            &FileKey::new(key),
            &mut rng,
        )
        .unwrap();
        let mut bytes = Vec::new();
        loop {
            match bundler.step(&mut bytes).unwrap() {
                Step::Want(range) => bundler.feed(&archive.plain().read(range).unwrap()).unwrap(),
                Step::Output => {}
                Step::Done => break,
            }
        }
        Self {
            manifest: bundler.manifest().to_owned(),
            key,
            bytes,
        }
    }

    /// The key as it is handed over.
    #[must_use]
    pub fn key_text(&self) -> String {
        Base64::encode_string(&self.key)
    }
}
