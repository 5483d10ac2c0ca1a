//! Universes over HTTP.

use std::time::Instant;

use actix_web::web::{Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Refusal, success};
use super::{json_of, object};
use crate::base::ms_text;
use crate::dispatch::MethodError;
use crate::gateway::caller::{call, check};
use crate::gateway::serve::Surroundings;

type Answer = Result<HttpResponse, Refusal>;

/// `POST /api/universes/create`. What a front end sends without `config` is taken as the configuration itself.
pub(super) async fn create(around: Data<Surroundings>, request: HttpRequest, body: Payload) -> Answer {
    let began = Instant::now();
    check(&around, &request, "universe:create")?;
    let mut body = object(&request, body).await?;
    let count = body.remove("count").filter(|count| !count.is_null()).unwrap_or_else(|| 1.into());
    let count = whole(&count).ok_or_else(|| wrong("/count: must be a whole number from 1 to 1000"))?;
    let mut config = match body.remove("config") {
        Some(Value::Object(config)) => config,
        None | Some(Value::Null) => body,
        Some(_) => return Err(wrong("/config: must be an object").into()),
    };
    let mut metadata = match config.remove("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err(wrong("/config/metadata: must be an object").into()),
    };
    metadata.insert("batchId".to_owned(), Uuid::new_v4().to_string().into());
    let state = config.remove("initialState").filter(|state| !state.is_null()).unwrap_or_else(|| json!({}));
    let mut wish = json!({ "count": count, "metadata": metadata });
    let method = match config.remove("parentId").filter(|parent| !parent.is_null()) {
        Some(parent) => {
            wish["universe"] = parent;
            wish["changes"] = state;
            "universe:fork"
        }
        None => {
            wish["state"] = state;
            "universe:create"
        }
    };
    for name in ["type", "name"] {
        if let Some(value) = config.remove(name).filter(|value| !value.is_null()) {
            wish[name] = value;
        }
    }
    let mut made = call(&around, &request, method, &wish).await?;
    let made = match made["universes"].take() {
        Value::Array(made) => made,
        _ => Vec::new(),
    };
    let universes: Vec<_> =
        made.into_iter().map(|metadata| json!({ "id": metadata["id"], "metadata": metadata })).collect();
    let took = began.elapsed();
    let count = universes.len().max(1) as u32;
    let performance = json!({
        "executionTime": ms_text(took),
        "executionTimeUs": took.as_micros() as u64,
        "averagePerUniverse": ms_text(took / count),
        "averagePerUniverseUs": took.as_secs_f64() * 1e6 / f64::from(count),
        "throughput": format!("{:.0} universes/second", f64::from(count) / took.as_secs_f64()),
        "universesPerSecond": f64::from(count) / took.as_secs_f64(),
    });
    Ok(success(json!({ "universes": universes, "performance": performance }), Map::new()))
}

fn whole(count: &Value) -> Option<u64> {
    count.as_u64().filter(|count| *count > 0)
}

fn wrong(text: &str) -> MethodError {
    MethodError::invalid([text])
}

/// Which page of universes.
#[derive(Deserialize)]
pub(super) struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/universes`: the first hundred, and where to go on.
pub(super) async fn list(around: Data<Surroundings>, request: HttpRequest) -> Answer {
    let page = Query::<Page>::from_query(request.query_string());
    let page = page.map_err(|error| wrong(&format!("the query is wrong: {error}")))?;
    let wish = json!({ "cursor": page.cursor, "limit": page.limit });
    Ok(success(call(&around, &request, "universe:list", &wish).await?, Map::new()))
}

/// Snapshots that are listed with a universe.
const SNAPSHOTS_MAX: usize = 100;

/// `GET /api/universes/:id`.
pub(super) async fn get(around: Data<Surroundings>, request: HttpRequest, id: Path<String>) -> Answer {
    let id = id.into_inner();
    let mut found = call(&around, &request, "universe:get", &json!({ "universe": id })).await?;
    let log = json!({ "universe": id, "limit": SNAPSHOTS_MAX });
    let mut log = call(&around, &request, "universe:log", &log).await?;
    let commits = log["commits"].take();
    // Those that were asked for here: what was there before a fork is its parent's.
    let own = commits.as_array().into_iter().flatten();
    let own = own.take_while(|commit| commit["commitId"] != found["metadata"]["originId"]);
    let snapshots: Vec<_> = own
        .filter(|commit| commit["automatic"] == false)
        .map(|commit| {
            json!({
                "id": commit["snapshotId"],
                "createdAt": commit["createdAt"],
                "stateSize": commit["stateSize"],
                "commitId": commit["commitId"],
                "alias": commit["alias"],
                "name": commit["name"],
                "message": commit["message"],
            })
        })
        .collect();
    found["snapshots"] = snapshots.into();
    Ok(success(found, Map::new()))
}

/// `DELETE /api/universes/:id`, with the descendants.
pub(super) async fn delete(around: Data<Surroundings>, request: HttpRequest, id: Path<String>) -> Answer {
    let wish = json!({ "universe": id.into_inner() });
    let gone = call(&around, &request, "universe:delete", &wish).await?;
    let beside = Map::from_iter([("removedCount".to_owned(), gone["removedCount"].clone())]);
    Ok(success(gone, beside))
}

/// `POST /api/universes/:id/operations`.
pub(super) async fn operate(
    around: Data<Surroundings>,
    request: HttpRequest,
    id: Path<String>,
    body: Payload,
) -> Answer {
    let began = Instant::now();
    check(&around, &request, "universe:operate")?;
    let mut body = object(&request, body).await?;
    let operation = body.remove("operation").unwrap_or_default();
    if !operation.is_string() {
        return Err(wrong("/operation: must name an operation").into());
    }
    let params = body.remove("params").filter(|params| !params.is_null()).unwrap_or_else(|| json!({}));
    let wish = json!({ "universe": id.into_inner(), "operation": operation, "params": params });
    let data = call(&around, &request, "universe:operate", &wish).await?;
    let took = began.elapsed();
    let performance = json!({ "executionTime": ms_text(took), "executionTimeUs": took.as_micros() as u64 });
    Ok(success(data, Map::from_iter([("performance".to_owned(), performance)])))
}

/// `POST /api/universes/batch`: an array of operations, or an object with one.
pub(super) async fn batch(around: Data<Surroundings>, request: HttpRequest, body: Payload) -> Answer {
    check(&around, &request, "universe:batch")?;
    let mut operations = match json_of(&request, body).await? {
        Some(Value::Array(operations)) => operations,
        Some(Value::Object(mut body)) => match body.remove("operations") {
            Some(Value::Array(operations)) => operations,
            _ => return Err(wrong("/operations: must be an array of operations").into()),
        },
        _ => return Err(wrong("the body must be an array of operations").into()),
    };
    for operation in operations.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(id) = operation.remove("universeId") {
            operation.entry("universe").or_insert(id);
        }
    }
    let wish = json!({ "operations": operations });
    Ok(success(call(&around, &request, "universe:batch", &wish).await?, Map::new()))
}
