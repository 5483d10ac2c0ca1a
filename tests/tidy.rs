//! The house is as its map says: who imports whom, how large files are, generated files are fresh, no file
//! is forgotten. `UPDATE=1 cargo test --test tidy` writes the generated ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may import. A new edge is a line here and worth a sentence of why.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("telemetry", &["base"]),
    ("protocol", &["base"]),
    ("auth", &["base", "telemetry", "store"]),
    ("universe", &[]),
    ("store", &["base", "telemetry", "universe"]),
    ("dispatch", &["base", "telemetry", "protocol", "auth"]),
    // Branches live in the store and in its objects; what they are made of is in `universe`.
    ("universes", &["base", "telemetry", "universe", "store"]),
    ("queue", &["base", "telemetry", "store"]),
    ("hub", &["base", "telemetry", "protocol"]),
    ("starling", &["base", "telemetry", "protocol", "auth", "hub", "dispatch"]),
    // An id of content is told to peers as it is: `universe`.
    (
        "methods",
        &[
            "base",
            "telemetry",
            "protocol",
            "auth",
            "hub",
            "dispatch",
            "starling",
            "store",
            "queue",
            "universe",
            "universes",
        ],
    ),
    ("gateway", &["base", "telemetry", "protocol", "auth", "dispatch", "store", "starling"]),
    (
        "config",
        &[
            "base",
            "telemetry",
            "auth",
            "hub",
            "dispatch",
            "starling",
            "methods",
            "gateway",
            "store",
            "queue",
            "universes",
        ],
    ),
    (
        "app",
        &[
            "base",
            "telemetry",
            "protocol",
            "auth",
            "hub",
            "dispatch",
            "starling",
            "methods",
            "gateway",
            "config",
            "store",
            "queue",
            "universes",
        ],
    ),
    // The Rust peer speaks the protocol and knows no server (docs/decisions/0003-a-peer-in-rust.md).
    ("peer", &["base", "protocol"]),
    // `helios atlas` is the store with its port and nothing else.
    ("cli", &["base", "telemetry", "auth", "protocol", "hub", "store", "gateway", "config", "app", "peer"]),
    // A disk that loses power is a part of the store's tests.
    ("testing", &["base", "telemetry", "protocol", "store", "hub", "starling", "config", "app", "peer"]),
];

/// Files over 300 lines and how long they may be. The numbers only ever go down.
const LONG_FILES: &[(&str, usize)] = &[
    ("src/protocol/json/decode.rs", 346),
    ("src/protocol/json/scan.rs", 425),
    ("src/starling/connection.rs", 383),
    ("src/starling/websocket/decoder.rs", 372),
];

