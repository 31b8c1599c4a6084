use crate::json::Value;
use crate::Error;

/// A Lambda event of format 2.0 or 1.0, as functions and authorizers get it, or whatever JSON a function is called by name with. What is not
/// there reads as empty.
#[derive(Clone, Debug, Default)]
pub struct Event {
    text: String,
    value: Value,
}

impl Event {
    /// Reads an event from its JSON, as a test does.
    pub fn parse(text: impl Into<String>) -> Result<Event, Error> {
        let text = text.into();
        Ok(Event { value: text.parse()?, text })
    }

    /// The whole event.
    pub fn json(&self) -> &Value {
        &self.value
    }

    /// The whole event as it came, for another JSON library.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn str(&self, name: &str) -> &str {
        self.value[name].as_str().unwrap_or("")
    }

    fn context(&self) -> &Value {
        &self.value["requestContext"]
    }

    /// The first of two places that has text: where format 2.0 has it, and where 1.0 does.
    fn either<'a>(&'a self, second: &'a Value, first: &'a Value) -> &'a str {
        second.as_str().or_else(|| first.as_str()).unwrap_or("")
    }

    /// The request's method, in upper case.
    pub fn method(&self) -> &str {
        self.either(&self.context()["http"]["method"], &self.value["httpMethod"])
    }

    /// The request's path as it came, with the stage unless that is `$default`.
    pub fn path(&self) -> &str {
        self.either(&self.value["rawPath"], &self.value["path"])
    }

    /// The query string as it came, without `?`. Format 2.0.
    pub fn raw_query(&self) -> &str {
        self.str("rawQueryString")
    }

    /// The key of the route, `GET /orders/{id}`.
    pub fn route_key(&self) -> &str {
        self.either(&self.value["routeKey"], &self.context()["routeKey"])
    }

    /// A header by name, in any case. Several values of one name are joined by commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers. Format 2.0 has their names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        texts(&self.value["headers"])
    }

    /// A cookie of the request by name. Format 2.0.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.value["cookies"].items().iter().filter_map(|cookie| cookie.as_str()?.split_once('='));
        pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value).next()
    }

    /// A query string parameter, decoded. Several values of one name are joined by commas.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.value["queryStringParameters"][name].as_str()
    }

    /// All query string parameters, decoded.
    pub fn queries(&self) -> impl Iterator<Item = (&str, &str)> {
        texts(&self.value["queryStringParameters"])
    }

    /// A parameter of the path, decoded.
    pub fn path_parameter(&self, name: &str) -> Option<&str> {
        self.value["pathParameters"][name].as_str()
    }

    /// A variable of the stage.
    pub fn stage_variable(&self, name: &str) -> Option<&str> {
        self.value["stageVariables"][name].as_str()
    }

    /// The request's id, as it is in the log.
    pub fn request_id(&self) -> &str {
        self.context()["requestId"].as_str().unwrap_or("")
    }

    /// The stage.
    pub fn stage(&self) -> &str {
        self.context()["stage"].as_str().unwrap_or("")
    }

    /// The address of the client.
    pub fn source_ip(&self) -> &str {
        self.either(&self.context()["http"]["sourceIp"], &self.context()["identity"]["sourceIp"])
    }

    /// What an authorizer plugin said of the caller: the context that it returned. Null where none stands before the route.
    pub fn authorizer(&self) -> &Value {
        match self.context()["authorizer"].get("lambda") {
            Some(context) => context,
            None => &self.context()["authorizer"],
        }
    }
}

fn texts(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    object.members().iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}
