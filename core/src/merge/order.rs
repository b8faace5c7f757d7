//! In which order tables are gone through, so that what a row refers to is decided before it.

use alloc::{collections::BTreeSet, vec::Vec};

use super::{Class, Link, MergeError, When};
use crate::schema::TableName;

/// A table with its links, by which others are known as indexes.
pub(super) struct Node<'a> {
    pub(super) table: &'a TableName,
    pub(super) links: Vec<Link>,
    /// Columns that have to be known when the table's rows are recognised.
    pub(super) early: BTreeSet<&'a str>,
}

impl Node<'_> {
    /// Where a link to another table leads that has to be decided before.
    fn before(&self, own: usize) -> impl Iterator<Item = (&Link, usize)> {
        self.links
            .iter()
            .filter(|link| link.when == When::Before)
            .filter_map(|link| Some((link, link.to?)))
            .filter(move |(_, to)| *to != own)
    }
}

/// The indexes of the tables, each after those that its links lead to. Circles are opened by putting off a link whose
/// columns may be NULL for a while: the first by name, and one that identity needs only if there is no other.
///
/// # Errors
/// [`MergeError::Circle`], [`MergeError::IdentityTooLate`].
pub(super) fn order(nodes: &mut [Node<'_>]) -> Result<Vec<usize>, MergeError> {
    let mut order: Vec<usize> = Vec::with_capacity(nodes.len());
    let mut left: Vec<usize> = (0..nodes.len()).collect();
    left.sort_by(|a, b| name(nodes, *a).cmp(&name(nodes, *b)));
    while !left.is_empty() {
        let ready = left.iter().position(|index| {
            nodes
                .get(*index)
                .is_some_and(|node| node.before(*index).all(|(_, to)| order.contains(&to)))
        });
        match ready {
            Some(place) => order.push(left.remove(place)),
            None => open(nodes, &left, &order)?,
        }
    }
    Ok(order)
}

fn name<'a>(nodes: &[Node<'a>], index: usize) -> Option<&'a TableName> {
    nodes.get(index).map(|node| node.table)
}

/// Puts off one link of a circle among the tables that are left.
fn open(nodes: &mut [Node<'_>], left: &[usize], done: &[usize]) -> Result<(), MergeError> {
    let circle = circle(nodes, left, done);
    let candidate = |early: bool| {
        circle.iter().find_map(|index| {
            let node = nodes.get(*index)?;
            let place = node.links.iter().position(|link| {
                link.when == When::Before
                    && link.class == Class::Enrichment
                    && link
                        .to
                        .is_some_and(|to| to != *index && circle.contains(&to))
                    && link
                        .columns
                        .iter()
                        .any(|column| node.early.contains(column.as_str()))
                        == early
            })?;
            Some((*index, place))
        })
    };
    if let Some((index, place)) = candidate(false) {
        if let Some(link) = nodes
            .get_mut(index)
            .and_then(|node| node.links.get_mut(place))
        {
            link.when = When::Late;
        }
        return Ok(());
    }
    if let Some((index, place)) = candidate(true)
        && let Some(node) = nodes.get(index)
        && let Some(link) = node.links.get(place)
    {
        return Err(MergeError::IdentityTooLate {
            table: node.table.clone(),
            column: link.columns.join(", "),
        });
    }
    Err(MergeError::Circle {
        tables: circle
            .iter()
            .filter_map(|index| name(nodes, *index).cloned())
            .collect(),
    })
}

/// Tables that lead to themselves: what remains of `left` after all are gone to which no other of them leads back.
fn circle(nodes: &[Node<'_>], left: &[usize], done: &[usize]) -> Vec<usize> {
    let mut circle: Vec<usize> = left.to_vec();
    loop {
        let is_led_to = |wanted: usize, among: &[usize]| {
            among.iter().any(|index| {
                *index != wanted
                    && nodes
                        .get(*index)
                        .is_some_and(|node| node.before(*index).any(|(_, to)| to == wanted))
            })
        };
        let leads_on = |from: usize, among: &[usize]| {
            nodes.get(from).is_some_and(|node| {
                node.before(from)
                    .any(|(_, to)| !done.contains(&to) && among.contains(&to))
            })
        };
        let kept: Vec<usize> = circle
            .iter()
            .copied()
            .filter(|index| is_led_to(*index, &circle) && leads_on(*index, &circle))
            .collect();
        if kept.len() == circle.len() {
            return circle;
        }
        circle = kept;
    }
}
