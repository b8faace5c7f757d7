//! An archive, sealed or plain.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use coffer_core::{
    archive::{self, ArchiveError, CheckedReader, Directory, Entry, EntryReader, Limits, Step},
    bundle::Bundler,
    extract::{RowSearch, TableExport},
    manifest::{FILES_INDEX_PATH, FileEntry, MANIFEST_PATH, Manifest, Selection, files},
    preview::Preview,
    redact::{self, Redactor},
    schema::TableName,
    seal::{self, Password, Sealed, Sender, Unlocked},
    verify::Verifier,
};
use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use zeroize::Zeroizing;

use crate::{
    bundle::Bundle,
    check::check,
    convert,
    cursor::Cursor,
    failure::Failure,
    key,
    lanes::Lanes,
    pieces::{Pieces, read_all},
    plain::Plain,
    random,
    redacted::Redacted,
    rekey::{Rekeyed, Wish},
    rows::{self, TableStream},
    signed,
    source::Source,
    stream::FileStream,
    unsealing::Unsealing,
    window::Reading,
};

/// Bytes read at first, to see what kind of file it is: as many as the shortest header of a sealed archive has.
const START_BYTES: u64 = seal::HEADER_UNIT;

/// An archive.
///
/// Promises hold on to what they need, so it may be freed while one is pending.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Archive(Rc<Opened>);

#[derive(Debug)]
struct Opened {
    source: Rc<Source>,
    /// The browser's cryptography; `None` if the module does all.
    lanes: Option<Lanes>,
    size: u64,
    sealed: Option<Sealed>,
    /// Whose signature fits the scrub table.
    sender: Option<Sender>,
    /// A key opened it, maybe one that a password unlocked.
    opened_by_key: Cell<bool>,
    /// What opened it.
    unlocked: RefCell<Option<Rc<Unlocked>>>,
    /// `None` until a sealed archive is unlocked.
    plain: RefCell<Option<Rc<Plain>>>,
    /// Read when first needed.
    contents: RefCell<Option<Rc<Contents>>>,
    files: RefCell<Option<Rc<Vec<FileEntry>>>>,
}

#[derive(Debug)]
struct Contents {
    directory: Directory,
    manifest: Manifest,
}

#[derive(Serialize)]
struct Verified {
    entries: u64,
    bytes: u64,
}

#[wasm_bindgen]
impl Archive {
    /// Opens an archive: of a sealed one header and footer, of a plain one directory and manifest.
    ///
    /// # Errors
    /// `not_sealed` for what is neither, `not_an_archive` for an ordinary ZIP, `empty`, `cut_short`, and what else
    /// can be wrong with header, footer, directory or manifest.
    pub async fn open(source: Source, lanes: Option<Lanes>) -> Result<Self, JsValue> {
        let opened = Opened::recognise(Rc::new(source), lanes).await?;
        Ok(Self(Rc::new(opened)))
    }

