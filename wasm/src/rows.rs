//! Rows of a table, searched through or taken out.

use coffer_core::{
    archive::Step,
    extract::{Matches, RowSearch, TableExport},
    rows::Format,
};
use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::{
    convert,
    cursor::Cursor,
    failure::Failure,
    pieces::{Machine, Pieces},
    turns::Turns,
};

/// All rows of one table in another form, in pieces of a few MiB. Every part is compared with its digest before any of it
/// is given out.
#[wasm_bindgen]
#[derive(Debug)]
pub struct TableStream(Turns<Pieces<TableExport>>);

impl TableStream {
    pub(crate) fn new(export: TableExport, cursor: Cursor) -> Self {
        Self(Turns::new(Pieces::new(export, cursor)))
    }
}

#[wasm_bindgen]
impl TableStream {
    /// The next bytes; `undefined` at the end. After `read_failed` it can be called again.
    ///
    /// # Errors
    /// What is wrong with the rows, or on the way to them.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.0.next()
    }
}

impl Machine for TableExport {
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, Failure> {
        Ok(Self::step(self, out)?)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(Self::feed(self, bytes)?)
    }
}

/// The form of an export by its name.
pub(crate) fn format(name: &str) -> Result<Format, Failure> {
    match name {
        "csv" => Ok(Format::Csv),
        "json" => Ok(Format::Json),
        "stored" => Ok(Format::Stored),
        _ => Err(Failure::new(
            "bad_format",
            "No such form of rows is known; this is a defect of the page, please report it. Nothing was changed.",
        )),
    }
}

/// Drives a search to its end. Calls `progress` with rows passed and in all; what it throws ends the search.
pub(crate) async fn search(
    mut search: RowSearch,
    mut cursor: Cursor,
    total: u64,
    progress: &Function,
) -> Result<JsValue, JsValue> {
    loop {
        match search.step().map_err(Failure::from)? {
            Step::Want(range) => {
                let bytes = cursor.read(range).await?;
                search.feed(bytes).map_err(Failure::from)?;
            }
            Step::Output => {
                let (done, total) = (convert::number(search.passed()), convert::number(total));
                progress.call2(&JsValue::NULL, &done.into(), &total.into())?;
            }
            Step::Done => return Ok(matches(&search.finish())?),
        }
    }
}

#[derive(Serialize)]
struct JsMatches<'a> {
    #[serde(flatten)]
    page: convert::Rows<'a>,
    numbers: &'a [u64],
    next: Option<u64>,
}

fn matches(found: &Matches) -> Result<JsValue, Failure> {
    let Matches {
        columns,
        types,
        rows,
        numbers,
        next,
    } = found;
    convert::to_js(&JsMatches {
        page: convert::Rows::new(columns, types, rows, next.is_none()),
        numbers,
        next: *next,
    })
}
