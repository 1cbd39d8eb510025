//! Tickets by what a filter names, page by page.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Scope;
use super::details::TicketDetails;
use super::kind::LifecycleStatus;
use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Caller, Query, bad};
use crate::api::services::Services;
use crate::view::page::PAGE_MAX;
use crate::view::search::SEARCH_MAX_BYTES;
use crate::view::{NumberedPage, SKIP_MAX, TicketFilter, TicketOrder, Total};

/// The tickets of a page when nobody says.
const PAGE_SIZE_DEFAULT: u64 = 10;
/// The highest number of a page: beyond it JSON's numbers are not exact.
const PAGE_NUMBER_MAX: u64 = (1 << 53) - 1;

/// One id, or several: the parameter again for each.
struct IdOrIds;

impl PartialSchema for IdOrIds {
    fn schema() -> RefOr<Schema> {
        let format = Some(SchemaFormat::KnownFormat(KnownFormat::Uuid));
        let one = ObjectBuilder::new().schema_type(Type::String).format(format).build();
        let many = ArrayBuilder::new().items(one.clone()).max_items(Some(100));
        let either = AnyOfBuilder::new().item(many).item(one);
        either.default(Some(serde_json::json!([]))).into()
    }
}

impl ToSchema for IdOrIds {}

/// Which tickets.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct TicketListQuery {
    /// Assigned to any of these users.
    #[param(inline, required = false, value_type = IdOrIds)]
    assignee_ids: Vec<Uuid>,
    /// In any of these chats.
    #[param(inline, required = false, value_type = IdOrIds)]
    chat_ids: Vec<Uuid>,
    /// Also deleted tickets, and those of chats that were put out of sight.
    #[param(nullable)]
    include_removed: Option<bool>,
    /// The page number. Pages are counted from the newest ticket; no more than 100,000 tickets are passed over on the way
    /// to one, and one after the last is empty.
    #[param(required = false, minimum = 1, default = json!(1))]
    page_number: u64,
    /// The page size.
    #[param(required = false, minimum = 1, maximum = 100, default = json!(10))]
    page_size: u64,
    /// In a chat that any of these responders has. One that only stands in for a missing responder has none.
    #[param(inline, required = false, value_type = IdOrIds)]
    responder_ids: Vec<Uuid>,
    /// In a chat that any of these versions of a responder has.
    #[param(inline, required = false, value_type = IdOrIds)]
    responder_version_ids: Vec<Uuid>,
    /// Every word, or its beginning, is found in the ticket, its messages or its owner. At most 256 bytes.
    search: Option<String>,
    /// Where they are in their lives.
    #[param(inline)]
    status: LifecycleStatus,
    /// With any of these tags.
    #[param(inline, required = false, value_type = IdOrIds)]
    tag_ids: Vec<Uuid>,
}

impl TicketListQuery {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let status = query.one("status")?.and_then(LifecycleStatus::named);
        let search = query.one("search")?.filter(|text| !text.trim().is_empty());
        if search.is_some_and(|text| text.len() > SEARCH_MAX_BYTES) {
            return Err(bad("search", format!("at most {SEARCH_MAX_BYTES} bytes")));
        }
        let size_max = u64::try_from(PAGE_MAX).unwrap_or(u64::MAX);
        Ok(Self {
            assignee_ids: query.ids("assigneeIds")?,
            chat_ids: query.ids("chatIds")?,
            include_removed: query.boolean("includeRemoved")?,
            page_number: query.number("pageNumber", (1, PAGE_NUMBER_MAX))?.unwrap_or(1),
            page_size: query.number("pageSize", (1, size_max))?.unwrap_or(PAGE_SIZE_DEFAULT),
            responder_ids: query.ids("responderIds")?,
            responder_version_ids: query.ids("responderVersionIds")?,
            search: search.map(str::to_owned),
            status: status.ok_or_else(|| bad("status", "pending, ongoing or completed"))?,
            tag_ids: query.ids("tagIds")?,
        })
    }

    /// How many tickets come before the page.
    fn skip(&self) -> u64 {
        self.page_number.saturating_sub(1).saturating_mul(self.page_size)
    }

    /// What is looked for on the channels that the key reaches.
    fn into_filter(self, principal: &Principal) -> TicketFilter {
        TicketFilter {
            statuses: vec![self.status.into()],
            assignee_ids: self.assignee_ids,
            chat_ids: self.chat_ids,
            include_removed: self.include_removed.unwrap_or(false),
            responder_ids: self.responder_ids,
            responder_version_ids: self.responder_version_ids,
            search: self.search,
            tag_ids: self.tag_ids,
            channel_ids: principal.channels().map_or_else(Vec::new, <[Uuid]>::to_vec),
            ..TicketFilter::default()
        }
    }
}

