//! The import graph of files, read from the syntax alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use syn::{
    Item, UseTree,
    visit::{self, Visit},
};

use super::sources::Source;

/// The imports of one file: the files it takes names from, with the names.
pub(crate) type Imports = BTreeMap<usize, BTreeSet<String>>;

/// The import graph of the workspace; a node is the place of a file in the list of sources.
pub(crate) struct Graph {
    pub imports: Vec<Imports>,
}

impl Graph {
    /// Reads the graph from the files: imports inside a crate, since cargo itself refuses circles of crates.
    pub(crate) fn of(files: &[Source]) -> Self {
        let modules = Modules::of(files);
        let imports = files.iter().enumerate().map(|(place, file)| modules.imports(place, file));
        Self { imports: imports.collect() }
    }

    /// Returns the groups of files that import each other in a circle.
    pub(crate) fn circles(&self) -> Vec<Vec<usize>> {
        let reached: Vec<BTreeSet<usize>> =
            (0..self.imports.len()).map(|file| self.reached_from(file)).collect();
        let mut circles: Vec<Vec<usize>> = Vec::new();
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        for file in 0..self.imports.len() {
            if !reached[file].contains(&file) || seen.contains(&file) {
                continue;
            }
            let circle: Vec<usize> = reached[file]
                .iter()
                .copied()
                .filter(|other| reached[*other].contains(&file))
                .collect();
            seen.extend(&circle);
            circles.push(circle);
        }
        circles
    }

    fn reached_from(&self, file: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<usize> = self.imports[file].keys().copied().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.imports[next].keys());
            }
        }
        reached
    }
}

/// A module by its crate and its path inside it.
type ModulePath = (String, Vec<String>);

/// A name of a module leads to another module, to another name, or is defined there.
struct Modules<'a> {
    files: HashMap<ModulePath, usize>,
    paths: Vec<Option<ModulePath>>,
    /// The names that each file hands on (`pub use`), with the path behind them.
    handed_on: Vec<HashMap<String, Vec<String>>>,
    defined: Vec<BTreeSet<String>>,
    sources: &'a [Source],
}

impl<'a> Modules<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let paths: Vec<Option<ModulePath>> = sources.iter().map(module_path).collect();
        let named = paths.iter().enumerate();
        let files = named.filter_map(|(place, path)| Some((path.clone()?, place))).collect();
        let handed_on = sources.iter().map(|file| uses(&file.syntax.items, true)).collect();
        let defined = sources.iter().map(|file| defined(&file.syntax.items)).collect();
        Self { files, paths, handed_on, defined, sources }
    }

    fn imports(&self, place: usize, file: &Source) -> Imports {
        let mut imports = Imports::new();
        if self.paths[place].is_none() || file.is_test() {
            return imports;
        }
        let mut names = Names::default();
        names.visit_file(&file.syntax);
        let aliases = uses(&file.syntax.items, false);
        let handed_on = &self.handed_on[place];
        // What is imported and not handed on is used, be it in the text of a format.
        let imported = aliases.iter().filter(|(name, _)| !handed_on.contains_key(*name));
        for path in names.used(&aliases).into_iter().chain(imported.map(|(_, path)| path.clone())) {
            let Some((target, name)) = self.resolve(place, &path, &aliases, 0) else { continue };
            if target != place && !self.sources[target].is_test() {
                imports.entry(target).or_default().insert(name);
            }
        }
        imports
    }

    /// Finds the file that defines what `path` names, as seen from the file at `place`.
    fn resolve(
        &self,
        place: usize,
        path: &[String],
        aliases: &HashMap<String, Vec<String>>,
        n_steps: usize,
    ) -> Option<(usize, String)> {
        if n_steps > 16 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        let (crate_name, module) = self.paths[place].as_ref()?;
        let start = match first.as_str() {
            "crate" => Some(Vec::new()),
            "self" => Some(module.clone()),
            "super" => module.split_last().map(|(_, parent)| parent.to_vec()),
            _ => None,
        };
        if let Some(start) = start {
            return self.descend(&(crate_name.clone(), start), rest, n_steps);
        }
        if let Some(target) = aliases.get(first).filter(|target| *target != path) {
            let whole: Vec<String> = target.iter().chain(rest).cloned().collect();
            return self.resolve(place, &whole, &HashMap::new(), n_steps + 1);
        }
        self.descend(&(crate_name.clone(), module.clone()), path, n_steps)
    }

    /// Follows `path` down from a module: through child modules, then through a name it hands on or defines.
    fn descend(
        &self,
        from: &ModulePath,
        path: &[String],
        n_steps: usize,
    ) -> Option<(usize, String)> {
        let place = *self.files.get(from)?;
        let (first, rest) = path.split_first()?;
        if first == "super" {
            let (_, parent) = from.1.split_last()?;
            return self.descend(&(from.0.clone(), parent.to_vec()), rest, n_steps);
        }
        let mut child = from.clone();
        child.1.push(first.clone());
        if self.files.contains_key(&child) && !rest.is_empty() {
            return self.descend(&child, rest, n_steps);
        }
        if let Some(target) = self.handed_on[place].get(first) {
            let whole: Vec<String> = target.iter().chain(rest).cloned().collect();
            return self.resolve(place, &whole, &HashMap::new(), n_steps + 1);
        }
        self.defined[place].contains(first).then(|| (place, first.clone()))
    }
}