    /// Whether it must be unlocked first.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.0.sealed.is_some()
    }

    /// Bytes of the file.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        convert::number(self.0.size)
    }

    /// Bytes read from the source so far.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn bytes_read(&self) -> f64 {
        convert::number(self.0.source.bytes_read())
    }

    /// What opens it: `{kind: "password"}`, `{kind: "locked_key", fingerprint}`, `{kind: "key", type, fingerprint}` or
    /// `{kind: "unknown", type}`; none for a plain archive.
    ///
    /// # Errors
    /// None is known.
    #[wasm_bindgen(getter)]
    pub fn locks(&self) -> Result<JsValue, JsValue> {
        let locks = self.0.sealed.as_ref().map(Sealed::locks);
        Ok(convert::locks(locks.unwrap_or_default())?)
    }

    /// Who sealed it, `{key, fingerprint}`; `undefined` if nobody signed it. The signature fits the scrub table; whatever
    /// is read of the content is compared with that table, and all of it by `verify`.
    ///
    /// # Errors
    /// None is known.
    #[wasm_bindgen(
        getter,
        unchecked_return_type = "{ key: string; fingerprint: string } | undefined"
    )]
    pub fn sender(&self) -> Result<JsValue, JsValue> {
        Ok(convert::sender(self.0.sender.as_ref())?)
    }

    /// Whether anybody may have made it who knows a public key: nobody signed it, and a key has opened it, maybe one that
    /// a password unlocked. False until it is unlocked.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn made_by_anybody(&self) -> bool {
        self.0.sender.is_none() && self.0.opened_by_key.get()
    }

    /// Unlocks a sealed archive. Deriving the key takes about a second, during which the worker does nothing else.
    ///
    /// # Errors
    /// `wrong_password`, after which it can be tried again; `not_a_recipient` if no password opens this archive;
    /// `header_damaged`, `commitment_mismatch`, `cost_too_high`.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn unlock(&self, password: String) -> Promise {
        let password = Password::new(&Zeroizing::new(password));
        self.promise(async move |archive| {
            archive
                .unseal(|sealed| Ok(sealed.header_locks().open(&password)?))
                .await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Unlocks a sealed archive with the text of a key file, and its password if the file is locked.
    ///
    /// # Errors
    /// `key_malformed` if the text is no key file; `key_locked` if it needs a password and none was given;
    /// `wrong_key_password`; `not_a_recipient` if the archive is sealed to other keys; `header_damaged`,
    /// `commitment_mismatch`, `cost_too_high`.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn unlock_with_key(&self, file: String, password: Option<String>) -> Promise {
        let file = Zeroizing::new(file);
        let password = password.map(|typed| Password::new(&Zeroizing::new(typed)));
        self.promise(async move |archive| {
            let key = key::read(&file, password.as_ref())?;
            archive
                .unseal(|sealed| Ok(sealed.header_locks().open_with_key(&key)?))
                .await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// The manifest, with core's field names; digests in hexadecimal.
    ///
    /// # Errors
    /// `locked`, and what can be wrong with directory and manifest.
    pub fn manifest(&self) -> Promise {
        self.promise(async |archive| Ok(convert::manifest(&archive.contents().await?.manifest)?))
    }

    /// All files: `{set, path, size, mode, mtime, sha256}`.
    ///
    /// # Errors
    /// `locked`, and what can be wrong with the files index.
    pub fn files(&self) -> Promise {
        self.promise(async |archive| Ok(convert::files(&archive.index().await?)?))
    }

    /// Up to `limit` rows of a table after the first `skip`: `{columns, types, rows, end, cut}`. Values are text as
    /// people read it, `null` is NULL; `cut` lists row and column of those of which only the start is shown.
    ///
    /// Reads only what it needs, so the digest of the rows is not compared here: `verify` does that.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, and what can be wrong with the rows.
    pub fn rows(&self, schema: String, table: String, skip: f64, limit: u32) -> Promise {
        let table = TableName::new(schema, table);
        self.promise(async move |archive| {
            Ok(archive.page(&table, convert::count(skip)?, limit).await?)
        })
    }

    /// Up to `limit` rows of a table of which any value holds a text, whatever its capital letters, after the first `skip`
    /// rows: as `rows` gives them, with `numbers`, each one's place in the table, and `next`, where to go on. Calls
    /// `progress` with rows passed and in all; what it throws ends the search and is what this rejects with.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, and what can be wrong with the rows.
    pub fn search_rows(
        &self,
        schema: String,
        table: String,
        text: String,
        skip: f64,
        limit: u32,
        #[wasm_bindgen(unchecked_param_type = "(done: number, total: number) => void")]
        progress: Function,
    ) -> Promise {
        let table = TableName::new(schema, table);
        self.promise(async move |archive| {
            archive
                .search(&table, &text, convert::count(skip)?, limit, &progress)
                .await
        })
    }

    /// All rows of a table in the form `csv`, `json` or `stored`.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, and what can be wrong with directory and manifest.
    #[wasm_bindgen(unchecked_return_type = "Promise<TableStream>")]
    pub fn export_table(&self, schema: String, table: String, format: String) -> Promise {
        let table = TableName::new(schema, table);
        self.promise(async move |archive| Ok(archive.export(&table, &format).await?.into()))
    }

    /// The same content behind another header: `remove` are places among the locks, `new_password` comes in place of the
    /// one that opened it, `passwords` and `recipients` come.
    ///
    /// # Errors
    /// `locked`; `nothing_to_do`, `no_way_in`, `not_a_way_in`, `too_many_ways_in`, `key_malformed`; `not_sealed` of a
    /// plain archive.
    #[wasm_bindgen(unchecked_return_type = "Promise<Rekeyed>")]
    pub fn rekey(
        &self,
        remove: Vec<u32>,
        new_password: Option<String>,
        passwords: Vec<String>,
        recipients: Vec<String>,
    ) -> Promise {
        let typed = |text: String| Password::new(&Zeroizing::new(text));
        let wish = Wish {
            remove,
            new_password: new_password.map(typed),
            passwords: passwords.into_iter().map(typed).collect(),
            recipients,
        };
        self.promise(async move |archive| Ok(archive.rekey(wish).await?.into()))
    }

    /// A standard archive of one that holds credentials, by the rules that it carries: plain, a ZIP.
    ///
    /// # Errors
    /// `locked`; `standard_already`, `no_rules`; what can be wrong with directory, manifest and files index.
    #[wasm_bindgen(unchecked_return_type = "Promise<Redacted>")]
    pub fn redact(&self, without_files: bool) -> Promise {
        self.promise(async move |archive| Ok(archive.redact(without_files).await?.into()))
    }

    /// One file. Its size and SHA-256 are checked at its end.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, and what can be wrong with directory, manifest and files index.
    #[wasm_bindgen(unchecked_return_type = "Promise<FileStream>")]
    pub fn file(&self, set: String, path: String) -> Promise {
        self.promise(async move |archive| Ok(archive.stream(&set, &path).await?.into()))
    }

    /// Reads and checks every byte: `{entries, bytes}`, bytes inflated. Calls `progress` with bytes of the file done and
    /// in all, about ten times a second; what it throws ends the check and is what this rejects with.
    ///
    /// # Errors
    /// The first thing that is wrong.
    #[wasm_bindgen(unchecked_return_type = "Promise<{ entries: number; bytes: number }>")]
    pub fn verify(
        &self,
        #[wasm_bindgen(unchecked_param_type = "(done: number, total: number) => void")]
        progress: Function,
    ) -> Promise {
        self.promise(async move |archive| archive.check(&progress).await)
    }

    /// Everything that is sealed, decrypted: the plain archive.
    ///
    /// # Errors
    /// `locked`.
    pub fn unseal(&self) -> Result<Unsealing, JsValue> {
        Ok(Unsealing::new(self.0.plain()?))
    }

    /// What is selected (`{tables: [{schema, name}] | null, file_sets: [name] | null}`, `null` for all) as a restore
    /// bundle.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, `bad_selection`, and what can be wrong with directory, manifest and files index.
    #[wasm_bindgen(unchecked_return_type = "Promise<Bundle>")]
    pub fn bundle(&self, selection: JsValue) -> Promise {
        self.promise(async move |archive| {
            let selection = serde_wasm_bindgen::from_value(selection).map_err(|_| {
                Failure::new(
                    "bad_selection",
                    "What was selected can't be understood; this is a defect of the page, please report it. Nothing was changed.",
                )
            })?;
            Ok(archive.select(&selection).await?.into())
        })
    }
}

impl Archive {
    fn promise<F>(&self, work: impl FnOnce(Rc<Opened>) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, JsValue>> + 'static,
    {
        future_to_promise(work(self.0.clone()))
    }
}

impl Opened {
    /// Decides by content what kind of file it is.
    async fn recognise(source: Rc<Source>, lanes: Option<Lanes>) -> Result<Self, Failure> {
        let (size, start) = source.start(START_BYTES).await?;
        let mut archive = Self {
            source: source.clone(),
            lanes,
            size,
            sealed: None,
            sender: None,
            opened_by_key: Cell::new(false),
            unlocked: RefCell::new(None),
            plain: RefCell::new(None),
            contents: RefCell::new(None),
            files: RefCell::new(None),
        };
        if start.starts_with(b"PK") {
            let plain = Plain::open(source, size);
            archive.plain.replace(Some(Rc::new(plain)));
            archive.contents().await?;
            return Ok(archive);
        }
        let mut opening = seal::Opening::new(size)?;
        opening.feed(&start)?;
        while let Some(range) = opening.wants() {
            opening.feed(&source.read(range).await?)?;
        }
        let sealed = opening.finish()?;
        archive.sender = signed::sender(&source, &sealed).await?;
        archive.sealed = Some(sealed);
        Ok(archive)
    }

    async fn unseal(
        &self,
        unlock: impl FnOnce(&Sealed) -> Result<Unlocked, Failure>,
    ) -> Result<(), Failure> {
        let Some(sealed) = &self.sealed else {
            return Ok(());
        };
        let unlocked = unlock(sealed)?;
        let lanes = self.lanes.as_ref();
        let plain = Plain::unseal(self.source.clone(), sealed, &unlocked.file_key, lanes).await?;
        self.opened_by_key.set(unlocked.secret.is_some());
        self.unlocked.replace(Some(Rc::new(unlocked)));
        self.plain.replace(Some(Rc::new(plain)));
        Ok(())
    }

    fn plain(&self) -> Result<Rc<Plain>, Failure> {
        self.plain.borrow().clone().ok_or_else(Failure::locked)
    }

    fn cursor(&self, reading: Reading) -> Result<Cursor, Failure> {
        Ok(Cursor::new(self.plain()?, reading))
    }

    async fn contents(&self) -> Result<Rc<Contents>, Failure> {
        let plain = self.plain()?;
        if let Some(contents) = &*self.contents.borrow() {
            return Ok(contents.clone());
        }
        let mut opening = archive::Opening::new(plain.len(), Limits::default())?;
        let mut cursor = Cursor::new(plain, Reading::Looking);
        while let Some(range) = opening.wants() {
            opening.feed(cursor.read(range).await?)?;
        }
        let directory = opening.finish()?;
        // The directory was refused if its manifest is larger than the limit.
        let reader = EntryReader::new(directory.entry(MANIFEST_PATH)?, Limits::default());
        let manifest = Manifest::parse(&read_all(reader, &mut cursor).await?)?;
        let contents = Rc::new(Contents {
            directory,
            manifest,
        });
        self.contents.replace(Some(contents.clone()));
        Ok(contents)
    }

    /// The files index; empty if there is none.
    async fn index(&self) -> Result<Rc<Vec<FileEntry>>, Failure> {
        let contents = self.contents().await?;
        if let Some(files) = &*self.files.borrow() {
            return Ok(files.clone());
        }
        let mut list = Vec::new();
        if let Some(expected) = &contents.manifest.files_index {
            let limits = Limits::default();
            if expected.bytes > limits.index_bytes {
                return Err(ArchiveError::Limit {
                    limit: "bytes of the files index",
                    found: expected.bytes,
                    allowed: limits.index_bytes,
                }
                .into());
            }
            let entry = contents.directory.entry(FILES_INDEX_PATH)?;
            let reader = CheckedReader::new(entry, expected, limits)?;
            let mut cursor = self.cursor(straight(entry))?;
            list = files::parse(&read_all(reader, &mut cursor).await?)?;
        }
        let list = Rc::new(list);
        self.files.replace(Some(list.clone()));
        Ok(list)
    }

    async fn page(&self, table: &TableName, skip: u64, limit: u32) -> Result<JsValue, Failure> {
        let Contents {
            directory,
            manifest,
        } = &*self.contents().await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut preview = Preview::new(directory, manifest, table, skip, limit, Limits::default())?;
        let mut cursor = self.cursor(Reading::Looking)?;
        loop {
            match preview.step()? {
                Step::Want(range) => preview.feed(cursor.read(range).await?)?,
                Step::Output => {}
                Step::Done => return convert::page(&preview.finish()),
            }
        }
    }

    async fn search(
        &self,
        table: &TableName,
        text: &str,
        skip: u64,
        limit: u32,
        progress: &Function,
    ) -> Result<JsValue, JsValue> {
        let Contents {
            directory,
            manifest,
        } = &*self.contents().await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let limits = Limits::default();
        let search = RowSearch::new(directory, manifest, table, text, skip, limit, limits)
            .map_err(Failure::from)?;
        let total = manifest.table(table).map_or(0, |data| data.rows);
        rows::search(search, self.cursor(Reading::Streaming)?, total, progress).await
    }

    async fn export(&self, table: &TableName, format: &str) -> Result<TableStream, Failure> {
        let Contents {
            directory,
            manifest,
        } = &*self.contents().await?;
        let format = rows::format(format)?;
        let export = TableExport::new(directory, manifest, table, format, Limits::default())?;
        Ok(TableStream::new(export, self.cursor(Reading::Streaming)?))
    }

    async fn rekey(&self, wish: Wish) -> Result<Rekeyed, Failure> {
        let Some(sealed) = &self.sealed else {
            return Err(Failure::new(
                "not_sealed",
                "This archive is not sealed, so there is nothing to change. Seal it instead.",
            ));
        };
        let unlocked = self.unlocked.borrow().clone().ok_or_else(Failure::locked)?;
        Rekeyed::new(self.source.clone(), sealed, &unlocked, &wish, self.size).await
    }

    async fn redact(&self, without_files: bool) -> Result<Redacted, Failure> {
        let contents = self.contents().await?;
        let files = self.index().await?;
        let redaction = redact::decide(&contents.manifest, None, without_files)?;
        let redactor = Redactor::new(
            &contents.directory,
            &contents.manifest,
            &files,
            &redaction,
            Limits::default(),
            random::fresh_secrets()?,
        )?;
        Ok(Redacted::new(redactor, self.cursor(Reading::Streaming)?))
    }

    async fn stream(&self, set: &str, path: &str) -> Result<FileStream, Failure> {
        let contents = self.contents().await?;
        let files = self.index().await?;
        let file = files
            .iter()
            .find(|file| file.set == set && file.path == path)
            .ok_or_else(|| {
                Failure::new(
                    "not_in_archive",
                    "The archive holds no such file. Nothing was changed.",
                )
            })?;
        let entry = contents.directory.entry(&file.entry)?;
        let reader = CheckedReader::new(entry, &file.digest(), Limits::default())?;
        let cursor = self.cursor(straight(entry))?;
        Ok(FileStream::new(file.size, Pieces::new(reader, cursor)))
    }

    async fn check(&self, progress: &Function) -> Result<JsValue, JsValue> {
        let report = |done: u64| {
            let (done, total) = (convert::number(done), convert::number(self.size));
            progress.call2(&JsValue::NULL, &done.into(), &total.into())
        };
        report(0)?;
        let contents = self.contents().await?;
        let files = self.index().await?;
        let plain = self.plain()?;
        let cursor = match &self.sealed {
            Some(sealed) => Cursor::scrubbing(plain, sealed).await?,
            None => {
                let until = plain.len();
                Cursor::new(plain, Reading::Straight { until })
            }
        };
        let verifier = Verifier::new(
            &contents.directory,
            &contents.manifest,
            &files,
            Limits::default(),
        )
        .map_err(Failure::from)?;
        let done = check(verifier, cursor, self.lanes.as_ref(), |done| {
            report(done).map(|_| ())
        })
        .await?;
        report(self.size)?;
        Ok(convert::to_js(&Verified {
            entries: done.entries,
            bytes: done.bytes,
        })?)
    }

    async fn select(&self, selection: &Selection) -> Result<Bundle, Failure> {
        let contents = self.contents().await?;
        let files = self.index().await?;
        let key = random::file_key()?;
        let bundler = Bundler::new(
            &contents.directory,
            &contents.manifest,
            &files,
            selection,
            Limits::default(),
            &key,
            &mut random::generator()?,
        )?;
        let cursor = self.cursor(Reading::Streaming)?;
        Bundle::new(bundler, &key, cursor, self.lanes.as_ref()).await
    }
}

/// All of an entry will be read.
fn straight(entry: &Entry) -> Reading {
    let len = entry.record_len().unwrap_or(0);
    Reading::Straight {
        until: entry.offset.saturating_add(len),
    }
}
