//! A mapping: it turns a client's order into what the backend wants.

use postern::{object, MappingInput, MappingOutput, Result};

postern::mapping!(request: order);

fn order(mut input: MappingInput) -> Result<MappingOutput> {
    let body = input.body.read_json()?;
    let item = body["item"].as_str().ok_or("the order has no item")?;
    Ok(MappingOutput::json(object! { "sku" => item.to_uppercase() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::Event;

    #[test]
    fn maps() {
        let output = order(MappingInput::new(Event::default(), r#"{"item":"lamp"}"#)).unwrap();
        assert_eq!(output.bytes(), br#"{"sku":"LAMP"}"#);
    }
}
