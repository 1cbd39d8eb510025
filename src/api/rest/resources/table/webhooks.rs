//! Webhooks. A secret is shown once.

use super::{Row, Verb, create, row};

pub(super) const WEBHOOKS: &[Row] = &[
    row(
        Verb::Get,
        "/api/v1/webhooks",
        "List webhooks",
        "query listWebhooks { webhooks { ...Webhook } }",
    ),
    create(
        "/api/v1/webhooks",
        "Make a webhook",
        "mutation createWebhook($input: WebhookInput!, $idempotencyKey: String) {
           createWebhook(input: $input, idempotencyKey: $idempotencyKey) { webhook { ...Webhook } secret } }",
    ),
    row(
        Verb::Get,
        "/api/v1/webhooks/{webhookId}",
        "Get a webhook",
        "query getWebhook($webhookId: UUID!) { webhook(id: $webhookId) { ...Webhook } }",
    ),
    row(
        Verb::Patch,
        "/api/v1/webhooks/{webhookId}",
        "Change a webhook",
        "mutation updateWebhook($webhookId: UUID!, $input: WebhookPatch!, $idempotencyKey: String) {
           updateWebhook(id: $webhookId, input: $input, idempotencyKey: $idempotencyKey) { ...Webhook } }",
    ),
    row(
        Verb::Delete,
        "/api/v1/webhooks/{webhookId}",
        "Delete a webhook",
        "mutation deleteWebhook($webhookId: UUID!, $idempotencyKey: String) {
           deleteWebhook(id: $webhookId, idempotencyKey: $idempotencyKey) { id } }",
    ),
    row(
        Verb::Post,
        "/api/v1/webhooks/{webhookId}/rotate",
        "Give a webhook another secret",
        "mutation rotateWebhookSecret($webhookId: UUID!, $overlapMs: Float, $idempotencyKey: String) {
           rotateWebhookSecret(id: $webhookId, overlapMs: $overlapMs, idempotencyKey: $idempotencyKey) {
             webhook { ...Webhook } secret } }",
    ),
    row(
        Verb::Post,
        "/api/v1/webhooks/{webhookId}/test",
        "Post a test to a webhook",
        "mutation testWebhook($webhookId: UUID!) {
           testWebhook(id: $webhookId) { delivered status error durationMs } }",
    ),
    row(
        Verb::Get,
        "/api/v1/webhooks/{webhookId}/deliveries",
        "How a webhook's deliveries stand",
        "query getWebhookDeliveries($webhookId: UUID!) { webhook(id: $webhookId) { deliveries {
           delivered waiting { ...Undelivered } givenUp { ...Undelivered } forgotten isDown lastAttemptAt lastSuccessAt
           failingSince nextAttemptAt lastError gaps lastGap } } }",
    ),
    row(
        Verb::Post,
        "/api/v1/webhooks/{webhookId}/retry",
        "Try again what was not taken",
        "mutation retryWebhook($webhookId: UUID!, $eventIds: [UUID!]) {
           retryWebhook(id: $webhookId, eventIds: $eventIds) { events } }",
    ),
    row(
        Verb::Post,
        "/api/v1/webhooks/{webhookId}/replay",
        "Tell again what came after a cursor",
        "mutation replayWebhook($webhookId: UUID!, $after: Cursor!) {
           replayWebhook(id: $webhookId, after: $after) { ...Webhook } }",
    ),
];
