use crate::json::{Object, Value};
use crate::{host, Event, Result};
use std::ops::Deref;

/// A request that somebody wants to make. It reads as its [`Event`]: `event.header("authorization")`.
#[derive(Clone, Debug)]
pub struct AuthorizerEvent(Event);

impl AuthorizerEvent {
    /// The ARN that a policy may allow: of the route, or in format 1.0 of the method.
    pub fn route_arn(&self) -> &str {
        let json = self.json();
        json["routeArn"].as_str().or_else(|| json["methodArn"].as_str()).unwrap_or("")
    }

    /// What the definition takes callers by, as their token: the values of its identity sources.
    pub fn identity_source(&self) -> Vec<&str> {
        let json = self.json();
        match &json["identitySource"] {
            Value::String(one) => vec![one],
            list if !list.is_null() => list.items().iter().filter_map(Value::as_str).collect(),
            _ => json["authorizationToken"].as_str().into_iter().collect(),
        }
    }
}

impl Deref for AuthorizerEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

impl From<Event> for AuthorizerEvent {
    fn from(event: Event) -> AuthorizerEvent {
        AuthorizerEvent(event)
    }
}

/// An authorizer's answer.
///
/// An error, instead, is for the log, and the client sees 500; but for
/// [`Error::unauthorized`](crate::Error::unauthorized), which is a 401.
#[derive(Clone, Debug)]
pub struct Decision {
    verdict: Verdict,
    context: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
enum Verdict {
    Simple(bool),
    Policy(String, Vec<Statement>),
}

/// A part of a policy: it allows or denies ARNs, in which `*` is anything and `?` any letter.
#[derive(Clone, Debug)]
pub struct Statement {
    effect: &'static str,
    resources: Vec<String>,
}

impl Statement {
    /// Allows ARNs.
    pub fn allow<T: Into<String>>(arns: impl IntoIterator<Item = T>) -> Statement {
        Statement { effect: "Allow", resources: arns.into_iter().map(Into::into).collect() }
    }

    /// Denies ARNs, whatever else allows them.
    pub fn deny<T: Into<String>>(arns: impl IntoIterator<Item = T>) -> Statement {
        Statement { effect: "Deny", resources: arns.into_iter().map(Into::into).collect() }
    }
}

impl Decision {
    /// Lets the request pass.
    pub fn allow() -> Decision {
        Decision { verdict: Verdict::Simple(true), context: Vec::new() }
    }

    /// Refuses the request with 403.
    pub fn deny() -> Decision {
        Decision { verdict: Verdict::Simple(false), context: Vec::new() }
    }

    /// Decides by an IAM policy over `execute-api:Invoke`, for a caller who is called so. It is kept, and evaluated for each of their
    /// requests, so it must allow every route that they may use.
    pub fn policy(principal: impl Into<String>, statements: impl Into<Vec<Statement>>) -> Decision {
        Decision { verdict: Verdict::Policy(principal.into(), statements.into()), context: Vec::new() }
    }

    /// Adds to the context, which is handed to mappings and the integration.
    pub fn context(mut self, name: impl Into<String>, value: impl Into<Value>) -> Decision {
        self.context.push((name.into(), value.into()));
        self
    }

    /// The answer in JSON, as the host gets it. For tests.
    pub fn json(&self) -> String {
        let mut out = Object::new();
        match &self.verdict {
            Verdict::Simple(allowed) => out.raw("isAuthorized", if *allowed { "true" } else { "false" }),
            Verdict::Policy(principal, statements) => {
                out.text("principalId", principal);
                let mut policy = Object::new();
                policy.text("Version", "2012-10-17");
                let list: Vec<String> = statements.iter().map(Statement::json).collect();
                policy.raw("Statement", &format!("[{}]", list.join(",")));
                out.raw("policyDocument", &policy.end());
            }
        }
        if !self.context.is_empty() {
            let mut context = Object::new();
            for (name, value) in &self.context {
                context.value(name, value);
            }
            out.raw("context", &context.end());
        }
        out.end()
    }

    pub(crate) fn write(self) -> Result<()> {
        Ok(host::write_meta(self.json().as_bytes())?)
    }
}

impl Statement {
    fn json(&self) -> String {
        let mut out = Object::new();
        out.text("Effect", self.effect);
        out.raw("Action", r#"["execute-api:Invoke"]"#);
        if self.resources.is_empty() {
            out.raw("Resource", "[]");
        }
        out.texts("Resource", &self.resources);
        out.end()
    }
}
