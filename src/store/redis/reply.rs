//! Reading Redis's answers.

use std::sync::Arc;

use redis::Value;

use crate::store::{KeyHit, Record, Snapshot, StoreError};

pub(super) fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).ok(),
        Some(Value::SimpleString(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn number(value: Option<&Value>) -> Option<u64> {
    match value {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

pub(super) fn snapshot(version: Option<&Value>, json: Option<&Value>) -> Option<Snapshot> {
    Some(Snapshot {
        version: number(version)?,
        json: text(json)?.to_owned(),
    })
}

/// `position receipt`, as the script writes it.
pub(super) fn key_hit(key: &str, value: &Value) -> Option<KeyHit> {
    let (position, receipt) = text(Some(value))?.split_once(' ')?;
    Some(KeyHit {
        key: key.to_owned(),
        position: position.parse().ok()?,
        receipt: receipt.to_owned(),
    })
}

pub(super) fn record(partition: u16, position: u64, json: &str) -> Result<Record, StoreError> {
    let event = serde_json::from_str(json)
        .map_err(|error| StoreError::Corrupt(format!("partition {partition}, position {position}: {error}")))?;
    Ok(Record {
        partition,
        position,
        event: Arc::new(event),
        json: json.into(),
    })
}

/// `position body`, as the script keeps an aggregate's history.
pub(super) fn history(partition: u16, value: &Value) -> Result<Record, StoreError> {
    let bad = || StoreError::Corrupt(format!("partition {partition}: a history entry"));
    let (position, json) = text(Some(value))
        .and_then(|entry| entry.split_once(' '))
        .ok_or_else(bad)?;
    record(partition, position.parse().map_err(|_| bad())?, json)
}

/// One stream of an XREAD answer: `[[id, [field, value]], ...]`.
pub(super) fn entries(partition: u16, value: &Value) -> Result<Vec<Record>, StoreError> {
    let bad = || StoreError::Corrupt(format!("partition {partition}: a log entry"));
    let Value::Array(entries) = value else {
        return Err(bad());
    };
    let mut records = Vec::with_capacity(entries.len());
    for entry in entries {
        let Value::Array(parts) = entry else {
            return Err(bad());
        };
        let position = text(parts.first())
            .and_then(|id| id.split_once('-'))
            .and_then(|(position, _)| position.parse().ok())
            .ok_or_else(bad)?;
        let Some(Value::Array(fields)) = parts.get(1) else {
            return Err(bad());
        };
        let json = text(fields.get(1)).ok_or_else(bad)?;
        records.push(record(partition, position, json)?);
    }
    Ok(records)
}
