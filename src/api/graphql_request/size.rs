//! How much a document asks for, told before it is parsed and before it runs.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// The deepest nesting of brackets in a document, values included; the parser's own bound is the same.
const NESTING_MAX: usize = 64;

/// Checks the tokens of a text, and that its brackets are not nested too deep for a recursive parser.
///
/// # Errors
/// A sentence that names the bound.
pub(super) fn check_text(text: &str, tokens_max: usize) -> Result<(), String> {
    let mut tokens = 0_usize;
    let mut nesting = 0_usize;
    for token in Tokens(text) {
        tokens = tokens.saturating_add(1);
        nesting = match token {
            Token::Open => nesting.saturating_add(1),
            Token::Close => nesting.saturating_sub(1),
            Token::Other => nesting,
        };
        if tokens > tokens_max {
            return Err(format!("a query has at most {tokens_max} tokens"));
        }
        if nesting > NESTING_MAX {
            return Err(format!("a query is nested at most {NESTING_MAX} deep"));
        }
    }
    Ok(())
}

/// Checks how many aliases are written in a document, fragments included.
///
/// # Errors
/// A sentence that names the bound.
pub(super) fn check_aliases(document: &ExecutableDocument, max: usize) -> Result<(), String> {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set.node);
    if operations.chain(fragments).map(aliases).sum::<usize>() > max {
        return Err(format!("a query has at most {max} aliases"));
    }
    Ok(())
}

/// Recurses no deeper than the parser did.
fn aliases(selections: &SelectionSet) -> usize {
    let count = |selection: &Selection| match selection {
        Selection::Field(field) => {
            let own = usize::from(field.node.alias.is_some());
            own.saturating_add(aliases(&field.node.selection_set.node))
        }
        Selection::InlineFragment(fragment) => aliases(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 0,
    };
    selections.items.iter().map(|item| count(&item.node)).sum()
}

/// The most selections of a document once every fragment stands where it is spread.
const SPREAD_MAX: usize = 20_000;

/// Checks how long a document is once every fragment stands where it is spread: the walks of validation see it so, and
/// fragments that spread each other double it with every line.
///
/// # Errors
/// A sentence that names the bound.
pub(super) fn check_spread(document: &ExecutableDocument) -> Result<(), String> {
    let mut spread = Spread {
        document,
        sizes: HashMap::new(),
    };
    let operations = document.operations.iter();
    let sizes = operations.map(|(_, operation)| spread.size(&operation.node.selection_set.node));
    if sizes.fold(0, usize::saturating_add) > SPREAD_MAX {
        return Err(format!(
            "a query has at most {SPREAD_MAX} selections, with its fragments spread"
        ));
    }
    Ok(())
}

struct Spread<'a> {
    document: &'a ExecutableDocument,
    sizes: HashMap<&'a str, usize>,
}

impl<'a> Spread<'a> {
    /// Looks into every fragment once. A fragment in itself counts for nothing there: validation refuses it.
    fn size(&mut self, selections: &'a SelectionSet) -> usize {
        let sizes = selections.items.iter().map(|item| {
            let inner = match &item.node {
                Selection::Field(field) => self.size(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => self.size(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.size_of_fragment(&spread.node.fragment_name.node),
            };
            inner.saturating_add(1)
        });
        sizes.fold(0, usize::saturating_add)
    }

    fn size_of_fragment(&mut self, name: &'a str) -> usize {
        if let Some(size) = self.sizes.get(name) {
            return *size;
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return 0;
        };
        self.sizes.insert(name, 0);
        let size = self.size(&fragment.node.selection_set.node);
        self.sizes.insert(name, size);
        size
    }
}

/// What matters of a lexical token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Other,
}

/// Goes over a text once, token by token; a text that is not GraphQL is gone over too, for the parser to refuse.
struct Tokens<'a>(&'a str);

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            self.0 = self.0.trim_start_matches(is_ignored);
            let mut after = self.0.chars();
            let (token, rest) = match after.next()? {
                '#' => {
                    let end = self.0.split_once(['\n', '\r']);
                    self.0 = end.map_or("", |(_, rest)| rest);
                    continue;
                }
                '"' => (Token::Other, after_string(after.as_str())),
                '.' => {
                    let dots = self.0.strip_prefix("...");
                    (Token::Other, dots.unwrap_or(after.as_str()))
                }
                '{' | '[' | '(' => (Token::Open, after.as_str()),
                '}' | ']' | ')' => (Token::Close, after.as_str()),
                first if first == '-' || first.is_ascii_digit() => (Token::Other, after_number(after.as_str())),
                first if is_name(first) => (Token::Other, self.0.trim_start_matches(is_name)),
                _ => (Token::Other, after.as_str()),
            };
            self.0 = rest;
            return Some(token);
        }
    }
}

