//! The page where there is no web app.

use axum::http::header;

pub(super) async fn no_web_app() -> ([(header::HeaderName, &'static str); 1], &'static str) {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "Coffer is running, without its web app. Start it with --web FOLDER, or by npm start, to have one.\n",
    )
}
