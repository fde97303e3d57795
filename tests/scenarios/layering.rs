//! The house of `llarp-core`: each layer names only layers earlier in the list, no file is too
//! long, and nothing in it names the packages that stand on it.

mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use tokens::{Token, tokens};

/// The layers, in the order of a packet's way.
const ORDER: &[&str] = &[
    "wire",
    "crypto",
    "cell",
    "registry",
    "introset",
    "build",
    "hop",
    "path",
    "clock",
    "store",
    "link",
    "tunnel",
    "directory",
    "storer",
    "relay",
    "client",
    "session",
    "mailbox",
    "socket",
];
/// Layers that never name each other, whatever their order: a relay's table and a client's paths.
const STRANGERS: &[[&str; 2]] = &[["hop", "path"]];
/// Packages that stand on `llarp-core`.
const ABOVE: &[&str] = &["llarp_dht", "llarp_daemon"];
const LINES_MAX: usize = 800;

#[test]
fn every_layer_of_llarp_core_names_only_layers_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../llarp-core/src");
    let files = rust_files(&source);
    for layer in ["wire", "crypto", "cell", "build"] {
        let file = source.join(layer).with_extension("rs");
        assert!(files.contains(&file), "{} is looked at", file.display());
    }
    let wrong: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let path = file
                .strip_prefix(&source)
                .expect("below the source")
                .to_str();
            violations(
                path.expect("a path in UTF-8"),
                &fs::read_to_string(file).expect("readable"),
            )
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("readable").path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut files: Vec<_> = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .collect();
    files.extend(dirs.iter().flat_map(|dir| rust_files(dir)));
    files.sort();
    files
}

