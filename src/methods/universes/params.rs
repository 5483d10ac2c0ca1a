//! The parameters of operations, as existing front ends send them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::universes::{MergeSide, Resolution, Strategy};

/// Defines the parameters of operations. Names that are not known are refused.
macro_rules! params {
    ($( $name:ident { $( $(#[$about:meta])* $field:ident : $kind:ty ),* $(,)? } )*) => {
        $(
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields, rename_all = "camelCase")]
            pub(super) struct $name { $( $(#[$about])* pub(super) $field: $kind, )* }
        )*
    };
}

params! {
    Snapshot {
        name: Option<String>,
        description: Option<String>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        metadata: Map<String, Json>,
    }
    Clone {
        name: Option<String>,
        #[serde(default = "yes")]
        copy_state: bool,
        #[serde(default = "yes")]
        inherit_metadata: bool,
        #[serde(default)]
        metadata: Map<String, Json>,
    }
    Branch {
        name: Option<String>,
        #[serde(default = "feature")]
        branch_type: String,
        #[serde(default)]
        modifications: Map<String, Json>,
        #[serde(default)]
        metadata: Map<String, Json>,
    }
    Update {
        updates: Map<String, Json>,
        #[serde(default = "yes")]
        merge: bool,
    }
    Merge {
        source_ids: Vec<String>,
        #[serde(default)]
        merge_strategy: Strategy,
        on_conflict: Option<MergeSide>,
        #[serde(default)]
        resolutions: BTreeMap<String, Resolution>,
    }
    Analyze {
        #[serde(rename = "type", default = "comprehensive")]
        kind: String,
    }
    Commit {
        #[serde(default)]
        message: String,
    }
    Restore {
        snapshot_id: String,
    }
    Diff {
        from_snapshot: String,
        to_snapshot: String,
        #[serde(default)]
        values: bool,
    }
    Materialize {
        snapshot_id: Option<String>,
        output_dir: String,
        #[serde(default)]
        include: Vec<String>,
        #[serde(default)]
        exclude: Vec<String>,
    }
}

fn yes() -> bool {
    true
}

fn feature() -> String {
    "feature".to_owned()
}

fn comprehensive() -> String {
    "comprehensive".to_owned()
}
