use std::fs;

use super::*;
use crate::base::{ByteSize, Span};

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("helios-config-{}-{name}.toml", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

fn problems(sources: Sources) -> Vec<String> {
    sources.load().unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn each_source_is_stronger_than_the_one_before() {
    let path =
        file("order", "[connections]\nmax = 10\nping_interval = \"5s\"\n[methods]\ntimeout = \"1s\"\n");
    let sources = Sources {
        file: Some(path.clone()),
        environment: variables(&[
            ("HELIOS__CONNECTIONS__MAX", "20"),
            ("HELIOS__METHODS__TIMEOUT", "2s"),
            ("HOME", "/"),
        ]),
        flags: vec![Flag { name: "--max", key: "connections.max", value: Value::Integer(30) }],
        ..Sources::default()
    };
    let config = sources.load().unwrap();
    fs::remove_file(path).unwrap();
    assert_eq!(config.connections.max, 30);
    assert_eq!(config.methods.timeout, Span::secs(2));
    assert_eq!(config.connections.ping_interval, Span::secs(5));
    assert_eq!(config.connections.message_bytes_max, ByteSize::mib(1));
}

#[test]
fn all_problems_are_told_at_once_with_their_place() {
    let path = file(
        "wrong",
        "[connection]\nmax = 1\n[connections]\nping_intervall = \"5s\"\nmax = \"many\"\nidle_timeout = \"5 parsecs\"\n\
         max_per_address = -1\ngateway = 1\n",
    );
    let environment = variables(&[("HELIOS__GATEWAY__LISTEN", "nowhere"), ("HELIOS__TELEMETRY", "x")]);
    let told = problems(Sources { file: Some(path.clone()), environment, ..Sources::default() });
    fs::remove_file(&path).unwrap();
    let name = path.display();
    assert_eq!(told[0], format!("{name}: connection: unknown key; did you mean connections?"));
    assert_eq!(
        told[1],
        format!("{name}: connections.ping_intervall: unknown key; did you mean connections.ping_interval?")
    );
    assert!(told[2].contains("connections.max: invalid type"), "{}", told[2]);
    assert!(told[3].contains("connections.idle_timeout: \"5 parsecs\" is not a duration"), "{}", told[3]);
    assert!(told[4].contains("connections.max_per_address"), "{}", told[4]);
    assert!(told[5].contains("connections.gateway: unknown key"), "{}", told[5]);
    assert!(
        told[6].contains("HELIOS__GATEWAY__LISTEN: gateway.listen: invalid socket address"),
        "{}",
        told[6]
    );
    assert!(told[7].contains("HELIOS__TELEMETRY: telemetry: is a section"), "{}", told[7]);
    assert_eq!(told.len(), 8);
}

#[test]
fn keys_of_existing_servers_are_told_by_their_name_here() {
    let path = std::env::temp_dir().join(format!("helios-existing-{}.toml", std::process::id()));
    let text = "[gateway.rate_limit]\ndefault_capacity = 5\n[rate_limiting]\nburst_size = 3\n";
    fs::write(&path, text).unwrap();
    let environment = variables(&[("HELIOS__RATE_LIMITING__REQUESTS_PER_SECOND", "5")]);
    let told = problems(Sources { file: Some(path.clone()), environment, ..Sources::default() });
    fs::remove_file(&path).unwrap();
    assert!(told[0].contains("gateway.rate_limit: unknown key; here it is limits.policies.api"), "{told:?}");
    assert!(told[1].contains("rate_limiting: unknown key; here it is limits"), "{told:?}");
    assert!(told[2].contains("here it is limits.policies.api.refill, with per = \"1s\""), "{told:?}");
}

#[test]
fn values_that_do_not_fit_together_are_named() {
    let environment = variables(&[
        ("HELIOS__CONNECTIONS__FRAME_BYTES_MAX", "1KiB"),
        ("HELIOS__GATEWAY__TLS__CERT", "cert.pem"),
    ]);
    let told = problems(Sources { environment, ..Sources::default() });
    assert_eq!(told[0], "configuration: gateway.tls: cert and key belong together: set both or none");
    assert!(told[1].starts_with("configuration: connections.frame_bytes_max"), "{}", told[1]);
}

#[test]
fn port_and_cors_origin_are_understood() {
    let environment = variables(&[("PORT", "9000"), ("CORS_ORIGIN", "https://example.com")]);
    let config = Sources { environment, ..Sources::default() }.load().unwrap();
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(config.gateway.cors_origin, "https://example.com");
    assert_eq!(config.connections.origins, ["https://example.com"]);
    let told = problems(Sources { environment: variables(&[("PORT", "x")]), ..Sources::default() });
    assert!(told[0].contains("environment variable PORT"), "{}", told[0]);
}

#[test]
fn lists_may_be_divided_by_commas() {
    let environment = variables(&[("HELIOS__CONNECTIONS__ORIGINS", "https://a.example, https://b.example")]);
    let config = Sources { environment, ..Sources::default() }.load().unwrap();
    assert_eq!(config.connections.origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn broken_files_are_named() {
    let told = problems(Sources { file: Some("no/such/file.toml".into()), ..Sources::default() });
    assert!(told[0].starts_with("no/such/file.toml: cannot be read"), "{}", told[0]);
    let path = file("broken", "[connections\nmax = 1");
    let told = problems(Sources { file: Some(path.clone()), ..Sources::default() });
    fs::remove_file(path).unwrap();
    assert!(told[0].contains("line 1"), "{}", told[0]);
}

#[test]
fn the_sample_is_the_default() {
    let sample = crate::config::sample();
    let config: Config = toml::from_str(&sample).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn sections_of_ones_own_names_are_made_from_file_and_environment() {
    let path = file(
        "open",
        "[topics.namespaces.room]\nhistory_size = 7\n[limits.policies.writes]\nmethods = [\"kv:set\"]\n",
    );
    let mine = variables(&[("HELIOS__LIMITS__POLICIES__ECHO__CAPACITY", "9")]);
    let sources = Sources { file: Some(path.clone()), environment: mine, ..Sources::default() };
    let config = sources.load().unwrap();
    assert_eq!(config.topics.namespaces["room"].history_size, 7);
    let policies = &config.limits.policies;
    assert_eq!((&policies["writes"].methods, policies["writes"].capacity), (&vec!["kv:set".to_owned()], 100));
    assert_eq!(policies["echo"].capacity, 9);
    assert!(policies.contains_key("api"), "those of the server stay");
    fs::write(&path, "[limits.policies.writes]\nface = \"web\"\n").unwrap();
    let told = problems(Sources { file: Some(path.clone()), ..Sources::default() });
    fs::remove_file(path).unwrap();
    assert!(told.len() == 1 && told[0].contains("limits.policies.writes.face"), "{told:?}");
}
