//! Materialised views: computed anew from the rows that were restored, each after those that it reads.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::schema::TableName;

use super::link::{Id, Link, Step};
use crate::engine::{EngineError, sql};

const STEP: Step<'_> = Step::new("looking for materialised views");

/// A view, plain or materialised, and what it reads.
#[derive(Debug, Default)]
struct View {
    /// Its name where it is a materialised view that has been filled.
    filled: Option<TableName>,
    /// The tables and views that it reads, as far as the catalog knows.
    reads: BTreeSet<u32>,
    /// Whether it calls functions that may read anything.
    opaque: bool,
    /// Whether the role may refresh it.
    own: bool,
}

/// Refreshes the materialised views that may show rows of the tables `ids` (partitions among them), and gives their
/// names in the order in which they were refreshed. A view that was never filled stays so.
pub(super) async fn refresh(link: &mut Link, ids: &[Id]) -> Result<Vec<TableName>, EngineError> {
    let views = read(link).await?;
    let changed = with_ancestors(link, ids).await?;
    let names = order(&views, &changed);
    for name in &names {
        let refresh = format!("REFRESH MATERIALIZED VIEW {}", sql::table(name));
        let step = Step::of("refreshing the materialised view", name);
        link.run(step, refresh).await?;
    }
    Ok(names)
}

/// The tables, and those that they inherit from or are partitions of: whoever reads those sees these rows too.
async fn with_ancestors(link: &mut Link, ids: &[Id]) -> Result<BTreeSet<u32>, EngineError> {
    let sql = "
        WITH RECURSIVE up (oid) AS (
            SELECT unnest($1) UNION SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.oid)
        SELECT oid FROM up";
    let rows = link.rows(STEP, sql, ids.to_vec()).await?;
    rows.iter()
        .map(|row| Ok(link.get::<Id>(row, 0)?.0))
        .collect()
}

/// All views of the database with what their queries depend on.
async fn read(link: &mut Link) -> Result<BTreeMap<u32, View>, EngineError> {
    let sql = "
        SELECT DISTINCT v.oid, v.relkind = 'm' AND v.relispopulated, n.nspname::text, v.relname::text,
               pg_has_role(v.relowner, 'USAGE'), d.refclassid = 'pg_class'::regclass, d.refobjid
          FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
          JOIN pg_rewrite r ON r.ev_class = v.oid
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid <> v.oid
          LEFT JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
         WHERE v.relkind IN ('v', 'm') AND n.nspname <> ALL($1)
           AND (d.refclassid = 'pg_class'::regclass
                OR f.oid IS NOT NULL AND NOT EXISTS (
                       SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = f.oid
                                                 AND e.deptype = 'e'))";
    let system = vec!["pg_catalog".to_owned(), "information_schema".to_owned()];
    let mut views: BTreeMap<u32, View> = BTreeMap::new();
    for row in &link.rows(STEP, sql, system).await? {
        let view = views.entry(link.get::<Id>(row, 0)?.0).or_default();
        if link.get(row, 1)? {
            view.filled = Some(TableName::new(
                link.get::<String>(row, 2)?,
                link.get::<String>(row, 3)?,
            ));
        }
        view.own = link.get(row, 4)?;
        if link.get(row, 5)? {
            view.reads.insert(link.get::<Id>(row, 6)?.0);
        } else {
            view.opaque = true;
        }
    }
    Ok(views)
}

/// The materialised views to refresh, each after those that it reads. A view that calls functions may read any table,
/// so it is among them if it is the role's own; one that surely reads a changed table is in any case.
fn order(views: &BTreeMap<u32, View>, changed: &BTreeSet<u32>) -> Vec<TableName> {
    /// Whether a relation shows changed rows, surely or perhaps.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Shows {
        Nothing,
        Perhaps,
        Surely,
    }

    fn visit(
        id: u32,
        views: &BTreeMap<u32, View>,
        changed: &BTreeSet<u32>,
        seen: &mut BTreeMap<u32, Shows>,
        names: &mut Vec<TableName>,
    ) -> Shows {
        if changed.contains(&id) {
            return Shows::Surely;
        }
        if let Some(shows) = seen.get(&id) {
            return *shows;
        }
        // Views can be replaced so that they read each other, though none of these can be used any more.
        seen.insert(id, Shows::Nothing);
        let Some(view) = views.get(&id) else {
            return Shows::Nothing;
        };
        let mut shows = if view.opaque {
            Shows::Perhaps
        } else {
            Shows::Nothing
        };
        for read in &view.reads {
            shows = shows.max(visit(*read, views, changed, seen, names));
        }
        if let Some(name) = &view.filled
            && (shows == Shows::Surely || (shows == Shows::Perhaps && view.own))
        {
            names.push(name.clone());
        }
        seen.insert(id, shows);
        shows
    }

    let (mut seen, mut names) = (BTreeMap::new(), Vec::new());
    for id in views.keys() {
        visit(*id, views, changed, &mut seen, &mut names);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: Option<&str>, reads: &[u32], opaque: bool, own: bool) -> View {
        View {
            filled: name.map(|name| TableName::new("public", name)),
            reads: reads.iter().copied().collect(),
            opaque,
            own,
        }
    }

    #[test]
    fn views_follow_those_that_they_read() {
        // 1 and 2 are tables, 11 is a plain view between materialised ones.
        let views = BTreeMap::from([
            (10, view(Some("last"), &[11], false, true)),
            (11, view(None, &[12], false, true)),
            (12, view(Some("first"), &[1], false, false)),
            (13, view(Some("elsewhere"), &[2], false, true)),
            (14, view(Some("function"), &[2], true, true)),
            (15, view(Some("their function"), &[], true, false)),
            (16, view(Some("cycle"), &[17], false, true)),
            (17, view(None, &[16], false, true)),
            (18, view(Some("above"), &[14], false, true)),
            (19, view(Some("theirs above"), &[14], false, false)),
        ]);
        let names = |changed: &[u32]| -> Vec<String> {
            order(&views, &changed.iter().copied().collect())
                .into_iter()
                .map(|name| name.name)
                .collect()
        };
        // A view that perhaps shows other rows makes those above it perhaps show them, which only their owner finds out.
        assert_eq!(names(&[]), ["function", "above"]);
        assert_eq!(names(&[1]), ["first", "last", "function", "above"]);
        let surely = ["elsewhere", "function", "above", "theirs above"];
        assert_eq!(names(&[2]), surely);
        assert_eq!(names(&[1, 2]), [&["first", "last"][..], &surely].concat());
    }
}
