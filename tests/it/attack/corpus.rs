//! GraphQL requests that must be refused: what attackers send, and what parsers stumble over. Made of nothing but text, so
//! that the bench throws the same at the program.

use serde_json::{Value, json};

/// The body of one request to `/graphql`.
pub struct Attack {
    pub name: &'static str,
    pub body: Vec<u8>,
}

impl Attack {
    fn new(name: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            name,
            body: body.into(),
        }
    }

    fn document(name: &'static str, document: &str) -> Self {
        Self::new(name, json!({ "query": document }).to_string())
    }
}

/// All of them.
pub fn attacks() -> Vec<Attack> {
    [many(), nested(), fragments(), numbers(), texts(), bodies()]
        .into_iter()
        .flatten()
        .collect()
}

fn repeat(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

fn nest(depth: usize, open: &str, core: &str, close: &str) -> String {
    [&open.repeat(depth), core, &close.repeat(depth)].concat()
}

/// Too much of one thing.
fn many() -> Vec<Attack> {
    let pages = repeat(90, |number| format!("tickets(first: {number}) {{ totalCount }} "));
    let variables = repeat(300, |number| format!("$v{number}: Int "));
    let arguments = repeat(400, |number| format!("a{number}: 1 "));
    let wide = "{ tickets(first: 100) { nodes { chat { tickets(first: 100) { nodes { chat { messages(first: 100) \
                { nodes { text } } } } } } } } }";
    vec![
        Attack::document(
            "10,000 aliases",
            &format!("{{{}}}", repeat(10_000, |number| format!("a{number}:id "))),
        ),
        Attack::document(
            "31 aliases",
            &format!("{{{}}}", repeat(31, |number| format!("a{number}:channels{{id}} "))),
        ),
        Attack::document(
            "50,000 directives",
            &format!("{{ channels{} {{ id }} }}", "@a".repeat(50_000)),
        ),
        Attack::document(
            "200 known directives",
            &format!("{{ channels {} {{ id }} }}", "@include(if: true) ".repeat(200)),
        ),
        Attack::document(
            "a field 5,000 times",
            &format!("{{{}}}", "tickets{totalCount}".repeat(5_000)),
        ),
        Attack::document(
            "a page 120 times",
            &format!("{{{}}}", "tickets(first: 100) { nodes { id } } ".repeat(120)),
        ),
        Attack::document("a field with 90 arguments that differ", &format!("{{{pages}}}")),
        Attack::document("pages of pages of pages", wide),
        Attack::document(
            "300 unused variables",
            &format!("query Q({variables}) {{ __typename }}"),
        ),
        Attack::document(
            "400 unknown arguments",
            &format!("{{ channels({arguments}) {{ id }} }}"),
        ),
        Attack::document(
            "500 operations",
            &repeat(500, |number| format!("query Q{number} {{ __typename }}")),
        ),
    ]
}

/// Too deep, in the document, its values, the body or the variables.
fn nested() -> Vec<Attack> {
    let circular = nest(20, "fields { type { ", "name", " } }");
    let wrapped = nest(20, "ofType { ", "name", " }");
    let tickets = nest(12, "lastTicket { chat { ", "id", " } }");
    let deep = "[".repeat(100_000);
    let find = |value: &str| format!("{{ tickets(filter: {value}) {{ totalCount }} }}");
    vec![
        Attack::document("20,000 inline fragments", &nest(20_000, "{...", "{id}", "}")),
        Attack::document("60 inline fragments", &nest(60, "{ ... ", "{ __typename }", " }")),
        Attack::document("100,000 brackets in the document", &find(&deep)),
        Attack::document("100,000 braces in the document", &"{".repeat(100_000)),
        Attack::document(
            "60 lists in a value",
            &format!("{{ tickets(first: {}) {{ totalCount }} }}", nest(60, "[", "1", "]")),
        ),
        Attack::document("60 objects in a value", &find(&nest(60, "{ a: ", "1", " }"))),
        Attack::document(
            "a type of 60 lists",
            &format!("query($v: {}) {{ __typename }}", nest(60, "[", "Int", "]")),
        ),
        Attack::document(
            "circular introspection",
            &format!("{{ __schema {{ types {{ {circular} }} }} }}"),
        ),
        Attack::document(
            "wrapped introspection",
            &format!("{{ __type(name: \"Ticket\") {{ {wrapped} }} }}"),
        ),
        Attack::document(
            "tickets of chats of tickets",
            &format!("{{ chats {{ nodes {{ {tickets} }} }} }}"),
        ),
        Attack::new("100,000 brackets as the body", deep.clone()),
        Attack::new("10,000 objects as the body", "{\"query\":".repeat(10_000)),
        Attack::new(
            "100,000 brackets as a variable",
            format!("{{\"query\":\"{{ __typename }}\",\"variables\":{{\"v\":{deep}"),
        ),
        Attack::new(
            "60,000 closed brackets as a variable",
            format!(
                "{{\"query\":\"{{ __typename }}\",\"variables\":{{\"v\":{}}}}}",
                nest(60_000, "[", "", "]")
            ),
        ),
        Attack::new(
            "60,000 closed brackets as an extension",
            format!(
                "{{\"query\":\"{{ __typename }}\",\"extensions\":{{\"v\":{}}}}}",
                nest(60_000, "[", "", "]")
            ),
        ),
    ]
}

/// Fragments that spread each other: in circles, and so often that the whole would not fit into any memory.
fn fragments() -> Vec<Attack> {
    let chain = |count: usize, spreads: usize, last: &str| {
        let spread = |to: usize| format!("...f{to} ").repeat(spreads);
        let fragment = |number: usize| {
            let body = if number + 1 == count {
                last.to_owned()
            } else {
                spread(number + 1)
            };
            format!("fragment f{number} on Query {{ {body} }} ")
        };
        format!("{{ {} }} {}", spread(0), repeat(count, fragment))
    };
    vec![
        Attack::document(
            "a fragment in itself",
            "{ ...a } fragment a on Query { __typename ...a }",
        ),
        Attack::document(
            "two fragments in each other",
            "{ ...a } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a }",
        ),
        Attack::document(
            "a circle below a field",
            "{ chats { nodes { ...a } } } fragment a on Chat { lastTicket { chat { ...a ...a } } }",
        ),
        Attack::document(
            "a circle that nothing spreads",
            "{ __typename } fragment a on Query { ...b } fragment b on Query { ...a }",
        ),
        Attack::document("200 fragments in each other", &chain(200, 1, "channels { id }")),
        Attack::document("fragments that are 2^28 fields", &chain(28, 2, "channels { id }")),
        Attack::document("fragments that are 20^28 fields", &chain(28, 20, "channels { id }")),
        Attack::document("fragments that are 20^28 names", &chain(28, 20, "__typename")),
        Attack::document("fragments that are 20^5 fields", &chain(5, 20, "channels { id }")),
    ]
}

/// Numbers that fit nowhere.
fn numbers() -> Vec<Attack> {
    let digits = "9".repeat(400);
    let first = |number: &str| format!("{{ tickets(first: {number}) {{ totalCount }} }}");
    let variable = |number: &str| {
        format!(
            "{{\"query\":\"query($first: Int) {{ tickets(first: $first) {{ totalCount }} }}\",\"variables\":{{\"first\":{number}}}}}"
        )
    };
    vec![
        Attack::document("10^400", &first(&digits)),
        Attack::document("-10^400", &first(&format!("-{digits}"))),
        Attack::document("1e999", &first("1e999")),
        Attack::document("2^64", &first("18446744073709551616")),
        Attack::document("a whole number with a fraction", &first("1.5")),
        Attack::document("a number with a name at its end", &first("1x")),
        Attack::document("100,000 digits", &first(&"1".repeat(100_000))),
        Attack::new("10^400 as a variable", variable(&digits)),
        Attack::new("-10^400 as a variable", variable(&format!("-{digits}"))),
        Attack::new("1e999 as a variable", variable("1e999")),
        Attack::new("2^64 as a variable", variable("18446744073709551616")),
        Attack::new("NaN as a variable", variable("NaN")),
        Attack::new("Infinity as a variable", variable("Infinity")),
    ]
}

/// Texts that are none, or end nowhere.
fn texts() -> Vec<Attack> {
    let search = |literal: &str| format!("{{ tickets(filter: {{ search: {literal} }}) {{ totalCount }} }}");
    let long = "x".repeat(100_000);
    vec![
        Attack::document("a lone surrogate", &search("\"\\ud800\"")),
        Attack::document("two surrogates", &search("\"\\ud800\\udc00\"")),
        Attack::document("half an escape", &search("\"\\u12\"")),
        Attack::document("an unknown escape", &search("\"\\x00\"")),
        Attack::document("a backslash at the end", &search("\"\\")),
        Attack::document("a string that never ends", &search(&format!("\"{long}"))),
        Attack::document("a block string that never ends", &search(&format!("\"\"\"{long}"))),
        Attack::document("a comment and nothing else", &format!("#{long}")),
        Attack::document("NUL in a name", "{ __type\u{0}name }"),
        Attack::document("a name of 100,000 letters", &format!("{{ {long} }}")),
        Attack::document(
            "a type of 100,000 letters",
            &format!("query($v: {long}) {{ __typename }}"),
        ),
        Attack::document(
            "300 names of 300 letters",
            &format!("{{ {} }}", format!("{} ", "y".repeat(300)).repeat(300)),
        ),
        Attack::document("nothing", ""),
        Attack::document("a mark of byte order and nothing else", "\u{feff}"),
        Attack::new(
            "variables that are a list",
            json!({ "query": "{ __typename }", "variables": [long] }).to_string(),
        ),
        Attack::new(
            "an operation's name of 100,000 letters",
            json!({ "query": "{ __typename }", "operationName": long }).to_string(),
        ),
        Attack::new(
            "a lone surrogate as a variable",
            "{\"query\":\"{ __typename }\",\"variables\":{\"v\":\"\\ud800\"}}",
        ),
        Attack::new("NUL in the body", "{\"query\":\"{ __typename }\0\"}"),
    ]
}

/// Bodies that are no request.
fn bodies() -> Vec<Attack> {
    let batch = vec![json!({ "query": "{ channels { id } }" }); 1_000];
    vec![
        Attack::new("a batch of 1,000", Value::from(batch).to_string()),
        Attack::new("a batch of none", "[]"),
        Attack::new("nothing at all", ""),
        Attack::new("null", "null"),
        Attack::new("a number", "1e5"),
        Attack::new("a string", "\"{ __typename }\""),
        Attack::new(
            "two bodies",
            "{\"query\":\"{ __typename }\"}{\"query\":\"{ __typename }\"}",
        ),
        Attack::new("half a body", "{\"query\":\"{ __typename"),
        Attack::new("not UTF-8", b"{\"query\":\"\xff\xfe\"}".as_slice()),
        Attack::new("UTF-8 of too many bytes", b"{\"query\":\"\xc0\xaf\"}".as_slice()),
        Attack::new("a surrogate as UTF-8", b"{\"query\":\"\xed\xa0\x80\"}".as_slice()),
        Attack::new("UTF-16", b"\xff\xfe{\0\"\0q\0\"\0".as_slice()),
        Attack::new("one byte more than a body may have", vec![b' '; 131_073]),
        Attack::new("a body of 8 MiB", vec![b'['; 8 * 1_024 * 1_024]),
    ]
}
