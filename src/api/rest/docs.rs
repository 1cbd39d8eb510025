//! The OpenAPI document, and a page to browse it: from this origin alone.

use std::future::ready;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::openapi::document;
use crate::api::error::ApiError;
use crate::api::{ApiState, pages};

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

/// The document, made when it is first asked for.
struct Document {
    typed: OpenApi,
    made: OnceLock<Bytes>,
}

impl Document {
    fn bytes(&self) -> Bytes {
        let made = self.made.get_or_init(|| document(&self.typed).to_string().into());
        made.clone()
    }
}

/// `/openapi.json` and `/api/docs/`; neither needs a key.
pub(super) fn routes(typed: OpenApi) -> Router<ApiState> {
    let document = Arc::new(Document {
        typed,
        made: OnceLock::new(),
    });
    let config = Config::from(DOCUMENT).validator_url("none").try_it_out_enabled(true);
    let config = Arc::new(config);
    let index = Arc::clone(&config);
    Router::new()
        .route(
            DOCUMENT,
            get(move || {
                let headers = [
                    (header::CONTENT_TYPE, "application/json"),
                    (header::CACHE_CONTROL, "no-cache"),
                ];
                ready((headers, document.bytes()))
            }),
        )
        .route("/api/docs", get(async || Redirect::permanent("/api/docs/")))
        .route("/api/docs/", get(move || ready(file("index.html", index))))
        .route(
            "/api/docs/{*path}",
            get(move |Path(path): Path<String>| ready(file(&path, config))),
        )
}

fn file(path: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(path, config) {
        Ok(Some(file)) => {
            let headers = pages::headers(&file.content_type, false);
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) | Err(_) => ApiError::new("NOT_FOUND", "the page has no such file").into_response(),
    }
}