/// The crate of a file and its module path; `None` for what is no library or program of ours.
fn module_path(file: &Source) -> Option<ModulePath> {
    let (crate_name, inside) = file.name.split_once("/src/")?;
    let inside = inside.strip_suffix(".rs")?;
    let mut path: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if matches!(path.last()?.as_str(), "main" | "lib" | "mod") {
        path.pop();
    }
    Some((crate_name.to_owned(), path))
}

/// Returns the names that a file defines, those in its inline modules included.
fn defined(items: &[Item]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in items {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => continue,
            },
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            _ => continue,
        };
        names.insert(name.to_string());
    }
    names
}

/// Returns the names that the `use` items bring, with their whole paths; only those handed on, if asked.
fn uses(items: &[Item], only_handed_on: bool) -> HashMap<String, Vec<String>> {
    let mut names = HashMap::new();
    for item in items {
        let Item::Use(item) = item else { continue };
        if !only_handed_on || !matches!(item.vis, syn::Visibility::Inherited) {
            flatten(&item.tree, &mut Vec::new(), &mut names);
        }
    }
    names
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, names: &mut HashMap<String, Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, names);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = prefix.last().cloned().unwrap_or_default();
            names.insert(last, prefix.clone());
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            names.insert(name.clone(), prefix.iter().cloned().chain([name]).collect());
        }
        UseTree::Rename(rename) => {
            let whole = prefix.iter().cloned().chain([rename.ident.to_string()]);
            names.insert(rename.rename.to_string(), whole.collect());
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, prefix, names));
        }
        UseTree::Glob(_) => {}
    }
}

/// The paths and the single names that the code of a file uses, but for its tests and its `use` items.
#[derive(Default)]
struct Names {
    paths: BTreeSet<Vec<String>>,
}

impl Names {
    /// Returns each path that may lead to another file.
    fn used(&self, aliases: &HashMap<String, Vec<String>>) -> Vec<Vec<String>> {
        let leads_away = |path: &&Vec<String>| path.len() > 1 || aliases.contains_key(&path[0]);
        self.paths.iter().filter(leads_away).cloned().collect()
    }

    /// Adds the paths in the tokens of a macro, which are no syntax yet.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut n_colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => n_colons += 1,
                proc_macro2::TokenTree::Ident(name) => {
                    if n_colons != 2 {
                        self.add(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    n_colons = 0;
                }
                proc_macro2::TokenTree::Group(group) => {
                    self.add(std::mem::take(&mut path));
                    self.tokens(group.stream());
                    n_colons = 0;
                }
                _ => {
                    self.add(std::mem::take(&mut path));
                    n_colons = 0;
                }
            }
        }
        self.add(path);
    }

    fn add(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !super::sizes::is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !super::sizes::is_test(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, _item: &'ast syn::ItemUse) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        visit::visit_macro(self, item);
        self.tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let sources = files.iter().map(|(name, text)| Source {
            name: (*name).to_owned(),
            path: (*name).into(),
            text: (*text).to_owned(),
            syntax: syn::parse_file(text).unwrap(),
        });
        Graph::of(&sources.collect::<Vec<_>>())
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        let parent = ("crates/x/src/a.rs", "mod b; pub struct A; fn f() { b::g() }");
        let child = ("crates/x/src/a/b.rs", "use super::A; pub fn g() { let _a = A; }");
        assert_eq!(graph(&[parent, child]).circles(), [[0, 1]]);
        let test = (
            "crates/x/src/a/b.rs",
            "pub fn g() {} #[cfg(test)] mod tests { use super::super::A; }",
        );
        assert!(graph(&[parent, test]).circles().is_empty());
    }

    #[test]
    fn a_name_that_is_handed_on_is_imported_from_where_it_is_defined() {
        let facade = ("crates/x/src/a.rs", "mod b; mod c; pub use b::B;");
        let leaf = ("crates/x/src/a/b.rs", "pub struct B;");
        let user = ("crates/x/src/a/c.rs", "use super::B; fn f() { println!(\"{}\", B::x()) }");
        let graph = graph(&[facade, leaf, user]);
        assert!(graph.circles().is_empty());
        assert_eq!(graph.imports[2].keys().collect::<Vec<_>>(), [&1]);
    }
}
