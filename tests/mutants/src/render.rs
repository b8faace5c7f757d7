//! Writes a source with its switches.
use std::{collections::btree_map, iter::Peekable};

use crate::sites::{Order, Site, Sites};

/// Where a change is in what was written, in lines from 1, first and last.
pub struct Place {
    pub id: usize,
    pub own: [usize; 2],
    pub whole: [usize; 2],
}

/// Asks whether a change is switched on.
fn on(id: usize) -> String {
    format!("crate::mutant_switch::on({id})")
}

/// The source with its switches, and where they are.
///
/// Each change has lines of its own, so that an error of the compiler belongs to one change.
pub fn render(source: &str, sites: &Sites) -> (String, Vec<Place>) {
    let mut renderer = Renderer {
        source,
        sites: sites.iter().peekable(),
        text: String::new(),
        line: 1,
        places: Vec::new(),
    };
    renderer.until(0, source.len());
    (renderer.text, renderer.places)
}

struct Renderer<'a> {
    source: &'a str,
    sites: Peekable<btree_map::Iter<'a, (usize, Order), Site>>,
    text: String,
    /// The line that is being written.
    line: usize,
    places: Vec<Place>,
}

impl Renderer<'_> {
    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        self.line += text.matches('\n').count();
    }

    /// Writes the source from one byte to another with all sites that begin between them.
    fn until(&mut self, mut at: usize, end: usize) {
        while let Some(((start, _), site)) = self.sites.next_if(|((start, _), _)| *start < end) {
            self.write(&self.source[at..*start]);
            at = *start;
            let (from, first) = (self.line, self.places.len());
            match site {
                Site::Body(values) => {
                    for (id, value) in values {
                        self.write("if ");
                        self.other(*id, &format!("return {value};"));
                        self.write("\n");
                    }
                }
                Site::Arm { id, guard: None } => {
                    let line = self.line;
                    self.write(&format!(" if !{}", on(*id)));
                    self.places.push(Place {
                        id: *id,
                        own: [line, line],
                        whole: [line, line],
                    });
                }
                Site::Arm {
                    id,
                    guard: Some(guard),
                } => {
                    self.write(&format!("!{} && (", on(*id)));
                    self.places.push(Place {
                        id: *id,
                        own: [from, from],
                        whole: [from, from],
                    });
                    self.until(guard.start, guard.end);
                    self.write(")");
                    at = guard.end;
                }
                Site::Expression { range, others } => {
                    self.write("(");
                    for (id, other) in others {
                        self.write("if ");
                        self.other(*id, other);
                        self.write(" else ");
                    }
                    self.write("{\n");
                    self.until(range.start, range.end);
                    self.write("\n})");
                    at = range.end;
                }
            }
            let whole = [from, self.line];
            if !matches!(site, Site::Arm { .. }) {
                let ids: Vec<usize> = match site {
                    Site::Body(of) | Site::Expression { others: of, .. } => {
                        of.iter().map(|(id, _)| *id).collect()
                    }
                    Site::Arm { .. } => Vec::new(),
                };
                for place in &mut self.places[first..] {
                    if ids.contains(&place.id) {
                        place.whole = whole;
                    }
                }
            }
        }
        self.write(&self.source[at..end]);
    }

    /// Writes a change with lines of its own, without the `if` before it.
    fn other(&mut self, id: usize, text: &str) {
        self.write(&format!("{} {{\n", on(id)));
        let first = self.line;
        self.write(text);
        let own = [first, self.line];
        self.write("\n}");
        self.places.push(Place {
            id,
            own,
            whole: own,
        });
    }
}
