//! Rust's tokens, as far as paths need them: words, `::`, single signs; no comments, no literals.

/// A word or a sign, and its line, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// The tokens of `text`, without comments, spaces and literals.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let (len, counts) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (comment(rest), false),
            '"' => (string(rest), false),
            '\'' => (character(rest), false),
            'r' | 'b' | 'c' if raw(rest).is_some() => (raw(rest).unwrap_or(rest.len()), false),
            'b' | 'c' if rest[1..].starts_with('"') => (1 + string(&rest[1..]), false),
            _ if word(rest) > 0 => (word(rest), true),
            ':' if rest.starts_with("::") => (2, true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        let (token, behind) = rest.split_at(len);
        if counts {
            let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
            tokens.push(Token { line, text: token });
        }
        rest = behind;
    }
    tokens
}

fn word(rest: &str) -> usize {
    let end = |c: char| c != '_' && !c.is_alphanumeric();
    rest.find(end).unwrap_or(rest.len())
}

/// The length of a block comment, which may hold others.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string literal with escapes.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a raw string literal, if this is one: `r"…"`, `br#"…"#`.
fn raw(rest: &str) -> Option<usize> {
    let behind = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let quoted = behind.trim_start_matches('#');
    let hashes = &behind[..behind.len() - quoted.len()];
    let inside = quoted.strip_prefix('"')?;
    let close = format!("\"{hashes}");
    let end = inside
        .find(&close)
        .map_or(inside.len(), |at| at + close.len());
    Some(rest.len() - inside.len() + end)
}

/// The length of a character literal, or of the sign in front of a lifetime.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let end = escape.char_indices().skip(1).find(|(_, c)| *c == '\'');
        return end.map_or(rest.len(), |(at, _)| at + 3);
    }
    let one = inside.chars().next().map_or(0, char::len_utf8);
    if inside[one..].starts_with('\'') {
        one + 2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_and_signs_are_kept_and_literals_dropped() {
        assert_eq!(texts("use a::b_1;"), ["use", "a", "::", "b_1", ";"]);
        assert_eq!(texts("x 'a' '\\'' '\\u{7f}' '\"' y"), ["x", "y"]);
        assert_eq!(texts("&'a str"), ["&", "a", "str"]);
        assert_eq!(texts("a b\"x\" br#\"y\"\"#  r\"z\" c\"w\" d"), ["a", "d"]);
        assert_eq!(texts("a /* x /* y */ z */ b // c\nd"), ["a", "b", "d"]);
        assert_eq!(texts("\"open"), Vec::<&str>::new());
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let found = tokens("a\n\"x\ny\"\nb");
        assert_eq!(
            found.iter().map(|token| token.line).collect::<Vec<_>>(),
            [1, 4]
        );
    }
}