/// The longest that any other file may be.
const LINES_MAX: usize = 305;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(under: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there are files under {under}");
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The rooms that a text names as `crate::room` outside comments.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for part in line.split("crate::").skip(1) {
            found
                .insert(part.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect::<String>());
        }
    }
    found
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let name = name(&path);
        let Some((room, _)) = name.strip_prefix("src/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let allowed = table.get(room).unwrap_or_else(|| panic!("{room} is not in the table"));
        for other in imports(&read(&path)) {
            // Tests of what has no public face are made with the same tools as all others.
            let is_tool_of_test = other == "testing" && name.contains("_tests");
            if other != room
                && !is_tool_of_test
                && table.contains_key(other.as_str())
                && !allowed.contains(&other.as_str())
            {
                wrong.push(format!("{name} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_in_lib_rs_names_every_room() {
    let lib = read(&root().join("src/lib.rs"));
    for (room, _) in ROOMS {
        let listed =
            lib.contains(&format!("//! | [`{room}`] |")) || lib.contains(&format!("//! | `{room}` |"));
        assert!(listed, "{room} is not on the map in src/lib.rs");
        assert!(lib.contains(&format!("pub mod {room};")), "{room} is not a module");
    }
    let folders =
        fs::read_dir(root().join("src")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), ROOMS.len(), "every folder under src is a room");
}

#[test]
fn files_are_short_and_long_ones_only_get_shorter() {
    let long: BTreeMap<&str, usize> = LONG_FILES.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files("src", "rs").into_iter().filter(|path| !path.to_string_lossy().ends_with("_tests.rs")) {
        let (name, lines) = (name(&path), read(&path).lines().count());
        match long.get(name.as_str()) {
            Some(limit) if lines > *limit => wrong.push(format!("{name}: {lines} lines, at most {limit}")),
            Some(limit) if lines + 25 < *limit => {
                wrong.push(format!("{name}: {lines} lines: lower its number to that"))
            }
            None if lines > LINES_MAX => {
                wrong.push(format!("{name}: {lines} lines: are there two nouns in it?"))
            }
            _ => {}
        }
    }
    for (name, _) in LONG_FILES {
        assert!(root().join(name).exists(), "{name} is gone: take its line away");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_source_file_is_forgotten() {
    for path in files("src", "rs").into_iter().chain(files("tests/behaviour", "rs")) {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let parent = path.parent().unwrap();
        let (stem, declared_in) = match stem.as_str() {
            "lib" | "main" => continue,
            "mod" => {
                let folder = parent.file_name().unwrap().to_string_lossy().into_owned();
                let above = parent.parent().unwrap();
                let mod_rs = above.join("mod.rs");
                (folder, if mod_rs.exists() { mod_rs } else { above.join("lib.rs") })
            }
            _ if stem.ends_with("_tests") => {
                let tested = parent.join(format!("{}.rs", stem.trim_end_matches("_tests")));
                assert!(read(&tested).contains(&format!("#[path = \"{stem}.rs\"]")), "{}", name(&path));
                continue;
            }
            _ if parent.join("mod.rs").exists() => (stem, parent.join("mod.rs")),
            _ => (stem, parent.join("main.rs")),
        };
        let text = read(&declared_in);
        assert!(text.contains(&format!("mod {stem};")), "{} is part of nothing", name(&path));
    }
}

#[test]
fn the_sample_configuration_is_fresh() {
    let path = root().join("configs/helios.toml");
    let sample = helios::config::sample();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &sample).unwrap();
    }
    assert!(read(&path) == sample, "configs/helios.toml is not fresh: run UPDATE=1 cargo test --test tidy");
}

#[test]
fn every_decision_is_linked_and_every_link_in_the_documents_leads_somewhere() {
    let architecture = read(&root().join("docs/architecture.md"));
    for path in files("docs/decisions", "md") {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            architecture.contains(&format!("decisions/{file}")),
            "{file} is not linked in docs/architecture.md"
        );
    }
    let mut documents = files("docs", "md");
    documents.extend(files("protocol-spec", "md"));
    documents.extend(["README.md", "client-js/README.md"].map(|file| root().join(file)));
    for path in documents {
        for link in read(&path).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(
                    path.parent().unwrap().join(target).exists(),
                    "{}: {link} leads nowhere",
                    name(&path)
                );
            }
        }
    }
}

#[test]
fn every_fixture_is_read_by_both_languages() {
    let rust = read(&root().join("tests/behaviour/conformance.rs"));
    let script = read(&root().join("client-js/test/units.test.js"));
    for path in files("protocol-spec/fixtures", "json") {
        let file = name(&path).trim_start_matches("protocol-spec/fixtures/").to_owned();
        assert!(rust.contains(&file), "{file} is not read in Rust");
        let folder = file.split('/').next().unwrap_or_default();
        assert!(
            script.contains(&format!("fixtures/{folder}/${{name}}.json")),
            "{file} is not read in JavaScript"
        );
    }
}

#[test]
fn modules_begin_with_their_story() {
    for path in files("src", "rs").into_iter().filter(|path| !path.to_string_lossy().ends_with("_tests.rs")) {
        let text = read(&path);
        assert!(text.starts_with("//! "), "{} says not what it is", name(&path));
    }
}
