//! Finds what each change changes: the whole expression around an operator, the arm, the body.
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use syn::{
    Arm, Expr, ExprBinary, ExprStruct, ExprUnary, Item, Pat, ReturnType, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    change::{Change, Genre},
    lines::Lines,
};

/// Places in a source where something is switched, in the order of the source, outer ones first.
pub type Sites = BTreeMap<(usize, Order), Site>;

/// What comes first of several sites that begin at the same byte: what is put there, then the longest expression.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    Put,
    Expression(std::cmp::Reverse<usize>),
}

pub enum Site {
    /// A function can return something else before its first statement: changes and what they return.
    Body(Vec<(usize, String)>),
    /// An arm may not match; the guard that it has, if any, ends there.
    Arm {
        id: usize,
        guard: Option<Range<usize>>,
    },
    /// An expression can be another.
    Expression {
        range: Range<usize>,
        others: Vec<(usize, String)>,
    },
}

/// The sites of those of the changes of one source that can be switched.
pub fn find(source: &str, changes: &[(usize, &Change)]) -> syn::Result<Sites> {
    let lines = Lines::new(source);
    let mut finder = Finder {
        source,
        changes: HashMap::new(),
        sites: Sites::new(),
        in_function: false,
    };
    for (id, change) in changes {
        let span = lines.bytes(&change.span);
        let key = (change.genre as u8, span.start);
        finder
            .changes
            .entry(key)
            .or_default()
            .push((*id, span, change.replacement.clone()));
    }
    finder.visit_file(&syn::parse_file(source)?);
    Ok(finder.sites)
}

struct Finder<'a> {
    source: &'a str,
    /// By genre and first byte.
    changes: HashMap<(u8, usize), Vec<(usize, Range<usize>, String)>>,
    sites: Sites,
    in_function: bool,
}

impl Finder<'_> {
    fn take(&mut self, genre: Genre, at: usize) -> Vec<(usize, Range<usize>, String)> {
        self.changes.remove(&(genre as u8, at)).unwrap_or_default()
    }

    /// Switches an expression to what it is with each of the changes made in its text.
    fn expression(&mut self, range: Range<usize>, changes: Vec<(usize, Range<usize>, String)>) {
        if changes.is_empty() || !self.in_function {
            return;
        }
        let key = (range.start, Order::Expression(std::cmp::Reverse(range.end)));
        let site = self.sites.entry(key).or_insert(Site::Expression {
            range: range.clone(),
            others: Vec::new(),
        });
        if let Site::Expression { others, .. } = site {
            others.extend(changes.into_iter().map(|(id, span, replacement)| {
                let before = &self.source[range.start..span.start];
                let after = &self.source[span.end..range.end];
                (id, format!("{before} {replacement} {after}"))
            }));
        }
    }

    fn body(&mut self, returns: &ReturnType, block: &syn::Block) {
        // Its type is that of the one thing that it returns.
        if matches!(returns, ReturnType::Type(_, named) if matches!(**named, Type::ImplTrait(_))) {
            return;
        }
        let Some(first) = block.stmts.first() else {
            return;
        };
        let at = first.span().byte_range().start;
        let changes = self.take(Genre::FnValue, at);
        if !changes.is_empty() {
            let values = changes.into_iter().map(|(id, _, value)| (id, value));
            self.sites
                .insert((at, Order::Put), Site::Body(values.collect()));
        }
    }
}

/// Whether `let` binds in a condition, which then can't stand in brackets.
fn binds(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(both) => binds(&both.left) || binds(&both.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let before = std::mem::replace(&mut self.in_function, false);
        visit::visit_item(self, item);
        self.in_function = before;
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.in_function = true;
        self.body(&function.sig.output, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let before = std::mem::replace(&mut self.in_function, true);
        self.body(&function.sig.output, &function.block);
        visit::visit_impl_item_fn(self, function);
        self.in_function = before;
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        let before = std::mem::replace(&mut self.in_function, true);
        if let Some(block) = &function.default {
            self.body(&function.sig.output, block);
        }
        visit::visit_trait_item_fn(self, function);
        self.in_function = before;
    }

    /// The length of an array is a constant, wherever it stands.
    fn visit_type(&mut self, _: &'ast Type) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_binary(&mut self, both: &'ast ExprBinary) {
        let whole = Expr::Binary(both.clone());
        let changes = self.take(Genre::BinaryOperator, both.op.span().byte_range().start);
        if !binds(&whole) {
            self.expression(both.span().byte_range(), changes);
        }
        visit::visit_expr_binary(self, both);
    }

    fn visit_expr_unary(&mut self, one: &'ast ExprUnary) {
        let changes = self.take(Genre::UnaryOperator, one.op.span().byte_range().start);
        self.expression(one.span().byte_range(), changes);
        visit::visit_expr_unary(self, one);
    }

    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        for field in &made.fields {
            let changes = self.take(Genre::StructField, field.span().byte_range().start);
            self.expression(made.span().byte_range(), changes);
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let guard = match &arm.pat {
            Pat::Guard(guarded) => Some(&guarded.guard),
            _ => None,
        };
        if let Some(guard) = guard {
            let range = guard.span().byte_range();
            let changes = self.take(Genre::MatchArmGuard, range.start);
            if !binds(guard) {
                self.expression(range, changes);
            }
        }
        for (id, ..) in self.take(Genre::MatchArm, arm.span().byte_range().start) {
            let guard = guard.map(|guard| guard.span().byte_range());
            let end = arm.pat.span().byte_range().end;
            let at = guard.as_ref().map_or(end, |guard| guard.start);
            self.sites.insert((at, Order::Put), Site::Arm { id, guard });
        }
        visit::visit_arm(self, arm);
    }
}
