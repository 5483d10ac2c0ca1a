//! The methods and topic handlers of a server. Complete before the first request, so that looking one up
//! takes no lock.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::context::Context;
use super::error::MethodError;
use super::handler::{self, Responder};
use super::limits::Limits;
use super::method::{Handler, Method, MethodOptions};
use super::options::MethodDefaults;
use super::reply::{IntoReply, Reply};
use super::topics::{TopicEvent, TopicHandlers};
use crate::protocol::{InvalidName, InvalidPattern, MethodName, Payload};
use crate::telemetry::Metrics;

/// Why the registry could not be put together.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// A method cannot have this name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Two methods have one name.
    #[error("the method {0} is registered twice")]
    Twice(MethodName),
    /// The schema of a method is no JSON Schema.
    #[error("the schema of {method} is not a JSON Schema: {problem}")]
    Schema {
        /// The method.
        method: MethodName,
        /// What is wrong with it.
        problem: String,
    },
    /// A topic pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
}

/// All methods by name, and the handlers of notifications.
#[derive(Debug, Default)]
pub struct Registry {
    limits: Limits,
    methods: HashMap<Box<str>, Arc<Method>, RandomState>,
    topics: TopicHandlers,
}

impl Registry {
    /// The method of this name, private or not.
    pub fn get(&self, name: &str) -> Option<&Arc<Method>> {
        self.methods.get(name)
    }

    /// How often methods may be called.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Every method that peers may see, sorted by name.
    pub fn public(&self) -> Vec<&Arc<Method>> {
        let sorted: BTreeMap<_, _> = self.methods.iter().collect();
        sorted.into_values().filter(|method| !method.options().private).collect()
    }

    /// The handlers of notifications.
    pub fn topics(&self) -> &TopicHandlers {
        &self.topics
    }
}

/// Collects methods; the first mistake is told when it is finished.
#[derive(Debug)]
pub struct RegistryBuilder {
    registry: Registry,
    defaults: MethodDefaults,
    metrics: Arc<Metrics>,
    mistake: Option<RegistryError>,
}

impl RegistryBuilder {
    /// An empty registry.
    pub fn new(defaults: MethodDefaults, metrics: Arc<Metrics>) -> Self {
        Self { registry: Registry::default(), defaults, metrics, mistake: None }
    }

    /// Limits how often the methods that are added from now on may be called.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        self.registry.limits = limits.clone();
        self
    }

    /// Adds a method of the application: `async fn(Context, Params) -> Result<Reply, MethodError>`.
    pub fn method<P, R, F, Fut>(&mut self, name: &str, options: MethodOptions, handler: F) -> &mut Self
    where
        P: DeserializeOwned + Send + 'static,
        R: IntoReply + 'static,
        F: Fn(Context, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        self.insert(MethodName::new(name), options, handler::typed(handler))
    }

    /// Adds a method that takes and gives bytes: `async fn(Context, Option<Payload>) -> Result<Reply, _>`.
    pub fn passing_method<F, Fut>(&mut self, name: &str, options: MethodOptions, handler: F) -> &mut Self
    where
        F: Fn(Context, Option<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, MethodError>> + Send + 'static,
    {
        self.insert(MethodName::new(name), options, handler::passing(handler))
    }

    /// Adds a method that answers by itself: `async fn(Context, Option<Payload>, Responder)`.
    pub fn raw_method<F, Fut>(&mut self, name: &str, options: MethodOptions, handler: F) -> &mut Self
    where
        F: Fn(Context, Option<Payload>, Responder) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = handler::raw(handler, Arc::clone(&self.metrics));
        self.insert(MethodName::new(name), options, handler)
    }

    /// Adds a method that comes with the server; its namespace may be reserved.
    pub fn built_in<P, R, F, Fut>(&mut self, name: &str, options: MethodOptions, handler: F) -> &mut Self
    where
        P: DeserializeOwned + Send + 'static,
        R: IntoReply + 'static,
        F: Fn(Context, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        self.insert(MethodName::built_in(name), options, handler::typed(handler))
    }

    /// Calls `handler` with each notification of a peer whose topic matches `pattern`.
    pub fn topic<F>(&mut self, pattern: &str, handler: F) -> &mut Self
    where
        F: Fn(TopicEvent<'_>) + Send + Sync + 'static,
    {
        if let Err(mistake) = self.registry.topics.add(pattern, handler) {
            self.mistake.get_or_insert(mistake.into());
        }
        self
    }

    /// Names of what was added so far and may be seen, described.
    pub fn describe(&self) -> Vec<serde_json::Value> {
        self.registry.public().into_iter().map(|method| method.describe()).collect()
    }

    /// The finished registry.
    ///
    /// # Errors
    /// With the first mistake that was made.
    pub fn finish(self) -> Result<Registry, RegistryError> {
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(self.registry),
        }
    }

    fn insert(
        &mut self,
        name: Result<MethodName, InvalidName>,
        options: MethodOptions,
        handler: Handler,
    ) -> &mut Self {
        if let Err(mistake) = self.try_insert(name, options, handler) {
            self.mistake.get_or_insert(mistake);
        }
        self
    }

    fn try_insert(
        &mut self,
        name: Result<MethodName, InvalidName>,
        options: MethodOptions,
        handler: Handler,
    ) -> Result<(), RegistryError> {
        let name = name?;
        let metrics = self.metrics.call(name.as_str());
        let mut method = Method::new(name.clone(), options, &self.defaults, handler, metrics)
            .map_err(|problem| RegistryError::Schema { method: name.clone(), problem })?;
        method.limits = self.registry.limits.rules(name.as_str());
        if self.registry.methods.insert(name.as_str().into(), Arc::new(method)).is_some() {
            return Err(RegistryError::Twice(name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::handler::Anything;
    use super::*;

    fn builder() -> RegistryBuilder {
        RegistryBuilder::new(MethodDefaults::default(), Arc::default())
    }

    async fn nothing(_: Context, _: Anything) -> Result<(), MethodError> {
        Ok(())
    }

    #[test]
    fn mistakes_are_told_by_name() {
        let mistake = |name: &str| {
            let mut builder = builder();
            builder.method(name, MethodOptions::default(), nothing);
            builder.method("a:b", MethodOptions::default(), nothing);
            builder.finish().unwrap_err().to_string()
        };
        assert!(mistake("echo").contains("\"echo\""));
        assert!(mistake("system:mine").contains("reserved"));
        assert_eq!(mistake("a:b"), "the method a:b is registered twice");
        let mut schema = builder();
        let options = MethodOptions { schema: Some(serde_json::json!({"type": 7})), ..Default::default() };
        schema.method("a:b", options, nothing);
        assert!(schema.finish().unwrap_err().to_string().contains("the schema of a:b"));
    }

    #[test]
    fn private_methods_are_not_listed() {
        let mut builder = builder();
        builder.method("b:b", MethodOptions::default(), nothing);
        builder.method("a:a", MethodOptions { private: true, ..Default::default() }, nothing);
        builder.built_in("system:x", MethodOptions::default(), nothing);
        let registry = builder.finish().unwrap();
        let names: Vec<_> = registry.public().iter().map(|method| method.name().to_owned()).collect();
        assert_eq!(names, ["b:b", "system:x"]);
        assert!(registry.get("a:a").is_some());
    }
}
