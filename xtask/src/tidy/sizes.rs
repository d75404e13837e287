//! Budgets of size, from the 90th and 99th percentile of codebases that read well.

use syn::{
    Attribute, Block, ImplItemFn, ItemEnum, ItemFn, ItemMod, Signature,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{findings::Findings, sources::Source};

/// Measures one file and everything in it; tests are left out.
pub(crate) fn check(file: &Source, findings: &mut Findings) {
    if file.is_test() {
        return;
    }
    let n_lines = file.text.lines().count() - test_lines(file);
    let is_main = file.name.ends_with("/main.rs") && file.name.starts_with("crates/");
    let (aim, limit) = if is_main { (25, 40) } else { (250, 500) };
    findings.measure(&format!("{}: lines", file.name), n_lines, aim, limit);
    let mut walk = Walk { file, findings };
    walk.visit_file(&file.syntax);
}

fn test_lines(file: &Source) -> usize {
    let modules = file.syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if is_test(&module.attrs) => Some(n_lines(module)),
        _ => None,
    });
    modules.sum()
}

pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.meta.require_list().is_ok_and(|list| {
                list.path.is_ident("cfg") && list.tokens.to_string().contains("test")
            })
    })
}

fn n_lines(item: &impl Spanned) -> usize {
    let span = item.span();
    span.end().line - span.start().line + 1
}

struct Walk<'a> {
    file: &'a Source,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn function(&mut self, signature: &Signature, block: &Block) {
        let what = format!("{}: fn {}", self.file.name, signature.ident);
        self.findings.measure(&format!("{what}: lines"), n_lines(block), 40, 75);
        self.findings.measure(&format!("{what}: parameters"), signature.inputs.len(), 4, 6);
        let mut depth = Depth::default();
        depth.visit_block(block);
        self.findings.measure(&format!("{what}: nesting"), depth.deepest, 3, 4);
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !is_test(&function.attrs) {
            self.function(&function.sig, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        if item.ident.to_string().ends_with("Error") {
            let what = format!("{}: enum {}: variants", self.file.name, item.ident);
            self.findings.measure(&what, item.variants.len(), 8, 12);
        }
    }
}

/// How deep control flow nests; `else if` stays on its level.
#[derive(Default)]
struct Depth {
    now: usize,
    deepest: usize,
}

impl Depth {
    fn enter(&mut self, visit: impl FnOnce(&mut Self)) {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        visit(self);
        self.now -= 1;
    }
}

impl<'ast> Visit<'ast> for Depth {
    fn visit_expr_if(&mut self, item: &'ast syn::ExprIf) {
        self.visit_expr(&item.cond);
        self.enter(|depth| depth.visit_block(&item.then_branch));
        match item.else_branch.as_ref().map(|(_, branch)| &**branch) {
            Some(syn::Expr::If(chained)) => self.visit_expr_if(chained),
            Some(branch) => self.enter(|depth| depth.visit_expr(branch)),
            None => {}
        }
    }

    fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
        self.enter(|depth| visit::visit_expr_match(depth, item));
    }

    fn visit_expr_for_loop(&mut self, item: &'ast syn::ExprForLoop) {
        self.enter(|depth| visit::visit_expr_for_loop(depth, item));
    }

    fn visit_expr_while(&mut self, item: &'ast syn::ExprWhile) {
        self.enter(|depth| visit::visit_expr_while(depth, item));
    }

    fn visit_expr_loop(&mut self, item: &'ast syn::ExprLoop) {
        self.enter(|depth| visit::visit_expr_loop(depth, item));
    }

    // A function inside a function is measured by itself.
    fn visit_item_fn(&mut self, _item: &'ast ItemFn) {}
}
