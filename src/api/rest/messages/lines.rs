//! A body as lines, of which at most one is held.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::api::body::is_too_slow;
use crate::api::error::ApiError;

/// One line; its number counts every line from 1, also blank ones.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// What it says, without the line feed.
    Text(u64, Bytes),
    /// It is longer than a line may be; the rest of it is passed over.
    TooLong(u64),
    /// The body does not go on, for this reason.
    Broken(ApiError),
}

/// What a reader waits for, and how much of it.
#[derive(Clone, Debug)]
pub(super) struct LineBounds {
    /// The longest line, in bytes.
    pub(super) line_max_bytes: usize,
    /// How long the body may pause.
    pub(super) idle: Duration,
    /// Ends the reading.
    pub(super) shutdown: CancellationToken,
}

/// Reads lines from a body. Nothing is read ahead of what is asked for, so that a sender feels who takes its lines slowly.
#[derive(Debug)]
pub(super) struct Lines {
    body: BodyDataStream,
    bounds: LineBounds,
    /// What came and was not yet looked at.
    chunk: Bytes,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// The lines before this one.
    number: u64,
    /// The rest of the line is passed over.
    skips: bool,
    ended: bool,
}

impl Lines {
    pub(super) fn new(body: Body, bounds: LineBounds) -> Self {
        Self {
            body: body.into_data_stream(),
            bounds,
            chunk: Bytes::new(),
            begun: Vec::new(),
            number: 0,
            skips: false,
            ended: false,
        }
    }

    /// The next line that is not blank; none after the last.
    pub(super) async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.take() {
                return Some(line);
            }
            if self.ended {
                return self.last();
            }
            match self.read().await {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    self.begun.clear();
                    return Some(Line::Broken(error));
                }
            }
        }
    }

    /// The next line of what came; none when all of it was looked at.
    fn take(&mut self) -> Option<Line> {
        while let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
            let mut head = self.chunk.split_to(end.saturating_add(1));
            head.truncate(end);
            if std::mem::take(&mut self.skips) {
                continue;
            }
            if let Some(line) = self.finish(head) {
                return Some(line);
            }
        }
        let rest = std::mem::take(&mut self.chunk);
        if self.skips {
            return None;
        }
        if self.begun.len().saturating_add(rest.len()) > self.bounds.line_max_bytes {
            self.skips = true;
            self.begun = Vec::new();
            self.number = self.number.saturating_add(1);
            return Some(Line::TooLong(self.number));
        }
        self.begun.extend_from_slice(&rest);
        None
    }

    /// A line whose end has come; none where it is blank.
    fn finish(&mut self, end: Bytes) -> Option<Line> {
        self.number = self.number.saturating_add(1);
        let begun = std::mem::take(&mut self.begun);
        if begun.len().saturating_add(end.len()) > self.bounds.line_max_bytes {
            return Some(Line::TooLong(self.number));
        }
        let text = if begun.is_empty() {
            end
        } else {
            Bytes::from([begun.as_slice(), end.as_ref()].concat())
        };
        (!text.trim_ascii().is_empty()).then_some(Line::Text(self.number, text))
    }

    /// A last line without a line feed.
    fn last(&mut self) -> Option<Line> {
        if self.begun.is_empty() {
            return None;
        }
        self.finish(Bytes::new())
    }

    /// Why a line is not looked at.
    pub(super) fn too_long(&self) -> ApiError {
        let message = format!("the line is longer than {} bytes", self.bounds.line_max_bytes);
        ApiError::new("PAYLOAD_TOO_LARGE", message)
    }

    async fn read(&mut self) -> Result<Option<Bytes>, ApiError> {
        let read = tokio::time::timeout(self.bounds.idle, self.body.next());
        tokio::select! {
            biased;
            () = self.bounds.shutdown.cancelled() => Err(ApiError::new("UNAVAILABLE", "this node is shutting down")),
            read = read => match read {
                Err(_) => Err(silent()),
                Ok(None) => Ok(None),
                Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
                Ok(Some(Err(error))) if is_too_slow(&error) => Err(silent()),
                Ok(Some(Err(_))) => Err(ApiError::new("BAD_REQUEST", "the body is cut off")),
            }
        }
    }
}

fn silent() -> ApiError {
    ApiError::new("TIMEOUT", "nothing came for too long")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const MAX: usize = 8;

    async fn lines(chunks: &[&'static str]) -> Vec<(u64, Option<String>)> {
        let chunks: Vec<Result<Bytes, axum::Error>> = chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
        let bounds = LineBounds {
            line_max_bytes: MAX,
            idle: Duration::from_mins(1),
            shutdown: CancellationToken::new(),
        };
        let mut lines = Lines::new(Body::from_stream(stream::iter(chunks)), bounds);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(match line {
                Line::Text(number, text) => (number, Some(String::from_utf8(text.to_vec()).unwrap())),
                Line::TooLong(number) => (number, None),
                Line::Broken(error) => panic!("{error:?}"),
            });
        }
        found
    }

    fn text(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_are_cut() {
        let whole = "one\n\n \r\ntwo\r\nabcdefgh\nabcdefghi\nthree\nabcdefghijklmnopq\nend";
        let expected = vec![
            text(1, "one"),
            text(4, "two\r"),
            text(5, "abcdefgh"),
            (6, None),
            text(7, "three"),
            (8, None),
            text(9, "end"),
        ];
        assert_eq!(lines(&[whole]).await, expected);
        for size in 1..whole.len() {
            let chunks = whole.as_bytes().chunks(size).map(std::str::from_utf8);
            let chunks: Vec<&str> = chunks.collect::<Result<_, _>>().unwrap();
            assert_eq!(lines(&chunks).await, expected, "{size}");
        }
    }

    #[tokio::test]
    async fn nothing_is_no_line() {
        for chunk in ["", "\n\n", "  "] {
            assert_eq!(lines(&[chunk]).await, Vec::new());
        }
    }
}
