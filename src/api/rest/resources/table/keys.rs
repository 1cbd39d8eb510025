//! API keys. A secret is shown once.

use super::{Row, Verb, create, row};

pub(super) const KEYS: &[Row] = &[
    row(
        Verb::Get,
        "/api/v1/keys",
        "List keys",
        "query listKeys { apiKeys { ...ApiKey } }",
    ),
    create(
        "/api/v1/keys",
        "Make a key",
        "mutation createKey($input: ApiKeyInput!, $idempotencyKey: String) {
           createApiKey(input: $input, idempotencyKey: $idempotencyKey) {
             apiKey { ...ApiKey } secret signingSecret } }",
    ),
    row(
        Verb::Patch,
        "/api/v1/keys/{keyId}",
        "Change a key",
        "mutation updateKey($keyId: UUID!, $input: ApiKeyPatch!, $idempotencyKey: String) {
           updateApiKey(id: $keyId, input: $input, idempotencyKey: $idempotencyKey) { ...ApiKey } }",
    ),
    row(
        Verb::Post,
        "/api/v1/keys/{keyId}/rotate",
        "Give a key another secret",
        "mutation rotateKey($keyId: UUID!, $overlapMs: Float, $idempotencyKey: String) {
           rotateApiKey(id: $keyId, overlapMs: $overlapMs, idempotencyKey: $idempotencyKey) {
             apiKey { ...ApiKey } secret signingSecret } }",
    ),
    row(
        Verb::Delete,
        "/api/v1/keys/{keyId}",
        "Revoke a key",
        "mutation revokeKey($keyId: UUID!, $idempotencyKey: String) {
           revokeApiKey(id: $keyId, idempotencyKey: $idempotencyKey) { id } }",
    ),
];
