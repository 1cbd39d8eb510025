//! Whether a document asks what the schema is.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Whether it is asked for anywhere, fragments included. What type an answer has, `__typename`, anybody may ask.
pub(super) fn is_asked_for(document: &ExecutableDocument) -> bool {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).any(asks)
}

/// Recurses no deeper than the parser did.
fn asks(selections: &SelectionSet) -> bool {
    selections.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            ["__schema", "__type"].contains(&field.node.name.node.as_str()) || asks(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => asks(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn asked(text: &str) -> bool {
        is_asked_for(&parse_query(text).unwrap())
    }

    #[test]
    fn introspection_is_found_wherever_it_is() {
        assert!(asked("{ __schema { types { name } } }"));
        assert!(asked("{ a x: __type(name: \"A\") { name } }"));
        assert!(asked(
            "query A { a } query B { ... on Query { __schema { types { name } } } }"
        ));
        assert!(asked("{ ...Q } fragment Q on Query { __type(name: \"A\") { name } }"));
        assert!(!asked("{ __typename a { __typename } }"));
    }
}