fn is_ignored(character: char) -> bool {
    matches!(character, ' ' | ',' | '\t' | '\n' | '\r' | '\u{feff}')
}

fn is_name(character: char) -> bool {
    character == '_' || character.is_ascii_alphanumeric()
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// What follows a string; `text` begins after its first quote.
fn after_string(text: &str) -> &str {
    if let Some(mut block) = text.strip_prefix("\"\"") {
        while let Some((content, rest)) = block.split_once("\"\"\"") {
            if !content.ends_with('\\') {
                return rest;
            }
            block = rest;
        }
        return "";
    }
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' | '\n' | '\r' => break,
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    characters.as_str()
}

/// What follows a number; `text` begins after its sign or first digit.
fn after_number(text: &str) -> &str {
    let whole = text.trim_start_matches(is_digit);
    let fraction = match whole.strip_prefix('.') {
        Some(digits) if digits.starts_with(is_digit) => digits.trim_start_matches(is_digit),
        _ => whole,
    };
    match fraction.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(is_digit) {
                digits.trim_start_matches(is_digit)
            } else {
                fraction
            }
        }
        None => fraction,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn count(text: &str) -> usize {
        Tokens(text).count()
    }

    #[test]
    fn tokens() {
        assert_eq!(count(""), 0);
        assert_eq!(count("{ a }"), 3);
        assert_eq!(count("{a,b\n\tc\u{feff}}"), 5);
        assert_eq!(count("query Q($id: ID! = 1) { a(id: $id) @skip(if: true) }"), 27);
        assert_eq!(count("{ ...on A { b } ...C }"), 10);
        assert_eq!(count("a...b"), 3);
    }

    #[test]
    fn tokens_of_numbers() {
        assert_eq!(count("1 -1 1.5 -0.25e+10 1E3"), 5);
        assert_eq!(count("[1-1-1]"), 5);
        assert_eq!(count("1..."), 2);
        assert_eq!(count("1.a 1e"), 5);
        assert_eq!(count("-"), 1);
    }

    #[test]
    fn tokens_of_strings_and_comments() {
        assert_eq!(count(r#""a { b" c"#), 2);
        assert_eq!(count(r#""a \" b" c"#), 2);
        assert_eq!(count(r#""" a"#), 2);
        assert_eq!(count("\"\"\" { \" \\\"\"\" \"\"\" a"), 2);
        assert_eq!(count("\"\"\" never closed { } "), 1);
        assert_eq!(count("\"never closed\n a"), 2);
        assert_eq!(count("# { a b c\n{ a } # d"), 3);
        assert_eq!(count("\"Run🏃\" 🏊"), 2);
    }

    #[test]
    fn bounds_of_a_text() {
        assert!(check_text("{ a b c }", 5).is_ok());
        assert!(check_text("{ a b c d }", 5).is_err());
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check_text(&deep(NESTING_MAX), 2_000).is_ok());
        assert!(check_text(&deep(65), 2_000).is_err());
        assert!(check_text("\"[[[\" {}{}{}", 7).is_ok());
    }

    #[test]
    fn bounds_of_what_fragments_spread() {
        let doubled = |count: usize| {
            let fragment = |number: usize| {
                let next = number.saturating_add(1);
                format!("fragment f{number} on Q {{ ...f{next} ...f{next} }}")
            };
            let fragments: Vec<String> = (0..count).map(fragment).collect();
            format!("{{ ...f0 }} {} fragment f{count} on Q {{ a }}", fragments.join(" "))
        };
        let spread = |text: &str| check_spread(&parse_query(text).unwrap());
        assert!(spread(&doubled(10)).is_ok());
        assert!(spread(&doubled(28)).is_err());
        assert!(spread("{ ...a } fragment a on Q { ...b ...b } fragment b on Q { ...a }").is_ok());
    }

    #[test]
    fn bounds_of_aliases() {
        let text = "query A { x: a { y: b ... on C { z: c } ...D } } fragment D on C { w: d e }";
        let document = parse_query(text).unwrap();
        assert!(check_aliases(&document, 4).is_ok());
        assert!(check_aliases(&document, 3).is_err());
    }
}