/// The pages around one, by RFC 8288. The last is left out where it is not known, or is too far.
fn links(uri: &Uri, query: &Query, (number, size): (u64, u64), page: &NumberedPage) -> String {
    let last = page.total.is_exact.then(|| page.total.items.div_ceil(size).max(1));
    let last = last.filter(|last| last.saturating_sub(1).saturating_mul(size) <= SKIP_MAX);
    let previous = number.checked_sub(1).filter(|previous| *previous > 0);
    let previous = previous.map(|previous| last.map_or(previous, |last| previous.min(last)));
    let next = page.has_next.then(|| number.saturating_add(1));
    let relations = [("first", Some(1)), ("prev", previous), ("next", next), ("last", last)];
    let links = relations.into_iter().filter_map(|(relation, number)| {
        let query = query.with("pageNumber", &number?.to_string());
        Some(format!("<{}?{query}>; rel=\"{relation}\"", uri.path()))
    });
    links.collect::<Vec<_>>().join(", ")
}

async fn find(services: &Services, principal: &Principal, asked: TicketListQuery) -> Result<NumberedPage, ApiError> {
    if principal.channels().is_some_and(<[Uuid]>::is_empty) {
        let total = Total {
            items: 0,
            is_exact: true,
        };
        return Ok(NumberedPage {
            items: Vec::new(),
            has_next: false,
            total,
        });
    }
    let skip = asked.skip();
    let limit = usize::try_from(asked.page_size).unwrap_or(PAGE_MAX);
    let filter = asked.into_filter(principal);
    let view = services.view().await?;
    let page = view.tickets_page(principal.workspace_id, filter, TicketOrder::CreatedDesc, (skip, limit));
    page.await.map_err(|error| {
        let mut error = ApiError::from(error);
        if error.code == "FILTER_TOO_BROAD" && skip > SKIP_MAX {
            error.details.insert("field".into(), "pageNumber".into());
        }
        error
    })
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(retrieve_many))
}

/// Retrieves multiple tickets with details.
///
/// The newest first, all as of one moment.
#[utoipa::path(
    get,
    path = "/api/v1/tickets/details",
    operation_id = "listTicketDetails",
    tag = "Tickets",
    params(TicketListQuery),
    responses(
        (status = 200, description = "One page of the tickets", body = Vec<TicketDetails>, headers(
            ("Link" = String, description = "The first, previous, next and last page, by RFC 8288"),
            ("X-Total-Count" = u64, description = "How many tickets there are on all pages. Where a filter names several \
                things at once and more than 10,000 tickets would have to be looked at, so many were found among these")
        )),
        Problems
    ),
    security(("key" = []))
)]
async fn retrieve_many(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    query: Query,
    uri: Uri,
) -> Result<Response, ApiError> {
    principal.require(Scope::Read)?;
    let asked = TicketListQuery::read(&query)?;
    let (number, size) = (asked.page_number, asked.page_size);
    let services = &state.services;
    let page = find(services, &principal, asked).await?;
    let links = links(&uri, &query, (number, size), &page);
    let total = page.total.items;
    let settings = services.live.settings();
    let tickets = page.items.into_iter().map(|found| TicketDetails::new(&settings, found));
    let mut response = Json(tickets.collect::<Vec<_>>()).into_response();
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-total-count"), HeaderValue::from(total));
    if let Ok(links) = HeaderValue::try_from(links) {
        headers.insert(header::LINK, links);
    }
    Ok(response)
}
