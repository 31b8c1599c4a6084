//! The crate's JSON: what it reads, what it refuses, and that it never panics.

use postern::json::{parse, MAX_DEPTH};
use postern::{array, object, ErrorKind, Value};

#[test]
fn reads_what_it_writes() {
    let texts = ["null", "true", "-7", "9223372036854775807", "1.5", r#""a\"b\\c\n\t\u0000é😀""#, "[]", "{}", r#"{"a":[1,{"b":null}],"":"x"}"#];
    for text in texts {
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(value.to_string(), text);
        assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
    }
}

#[test]
fn reads_every_form() {
    let value: Value =
        " { \"a\" : [ 1 , -0 , 1e3 , 2E-1 , 18446744073709551616 ] , \"s\" : \"\\u00e9\\ud83d\\ude00\\ud800x\\udc00\\/\\b\\f\\r\" } \n"
            .parse()
            .unwrap();
    assert_eq!(value["a"], array![1, 0, 1000.0, 0.2, 18446744073709551616.0]);
    assert_eq!(value["s"], Value::from("é😀\u{fffd}x\u{fffd}/\u{8}\u{c}\r"));
    assert_eq!(value["a"][2].as_i64(), Some(1000));
    assert_eq!(value["a"][9].as_i64(), None);
    assert_eq!(parse(br#""\ud83d\u0041""#).unwrap(), Value::from("\u{fffd}A"));
    assert_eq!(parse(br#"{"a":1,"a":2}"#).unwrap()["a"].as_i64(), Some(2), "the last of equal names");
}

#[test]
fn refuses_what_is_no_json() {
    let bad: [&[u8]; 34] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"[1",
        b"[1,",
        b"[1,]",
        b"[,]",
        b"{\"a\"",
        b"{\"a\":",
        b"{\"a\":1",
        b"{\"a\":1,}",
        b"{a:1}",
        b"{1:1}",
        b"{\"a\" 1}",
        b"\"",
        b"\"a",
        b"\"\\",
        b"\"\\x\"",
        b"\"\\u12\"",
        b"\"\\ud83d\\u\"",
        b"\"\n\"",
        b"tru",
        b"nul",
        b"01",
        b"1.",
        b"-",
        b".5",
        b"1e",
        b"1e999",
        b"\"\xff\"",
        b"1 2",
    ];
    for text in bad {
        let e = parse(text).expect_err(&String::from_utf8_lossy(text));
        assert_eq!(e.kind(), ErrorKind::Json, "{e}");
    }
}

#[test]
fn stops_at_its_depth() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    assert!(parse("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
}

/// Every text that is near to JSON is read, or refused, and not panicked over.
#[test]
fn never_panics() {
    let good = r#"{"s":"\u00e9\ud83d\ude00é","n":[-1.5e+3,0,true,false,null],"o":{"":{}}}"#.as_bytes();
    let mut bytes = b"\"\\{}[]:,-+.eE019utfn\0\x1f\xc3\xff".to_vec();
    bytes.push(b'd');
    for i in 0..good.len() {
        let _ = parse(&good[..i]);
        for &byte in &bytes {
            let mut text = good.to_vec();
            text[i] = byte;
            if let Ok(value) = parse(&text) {
                assert_eq!(parse(value.to_string().as_bytes()).unwrap().to_string(), value.to_string());
            }
        }
    }
}

#[test]
fn is_made_of_what_rust_has() {
    let value = object! { "s" => "x", "n" => 7u16, "big" => u64::MAX, "none" => None::<i32>, "list" => vec!["a", "b"], "nan" => f64::NAN };
    assert_eq!(value.to_string(), r#"{"s":"x","n":7,"big":18446744073709552000,"none":null,"list":["a","b"],"nan":null}"#);
    let mut value = Value::Null;
    value.set("a", 1);
    value.set("a", true);
    assert_eq!(value, object! { "a" => true });
    assert_eq!(value["a"].as_str(), None);
    assert!(value["b"]["c"].is_null());
}
