//! How rows of the archive's table become rows of the target's.

use alloc::{borrow::Cow, vec::Vec};

use super::{Column, Decisions, Engine, Fill, Labels, Table, postgres};
use crate::rows::{
    Conversion, NULL, RowMap, Rule, push_escaped,
    sqlite::{self, Class},
};

/// What becomes of a column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// They go into a column.
    Into(Conversion),
    /// There is no column for them, or one that the target computes.
    Gone,
    /// They can't be values of the target's column.
    Impossible,
}

/// What becomes of the values of a stored column of the archive. `moved` says that the target is of another moment of
/// the application, so that its enumerations may have other labels.
pub(super) fn change(
    engine: Engine,
    archive: &Column,
    target: Option<&Column>,
    labels: &[Labels],
    moved: bool,
) -> Change {
    let Some(target) = target.filter(|target| !target.generated) else {
        return Change::Gone;
    };
    let (from, to) = (&archive.type_name, &target.type_name);
    let conversion = match engine {
        Engine::Sqlite => {
            let (from, to) = (Class::of_declared_type(from), Class::of_declared_type(to));
            Some(if from == to {
                Conversion::Same
            } else {
                Conversion::Sqlite { from, to }
            })
        }
        Engine::Postgres if moved && from == to => {
            Some(labels.iter().find(|known| known.type_name == *to).map_or(
                Conversion::Same,
                |known| Conversion::Label {
                    labels: known.labels.clone(),
                },
            ))
        }
        Engine::Postgres => postgres::conversion(from, to, labels),
    };
    conversion.map_or(Change::Impossible, Change::Into)
}

/// How rows of the archive's table become rows of the target's. `moved` as for [`change`].
#[must_use]
pub fn row_map(
    engine: Engine,
    archive: &Table,
    target: &Table,
    labels: &[Labels],
    moved: bool,
    decisions: &Decisions,
) -> RowMap {
    let columns = archive.stored_columns().map(|column| {
        let other = target.column(&column.name);
        let rule = match change(engine, column, other, labels, moved) {
            // Where it is impossible, there are no rows, or nothing is loaded at all.
            Change::Gone | Change::Impossible => Rule::Drop,
            Change::Into(conversion) => {
                let not_null = column.nullable && other.is_some_and(|other| !other.nullable);
                if conversion == Conversion::Same && !not_null {
                    Rule::Keep
                } else {
                    let fill = decisions.filling(&archive.name, &column.name);
                    Rule::Convert {
                        fill: fill
                            .zip(other)
                            .and_then(|(fill, other)| field(engine, other, &conversion, fill)),
                        conversion,
                        not_null,
                    }
                }
            }
        };
        (column.name.clone(), rule)
    });
    RowMap::new(columns.collect())
}

/// The field that a fill makes; `None` if it doesn't fit either.
fn field(engine: Engine, column: &Column, conversion: &Conversion, fill: &Fill) -> Option<Vec<u8>> {
    let mut field = Vec::new();
    match (&fill.value, engine) {
        (None, _) if !column.nullable => return None,
        (None, _) => field.extend_from_slice(NULL),
        (Some(text), Engine::Postgres) => push_escaped(text.as_bytes(), &mut field),
        (Some(text), Engine::Sqlite) => {
            let class = Class::of_declared_type(&column.type_name);
            sqlite::push_value(class, &sqlite::placeholder(class, text), &mut field);
        }
    }
    // Other values are in the target's form already. Texts are as they were given, whatever the limit.
    match conversion {
        Conversion::Text { .. } | Conversion::Padded { .. } | Conversion::Label { .. }
            if field != NULL =>
        {
            conversion.apply(&field).map(Cow::into_owned)
        }
        _ => Some(field),
    }
}