/// What is wrong with the file at `path`, counted from `llarp-core/src`, that has this text.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        wrong.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
    }
    let tokens = tokens(text);
    for token in &tokens {
        if ABOVE.contains(&token.text) {
            wrong.push(format!("{path}:{}: names {}", token.line, token.text));
        }
    }
    let home: Vec<_> = path.trim_end_matches(".rs").split('/').collect();
    if home == ["lib"] {
        return wrong;
    }
    let Some(own) = ORDER.iter().position(|layer| *layer == home[0]) else {
        wrong.push(format!("{path}: {} is no layer", home[0]));
        return wrong;
    };
    for (line, name) in from_the_root(&home, &tokens) {
        let wanted = ORDER.iter().position(|layer| *layer == name);
        let pair = [ORDER[own], name];
        let strange =
            |two: &[&str; 2]| two[0] != two[1] && two.iter().all(|one| pair.contains(one));
        match wanted {
            None => wrong.push(format!("{path}:{line}: {name} is no layer")),
            Some(layer) if layer > own => {
                wrong.push(format!("{path}:{line}: {} stands below {name}", ORDER[own]));
            }
            Some(_) if STRANGERS.iter().any(strange) => {
                wrong.push(format!("{path}:{line}: {} never names {name}", ORDER[own]));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// What a module names at the root of the crate, with the lines: behind `crate::`, behind as many
/// `super::` as lead there, each item of a group.
fn from_the_root<'a>(home: &[&'a str], tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    // Modules within the file, each with the depth of braces that it was opened at.
    let (mut inner, mut braces) = (Vec::new(), 0);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = |ahead| tokens.get(at + ahead).map(|token: &Token<'a>| token.text);
        match token.text {
            "mod" if next(2) == Some("{") => inner.push(braces),
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if inner.last() == Some(&braces) {
                    inner.pop();
                }
            }
            "crate" if next(1) == Some("::") => {
                items(&tokens[at + 2..], 0, &mut found);
            }
            "crate" if is_named(&tokens[..at], next(1)) => found.push((token.line, "the crate")),
            "super" if at == 0 || tokens[at - 1].text != "::" => {
                let depth = home.len() + inner.len();
                items(&tokens[at..], depth, &mut found);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether a bare `crate`, between these tokens, names the crate; `pub(crate)` does not.
fn is_named(before: &[Token<'_>], after: Option<&str>) -> bool {
    let last = before.last().map(|token| token.text);
    !(last == Some("(") && after == Some(")"))
}

/// Follows a path, or the paths of a group, that begins `depth` modules below the root.
fn items<'a>(tokens: &[Token<'a>], depth: usize, found: &mut Vec<(usize, &'a str)>) {
    let Some(first) = tokens.first() else { return };
    let more = tokens.get(1).is_some_and(|token| token.text == "::");
    match first.text {
        "{" => {
            let (mut braces, mut fresh) = (0usize, true);
            for (at, token) in tokens.iter().enumerate() {
                match token.text {
                    "{" => braces += 1,
                    "}" if braces == 1 => return,
                    "}" => braces -= 1,
                    "," if braces == 1 => fresh = true,
                    _ if braces == 1 && fresh => {
                        fresh = false;
                        items(&tokens[at..], depth, found);
                    }
                    _ => {}
                }
            }
        }
        // `self` behind the root is the root itself, as is a `super` too few steps below it.
        "super" if depth > 0 && more => items(&tokens[2..], depth - 1, found),
        "super" if depth == 1 => found.push((first.line, "the crate")),
        name if depth == 0 => {
            let name = if matches!(name, "*" | "self") {
                "the crate"
            } else {
                name
            };
            found.push((first.line, name));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::violations;

    fn names(path: &str, text: &str) -> Vec<String> {
        let found = violations(path, text);
        let reason = |line: String| line.rsplit_once(": ").expect("a reason").1.to_owned();
        found.into_iter().map(reason).collect()
    }

    #[test]
    fn layers_below_may_be_named_in_every_form() {
        let text = "
            use crate::crypto::{hash, identity::RelayId};
            use crate::{wire, crypto::secret::Secret, cell};
            use super::relay::advance;
            pub(crate) fn f(x: crate::wire::Reader) {}
            macro_rules! m { () => { $crate::crypto::secret::Secret } }
            mod tests { use super::*; use super::super::*; mod deeper { use super::super::f; } }
        ";
        assert!(violations("build/client.rs", text).is_empty());
    }

    #[test]
    fn layers_above_are_found_in_every_form() {
        for text in [
            "use crate::build::Minute;",
            "use crate::{wire, build::Minute};",
            "use crate::{\n    crypto::{hash, kem},\n    build,\n};",
            "fn f(x: crate::build::Minute) {}",
            "fn f() { g::<crate::build::Minute>() }",
            "use super::super::build::Minute;",
            "use super::{layout, super::build};",
            "mod tests { use super::super::super::build::Minute; }",
            "mod tests { fn f() { { } } } use super::super::build;",
            "macro_rules! m { () => { $crate::build::Minute } }",
            "use r#crate::x; pub use crate :: build :: Minute;",
            "const A: &str = \"\\\"\"; use crate::build::Minute;",
            "const A: char = '\"'; use crate::build::Minute;",
            "const A: &str = r#\"\"quoted\"\"#; use crate::build::Minute;",
            "fn f<'a>(x: &'a crate::build::Minute) {}",
        ] {
            let found = names("cell/client.rs", text);
            assert!(
                found
                    .iter()
                    .any(|reason| reason == "cell stands below build"),
                "{text}: {found:?}"
            );
        }
        let found = violations("cell.rs", "\n\nuse super::build::Minute;");
        assert_eq!(found, ["cell.rs:3: cell stands below build"]);
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        let text = "
            //! See [`crate::build`], /* and llarp_dht.
            /* use crate::build; /* nested */ use crate::build; */
            const A: &str = \"use crate::build; \\\" llarp_daemon\";
            const B: &str = r#\"use crate::build;\"# ;
        ";
        assert!(violations("cell.rs", text).is_empty());
    }

    #[test]
    fn hop_and_path_never_name_each_other() {
        assert_eq!(
            names("path.rs", "use crate::hop::Table;"),
            ["path never names hop"]
        );
        assert_eq!(
            names("hop/table.rs", "use crate::path::Pool;"),
            ["hop stands below path"]
        );
        assert!(
            violations(
                "path.rs",
                "use crate::path::Pool; use crate::build::Minute;"
            )
            .is_empty()
        );
        assert!(violations("hop.rs", "use crate::hop::Table;").is_empty());
    }

    #[test]
    fn packages_above_unknown_layers_and_the_whole_crate_are_found() {
        assert_eq!(
            names("socket.rs", "use llarp_dht::Kad;"),
            ["names llarp_dht"]
        );
        assert_eq!(
            names("lib.rs", "pub use llarp_daemon::run;"),
            ["names llarp_daemon"]
        );
        assert_eq!(names("util.rs", ""), ["util is no layer"]);
        assert_eq!(
            names("cell.rs", "use crate::util::min;"),
            ["util is no layer"]
        );
        for text in [
            "use crate::*;",
            "use crate as all;",
            "use super::*;",
            "use crate::{self as all};",
        ] {
            assert_eq!(names("cell.rs", text), ["the crate is no layer"], "{text}");
        }
        assert!(violations("lib.rs", "pub mod wire; pub mod socket;").is_empty());
    }

    #[test]
    fn long_files_are_found() {
        assert!(violations("wire.rs", &"\n".repeat(800)).is_empty());
        let found = violations("wire.rs", &"\n".repeat(801));
        assert_eq!(found, ["wire.rs: 801 lines, at most 800"]);
    }
}
