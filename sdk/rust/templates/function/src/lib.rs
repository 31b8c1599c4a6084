//! A function: it answers HTTP requests, and calls by name.

use postern::{object, Request, Response, Result};

postern::function!(hello);

/// Greets whom the route's {name} names.
fn hello(request: Request) -> Result<Response> {
    match request.path_parameter("name") {
        None | Some("") => Ok(Response::text(400, "who is it?")),
        Some(name) => {
            postern::info!("greeting {name}");
            Ok(Response::json(200, object! { "message" => format!("hello, {name}") }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::Event;

    #[test]
    fn greets() {
        let request = Request::new(Event::parse(r#"{"pathParameters":{"name":"ada"}}"#).unwrap(), "");
        assert_eq!(hello(request).unwrap().into_bytes().unwrap(), br#"{"message":"hello, ada"}"#);
    }
}
