use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::*;
use crate::policy::{JsonPath, Unresolved};

fn paths(list: &[&str]) -> Vec<JsonPath> {
    list.iter().map(|path| path.parse().unwrap()).collect()
}

fn exchanged(text: &str, list: &[&str], unresolved: Unresolved) -> Option<(String, u64)> {
    let new: BTreeMap<String, String> = [("1", "10"), ("2", "20"), ("a", "b\"c")]
        .map(|(old, new)| (old.to_string(), new.to_string()))
        .into();
    let ids = Ids::find(text, &paths(list));
    rewrite(text, &ids, &new, unresolved).map(|done| (done.text, done.cleared))
}

#[test]
fn only_ids_at_the_paths_change_and_nothing_else_of_the_text() {
    let text = r#" {"s" : [ {"id":1,"x":1.50}, {"id": "2" ,"id":1}, [1], 1 ], "id":1e0, "\u0073" : [{"id":"a"}]} "#;
    assert_eq!(
        exchanged(text, &["s[*].id"], Unresolved::Null),
        Some((
            r#" {"s" : [ {"id":10,"x":1.50}, {"id": "20" ,"id":10}, [1], 1 ], "id":1e0, "\u0073" : [{"id":"b\"c"}]} "#
                .to_string(),
            0
        ))
    );
}

#[test]
fn paths_of_any_depth_find_ids_at_each_depth_once() {
    assert_eq!(
        exchanged(
            r#"{"id":1,"a":{"id":[2,{"id":2}]}}"#,
            &["**.id", "a.id[*]", "id"],
            Unresolved::Keep
        ),
        Some((r#"{"id":10,"a":{"id":[20,{"id":20}]}}"#.to_string(), 0))
    );
}

#[test]
fn unresolved_ids_become_null_or_stay() {
    let text = r#"[7,null,true,"x",1]"#;
    assert_eq!(
        exchanged(text, &["[*]"], Unresolved::Null),
        Some((r#"[null,null,true,null,10]"#.to_string(), 2))
    );
    assert_eq!(
        exchanged(text, &["[*]"], Unresolved::Keep),
        Some((r#"[7,null,true,"x",10]"#.to_string(), 0))
    );
    assert_eq!(exchanged("[7]", &["[*]"], Unresolved::Keep), None);
}

#[test]
fn text_that_is_no_json_stays_as_it_is() {
    for text in [
        "",
        "[1",
        "[1]]",
        "{\"id\":1,}",
        "[01]",
        "[1e]",
        "[\"\\x\"]",
        "nul",
        "[1 2]",
        "{1:1}",
    ] {
        assert_eq!(
            exchanged(text, &["[*]", "id"], Unresolved::Null),
            None,
            "{text}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(exchanged(&deep, &["[*]"], Unresolved::Null), None);
}

#[test]
fn without_a_path_the_whole_text_is_the_id() {
    assert_eq!(
        exchanged("2", &[], Unresolved::Null),
        Some(("20".to_string(), 0))
    );
    assert_eq!(exchanged("3", &[], Unresolved::Keep), None);
}

#[test]
fn counts_account_for_each_row_of_the_archive() {
    let counts = Counts {
        insert: 1,
        update: 2,
        keep: 3,
        delete: 100,
        skipped: [(Skipped::Duplicate, 4), (Skipped::Collision, 5)].into(),
        ..Counts::default()
    };
    assert_eq!(counts.archived(), 15);
    let json = serde_json::to_string(&counts).unwrap();
    assert_eq!(
        json,
        r#"{"insert":1,"update":2,"keep":3,"delete":100,"skipped":{"duplicate":4,"collision":5}}"#
    );
    assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), counts);
}

mod order {
    use super::{super::order::*, *};
    use crate::schema::TableName;
    use alloc::collections::BTreeSet;

    fn link(column: &str, to: usize, class: Class) -> Link {
        Link {
            columns: vec![column.to_string()],
            to: Some(to),
            references: TableName::new("", ""),
            referenced: vec!["id".to_string()],
            class,
            when: When::Before,
            needed: false,
            owned: false,
            deferred: false,
            carried: false,
            clears: Vec::new(),
        }
    }

    fn ordered(
        links: [Vec<Link>; 3],
        early: &'static str,
    ) -> Result<(Vec<usize>, Vec<When>), MergeError> {
        let names: Vec<TableName> = ["a", "b", "c"]
            .map(|name| TableName::new("main", name))
            .into();
        let mut nodes: Vec<Node<'_>> = names
            .iter()
            .zip(links)
            .map(|(table, links)| Node {
                table,
                links,
                early: BTreeSet::from([early]),
            })
            .collect();
        let order = order(&mut nodes)?;
        let whens = nodes
            .iter()
            .flat_map(|node| node.links.iter().map(|link| link.when))
            .collect();
        Ok((order, whens))
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        let chain = [
            vec![link("b_id", 1, Class::Ownership)],
            vec![link("c_id", 2, Class::Enrichment)],
            vec![],
        ];
        assert_eq!(
            ordered(chain, ""),
            Ok((vec![2, 1, 0], vec![When::Before, When::Before]))
        );
    }

    #[test]
    fn a_circle_is_opened_where_null_is_allowed() {
        let circle = || {
            [
                vec![link("b_id", 1, Class::Ownership)],
                vec![link("a_id", 0, Class::Enrichment)],
                vec![link("a_id", 0, Class::Enrichment)],
            ]
        };
        // The table that only leads into the circle is none of it.
        assert_eq!(
            ordered(circle(), ""),
            Ok((vec![1, 0, 2], vec![When::Before, When::Late, When::Before]))
        );
        assert_eq!(
            ordered(circle(), "a_id"),
            Err(MergeError::IdentityTooLate {
                table: TableName::new("main", "b"),
                column: "a_id".to_string()
            })
        );
    }

    #[test]
    fn a_circle_without_null_is_refused() {
        let circle = [
            vec![link("b_id", 1, Class::Ownership)],
            vec![link("a_id", 0, Class::Ownership)],
            vec![],
        ];
        let error = ordered(circle, "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the tables main.a, main.b refer to each other in a circle in which no column may be NULL, so that no order of their rows can be found; nothing was changed; use mode replace"
        );
    }
}
