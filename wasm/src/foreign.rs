//! An archive of another product: Nosdesk, Nojoin, DBackup.

use std::{cell::RefCell, rc::Rc};

use coffer_core::{
    ByteRange,
    archive::Step,
    foreign::{
        self, Decrypted, Depth, ForeignError, Look, Opening, Overview, Peek, Secret, Survey,
        Unlocking,
        dbackup::{KeyRing, Sidecar},
        zip,
    },
    seal::Password,
};
use js_sys::{Function, Promise, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use zeroize::Zeroizing;

use crate::{
    convert,
    failure::Failure,
    source::Source,
    turns::{Giver, Turns},
};

/// Bytes of a piece of a file.
const PIECE_BYTES: usize = 4 << 20;

/// An archive of another product.
///
/// Promises hold on to what they need, so it may be freed while one is pending.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Foreign(Rc<Opened>);

#[derive(Debug)]
struct Opened {
    content: Rc<Content>,
    look: Look,
    sidecar: Option<Sidecar>,
    /// `None` until it is unlocked.
    archive: RefCell<Option<Rc<foreign::Archive>>>,
    /// Read when first needed.
    overview: RefCell<Option<Rc<Overview>>>,
}

/// Its bytes, decrypted if need be.
#[derive(Debug)]
struct Content {
    source: Source,
    size: u64,
    decrypted: RefCell<Option<Decrypted>>,
}

impl Content {
    fn len(&self) -> u64 {
        self.decrypted
            .borrow()
            .as_ref()
            .map_or(self.size, Decrypted::plain_len)
    }

    async fn read(&self, range: ByteRange) -> Result<Vec<u8>, Failure> {
        let decrypted = self.decrypted.borrow().clone();
        match decrypted {
            None => self.source.read(range).await,
            Some(decrypted) => {
                let stored = self.source.read(decrypted.locate(range)).await?;
                Ok(decrypted.open(range, stored)?)
            }
        }
    }
}

/// What opens it: core's lock of a sealed archive has other kinds.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Lock<'a> {
    Password,
    ProfileKey { profile: Option<&'a str> },
}

#[wasm_bindgen]
impl Foreign {
    /// Opens an archive of another product, or gives `undefined` for what none of them writes. `sidecar` is the file that
    /// lies beside a backup of DBackup; `encrypted` says that it should be there.
    ///
    /// # Errors
    /// `sidecar_missing`, `sidecar_invalid`, `unsupported_version`, `cut_short`, and what else is wrong with it.
    pub async fn open(
        source: Source,
        sidecar: Option<Vec<u8>>,
        encrypted: bool,
    ) -> Result<Option<Self>, JsValue> {
        Ok(Opened::recognise(source, sidecar, encrypted)
            .await?
            .map(|opened| Self(Rc::new(opened))))
    }

    /// Whether it must be unlocked first.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.0.look.encryption().is_some()
    }

    /// Bytes of the file.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        convert::number(self.0.content.size)
    }

    /// Bytes read from the source so far.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn bytes_read(&self) -> f64 {
        convert::number(self.0.content.source.bytes_read())
    }

    /// What opens it: `{kind: "password"}` or `{kind: "profile_key", profile}`; none if it is not encrypted.
    ///
    /// # Errors
    /// None is known.
    #[wasm_bindgen(getter)]
    pub fn locks(&self) -> Result<JsValue, JsValue> {
        let lock = match &self.0.look {
            Look::Nosdesk(_) => Some(Lock::Password),
            Look::DBackup(encrypted) => Some(Lock::ProfileKey {
                profile: encrypted.profile(),
            }),
            Look::Plain(_) | Look::Other => None,
        };
        Ok(convert::to_js(&lock.into_iter().collect::<Vec<_>>())?)
    }

    /// Unlocks an archive of Nosdesk. All of it is read, and compared with its tag.
    ///
    /// # Errors
    /// `wrong_password_or_damaged`, after which it can be tried again.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn unlock(&self, password: String) -> Promise {
        let password = Password::new(&Zeroizing::new(password));
        self.unlock_by(Ok(Secret::Password(password)))
    }

    /// Unlocks a backup of DBackup with what a key file holds: hexadecimal digits, or a Recovery Kit.
    ///
    /// # Errors
    /// `key_malformed`, `no_key_fits`, after which it can be tried again; `damaged`.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn unlock_with_key(&self, file: Vec<u8>) -> Promise {
        let file = Zeroizing::new(file);
        self.unlock_by(KeyRing::parse(&file).map(Secret::Keys))
    }

    /// Reads all rows, and with `everything` all files, and gives the overview: core's field names. Calls `progress` with
    /// bytes read; what it throws ends the reading and is what this rejects with.
    ///
    /// # Errors
    /// `locked`, and what forbids to go on; what is wrong with one table or file is among the findings.
    pub fn survey(
        &self,
        everything: bool,
        #[wasm_bindgen(unchecked_param_type = "(done: number, total: number) => void")]
        progress: Function,
    ) -> Promise {
        let depth = if everything {
            Depth::Everything
        } else {
            Depth::Rows
        };
        self.promise(async move |opened| {
            let overview = opened.survey(depth, Some(&progress)).await?;
            Ok(convert::to_js(&*overview)?)
        })
    }

    /// Up to `limit` rows of a table after the first `skip`, as `Archive.rows`. Types are not known.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, and what can be wrong with the rows.
    pub fn rows(&self, table: String, skip: f64, limit: u32) -> Promise {
        self.promise(async move |opened| {
            Ok(opened.page(&table, convert::count(skip)?, limit).await?)
        })
    }

    /// One uploaded file, by its entry.
    ///
    /// # Errors
    /// `locked`, `not_in_archive`, or what forbids to read it.
    #[wasm_bindgen(unchecked_return_type = "Promise<ForeignFile>")]
    pub fn file(&self, entry: String) -> Promise {
        self.promise(async move |opened| Ok(opened.file(&entry)?.into()))
    }
}

impl Foreign {
    fn promise<F>(&self, work: impl FnOnce(Rc<Opened>) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, JsValue>> + 'static,
    {
        future_to_promise(work(self.0.clone()))
    }

    fn unlock_by(&self, secret: Result<Secret, ForeignError>) -> Promise {
        self.promise(async move |opened| {
            opened.unlock(&secret.map_err(Failure::from)?).await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl Opened {
    async fn recognise(
        source: Source,
        sidecar: Option<Vec<u8>>,
        encrypted: bool,
    ) -> Result<Option<Self>, Failure> {
        let sidecar = sidecar.map(|json| Sidecar::parse(&json)).transpose()?;
        let (size, start) = source.start(Look::START_BYTES).await?;
        let look = Look::at(&start, size, sidecar.as_ref())?;
        let opened = Self {
            content: Rc::new(Content {
                source,
                size,
                decrypted: RefCell::new(None),
            }),
            look,
            sidecar,
            archive: RefCell::new(None),
            overview: RefCell::new(None),
        };
        match &opened.look {
            Look::Other if encrypted => Err(ForeignError::SidecarMissing.into()),
            Look::Other => Ok(None),
            Look::Nosdesk(_) | Look::DBackup(_) => Ok(Some(opened)),
            Look::Plain(content) => match opened.read_description(*content).await {
                Ok(()) => Ok(Some(opened)),
                // It is a ZIP of something else, which is explained elsewhere.
                Err(failure)
                    if *content == foreign::Content::Zip
                        && !failure.is_temporary()
                        && !failure.is_version() =>
                {
                    Ok(None)
                }
                Err(failure) => Err(failure),
            },
        }
    }

    async fn unlock(&self, secret: &Secret) -> Result<(), Failure> {
        let Some(mut unlocking) = Unlocking::new(&self.look, secret)? else {
            return Ok(());
        };
        while let Some(range) = unlocking.wants() {
            unlocking.feed(&self.content.source.read(range).await?)?;
        }
        let (decrypted, content) = unlocking.finish()?;
        self.content.decrypted.replace(Some(decrypted));
        self.read_description(content).await
    }

    async fn read_description(&self, content: foreign::Content) -> Result<(), Failure> {
        let mut opening = Opening::new(
            content,
            self.content.len(),
            self.look.encryption(),
            self.sidecar.as_ref(),
        )?;
        while let Some(range) = opening.wants() {
            opening.feed(&self.content.read(range).await?)?;
        }
        self.archive.replace(Some(Rc::new(opening.finish()?)));
        Ok(())
    }

    fn archive(&self) -> Result<Rc<foreign::Archive>, Failure> {
        self.archive.borrow().clone().ok_or_else(Failure::locked)
    }

    async fn survey(
        &self,
        depth: Depth,
        progress: Option<&Function>,
    ) -> Result<Rc<Overview>, JsValue> {
        let archive = self.archive()?;
        let (total, mut done) = (self.content.len(), 0);
        let mut survey = Survey::new(&archive, depth);
        loop {
            match survey.step().map_err(Failure::from)? {
                Step::Want(range) => {
                    let bytes = self.content.read(range).await?;
                    survey.feed(&bytes).map_err(Failure::from)?;
                    done += range.len;
                    if let Some(progress) = progress {
                        let (done, total) = (convert::number(done), convert::number(total));
                        progress.call2(&JsValue::NULL, &done.into(), &total.into())?;
                    }
                }
                Step::Output => {}
                Step::Done => break,
            }
        }
        let overview = Rc::new(survey.finish());
        self.overview.replace(Some(overview.clone()));
        Ok(overview)
    }

    async fn page(&self, table: &str, skip: u64, limit: u32) -> Result<JsValue, Failure> {
        let archive = self.archive()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut peek = Peek::new(&archive, table, skip, limit)?;
        loop {
            match peek.step()? {
                Step::Want(range) => peek.feed(&self.content.read(range).await?)?,
                Step::Output => {}
                Step::Done => break,
            }
        }
        let overview = self.overview.borrow().clone();
        let known = overview.as_ref().and_then(|overview| {
            let mut tables = overview.tables.iter();
            tables.find(|known| known.name == table)
        });
        convert::page(&peek.finish(known.map_or(&[], |known| &known.columns)))
    }

    fn file(&self, entry: &str) -> Result<ForeignFile, Failure> {
        let archive = self.archive()?;
        let reader = archive.file(entry)?;
        Ok(ForeignFile {
            size: reader.size(),
            pieces: Turns::new(Pieces {
                reader,
                content: self.content.clone(),
                out: Vec::new(),
                end: false,
            }),
        })
    }
}

/// One file, in pieces of a few MiB. Its size and CRC-32 are compared before the last piece is given out.
#[wasm_bindgen]
#[derive(Debug)]
pub struct ForeignFile {
    size: u64,
    pieces: Turns<Pieces>,
}

#[wasm_bindgen]
impl ForeignFile {
    /// Bytes of the file.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        convert::number(self.size)
    }

    /// The next bytes; `undefined` at the end.
    ///
    /// # Errors
    /// What is wrong with the file, or on the way to it.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.pieces.next()
    }
}

#[derive(Debug)]
struct Pieces {
    reader: zip::Reader,
    content: Rc<Content>,
    out: Vec<u8>,
    end: bool,
}

impl Giver for Pieces {
    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        while self.out.len() < PIECE_BYTES && !self.end {
            match self.reader.step(&mut self.out)? {
                Step::Want(range) => self.reader.feed(&self.content.read(range).await?)?,
                Step::Output => {}
                Step::Done => self.end = true,
            }
        }
        let len = self.out.len().min(PIECE_BYTES);
        let piece = Uint8Array::from(self.out.get(..len).unwrap_or_default());
        self.out.drain(..len);
        Ok((len > 0).then_some(piece))
    }
}
